//! Reads logs that delta_kernel refuses for what other readers pass by.
//!
//! ```text
//!   the log as it is ──> delta_kernel ──> what is opened
//!         └─ refused ──> its files, mended ──> delta_kernel ──> what is opened
//!                                                    └─ refused ──> the file at fault
//! ```

use deltalake_core::kernel::Snapshot;
use deltalake_core::{DeltaResult, DeltaTableBuilder, DeltaTableError};
use dfd_runtime::Location;

use crate::error::Error;
use crate::log_store::{builder, builder_over};
use crate::snapshot::log_fault::may_be_of_a_file;
use crate::snapshot::log_files::LogNames;

/// Opens what is at `version`, the newest for None, from the log as it is or from one that is mended.
///
/// # Errors
/// The log can't be read or understood: that of the file at fault, where there is one.
pub(super) async fn with_readable_log<T, F: Future<Output = DeltaResult<T>>>(
    location: &Location,
    version: Option<u64>,
    open: impl Fn(DeltaTableBuilder) -> F,
) -> Result<T, Error> {
    let as_it_is = builder(location).map_err(|source| Error::table(location.url(), source))?;
    match open(as_it_is).await {
        Ok(opened) => Ok(opened),
        Err(source) => with_mended_log(location, version, source, open).await,
    }
}

/// Opens what can't be opened from the log as it is, for the reason `source`.
///
/// # Errors
/// As of [`with_readable_log`].
pub(super) async fn with_mended_log<T, F: Future<Output = DeltaResult<T>>>(
    location: &Location,
    version: Option<u64>,
    source: DeltaTableError,
    open: impl Fn(DeltaTableBuilder) -> F,
) -> Result<T, Error> {
    let failed = |source| Error::table(location.url(), source);
    if !may_be_of_a_file(&source, location) {
        return Err(failed(source));
    }
    let newest = version.unwrap_or(u64::MAX);
    let Some(names) = LogNames::list(location, newest).await else {
        return Err(failed(source));
    };
    let mut files = names.read().await?;
    let mut reason = source;
    if let Some(store) = files.mend().await {
        let mended = builder_over(location, store).map_err(failed)?;
        match open(mended).await {
            Ok(opened) => return Ok(opened),
            Err(source) => reason = source,
        }
    }
    Err(files.fault().unwrap_or_else(|| failed(reason)))
}

/// Schema, properties and features at `version`, the newest for None.
///
/// # Errors
/// As of [`with_readable_log`].
pub(crate) async fn table_definition(
    location: &Location,
    version: Option<u64>,
) -> Result<Snapshot, Error> {
    let open = |builder: DeltaTableBuilder| async move {
        let log = builder.build_storage()?;
        Snapshot::try_new(log.as_ref(), version).await
    };
    with_readable_log(location, version, open).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use crate::error::Error;
    use crate::snapshot::{At, TableSnapshot};
    use crate::test_tables::{
        Add, TestTable, cache_of_ones_own, field, metadata, protocol, remove, run,
    };

    /// A log whose metadata lacks fields, with a decimal and statistics that delta_kernel refuses.
    fn odd(name: &str) -> TestTable {
        let fields = [field("id", "long"), field("p", "decimal(5,2)")];
        let mut made = metadata(&fields, &["p"], json!({}));
        made["metaData"]
            .as_object_mut()
            .unwrap()
            .remove("configuration");
        made["metaData"]["format"] = json!({"provider": "parquet"});
        TestTable::named(
            name,
            &[protocol(&[]), made, add("first", "1E+1", "garbage")],
        )
    }

    fn add(path: &str, value: &str, stats: &str) -> Value {
        let add = Add::new(path, 100).partition("p", Some(value));
        add.with("stats", stats).action()
    }

    /// Path, partition value and rows of the files.
    fn told(snapshot: &TableSnapshot) -> Vec<(String, String, Option<usize>)> {
        let files = snapshot.files().iter().map(|file| {
            let path = file.scanned.object_meta.location.filename().unwrap();
            let value = file.scanned.partition_values[0].to_string();
            let rows = file.statistics.num_rows.get_value().copied();
            (path.to_owned(), value, rows)
        });
        let mut files: Vec<_> = files.collect();
        files.sort();
        files
    }

    fn file(path: &str, value: &str, rows: Option<usize>) -> (String, String, Option<usize>) {
        (path.to_owned(), value.to_owned(), rows)
    }

    #[test]
    fn an_odd_log_is_opened_shared_and_brought_up_to_date() {
        let _alone = cache_of_ones_own();
        for name in ["t", "a%20b", "ä #?"] {
            let table = odd(name);
            let first = table.open();
            let known = vec![file("first", "10.00", None)];
            assert_eq!(told(&first), known, "{name}");
            assert!(Arc::ptr_eq(&first, &table.open()), "{name}");
            assert!(run(first.refreshed()).unwrap().is_none(), "{name}");
            // A commit that is taken, an odd one, and one that takes away what is odd.
            table.commit(1, &[add("second", "2.00", r#"{"numRecords":2}"#)]);
            let second = run(first.refreshed()).unwrap().unwrap();
            assert_eq!(told(&second)[1], file("second", "2.00", Some(2)));
            let third = r#"{"numRecords":3,"minValues":{"id":"x"}}"#;
            table.commit(2, &[add("third", "3", third)]);
            let third = run(second.refreshed()).unwrap().unwrap();
            assert_eq!(told(&third)[2], file("third", "3.00", Some(3)));
            table.commit(3, &[remove("first")]);
            let fourth = run(third.refreshed()).unwrap().unwrap();
            assert_eq!((fourth.version(), fourth.files().len()), (3, 2), "{name}");
            let earlier = table.try_open(At::Version(1)).unwrap();
            assert_eq!(told(&earlier), told(&second), "{name}");
            assert_eq!(told(&first), known, "{name}");
        }
    }

    #[test]
    fn a_table_that_became_odd_is_read_anew_once() {
        let _alone = cache_of_ones_own();
        let fields = [field("id", "long"), field("p", "decimal(5,2)")];
        let table = TestTable::new(&fields, &["p"]);
        let before = table.open();
        table.commit(1, &[add("first", "0E-10", "[]")]);
        let after = table.open();
        assert_eq!(told(&after), [file("first", "0.00", None)]);
        assert!(before.files().is_empty());
        assert!(Arc::ptr_eq(&after, &table.open()));
    }

    #[test]
    fn what_stays_wrong_is_told_by_its_file() {
        let cases = [
            (add("second", "one", "{}"), "the file second "),
            (
                json!({"add": {"path": "second"}}),
                "00000000000000000001.json ",
            ),
        ];
        for (action, wanted) in cases {
            let table = odd("t");
            table.commit(1, &[action]);
            let error = table.try_open(At::Newest).unwrap_err();
            assert!(matches!(&error, Error::File { .. }), "{error}");
            assert!(error.to_string().contains(wanted), "{error}");
            // Earlier versions are read nonetheless.
            assert_eq!(table.try_open(At::Version(0)).unwrap().files().len(), 1);
        }
    }

    #[test]
    fn versions_of_an_odd_log_are_found_by_time() {
        let table = odd("t");
        table.commit(1, &[]);
        table.date(0, 1_000);
        table.date(1, 2_000);
        let at = |seconds| At::Time(chrono::DateTime::from_timestamp(seconds, 0).unwrap());
        assert_eq!(table.try_open(at(1_500)).unwrap().version(), 0);
        assert_eq!(table.try_open(at(2_500)).unwrap().version(), 1);
    }
}
