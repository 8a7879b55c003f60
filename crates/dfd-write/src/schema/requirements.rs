//! What a table asks of its data files.
//!
//! ```text
//!   log ─────────────┐
//!                    ├─> TableConfiguration ──> Rules ──> Conform     stream -> the table's columns
//!   stream's schema ─┘   (protocol, metadata)         ├─> Partition   a row's partition
//!                                                     └─> Collector   a file's statistics
//! ```

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, FieldRef, Fields, Schema, SchemaRef};
use delta_kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use delta_kernel::schema::{ColumnMetadataKey, DataType as DeltaType, StructType};
use delta_kernel::table_configuration::TableConfiguration;
use delta_kernel::table_features::{ColumnMappingMode, TableFeature};
use deltalake_core::kernel::{Protocol, new_metadata};
use dfd_delta::TableSnapshot;
use serde_json::json;
use url::Url;

use crate::error::{Error, RuleViolation};
use crate::files::stats::collector::Collector;
use crate::files::stats::columns::Leaves;
use crate::schema::constraints::Checks;
use crate::schema::delta_types::plain;
use crate::schema::metadata::{Kept, bare};
use crate::schema::partitions::{Partition, PartitionColumn, directory};
use crate::schema::transform::Conform;

/// Of the features of a writer, those that ask nothing of a data file or what is done here.
const HONOURED: [TableFeature; 13] = [
    TableFeature::AppendOnly,
    TableFeature::Invariants,
    TableFeature::CheckConstraints,
    TableFeature::ChangeDataFeed,
    TableFeature::GeneratedColumns,
    TableFeature::AllowColumnDefaults,
    TableFeature::ColumnMapping,
    TableFeature::DeletionVectors,
    TableFeature::TimestampWithoutTimezone,
    TableFeature::V2Checkpoint,
    TableFeature::VacuumProtocolCheck,
    TableFeature::InCommitTimestamp,
    TableFeature::DomainMetadata,
];

/// As Delta-Spark has it where the table says nothing.
const TARGET_FILE_BYTES: u64 = 128 << 20;

/// Which rows follow the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// Those of a stream.
    New,
    /// Those of the table.
    Written,
}

/// The rules of one version of a table, or of a table to be made.
#[derive(Debug, Clone)]
pub struct Rules {
    read_version: Option<u64>,
    columns: SchemaRef,
    partition_columns: Vec<String>,
    partition: Arc<[PartitionColumn]>,
    is_mapped: bool,
    delta_schema: Arc<StructType>,
    file_schema: SchemaRef,
    target_file_bytes: u64,
    checks: Arc<Checks>,
    leaves: Arc<Leaves>,
    /// Of all rows, where it is known beforehand.
    one_partition: Option<Partition>,
}

impl Rules {
    /// Those of a table.
    ///
    /// # Errors
    /// A writer feature, a type or an expression that can't be honoured; it is named.
    pub fn of_table(snapshot: &TableSnapshot) -> Result<Self, Error> {
        let state = snapshot.log_state()?;
        let configuration = state.table_configuration();
        honour_features(configuration)?;
        let read_version = Some(snapshot.version());
        Self::of(configuration, read_version, Rows::New)
    }

    /// Those under which rows of a table are written again as they are: nothing is checked or computed.
    ///
    /// # Errors
    /// A writer feature or a type that can't be honoured; it is named.
    pub fn of_rewrite(snapshot: &TableSnapshot) -> Result<Self, Error> {
        let state = snapshot.log_state()?;
        let configuration = state.table_configuration();
        honour_features(configuration)?;
        let read_version = Some(snapshot.version());
        Self::of(configuration, read_version, Rows::Written)
    }

    /// The same for rows of one partition, without its columns.
    #[must_use]
    pub fn within(&self, values: Vec<(String, Option<String>)>) -> Self {
        let texts = values.iter().map(|(_, text)| text.as_deref());
        let named = self.partition_columns.iter().map(String::as_str).zip(texts);
        let directory = if self.is_mapped {
            String::new()
        } else {
            directory(named)
        };
        let fields = self.columns.fields().iter();
        let in_files = fields.filter(|field| !self.partition_columns.contains(field.name()));
        Self {
            columns: Arc::new(Schema::new(in_files.cloned().collect::<Fields>())),
            partition_columns: Vec::new(),
            partition: Arc::default(),
            one_partition: Some(Partition { values, directory }),
            ..self.clone()
        }
    }

