//! Add actions as files of a scan.

use std::sync::Arc;

use chrono::{TimeZone, Utc};
use datafusion::common::Statistics;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use object_store::ObjectMeta;
use object_store::path::Path;
use roaring::RoaringTreemap;
use serde_json::Value;
use url::Url;

use crate::error::Error;
use crate::files::deletion_vector::rows_left_out;
use crate::files::log_file::LogFile;
use crate::files::log_values::partition_value;
use crate::files::scan_columns::ScanColumns;
use crate::files::statistics::{Bounds, for_scan, statistics};

/// One data file of a snapshot.
#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    /// Path, size, partition values, statistics and row selection.
    pub scanned: PartitionedFile,
    /// Lower and upper bounds by column of the scan, for pruning.
    pub bounds: Bounds,
    /// Statistics by column of the scan.
    pub statistics: Arc<Statistics>,
}

impl DataFile {
    /// A file of a table at `root`; of its rows, `selection` has those that count.
    pub(crate) fn try_new(
        file: &LogFile,
        root: &Url,
        columns: &ScanColumns,
        selection: Option<ParquetRowSelection>,
    ) -> Result<Self, Error> {
        let refused = |reason: String| Error::file(root, &file.path, reason);
        let location = location(&file.path, root).map_err(refused)?;
        let values = &file.partition_values;
        let in_log = columns.partition.len().saturating_sub(file.constants.len());
        let mut partition_values = columns
            .partition
            .iter()
            .take(in_log)
            .map(|field| {
                let physical = columns.mapping.physical(field.name());
                let text = values.get(physical).or_else(|| values.get(field.name()));
                let text = text.and_then(Option::as_deref);
                let unreadable = || Error::partition_value(root, &file.path, field, text);
                partition_value(text, field.data_type()).ok_or_else(unreadable)
            })
            .collect::<Result<Vec<_>, _>>()?;
        partition_values.extend(file.constants.iter().cloned());
        let json: Value = file
            .stats
            .as_ref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let (statistics, bounds, filled) = statistics(&json, file, columns, &partition_values);
        let statistics = Arc::new(statistics);
        let mut scanned: PartitionedFile = ObjectMeta {
            location,
            size: u64::try_from(file.size).map_err(|error| refused(error.to_string()))?,
            last_modified: Utc
                .timestamp_millis_opt(file.modification_time)
                .single()
                .unwrap_or_default(),
            e_tag: None,
            version: None,
        }
        .into();
        scanned.partition_values = partition_values;
        let in_file = columns.file_schema.fields().len();
        scanned.statistics = Some(for_scan(&statistics, in_file));
        scanned = scanned.with_extension(filled);
        if let Some(selection) = selection {
            scanned = scanned.with_extension(selection);
        }
        Ok(Self {
            scanned,
            bounds,
            statistics,
        })
    }
}

impl DataFile {
    /// The same file, of which these rows count; nothing is known of their values.
    pub(crate) fn selecting(&self, rows: ParquetRowSelection) -> Self {
        let mut scanned = self.scanned.clone().with_extension(rows);
        scanned.statistics = None;
        let unknown = self.statistics.as_ref().clone().to_inexact();
        Self {
            scanned,
            bounds: self.bounds.clone(),
            statistics: Arc::new(unknown),
        }
    }

    /// The numbers of its rows that don't count.
    pub(crate) fn deleted_rows(&self) -> RoaringTreemap {
        let selection = self.scanned.extension::<ParquetRowSelection>();
        selection.map(rows_left_out).unwrap_or_default()
    }
}

/// Where a file is in its store, from the decoded path of its add action: relative to the table's
/// root, or absolute, as in a shallow clone.
pub(crate) fn location(path: &str, root: &Url) -> Result<Path, String> {
    let readable = |error: object_store::path::Error| error.to_string();
    // A name with a colon in it is no URL.
    match Url::parse(path).ok().filter(|url| !url.cannot_be_a_base()) {
        Some(url) if (url.scheme(), url.host()) == (root.scheme(), root.host()) => {
            Path::parse(decoded_path(path)).map_err(readable)
        }
        Some(_) => Err("it lies in another store than the table".to_owned()),
        None => {
            let root = Path::from_url_path(root.path()).map_err(readable)?;
            Path::parse(format!("{root}/{path}")).map_err(readable)
        }
    }
}

