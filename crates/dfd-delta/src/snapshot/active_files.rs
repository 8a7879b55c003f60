//! The add actions of a snapshot, as the log has them.

use arrow::array::AsArray;
use deltalake_core::kernel::{Add, LogicalFileView};
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::snapshot::table_snapshot::TableSnapshot;

impl TableSnapshot {
    /// The add actions as the log has them, without their statistics: a list in JSON.
    ///
    /// # Errors
    /// The log wasn't read.
    pub fn active_files(&self) -> Result<String, Error> {
        let partition_columns = self.log_state()?.metadata().partition_columns();
        let physical = |name: &String| self.columns().mapping.physical(name).to_owned();
        let order: Vec<String> = partition_columns.iter().map(physical).collect();
        let files = self.log_files()?.into_iter().zip(self.log_paths()?);
        let actions: Value = files
            .map(|(file, path)| action(&file, path, &order))
            .collect();
        Ok(actions.to_string())
    }

    /// The paths of [`Self::log_files`] in their order, encoded as the log has them.
    ///
    /// Writers encode differently (Spark leaves letters beyond ASCII as they are), and to the
    /// protocol two encodings of one path are two files.
    pub(crate) fn log_paths(&self) -> Result<Vec<String>, Error> {
        let mut paths = Vec::new();
        let batches = self.log_state()?.add_actions_batches(false);
        for batch in batches.map_err(|source| Error::table(self.location().url(), source))? {
            let column = batch.column_by_name("path");
            let texts = column.and_then(|column| column.as_string_opt::<i32>());
            let texts = texts.into_iter().flatten().flatten();
            paths.extend(texts.map(ToOwned::to_owned));
        }
        if paths.len() == self.log_files()?.len() {
            Ok(paths)
        } else {
            Err(dfd_runtime::Error::Runtime("not every file has a path".to_owned()).into())
        }
    }
}

fn action(file: &LogicalFileView, path: String, order: &[String]) -> Value {
    // There is no other way to the tags and what row tracking keeps.
    #[allow(deprecated)]
    let add: Add = file.add_action();
    let mut values = add.partition_values;
    let mut in_order = Map::new();
    for name in order {
        if let Some(value) = values.remove(name) {
            in_order.insert(name.clone(), value.into());
        }
    }
    in_order.extend(values.into_iter().map(|(name, value)| (name, value.into())));
    let mut action = Map::new();
    action.insert("path".to_owned(), path.into());
    action.insert("partitionValues".to_owned(), in_order.into());
    action.insert("size".to_owned(), add.size.into());
    action.insert("modificationTime".to_owned(), add.modification_time.into());
    let others = [
        ("deletionVector", json!(add.deletion_vector)),
        ("tags", json!(add.tags)),
        ("baseRowId", json!(add.base_row_id)),
        (
            "defaultRowCommitVersion",
            json!(add.default_row_commit_version),
        ),
        ("clusteringProvider", json!(add.clustering_provider)),
    ];
    let present = others.into_iter().filter(|(_, value)| !value.is_null());
    action.extend(present.map(|(name, value)| (name.to_owned(), value)));
    Value::Object(action)
}
