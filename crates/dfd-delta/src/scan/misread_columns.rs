//! Columns that deltalake's own writer would carry over wrong into the files that it writes anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Fields, TimeUnit};
use datafusion::common::DFSchema;
use datafusion::datasource::physical_plan::parquet::Int96Coercer;
use datafusion::error::DataFusionError;
use datafusion::parquet::arrow::parquet_to_arrow_schema;
use datafusion::parquet::basic::Type;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::prelude::SessionConfig;
use futures::{StreamExt, TryStreamExt};

use crate::error::{Error, below};
use crate::files::column_names::TableNames;
use crate::files::data_file::DataFile;
use crate::files::exact_columns::is_plain;
use crate::files::parquet_metadata::Readers;
use crate::scan::pruning;
use crate::snapshot::TableSnapshot;
use dfd_runtime::parquet_metadata_cache;

/// Footers that are asked for at once.
const MAX_CONCURRENT_REQUESTS: usize = 32;

impl TableSnapshot {
    /// The columns that deltalake misreads in a file that may hold a row for which `predicate` is true, and why:
    /// timestamps of type INT96, which it takes for nanoseconds, names in another case, which it takes
    /// for missing columns, and columns of another type, of which it cuts what the table's doesn't have.
    ///
    /// A predicate that can't be decided from the log keeps all files.
    ///
    /// # Errors
    /// A footer can't be read.
    pub async fn misread_columns(
        &self,
        predicate: Option<&str>,
    ) -> Result<BTreeMap<String, String>, Error> {
        let files = predicate
            .and_then(|text| self.files_for(text).ok())
            .unwrap_or_else(|| self.files().iter().collect());
        let metrics = ExecutionPlanMetricsSet::new();
        let names = self.columns().names();
        let physical = &names.physical();
        let readers = &Readers::new(
            self.location(),
            names.clone(),
            parquet_metadata_cache(),
            &metrics,
        );
        let of_file = async |file: &DataFile| {
            let of_file = |error: DataFusionError| {
                let uri = self.location().url();
                let path = below(uri, file.scanned.object_meta.location.as_ref());
                Error::file(uri, path, error)
            };
            let stored = readers.footer(file.scanned.clone()).await;
            let stored = stored.map_err(of_file)?;
            let under = |names: &TableNames| names.given_to(Arc::clone(&stored));
            let found = [under(&names), under(physical)];
            let named = |error: ParquetError| of_file(error.into());
            let [named, physical] = found.map(|footer| footer.map_err(named));
            let (named, physical) = (named?, physical?);
            let mut all = cut(&named, &names.fields)?;
            all.extend(misread(&stored, &named, &physical));
            Ok::<_, Error>(all)
        };
        let found = futures::stream::iter(files.into_iter().map(of_file));
        let found: Vec<_> = found
            .buffer_unordered(MAX_CONCURRENT_REQUESTS)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The files that may hold a row for which the condition in `text` is true.
    fn files_for(&self, text: &str) -> Result<Vec<&DataFile>, Error> {
        let mut config = SessionConfig::new();
        // As deltalake reads names.
        config.options_mut().sql_parser.enable_ident_normalization = false;
        let session = dfd_runtime::session(config).state();
        let table_schema = self.columns().table_schema();
        let scan_schema = table_schema.table_schema();
        let columns = DFSchema::try_from(scan_schema.as_ref().clone())?;
        let condition = session.create_logical_expr(text, &columns)?;
        let condition = session.create_physical_expr(condition, &columns)?;
        let all = self.files().iter().collect();
        Ok(pruning::matching(all, &condition, scan_schema))
    }
}

/// The columns of one file, under the table's names, whose values a cast as Arrow's may cut or mix up.
fn cut(named: &ParquetMetaData, fields: &Fields) -> Result<Vec<(String, String)>, Error> {
    let file = named.file_metadata();
    let columns = file.schema_descr();
    let stored = parquet_to_arrow_schema(columns, file.key_value_metadata());
    let stored = stored.map_err(DataFusionError::from)?;
    let coercer = Int96Coercer::new(columns, &stored, &TimeUnit::Microsecond);
    let stored = coercer.coerce().unwrap_or(stored);
    let found = fields.iter().filter_map(|field| {
        let column = stored.field_with_name(field.name()).ok()?;
        let (stored, wanted) = (column.data_type(), field.data_type());
        // Of a whole number that is too large, Arrow says so.
        let is_told = stored.is_integer() && wanted.is_integer();
        let reason = || format!("a column of {stored} in a file");
        (!is_told && !is_plain(stored, wanted)).then(|| (field.name().clone(), reason()))
    });
    Ok(found.collect())
}

/// The misread columns of one file, by the table's names: from its footer as it is stored, under those names,
/// and under those that deltalake looks for.
fn misread(
    stored: &ParquetMetaData,
    named: &ParquetMetaData,
    physical: &ParquetMetaData,
) -> Vec<(String, String)> {
    let columns = |footer: &ParquetMetaData| {
        let columns = footer.file_metadata().schema_descr().columns().iter();
        let columns = columns.map(|column| (column.path().string(), column.physical_type()));
        columns.collect::<Vec<_>>()
    };
    let names = columns(named).into_iter().zip(columns(physical));
    let all = columns(stored).into_iter().zip(names);
    let reasons = all.filter_map(|((stored, kind), ((name, _), (physical, _)))| {
        if kind == Type::INT96 {
            Some((name, "an INT96 timestamp".to_owned()))
        } else if stored != physical {
            Some((name, format!("spelled {stored} in a file")))
        } else {
            None
        }
    });
    reasons.collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::Arc;

    use crate::test_tables::{TestTable, field, longs, rows, run};
    use datafusion::parquet::file::writer::SerializedFileWriter;
    use datafusion::parquet::schema::parser::parse_message_type;
    use serde_json::{Value, json};

    fn stats(least: i64, greatest: i64) -> Value {
        json!({
            "numRecords": 1,
            "minValues": {"id": least},
            "maxValues": {"id": greatest},
            "nullCount": {"id": 0},
        })
    }

    /// Three files: one with `ID` (of 1 to 5), one with an INT96 in `at` (6 to 9), one as it should be.
    fn table() -> TestTable {
        let fields = [field("id", "long"), field("at", "timestamp")];
        let table = TestTable::new(&fields, &[]);
        let spelled = table
            .write("1", &rows([("ID", longs([1]))]))
            .stats(stats(1, 5));
        let good = table
            .write("2", &rows([("id", longs([10]))]))
            .stats(stats(10, 10));
        let message = "message m { optional int64 id; optional int96 at; }";
        let schema = Arc::new(parse_message_type(message).unwrap());
        let file = File::create(table.path("3")).unwrap();
        let writer = SerializedFileWriter::new(file, schema, Default::default());
        writer.unwrap().close().unwrap();
        let old = table.added("3").stats(stats(6, 9));
        table.commit(1, &[spelled.action(), good.action(), old.action()]);
        table
    }

    fn found(table: &TestTable, predicate: Option<&str>) -> Vec<(String, String)> {
        let found = run(table.open().misread_columns(predicate)).unwrap();
        found.into_iter().collect()
    }

    fn pair(name: &str, reason: &str) -> (String, String) {
        (name.to_owned(), reason.to_owned())
    }

    #[test]
    fn columns_of_another_type_are_told_where_values_may_be_cut() {
        let fields = [field("id", "long"), field("n", "long")];
        let table = TestTable::new(&fields, &[]);
        let doubles: arrow::array::ArrayRef = Arc::new(arrow::array::Float64Array::from(vec![2.5]));
        let narrow: arrow::array::ArrayRef = Arc::new(arrow::array::Int32Array::from(vec![2]));
        let add = |path, n, least| {
            let add = table.write(path, &rows([("id", longs([least])), ("n", n)]));
            add.stats(stats(least, least)).action()
        };
        table.commit(1, &[add("1", doubles, 1), add("2", narrow, 2)]);
        let cut = [pair("n", "a column of Float64 in a file")];
        assert_eq!(found(&table, None), cut);
        assert_eq!(found(&table, Some("id = 2")), []);
    }

    #[test]
    fn columns_are_told_with_the_reason() {
        let table = table();
        let all = [
            pair("at", "an INT96 timestamp"),
            pair("id", "spelled ID in a file"),
        ];
        assert_eq!(found(&table, None), all);
        assert_eq!(found(&table, Some("id < 6")), all[1..]);
        assert_eq!(found(&table, Some("id between 6 and 9")), all[..1]);
        assert_eq!(found(&table, Some("id = 10")), []);
        assert_eq!(found(&table, Some("id = 11")), []);
        // What can't be decided, or read, keeps all files.
        for predicate in ["abs(id) = 10", "id = (", "nothing = 1", "ID = 10", ""] {
            assert_eq!(found(&table, Some(predicate)), all, "{predicate}");
        }
    }
}
