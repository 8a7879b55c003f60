//! What a table asks of its data files.
//!
//! ```text
//!   log ─────────────┐
//!                    ├─> TableConfiguration ──> WriteRequirements ──> BatchTransform  stream -> the table's columns
//!   stream's schema ─┘   (protocol, metadata)                     ├─> Partition       a row's partition
//!                                                                 └─> StatsPaths      columns with statistics
//! ```

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use datafusion::common::{DFSchema, ScalarValue};
use delta_kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use delta_kernel::schema::StructType;
use delta_kernel::table_configuration::TableConfiguration;
use delta_kernel::table_features::ColumnMappingMode;
use deltalake_core::kernel::{Protocol, new_metadata};
use dfd_delta::{DefinitionChange, TableDescription, TableSnapshot, Work};
use serde_json::json;
use url::Url;

use crate::error::{Error, Rule, RuleViolation};
use crate::schema::constraints::Constraints;
use crate::schema::delta_types::{Nulls, to_delta_field, to_delta_schema};
use crate::schema::expressions::TableExpression;
use crate::schema::features;
use crate::schema::metadata::{Keep, strip_metadata};
use crate::schema::partitions::{Partition, PartitionColumn, partition_directory};
use crate::schema::scope::{Scope, statement_state};
use crate::schema::stats_paths::StatsPaths;
use crate::schema::transform::BatchTransform;

/// Delta-Spark's size of a file where the table says nothing.
const TARGET_FILE_BYTES: u64 = 128 << 20;

/// The column of changed rows that says what became of each.
pub(crate) const CHANGE_TYPE: &str = "_change_type";

/// Where the rows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RowOrigin {
    /// A stream: they are checked.
    Stream,
    /// The table: they were checked before.
    Table,
}

/// What one version of a table, or a table to be made, asks of whoever writes its data files.
#[derive(Debug, Clone)]
pub struct WriteRequirements {
    read_version: Option<u64>,
    columns: SchemaRef,
    partition_columns: Vec<String>,
    partitioning: Arc<[PartitionColumn]>,
    has_column_mapping: bool,
    delta_schema: Arc<StructType>,
    file_schema: SchemaRef,
    target_file_bytes: u64,
    constraints: Arc<Constraints>,
    stats_paths: Arc<StatsPaths>,
    /// The partition of all rows, where it is known beforehand.
    only_partition: Option<Partition>,
    /// Where the files are below the table's root, with a slash at its end.
    directory: &'static str,
    definition: DefinitionChange,
}

impl WriteRequirements {
    /// Reads what a table asks of new rows.
    ///
    /// # Errors
    /// A writer feature, a type or an expression that can't be honoured; it is named.
    pub(crate) fn for_append(snapshot: &TableSnapshot) -> Result<Self, Error> {
        Self::for_snapshot(snapshot, RowOrigin::Stream)
    }

    /// Reads what a table asks of new rows once a change of its definition is committed with them.
    ///
    /// # Errors
    /// As [`Self::for_append`], of the table as it is then.
    pub(crate) fn for_change(
        snapshot: &TableSnapshot,
        definition: DefinitionChange,
    ) -> Result<Self, Error> {
        let table = snapshot.configuration_with(&definition)?;
        let found = Self::for_rows(&table, snapshot.version(), RowOrigin::Stream)?;
        Ok(found.with_definition(definition))
    }

    /// The same, of which the commit makes this of the table itself.
    #[must_use]
    pub(crate) fn with_definition(self, definition: DefinitionChange) -> Self {
        Self { definition, ..self }
    }

    /// Reads what a table asks of rows that are written again as they are: nothing is checked or computed.
    ///
    /// # Errors
    /// A writer feature or a type that can't be honoured; it is named.
    pub(crate) fn for_rewrite(snapshot: &TableSnapshot) -> Result<Self, Error> {
        Self::for_snapshot(snapshot, RowOrigin::Table)
    }

    /// Makes the requirements of a table to be made of a stream, with Delta's types.
    ///
    /// # Errors
    /// A type that Delta doesn't have, two columns of one name, or a partition column that can't be one.
    pub(crate) fn for_new_table(
        source: &Schema,
        partition_by: &[String],
        nulls: Nulls,
        description: &TableDescription,
    ) -> Result<Self, Error> {
        refuse_repeated_names(source, partition_by)?;
        let delta_schema: StructType = (&to_delta_schema(source, nulls)?).try_into_kernel()?;
        let definition = new_definition(&delta_schema, partition_by, description)?;
        let (Some(metadata), Some(protocol)) = (definition.metadata, definition.protocol) else {
            return Err(Error::Inconsistent("a new table has no definition"));
        };
        let anywhere = Url::parse("memory:///").map_err(Error::metadata)?;
        let configuration = TableConfiguration::try_new(metadata, protocol, anywhere, 0)?;
        Self::new(&configuration, None, RowOrigin::Stream)
    }

