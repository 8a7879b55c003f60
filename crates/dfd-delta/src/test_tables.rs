//! Small Delta tables for tests, written by hand: the log as JSON lines, data files by parquet's own
//! writer.

use std::collections::HashMap;
use std::fs::{self, File};
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::catalog::TableProvider;
use datafusion::common::DFSchema;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::Expr;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::prelude::{SessionConfig, SessionContext};
use dfd_runtime::Location;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use crate::error::Error;
use crate::snapshot::{At, TableSnapshot};

/// Waits for `work`.
pub(crate) fn run<F: Future>(work: F) -> F::Output {
    dfd_runtime::block_on(work).unwrap()
}

/// Held by tests for which it matters what the cache of snapshots holds.
pub(crate) fn cache_of_ones_own() -> MutexGuard<'static, ()> {
    static CACHE: Mutex<()> = Mutex::new(());
    CACHE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A table in a folder that goes with it.
pub(crate) struct TestTable {
    _folder: TempDir,
    root: PathBuf,
}

impl TestTable {
    /// A table of these columns, whose version 0 has no files.
    pub(crate) fn new(fields: &[Value], partition_by: &[&str]) -> Self {
        Self::of(&[protocol(&[]), metadata(fields, partition_by, json!({}))])
    }

    /// A table whose version 0 has these actions.
    pub(crate) fn of(actions: &[Value]) -> Self {
        Self::named("table", actions)
    }

    /// A table in a folder of this name.
    pub(crate) fn named(name: &str, actions: &[Value]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join(name);
        let table = Self {
            _folder: folder,
            root,
        };
        table.commit(0, actions);
        table
    }

    /// A path in the table's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The file of a commit.
    pub(crate) fn commit_path(&self, version: u64) -> PathBuf {
        self.path(&format!("_delta_log/{version:020}.json"))
    }

    /// Writes a version.
    pub(crate) fn commit(&self, version: u64, actions: &[Value]) {
        let lines: Vec<_> = actions.iter().map(|action| format!("{action}\n")).collect();
        fs::create_dir_all(self.path("_delta_log")).unwrap();
        fs::write(self.commit_path(version), lines.concat()).unwrap();
    }

    /// Dates a version by seconds since 1970.
    pub(crate) fn date(&self, version: u64, seconds: u64) {
        let commit = File::options().write(true).open(self.commit_path(version));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        commit.unwrap().set_modified(time).unwrap();
    }

    /// Removes all that is in the table's folder.
    pub(crate) fn clear(&self) {
        fs::remove_dir_all(&self.root).unwrap();
    }

    /// Writes a data file as its path has it, of row groups of two rows.
    pub(crate) fn write(&self, path: &str, rows: &RecordBatch) -> Add {
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(2));
        self.write_with(path, rows, properties.build())
    }

    /// Writes a data file by these properties.
    pub(crate) fn write_with(&self, path: &str, rows: &RecordBatch, by: WriterProperties) -> Add {
        let file = self.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let mut writer =
            ArrowWriter::try_new(File::create(&file).unwrap(), rows.schema(), Some(by)).unwrap();
        writer.write(rows).unwrap();
        writer.close().unwrap();
        self.added(path)
    }

    /// The add action of a file that is there.
    pub(crate) fn added(&self, path: &str) -> Add {
        Add::new(path, fs::metadata(self.path(path)).unwrap().len())
    }

    /// The table's URL, with a slash at its end.
    pub(crate) fn url(&self) -> Url {
        Url::from_directory_path(&self.root).unwrap()
    }

    /// Where the table is.
    pub(crate) fn location(&self) -> Location {
        Location::try_new(self.url().as_str(), &HashMap::new(), None).unwrap()
    }

    /// Its newest version.
    pub(crate) fn open(&self) -> Arc<TableSnapshot> {
        self.try_open(At::Newest).unwrap()
    }

    /// One of its versions.
    pub(crate) fn try_open(&self, at: At) -> Result<Arc<TableSnapshot>, Error> {
        run(TableSnapshot::open(self.location(), at))
    }
}

/// An add action that is put together.
pub(crate) struct Add(Value);

impl Add {
    /// Of a file without partition values and statistics.
    pub(crate) fn new(path: &str, size: u64) -> Self {
        Self(json!({
            "path": path,
            "partitionValues": {},
            "size": size,
            "modificationTime": 1_600_000_000_000_i64,
            "dataChange": true,
        }))
    }

    /// Its path as the log has it, where that isn't the name of the file.
    pub(crate) fn path(self, encoded: &str) -> Self {
        self.with("path", encoded)
    }

    /// A value of a partition column.
    pub(crate) fn partition(mut self, name: &str, value: Option<&str>) -> Self {
        self.0["partitionValues"][name] = json!(value);
        self
    }