    /// Those of a table to be made of a stream, its types made plain.
    ///
    /// # Errors
    /// A type that Delta doesn't have, two columns of one name, or a partition column that can't be one.
    pub fn of_stream(schema: &Schema, partition_by: &[String]) -> Result<Self, Error> {
        for (position, field) in schema.fields().iter().enumerate() {
            // Names differ by more than case: protocol, "Schema Serialization Format".
            let is_same = |other: &&FieldRef| other.name().eq_ignore_ascii_case(field.name());
            if schema.fields()[..position]
                .iter()
                .any(|other| is_same(&other))
            {
                return Err(RuleViolation::Ambiguous(field.name().clone()).into());
            }
        }
        let is_repeated = |(place, name): &(usize, &String)| partition_by[..*place].contains(name);
        if let Some((_, name)) = partition_by.iter().enumerate().find(is_repeated) {
            return Err(RuleViolation::RepeatedPartitionColumn(name.clone()).into());
        }
        let fields = schema.fields().iter().map(|field| plain(field));
        let schema = Schema::new(fields.collect::<Result<Vec<_>, _>>()?);
        let delta_schema: StructType = (&schema).try_into_kernel()?;
        let metadata = new_metadata(&delta_schema, partition_by, [("", ""); 0])
            .map_err(|error| Error::Metadata(error.to_string()))?;
        let anywhere =
            Url::parse("memory:///").map_err(|error| Error::Metadata(error.to_string()))?;
        let unknown = partition_by
            .iter()
            .find(|name| schema.field_with_name(name).is_err());
        if let Some(name) = unknown {
            return Err(RuleViolation::NoSuchPartitionColumn(name.clone()).into());
        }
        let configuration =
            TableConfiguration::try_new(metadata, protocol_for(&schema)?, anywhere, 0)?;
        Self::of(&configuration, None, Rows::New)
    }

    fn of(
        table: &TableConfiguration,
        read_version: Option<u64>,
        rows: Rows,
    ) -> Result<Self, Error> {
        let delta_schema = table.logical_schema();
        if rows == Rows::New {
            refuse_identity(&delta_schema)?;
        }
        refuse_variants(&delta_schema)?;
        let logical: Schema = delta_schema.as_ref().try_into_arrow()?;
        let physical: Schema = table.physical_schema().as_ref().try_into_arrow()?;
        for field in logical.fields() {
            plain(field)?;
        }
        let kept = match rows {
            Rows::New => Kept::Nullability,
            Rows::Written => Kept::Nothing,
        };
        let columns = Schema::new(bare(logical.fields(), kept));
        let partition_columns = table.logical_partition_columns().to_vec();
        let is_mapped = table.column_mapping_mode() != ColumnMappingMode::None;
        let partition = partition_columns
            .iter()
            .map(|name| PartitionColumn::new(&columns, &physical, name))
            .collect::<Result<Vec<_>, _>>()?;
        let in_files = columns.fields().iter().zip(physical.fields());
        let in_files: Fields = in_files
            .filter(|(field, _)| !partition_columns.contains(field.name()))
            .map(|(_, field)| Arc::clone(field))
            .collect();
        if in_files.is_empty() {
            return Err(RuleViolation::OnlyPartitionColumns.into());
        }
        let kept = if is_mapped { Kept::Ids } else { Kept::Nothing };
        let file_schema = Arc::new(Schema::new(bare(&in_files, kept)));
        let target = table.table_properties().target_file_size;
        Ok(Self {
            read_version,
            checks: Arc::new(match rows {
                Rows::New => Checks::new(table, &columns)?,
                Rows::Written => Checks::default(),
            }),
            leaves: Arc::new(Leaves::of(table, &file_schema)?),
            columns: Arc::new(columns),
            partition_columns,
            partition: partition.into(),
            is_mapped,
            delta_schema,
            file_schema,
            target_file_bytes: target.map_or(TARGET_FILE_BYTES, u64::from),
            one_partition: None,
        })
    }

    /// The version whose rules these are; None for a table to be made.
    pub fn read_version(&self) -> Option<u64> {
        self.read_version
    }

    /// The table's columns in their order, of plain types.
    pub fn columns(&self) -> &SchemaRef {
        &self.columns
    }

    /// The names of the partition columns in their order.
    pub fn partition_columns(&self) -> &[String] {
        &self.partition_columns
    }

    /// The schema as the log has it.
    ///
    /// # Errors
    /// It can't be written as JSON.
    pub fn delta_schema(&self) -> Result<String, Error> {
        serde_json::to_string(self.delta_schema.as_ref())
            .map_err(|error| Error::Metadata(error.to_string()))
    }