    /// The same for files of changed rows, with a column that says what became of each (protocol, section "Add CDC File").
    #[must_use]
    pub(crate) fn for_changed_rows(&self) -> Self {
        let with_type = |schema: &Schema| {
            let change_type: FieldRef = Arc::new(Field::new(CHANGE_TYPE, DataType::Utf8, true));
            let fields = schema.fields().iter().cloned().chain([change_type]);
            Arc::new(Schema::new(fields.collect::<Fields>()))
        };
        Self {
            columns: with_type(&self.columns),
            file_schema: with_type(&self.file_schema),
            stats_paths: Arc::default(),
            directory: "_change_data/",
            ..self.clone()
        }
    }

    /// The same for rows of which a predicate is true too.
    ///
    /// # Errors
    /// It isn't one condition over the table's columns.
    pub(crate) fn with_predicate(&self, text: &str) -> Result<Self, Error> {
        let state = statement_state();
        let columns = DFSchema::try_from(self.columns.as_ref().clone())?;
        let scope = Scope::new(&state, columns.clone());
        let condition = scope.condition(text, "The predicate")?;
        let predicate = TableExpression {
            rule: Rule::Predicate,
            text: text.to_owned(),
            compiled: state.create_physical_expr(condition, &columns)?,
        };
        Ok(Self {
            constraints: Arc::new(self.constraints.with_condition(predicate)),
            ..self.clone()
        })
    }

    /// Narrows these to rows of one partition, without its columns.
    #[must_use]
    pub(crate) fn within_partition(&self, values: Vec<(String, Option<String>)>) -> Self {
        let texts = values.iter().map(|(_, text)| text.as_deref());
        let named = self.partition_columns.iter().map(String::as_str).zip(texts);
        let directory = match self.has_column_mapping {
            true => String::new(),
            false => partition_directory(named),
        };
        let directory = format!("{}{directory}", self.directory);
        let fields = self.columns.fields().iter();
        let in_files = fields.filter(|field| !self.partition_columns.contains(field.name()));
        Self {
            columns: Arc::new(Schema::new(in_files.cloned().collect::<Fields>())),
            partition_columns: Vec::new(),
            partitioning: Arc::default(),
            only_partition: Some(Partition { values, directory }),
            ..self.clone()
        }
    }

    fn for_snapshot(snapshot: &TableSnapshot, origin: RowOrigin) -> Result<Self, Error> {
        Self::for_rows(snapshot.configuration()?, snapshot.version(), origin)
    }

    fn for_rows(
        table: &TableConfiguration,
        version: u64,
        origin: RowOrigin,
    ) -> Result<Self, Error> {
        let work = match origin {
            RowOrigin::Stream => Work::Stage,
            RowOrigin::Table => Work::Rewrite,
        };
        features::require_supported(table, work)?;
        Self::new(table, Some(version), origin)
    }

    /// Makes the requirements of new rows of a table that is nowhere.
    #[cfg(test)]
    pub(crate) fn for_configuration(table: &TableConfiguration) -> Result<Self, Error> {
        Self::for_rows(table, 0, RowOrigin::Stream)
    }

    fn new(
        table: &TableConfiguration,
        read_version: Option<u64>,
        origin: RowOrigin,
    ) -> Result<Self, Error> {
        let delta_schema = table.logical_schema();
        if origin == RowOrigin::Stream {
            features::refuse_identity_columns(&delta_schema)?;
        }
        features::refuse_variants(&delta_schema)?;
        let logical: Schema = delta_schema.as_ref().try_into_arrow()?;
        let physical: Schema = table.physical_schema().as_ref().try_into_arrow()?;
        for field in logical.fields() {
            to_delta_field(field)?;
        }
        let keep = match origin {
            RowOrigin::Stream => Keep::Nullability,
            RowOrigin::Table => Keep::Nothing,
        };
        let columns = Schema::new(strip_metadata(logical.fields(), keep));
        let partition_columns = table.logical_partition_columns().to_vec();
        let partitioning = partition_columns
            .iter()
            .map(|name| PartitionColumn::new(&columns, &physical, name))
            .collect::<Result<Vec<_>, _>>()?;
        let has_column_mapping = table.column_mapping_mode() != ColumnMappingMode::None;
        let file_schema = Arc::new(file_schema(
            &columns,
            &physical,
            &partition_columns,
            has_column_mapping,
        )?);
        let target = table.table_properties().target_file_size;
        Ok(Self {
            read_version,
            constraints: Arc::new(match origin {
                RowOrigin::Stream => Constraints::new(table, &columns)?,
                RowOrigin::Table => Constraints::default(),
            }),
            stats_paths: Arc::new(StatsPaths::new(table)?),
            columns: Arc::new(columns),
            partition_columns,
            partitioning: partitioning.into(),
            has_column_mapping,
            delta_schema,
            file_schema,
            target_file_bytes: target.map_or(TARGET_FILE_BYTES, u64::from),
            only_partition: None,
            directory: "",
            definition: DefinitionChange::default(),
        })
    }

