//! The add actions of a snapshot, as the log has them.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::AsArray;
use deltalake_core::kernel::{Add, LogicalFileView};

use crate::error::Error;
use crate::files::data_file::DataFile;
use crate::files::log_file::LogFile;
use crate::log::{ActiveFile, ActiveFiles, Fields};
use crate::snapshot::table_snapshot::TableSnapshot;

impl TableSnapshot {
    /// The add actions as the log has them, without their statistics.
    ///
    /// # Errors
    /// The log wasn't read.
    pub fn active_files(&self) -> Result<ActiveFiles, Error> {
        let partition_columns = self.configuration()?.logical_partition_columns();
        let physical = |name: &String| self.columns().mapping.physical(name).to_owned();
        let order: Vec<String> = partition_columns.iter().map(physical).collect();
        let files = self.log_files()?.into_iter().zip(self.log_paths()?);
        let files = files.map(|(file, path)| active_file(&file, path, &order));
        Ok(ActiveFiles {
            version: self.version(),
            files: files.collect(),
        })
    }

    /// Those in the partitions that new files are in, which have these values by physical name; all, where the table
    /// has no partitions and there is a new file.
    ///
    /// Values are compared as those of the column's type: writers spell one value differently.
    ///
    /// # Errors
    /// The log wasn't read, or no partition has such a value.
    pub fn active_files_beside<'a>(
        &self,
        new: impl IntoIterator<Item = &'a [(String, Option<String>)]>,
    ) -> Result<ActiveFiles, Error> {
        let root = self.location().url();
        let partitions = new.into_iter().map(|values| {
            let file = LogFile {
                path: "new".to_owned(),
                partition_values: values.iter().cloned().collect(),
                ..LogFile::default()
            };
            let file = DataFile::try_new(&file, root, self.columns(), None)?;
            Ok(file.scanned.partition_values)
        });
        let partitions = partitions.collect::<Result<HashSet<_>, Error>>()?;
        let all = self.active_files()?;
        let files = all.files.into_iter().zip(self.files());
        let beside = files.filter(|(_, data)| partitions.contains(&data.scanned.partition_values));
        Ok(ActiveFiles {
            version: all.version,
            files: beside.map(|(file, _)| file).collect(),
        })
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

fn active_file(file: &LogicalFileView, path: String, order: &[String]) -> ActiveFile {
    // There is no other way to the tags and what row tracking keeps.
    #[allow(deprecated)]
    let add: Add = file.add_action();
    ActiveFile {
        path,
        partition_values: in_order(add.partition_values, order),
        size: add.size,
        modification_time: add.modification_time,
        deletion_vector: add.deletion_vector,
        tags: add.tags.map(|tags| tags.into_iter().collect()),
        base_row_id: add.base_row_id,
        default_row_commit_version: add.default_row_commit_version,
        clustering_provider: add.clustering_provider,
    }
}

/// The values in the order of the partition columns, those of no such column after them.
fn in_order(
    mut values: HashMap<String, Option<String>>,
    order: &[String],
) -> Fields<Option<String>> {
    let known = order.iter().filter_map(|name| values.remove_entry(name));
    let mut all: Vec<_> = known.collect();
    let others: BTreeMap<_, _> = values.into_iter().collect();
    all.extend(others);
    Fields(all)
}
