//! The file of a log that makes a table unreadable.
//!
//! delta_kernel reads a log as one stream of rows, and its errors don't say which file they come
//! from. So once a table couldn't be opened, the files that make its version are looked at one by one, until one
//! of them is wrong.

use arrow::datatypes::{FieldRef, Schema};
use delta_kernel::engine::arrow_conversion::TryIntoArrow;
use deltalake_core::DeltaTableError;
use serde_json::Value;

use crate::error::{Error, find};
use crate::files::column_mapping::PHYSICAL_NAME;
use crate::files::log_values::partition_value;
use crate::snapshot::log_checks::{Reason, actions, presence, syntax, text, types};
use crate::snapshot::log_files::{LogFile, LogFiles};
use dfd_runtime::Location;

/// Whether a file may be at fault, and not a store that doesn't answer, or who asks for what isn't there.
pub(super) fn may_be_of_a_file(error: &DeltaTableError, location: &Location) -> bool {
    let is_answer = matches!(
        error,
        DeltaTableError::NotATable(_) | DeltaTableError::InvalidVersion(_)
    );
    let of_store = find::<object_store::Error>(error);
    let is_of_store =
        of_store.is_some_and(|error| !matches!(error, object_store::Error::NotFound { .. }));
    !is_answer && (!is_of_store || location.is_local())
}

impl LogFiles<'_> {
    /// What is wrong with the first file that is wrong.
    pub(super) fn fault(&self) -> Option<Error> {
        // First what no reader takes.
        self.refused_by(syntax)
            .or_else(|| self.refused_by(types))
            .or_else(|| self.bad_value())
            .or_else(|| self.gap())
            .or_else(|| self.refused_by(presence))
    }

    /// The error of the first commit that doesn't pass.
    fn refused_by(&self, check: fn(&[u8]) -> Result<(), Reason>) -> Option<Error> {
        let refused = |file: &LogFile| {
            let reason = check(file.content()).err()?;
            Some(self.at(file.path(), reason))
        };
        self.commits().values().find_map(refused)
    }

    /// The first partition value that isn't one of its column's type.
    fn bad_value(&self) -> Option<Error> {
        let schema: Schema = (&self.schema()?).try_into_arrow().ok()?;
        let commits = self.commits().values();
        let mut adds = commits.flat_map(|file| actions(file.content(), "add"));
        adds.find_map(|add| self.bad_value_in(&add, &schema))
    }

    fn bad_value_in(&self, add: &Value, schema: &Schema) -> Option<Error> {
        let path = text(add, "path")?;
        let mut values = add.get("partitionValues")?.as_object()?.iter();
        values.find_map(|(name, value)| {
            let is_named = |field: &&FieldRef| {
                let physical = field.metadata().get(PHYSICAL_NAME);
                field.name() == name || physical == Some(name)
            };
            let field = schema.fields().iter().find(is_named)?;
            let text = value.as_str();
            let is_bad = partition_value(text, field.data_type()).is_none();
            is_bad.then(|| Error::partition_value(self.location().url(), &path, field, text))
        })
    }

    /// The first commit that isn't there, and others after it are.
    fn gap(&self) -> Option<Error> {
        let mut versions = self.commits().keys().zip(self.commits().keys().skip(1));
        let (before, _) = versions.find(|(one, next)| *one + 1 != **next)?;
        let path = self.commit_path(before + 1);
        Some(self.at(&path, "the log goes on after it, and it isn't there"))
    }
}