    /// What the commit of the files makes of the table itself.
    pub fn definition(&self) -> &DefinitionChange {
        &self.definition
    }

    /// The table's version that asks for this; None for a table to be made.
    pub fn read_version(&self) -> Option<u64> {
        self.read_version
    }

    /// The names of the partition columns in their order.
    pub fn partition_columns(&self) -> &[String] {
        &self.partition_columns
    }

    /// The table's schema in the JSON of its log.
    ///
    /// # Errors
    /// It can't be written as JSON.
    pub fn delta_schema(&self) -> Result<String, Error> {
        serde_json::to_string(self.delta_schema.as_ref()).map_err(Error::metadata)
    }

    /// The table's columns in their order, of Delta's types and without metadata.
    pub(crate) fn columns(&self) -> &SchemaRef {
        &self.columns
    }

    /// The columns of a data file: physical names, without the partition columns.
    ///
    /// Every column may be null, as in Spark's files; that none is where none may be, [`BatchTransform`]
    /// has seen to.
    pub(crate) fn file_schema(&self) -> &SchemaRef {
        &self.file_schema
    }

    /// The places of the partition columns among all, and those of the columns that are in files.
    pub(crate) fn places(&self) -> (Vec<usize>, Vec<usize>) {
        let is_partition = |place: &usize| {
            let name = self.columns.field(*place).name();
            self.partition_columns().contains(name)
        };
        (0..self.columns.fields().len()).partition(is_partition)
    }

    /// Bytes that a file should have, about.
    pub(crate) fn target_file_bytes(&self) -> u64 {
        self.target_file_bytes
    }

    /// The columns of a data file that have statistics.
    pub(crate) fn stats_paths(&self) -> &StatsPaths {
        &self.stats_paths
    }

    /// Whether the column of this place can be computed.
    pub(crate) fn is_generated(&self, column: usize) -> bool {
        self.constraints.is_generated(column)
    }

    /// The default of the column of this place; None without one.
    ///
    /// # Errors
    /// It isn't known to mean the same as to Spark.
    pub(crate) fn default_value(
        &self,
        column: usize,
        field: &Field,
    ) -> Result<Option<ScalarValue>, RuleViolation> {
        self.constraints.default_value(column, field)
    }

    /// Makes what turns batches of `source` into rows of the table.
    ///
    /// # Errors
    /// A column is missing, unknown, ambiguous, or of a type without a way; it is named.
    pub(crate) fn transform(&self, source: &Schema) -> Result<BatchTransform, Error> {
        BatchTransform::new(&self.columns, &self.constraints, &self.partitioning, source)
    }

    /// Finds the partition of a row of a transformed batch.
    ///
    /// # Errors
    /// A value that no partition can have.
    pub(crate) fn partition(&self, batch: &RecordBatch, row: usize) -> Result<Partition, Error> {
        match &self.only_partition {
            Some(partition) => Ok(partition.clone()),
            None => Partition::of_row(&self.partitioning, batch, row, self.has_column_mapping),
        }
    }
}

/// Refuses names that differ in no more than case: protocol, "Schema Serialization Format".
pub(crate) fn refuse_repeated_names(
    source: &Schema,
    partition_by: &[String],
) -> Result<(), RuleViolation> {
    for (position, field) in source.fields().iter().enumerate() {
        let is_same = |other: &FieldRef| other.name().eq_ignore_ascii_case(field.name());
        if source.fields()[..position].iter().any(is_same) {
            return Err(RuleViolation::Ambiguous(field.name().clone()));
        }
    }
    let is_repeated = |(place, name): &(usize, &String)| partition_by[..*place].contains(name);
    match partition_by.iter().enumerate().find(is_repeated) {
        Some((_, name)) => Err(RuleViolation::RepeatedPartitionColumn(name.clone())),
        None => Ok(()),
    }
}