/// The path of a URL that was decoded: what else would be an escape, a query or a fragment is part of a name.
fn decoded_path(url: &str) -> &str {
    let after_scheme = url.split_once(':').map_or("", |(_, after)| after);
    match after_scheme.strip_prefix("//") {
        Some(rest) => rest.find('/').map_or("", |start| &rest[start..]),
        None => after_scheme,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::provider::DeltaTableProvider;
    use crate::test_tables::{
        TestTable, field, longs, metadata, protocol, queried, rows, run, sorted,
    };
    use serde_json::json;

    fn place(path: &str, root: &str) -> Result<String, String> {
        let root = Url::parse(root).unwrap();
        location(path, &root).map(|found| found.to_string())
    }

    #[test]
    fn a_relative_path_is_under_the_root_as_it_is() {
        let of = |path| place(path, "s3://bucket/some%20where/t/").unwrap();
        assert_eq!(of("f.parquet"), "some where/t/f.parquet");
        assert_eq!(of("p=a b/f.parquet"), "some where/t/p=a b/f.parquet");
        // Already decoded: what is left of escapes is the name.
        assert_eq!(of("p=a%2Fb/f"), "some where/t/p=a%2Fb/f");
        assert_eq!(of("p=é#1?/f"), "some where/t/p=é#1?/f");
        assert_eq!(of("p=12:30:00/f"), "some where/t/p=12:30:00/f");
        assert_eq!(of("part:1.parquet"), "some where/t/part:1.parquet");
        assert_eq!(place("f", "s3://bucket/").unwrap(), "f");
    }

    #[test]
    fn an_absolute_path_is_in_the_store_of_the_table() {
        let of = |path| place(path, "s3://bucket/t/");
        assert_eq!(of("s3://bucket/other/f").unwrap(), "other/f");
        assert_eq!(of("s3://bucket/a b/f").unwrap(), "a b/f");
        // As a shallow clone has those of a table partitioned by time.
        assert_eq!(of("s3://bucket/o/p=12%3A30/f").unwrap(), "o/p=12%3A30/f");
        assert_eq!(of("s3://bucket/o/p=#1?/f").unwrap(), "o/p=#1?/f");
        let local = |path| place(path, "file:///t/").unwrap();
        assert_eq!(local("file:///other/f"), "other/f");
        assert_eq!(local("file:/other/f"), "other/f");
        let elsewhere = Err("it lies in another store than the table".to_owned());
        assert_eq!(of("s3://another/f"), elsewhere);
        assert_eq!(of("gs://bucket/f"), elsewhere);
        assert_eq!(of("file:///f"), elsewhere);
    }

    #[test]
    fn what_no_store_has_is_refused() {
        for path in ["../f", "a/../f", "a//f", "a/\u{1}"] {
            assert!(place(path, "s3://bucket/t/").is_err(), "{path}");
            assert!(place(&format!("s3://bucket/{path}"), "s3://bucket/t/").is_err());
        }
    }

    #[test]
    fn files_of_odd_names_are_read_and_cut_by_their_deletion_vectors() {
        let fields = [field("id", "long")];
        let table = TestTable::named(
            "odd é #?",
            &[
                protocol(&["deletionVectors"]),
                metadata(&fields, &[], json!({})),
            ],
        );
        // Names on disk, and how a log has them.
        let names = [
            ("a b", "a%20b"),
            ("a%20b", "a%2520b"),
            ("é", "%C3%A9"),
            ("ü", "ü"),
            ("p=12:30/x#?", "p=12%3A30/x%23%3F"),
        ];
        let mut actions = Vec::new();
        for ((name, encoded), id) in names.into_iter().zip(1..) {
            let stored = rows([("id", longs([id, 10 * id]))]);
            let add = table.write(name, &stored).path(encoded);
            let add = add.stats(json!({"numRecords": 2})).deleted(&[1]);
            actions.push(add.action());
        }
        table.commit(1, &actions);
        let provider = DeltaTableProvider::opaque(table.open());
        let found = run(queried(Arc::new(provider), "select id from t"));
        assert_eq!(sorted(&found), ["1", "2", "3", "4", "5"]);
    }

    #[test]
    fn files_of_another_table_are_read_by_absolute_paths() {
        let of_times = |rows: &[serde_json::Value]| TestTable::of(rows);
        let fields = [field("id", "long"), field("p", "string")];
        let actions = [
            protocol(&["deletionVectors"]),
            metadata(&fields, &["p"], json!({})),
        ];
        let (source, clone) = (of_times(&actions), of_times(&actions));
        let stored = rows([("id", longs([7, 8]))]);
        let add = source.write("p=12%3A30/f", &stored);
        let path = format!("{}p=12%253A30/f", source.url());
        let add = add.path(&path).partition("p", Some("12:30"));
        let add = add.stats(json!({"numRecords": 2})).deleted(&[0]);
        clone.commit(1, &[add.action()]);
        let provider = DeltaTableProvider::opaque(clone.open());
        let found = run(queried(Arc::new(provider), "select * from t"));
        assert_eq!(sorted(&found), ["8|12:30"]);
    }

    #[test]
    fn a_file_has_what_its_action_says() {
        let table = TestTable::new(
            &[
                field("id", "long"),
                field("p", "long"),
                field("q", "string"),
            ],
            &["q", "p"],
        );
        let stored = rows([("id", longs([7]))]);
        let add = table.write("f", &stored).partition("p", Some("3"));
        let size = add.get("size").as_u64().unwrap();
        table.commit(1, &[add.partition("q", None).action()]);
        let snapshot = table.open();
        let [file] = snapshot.files() else {
            unreachable!("one file");
        };
        assert_eq!(file.scanned.object_meta.size, size);
        let modified = file.scanned.object_meta.last_modified;
        assert_eq!(modified.timestamp_millis(), 1_600_000_000_000);
        let values = &file.scanned.partition_values;
        let texts: Vec<_> = values.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["NULL", "3"]);
        assert_eq!(file.bounds.len(), 3);
        assert!(Arc::ptr_eq(
            file.scanned.statistics.as_ref().unwrap(),
            &file.statistics
        ));
    }
}