    /// Its statistics.
    pub(crate) fn stats(self, stats: Value) -> Self {
        self.with("stats", stats.to_string())
    }

    /// With a deletion vector for these rows.
    pub(crate) fn deleted(self, rows: &[u16]) -> Self {
        self.with("deletionVector", deletion_vector(rows))
    }

    /// With something else.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0[key] = value.into();
        self
    }

    /// What it has so far.
    pub(crate) fn get(&self, key: &str) -> &Value {
        &self.0[key]
    }

    /// The action of a commit.
    pub(crate) fn action(self) -> Value {
        json!({ "add": self.0 })
    }
}

/// The action that takes a file out of the table.
pub(crate) fn remove(path: &str) -> Value {
    json!({"remove": {"path": path, "deletionTimestamp": 1_600_000_000_000_i64, "dataChange": true}})
}

/// The protocol of tables with these features, for readers and writers; the oldest without any.
pub(crate) fn protocol(features: &[&str]) -> Value {
    if features.is_empty() {
        return json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}});
    }
    json!({"protocol": {
        "minReaderVersion": 3,
        "minWriterVersion": 7,
        "readerFeatures": features,
        "writerFeatures": features,
    }})
}

/// The metadata of a table of these columns.
pub(crate) fn metadata(fields: &[Value], partition_by: &[&str], configuration: Value) -> Value {
    let schema = json!({"type": "struct", "fields": fields});
    json!({"metaData": {
        "id": "8b1f2cbd-33cb-4d6d-9f2b-6a3f6f2b9a11",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": schema.to_string(),
        "partitionColumns": partition_by,
        "configuration": configuration,
        "createdTime": 1_600_000_000_000_i64,
    }})
}

/// A column of a Delta schema.
pub(crate) fn field(name: &str, data_type: impl Into<Value>) -> Value {
    json!({"name": name, "type": data_type.into(), "nullable": true, "metadata": {}})
}

/// A column with an id and a physical name.
pub(crate) fn mapped(name: &str, data_type: impl Into<Value>, id: i32, physical: &str) -> Value {
    let mut mapped = field(name, data_type);
    mapped["metadata"] = json!({
        "delta.columnMapping.id": id,
        "delta.columnMapping.physicalName": physical,
    });
    mapped
}