fn file_schema(
    columns: &Schema,
    physical: &Schema,
    partition_columns: &[String],
    has_column_mapping: bool,
) -> Result<Schema, RuleViolation> {
    let both = columns.fields().iter().zip(physical.fields());
    let in_files: Fields = both
        .filter(|(field, _)| !partition_columns.contains(field.name()))
        .map(|(_, field)| Arc::clone(field))
        .collect();
    if in_files.is_empty() {
        return Err(RuleViolation::OnlyPartitionColumns);
    }
    let keep = match has_column_mapping {
        true => Keep::FieldIds,
        false => Keep::Nothing,
    };
    Ok(Schema::new(strip_metadata(&in_files, keep)))
}

/// Makes the definition of a new table of this schema, as the log's JSON has it.
///
/// # Errors
/// It isn't a schema, or a partition column isn't in it.
pub fn table_definition(
    schema: &str,
    partition_columns: &[String],
    description: &TableDescription,
) -> Result<DefinitionChange, Error> {
    let schema: StructType = serde_json::from_str(schema).map_err(Error::metadata)?;
    new_definition(&schema, partition_columns, description)
}

fn new_definition(
    schema: &StructType,
    partition_columns: &[String],
    description: &TableDescription,
) -> Result<DefinitionChange, Error> {
    let mut unknown = partition_columns.iter();
    if let Some(name) = unknown.find(|name| !schema.contains(name)) {
        return Err(RuleViolation::NoSuchPartitionColumn(name.clone()).into());
    }
    let metadata = new_metadata(schema, partition_columns, [("", ""); 0]);
    let metadata = metadata.map_err(Error::metadata)?;
    let protocol = protocol_for(&schema.try_into_arrow()?)?;
    DefinitionChange::of_new_table(protocol, &metadata, description).map_err(Error::metadata)
}

/// The lowest protocol in which a table can have this schema.
pub(crate) fn protocol_for(schema: &Schema) -> Result<Protocol, Error> {
    let has_ntz = |field: &FieldRef| has_timestamp_ntz(field.data_type());
    let protocol = if schema.fields().iter().any(has_ntz) {
        let features = ["timestampNtz"];
        json!({
            "minReaderVersion": 3, "minWriterVersion": 7,
            "readerFeatures": features, "writerFeatures": features,
        })
    } else {
        json!({"minReaderVersion": 1, "minWriterVersion": 2})
    };
    serde_json::from_value(protocol).map_err(Error::metadata)
}

