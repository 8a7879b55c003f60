//! A version of a table under another definition: other properties, other columns.

use std::sync::Arc;

use delta_kernel::schema::StructType;
use delta_kernel::table_configuration::TableConfiguration;
use deltalake_core::kernel::Protocol;

use crate::error::Error;
use crate::log::definition::Definition;
use crate::log::{DefinitionChange, TableDescription};
use crate::snapshot::table_snapshot::TableSnapshot;

impl TableSnapshot {
    /// The change by which the table gets properties; those without a value go.
    ///
    /// # Errors
    /// The log wasn't read.
    pub fn with_properties(
        &self,
        changes: &[(String, Option<String>)],
    ) -> Result<DefinitionChange, Error> {
        let changed = self.definition()?.with_properties(changes);
        changed.map_err(|error| Error::log(self.location(), self.version(), error))
    }

    /// The change by which the table gets columns and partitioning, and features that `needed` lists.
    ///
    /// `last_column_id` is the highest id of a column, where columns are mapped.
    ///
    /// # Errors
    /// The log wasn't read.
    pub fn with_schema(
        &self,
        schema: &StructType,
        partition_by: &[String],
        last_column_id: Option<i64>,
        needed: &Protocol,
    ) -> Result<DefinitionChange, Error> {
        let now = self.definition()?;
        let changed = now.with_schema(schema, partition_by, last_column_id, needed);
        changed.map_err(|error| Error::log(self.location(), self.version(), error))
    }

    /// The same change, by which another table takes this one's place, under its log.
    ///
    /// # Errors
    /// The log wasn't read.
    pub fn replaced(
        &self,
        change: &DefinitionChange,
        description: &TableDescription,
    ) -> Result<DefinitionChange, Error> {
        let now = self.definition()?;
        let changed = now.with(change).replaced(description);
        let replaced =
            changed.map_err(|error| Error::log(self.location(), self.version(), error))?;
        Ok(DefinitionChange {
            protocol: replaced.protocol.or_else(|| change.protocol.clone()),
            metadata: replaced.metadata,
        })
    }

    /// What the table is once a change of its definition is committed.
    ///
    /// # Errors
    /// The log wasn't read, or there can't be such a table.
    pub fn configuration_with(
        &self,
        change: &DefinitionChange,
    ) -> Result<TableConfiguration, Error> {
        let changed = self.definition()?.with(change);
        let root = self.location().url();
        TableConfiguration::try_new(
            changed.metadata.clone(),
            changed.protocol.clone(),
            root.clone(),
            self.version(),
        )
        .map_err(|source| Error::table(root, source))
    }

    /// This version, read under the columns that the table has once a change of its definition is committed.
    ///
    /// Its files are the same: what they lack is null.
    ///
    /// # Errors
    /// The log wasn't read, or there can't be such a table.
    pub fn redefined(
        self: &Arc<Self>,
        change: &DefinitionChange,
    ) -> Result<Arc<TableSnapshot>, Error> {
        match change.is_empty() {
            true => Ok(Arc::clone(self)),
            false => self.under(self.configuration_with(change)?),
        }
    }

    pub(super) fn definition(&self) -> Result<Definition<'_>, Error> {
        let now = self.configuration()?;
        Ok(Definition {
            protocol: now.protocol(),
            metadata: now.metadata(),
        })
    }
}