    /// The columns of a data file: physical names, without the partition columns.
    ///
    /// Every column may be null, as in Spark's files; that none is where none may be, [`Conform`]
    /// has seen to.
    pub fn file_schema(&self) -> &SchemaRef {
        &self.file_schema
    }

    /// How large a file should become.
    pub fn target_file_bytes(&self) -> u64 {
        self.target_file_bytes
    }

    /// How batches of `source` become rows of the table.
    ///
    /// # Errors
    /// A column is missing, unknown, ambiguous, or of a type without a way; it is named.
    pub fn conform(&self, source: &Schema) -> Result<Conform, Error> {
        Conform::new(&self.columns, &self.checks, &self.partition, source)
    }

    /// The partition of a row of a conformed batch.
    ///
    /// # Errors
    /// A value that no partition can have.
    pub fn partition(&self, batch: &RecordBatch, row: usize) -> Result<Partition, Error> {
        match &self.one_partition {
            Some(partition) => Ok(partition.clone()),
            None => Partition::of(&self.partition, batch, row, self.is_mapped),
        }
    }

    /// Statistics of one file.
    pub fn collector(&self) -> Collector {
        Collector::new(Arc::clone(&self.leaves))
    }
}

fn honour_features(table: &TableConfiguration) -> Result<(), RuleViolation> {
    let protocol = table.protocol();
    // Below version 7 features are those of the version, and all but identity columns are honoured.
    let features = protocol.writer_features().unwrap_or_default();
    let version = protocol.min_writer_version();
    if version > 7 {
        return Err(RuleViolation::Feature(format!("writer version {version}")));
    }
    // Columns of these are refused where there are any.
    let by_column = [
        TableFeature::IdentityColumns,
        TableFeature::VariantType,
        TableFeature::VariantTypePreview,
        TableFeature::Unknown("checkpointProtection".to_owned()),
        TableFeature::Unknown("inCommitTimestamp-preview".to_owned()),
    ];
    let is_honoured =
        |feature: &&TableFeature| HONOURED.contains(feature) || by_column.contains(feature);
    match features.iter().find(|feature| !is_honoured(feature)) {
        Some(feature) => Err(RuleViolation::Feature(format!("the feature {feature}"))),
        None => Ok(()),
    }
}

fn refuse_identity(schema: &StructType) -> Result<(), RuleViolation> {
    let key = ColumnMetadataKey::IdentityStart.as_ref();
    let found = schema
        .fields()
        .find(|field| field.metadata().contains_key(key));
    found.map_or(Ok(()), |field| {
        let name = field.name();
        Err(RuleViolation::Feature(format!(
            "the identity column `{name}`"
        )))
    })
}

/// Arrow has a variant as a struct, and written as one it isn't a variant any more.
fn refuse_variants(schema: &StructType) -> Result<(), RuleViolation> {
    fn has_variant(data_type: &DeltaType) -> bool {
        match data_type {
            DeltaType::Variant(_) => true,
            DeltaType::Struct(inner) => inner.fields().any(|field| has_variant(field.data_type())),
            DeltaType::Array(list) => has_variant(list.element_type()),
            DeltaType::Map(map) => has_variant(map.key_type()) || has_variant(map.value_type()),
            DeltaType::Primitive(_) => false,
        }
    }
    let found = schema.fields().find(|field| has_variant(field.data_type()));
    found.map_or(Ok(()), |field| {
        let name = field.name();
        Err(RuleViolation::Feature(format!(
            "the variant column `{name}`"
        )))
    })
}

fn protocol_for(schema: &Schema) -> Result<Protocol, Error> {
    let protocol = if schema
        .fields()
        .iter()
        .any(|field| has_local_time(field.data_type()))
    {
        let features = ["timestampNtz"];
        json!({
            "minReaderVersion": 3, "minWriterVersion": 7,
            "readerFeatures": features, "writerFeatures": features,
        })
    } else {
        json!({"minReaderVersion": 1, "minWriterVersion": 2})
    };
    serde_json::from_value(protocol).map_err(|error| Error::Metadata(error.to_string()))
}

fn has_local_time(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, None) => true,
        DataType::Struct(fields) => fields.iter().any(|field| has_local_time(field.data_type())),
        DataType::List(inner) | DataType::Map(inner, _) => has_local_time(inner.data_type()),
        _ => false,
    }
}