fn has_timestamp_ntz(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, None) => true,
        DataType::Struct(fields) => fields
            .iter()
            .any(|field| has_timestamp_ntz(field.data_type())),
        DataType::List(inner) | DataType::Map(inner, _) => has_timestamp_ntz(inner.data_type()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{Field, TimeUnit};
    use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

    use crate::testing::{Table, batch, column, int64s, texts};

    fn schema(fields: &[(&str, DataType)]) -> Schema {
        let field = |(name, kind): &(&str, DataType)| Field::new(*name, kind.clone(), true);
        Schema::new(fields.iter().map(field).collect::<Vec<_>>())
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn new_table(
        source: &Schema,
        partition_by: &[&str],
        properties: &[(&str, &str)],
    ) -> Result<WriteRequirements, Error> {
        let properties = properties.iter();
        let description = TableDescription {
            properties: properties
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..TableDescription::default()
        };
        let partition_by = names(partition_by);
        WriteRequirements::for_new_table(source, &partition_by, Nulls::AsGiven, &description)
    }

    fn refusal(source: &Schema, partition_by: &[&str]) -> String {
        let made = new_table(source, partition_by, &[]);
        made.unwrap_err().to_string()
    }

    #[test]
    fn a_new_table_has_deltas_types_and_the_lowest_protocol() {
        let source = schema(&[("a", DataType::UInt32), ("p", DataType::LargeUtf8)]);
        let made = new_table(&source, &["p"], &[]).unwrap();
        assert_eq!(made.read_version(), None);
        assert_eq!(made.partition_columns(), ["p"]);
        assert_eq!(made.target_file_bytes(), 128 << 20);
        let small = [("delta.targetFileSize", "1000")];
        let small = new_table(&source, &["p"], &small).unwrap();
        assert_eq!(small.target_file_bytes(), 1000);
        assert_eq!(
            made.columns().as_ref(),
            &schema(&[("a", DataType::Int64), ("p", DataType::Utf8)])
        );
        assert_eq!(
            made.file_schema().as_ref(),
            &schema(&[("a", DataType::Int64)])
        );
        assert!(made.delta_schema().unwrap().contains(r#""type":"long""#));
        let protocol = protocol_for(&source).unwrap();
        assert_eq!(protocol.min_writer_version(), 2);
    }

    #[test]
    fn times_without_a_zone_need_their_feature() {
        let local = DataType::Timestamp(TimeUnit::Microsecond, None);
        let list = DataType::new_list(local, true);
        let protocol = protocol_for(&schema(&[("l", list)])).unwrap();
        assert_eq!(protocol.min_writer_version(), 7);
        assert_eq!(protocol.writer_features().map(<[_]>::len), Some(1));
    }

    #[test]
    fn names_differ_by_more_than_case() {
        let twice = schema(&[("a", DataType::Int64), ("A", DataType::Int64)]);
        assert!(refusal(&twice, &[]).contains("two columns named `A`"));
    }

    #[test]
    fn partition_columns_exist_once_and_leave_another() {
        let source = schema(&[("a", DataType::Int64), ("b", DataType::Int64)]);
        assert!(refusal(&source, &["c"]).contains("no column `c` to partition by"));
        assert!(refusal(&source, &["a", "a"]).contains("named twice"));
        assert!(refusal(&source, &["a", "b"]).contains("all columns are partition columns"));
        let nested = schema(&[
            ("a", DataType::new_list(DataType::Int64, true)),
            ("b", DataType::Int64),
        ]);
        assert!(refusal(&nested, &["a"]).contains("can't be partitioned by it"));
    }

    #[test]
    fn a_table_says_how_large_files_become() {
        let table = Table::new(&[column("a", "long", true)]);
        let sized = table.property("delta.targetFileSize", "1048576");
        let read = WriteRequirements::for_configuration(&sized.configuration()).unwrap();
        assert_eq!(read.target_file_bytes(), 1 << 20);
        assert_eq!(read.read_version(), Some(0));
    }

    #[test]
    fn rows_of_one_partition_have_none_of_its_columns() {
        let table = Table::new(&[column("a", "long", true), column("p q", "string", true)]);
        let configuration = table.partition_by(&["p q"]).configuration();
        let all = WriteRequirements::for_configuration(&configuration).unwrap();
        let values = vec![("p q".to_owned(), Some("x/y".to_owned()))];
        let one = all.within_partition(values.clone());
        assert_eq!(one.columns().as_ref(), &schema(&[("a", DataType::Int64)]));
        assert!(one.partition_columns().is_empty());
        let rows = batch(vec![("a", int64s([Some(1)]))]);
        let partition = one.partition(&rows, 0).unwrap();
        assert_eq!(partition.values, values);
        assert_eq!(partition.directory, "p q=x%2Fy/");
        let both = batch(vec![
            ("a", int64s([Some(1)])),
            ("p q", texts([Some("x/y")])),
        ]);
        assert_eq!(all.partition(&both, 0).unwrap(), partition);
    }

    #[test]
    fn mapped_columns_have_their_physical_names_and_ids_in_files() {
        let mapped = |name: &str, id: i64, physical: &str| {
            let mut field = column(name, "long", true);
            field["metadata"] = json!({
                "delta.columnMapping.id": id, "delta.columnMapping.physicalName": physical,
            });
            field
        };
        let table = Table::new(&[mapped("a", 1, "col-1"), mapped("p", 2, "col-2")])
            .partition_by(&["p"])
            .property("delta.columnMapping.mode", "name")
            .protocol(json!({
                "minReaderVersion": 3, "minWriterVersion": 7,
                "readerFeatures": ["columnMapping"], "writerFeatures": ["columnMapping"],
            }));
        let read = WriteRequirements::for_configuration(&table.configuration()).unwrap();
        let field = read.file_schema().field(0);
        assert_eq!(field.name(), "col-1");
        assert_eq!(field.metadata()[PARQUET_FIELD_ID_META_KEY], "1");
        let rows = batch(vec![("a", int64s([Some(1)])), ("p", int64s([Some(2)]))]);
        let partition = read.partition(&rows, 0).unwrap();
        assert_eq!(
            partition.values,
            [("col-2".to_owned(), Some("2".to_owned()))]
        );
        assert_eq!(partition.directory, "");
        assert!(
            read.stats_paths()
                .bounds
                .contains(&vec!["col-1".to_owned()])
        );
    }
}