/// Rows whose columns may all be null.
pub(crate) fn rows<const N: usize>(columns: [(&str, ArrayRef); N]) -> RecordBatch {
    let columns = columns.map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// Whole numbers.
pub(crate) fn longs(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

/// Texts.
pub(crate) fn texts<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

/// A deletion vector of some rows, inside the log. Protocol, "Deletion Vector Format": the bitmap of
/// 64 bits in its portable form, in Base85.
fn deletion_vector(rows: &[u16]) -> Value {
    let mut bytes = Vec::new();
    bytes.extend(1_681_511_377_u32.to_le_bytes());
    // One bitmap of 32 bits, for the numbers whose upper half is 0.
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    // Without runs, and with one container, for the numbers whose next 16 bits are 0.
    bytes.extend(12_346_u32.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(0_u16.to_le_bytes());
    bytes.extend(u16::try_from(rows.len() - 1).unwrap().to_le_bytes());
    bytes.extend(16_u32.to_le_bytes());
    bytes.extend(rows.iter().flat_map(|row| row.to_le_bytes()));
    let size = bytes.len();
    bytes.resize(size.next_multiple_of(4), 0);
    json!({
        "storageType": "i",
        "pathOrInlineDv": base85(&bytes),
        "sizeInBytes": size,
        "cardinality": rows.len(),
    })
}

fn base85(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 85] =
        b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    let of_word = |word: &[u8]| {
        let mut number = u32::from_be_bytes(word.try_into().unwrap());
        let mut digits = [' '; 5];
        for digit in digits.iter_mut().rev() {
            *digit = char::from(DIGITS[(number % 85) as usize]);
            number /= 85;
        }
        digits
    };
    bytes.chunks(4).flat_map(of_word).collect()
}

/// The rows as lines of text, in an order that doesn't depend on where they come from.
pub(crate) fn sorted(batches: &[RecordBatch]) -> Vec<String> {
    let mut lines = lines(batches);
    lines.sort();
    lines
}

/// The rows as lines of text.
pub(crate) fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let table = pretty_format_batches(batches).unwrap().to_string();
    let values = table.lines().filter(|line| line.starts_with('|')).skip(1);
    let trimmed = values.map(|line| {
        let cells = line.trim_matches('|').split('|').map(str::trim);
        cells.collect::<Vec<_>>().join("|")
    });
    trimmed.collect()
}

/// What a query of the table `t` gives, in a session of another library.
pub(crate) async fn queried(table: Arc<dyn TableProvider>, query: &str) -> Vec<RecordBatch> {
    let config = SessionConfig::new().with_target_partitions(3);
    queried_in(&SessionContext::new_with_config(config), table, query).await
}

/// What a query of the table `t` gives in this session.
pub(crate) async fn queried_in(
    session: &SessionContext,
    table: Arc<dyn TableProvider>,
    query: &str,
) -> Vec<RecordBatch> {
    session.register_table("t", table).unwrap();
    let found = session.sql(query).await.unwrap().collect().await.unwrap();
    session.deregister_table("t").unwrap();
    found
}

/// A condition over the columns of a snapshot.
pub(crate) fn condition(snapshot: &TableSnapshot, text: &str) -> Expr {
    let columns = DFSchema::try_from(snapshot.schema().as_ref().clone()).unwrap();
    let session = dfd_runtime::session(SessionConfig::new()).state();
    session.create_logical_expr(text, &columns).unwrap()
}

/// A table with a bit of everything, and the rows that it has.
///
/// Partitions (null is one), row groups, a deletion vector, nulls, NaN, a file without statistics; the
/// partition column stands between others.
pub(crate) fn mixed() -> (TestTable, RecordBatch) {
    let fields = [
        field("id", "long"),
        field("p", "string"),
        field("name", "string"),
        field("price", "double"),
    ];
    let features = ["deletionVectors"];
    let table = TestTable::of(&[protocol(&features), metadata(&fields, &["p"], json!({}))]);
    type Row = (i64, Option<&'static str>, Option<f64>);
    let stored = |rows: &[Row]| {
        let prices = rows.iter().map(|row| row.2).collect::<Float64Array>();
        self::rows([
            ("id", longs(rows.iter().map(|row| row.0))),
            ("name", texts(rows.iter().map(|row| row.1))),
            ("price", Arc::new(prices)),
        ])
    };
    let first = [
        (11, Some("ann"), Some(1.5)),
        (12, Some("bob"), Some(2.5)),
        (13, None, Some(3.5)),
        (14, Some("bea"), None),
    ];
    let second = [
        (21, Some("gone"), Some(9.5)),
        (22, Some("cid"), Some(0.5)),
        (23, Some("gone"), Some(9.5)),
        (24, Some("dan"), Some(7.5)),
        (25, Some("dee"), Some(8.5)),
    ];
    let third = [(31, None, Some(-1.0)), (32, Some("bob"), Some(-0.0))];
    let fourth = [
        (41, Some("eve"), Some(f64::NAN)),
        (42, Some("a|b"), Some(1.5)),
    ];
    let bounds = |least: i64, greatest: i64, rows: usize, nulls: [usize; 3]| {
        json!({
            "numRecords": rows,
            "minValues": {"id": least},
            "maxValues": {"id": greatest},
            "nullCount": {"id": nulls[0], "name": nulls[1], "price": nulls[2]},
        })
    };
    let add = |name: &str, rows: &[Row], p| table.write(name, &stored(rows)).partition("p", p);
    table.commit(
        1,
        &[
            add("p=a/1.parquet", &first, Some("a"))
                .stats(bounds(11, 14, 4, [0, 1, 1]))
                .action(),
            add("p=a/2.parquet", &second, Some("a"))
                .stats(bounds(21, 25, 5, [0, 0, 0]))
                .deleted(&[0, 2])
                .action(),
            add("p=b/3.parquet", &third, Some("b")).action(),
            add("4.parquet", &fourth, None)
                .stats(bounds(41, 42, 2, [0, 0, 0]))
                .action(),
        ],
    );
    let there = [
        (Some("a"), &first[..]),
        (Some("a"), &[second[1], second[3], second[4]]),
        (Some("b"), &third),
        (None, &fourth),
    ];
    let all: Vec<Row> = there.iter().flat_map(|(_, rows)| rows.to_vec()).collect();
    let partitions = there.iter().flat_map(|(p, rows)| rows.iter().map(|_| *p));
    let stored = stored(&all);
    let rows = self::rows([
        ("id", Arc::clone(stored.column(0))),
        ("p", texts(partitions)),
        ("name", Arc::clone(stored.column(1))),
        ("price", Arc::clone(stored.column(2))),
    ]);
    (table, rows)
}

/// The rows as a table of DataFusion's own.
pub(crate) fn in_memory(rows: &RecordBatch) -> Arc<dyn TableProvider> {
    let table = MemTable::try_new(rows.schema(), vec![vec![rows.clone()]]);
    Arc::new(table.unwrap())
}

/// A column of a schema.
pub(crate) fn column(name: &str, data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new(name, data_type, true))
}

/// A schema.
pub(crate) fn schema(fields: &[(&str, DataType)]) -> Arc<Schema> {
    let fields = fields.iter().map(|(name, kind)| column(name, kind.clone()));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
