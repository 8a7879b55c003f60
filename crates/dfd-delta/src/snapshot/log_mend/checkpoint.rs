//! Files of a log in Parquet: checkpoints and their sidecars.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, MapArray, RecordBatch, StringArray, StructArray,
    new_empty_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type, Schema};
use arrow::error::ArrowError;
use bytes::Bytes;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;

use crate::snapshot::log_checks::Reason;
use crate::snapshot::log_mend::rules::Rules;

/// The file with what delta_kernel takes in place of what it doesn't; None where nothing is to be mended.
pub(super) fn mended(file: Bytes, rules: &Rules) -> Result<Option<Bytes>, Reason> {
    // Without Arrow's own schema a text is of one type only.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)?.build()?;
    let (mut batches, mut is_mended) = (Vec::new(), false);
    for batch in reader {
        let batch = Batch::mended(&batch?, rules)?;
        is_mended |= batch.is_mended;
        batches.push(batch.rows);
    }
    if is_mended {
        written(&batches)
    } else {
        Ok(None)
    }
}

fn written(batches: &[RecordBatch]) -> Result<Option<Bytes>, Reason> {
    let Some(first) = batches.first() else {
        return Ok(None);
    };
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    let properties = Some(properties.build());
    let mut writer = ArrowWriter::try_new(Vec::new(), first.schema(), properties)?;
    for batch in batches {
        writer.write(batch)?;
    }
    Ok(Some(writer.into_inner()?.into()))
}

/// Rows of a checkpoint; their types don't depend on whether something was mended.
struct Batch {
    rows: RecordBatch,
    is_mended: bool,
}

impl Batch {
    fn mended(rows: &RecordBatch, rules: &Rules) -> Result<Self, ArrowError> {
        let (mut fields, mut columns, mut is_mended) = (Vec::new(), Vec::new(), false);
        for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
            let mended = match (field.name().as_str(), column.as_struct_opt()) {
                ("add", Some(adds)) => Some(mended_adds(adds, rules)?),
                ("metaData", Some(metadata)) => Some(whole_metadata(metadata)?),
                ("sidecar", Some(sidecars)) => Some(mended_sidecars(sidecars, rules)?),
                _ => None,
            };
            let column = match mended {
                Some(actions) => {
                    is_mended |= actions.is_mended;
                    Arc::new(actions.rows)
                }
                None => Arc::clone(column),
            };
            fields.push(of_type(field, column.data_type()));
            columns.push(column);
        }
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
        Ok(Self { rows, is_mended })
    }
}

/// The field with another type.
fn of_type(field: &Field, data_type: &DataType) -> FieldRef {
    Arc::new(field.clone().with_data_type(data_type.clone()))
}

/// Actions of one kind, null where the row is one of another.
struct Actions {
    rows: StructArray,
    is_mended: bool,
}

impl Actions {
    fn new(rows: &StructArray) -> Self {
        Self {
            rows: rows.clone(),
            is_mended: false,
        }
    }

    /// With other values of a field, which it may not have had.
    fn with(self, name: &str, values: ArrayRef, is_mended: bool) -> Result<Self, ArrowError> {
        let (fields, mut columns, nulls) = self.rows.into_parts();
        let mut fields = fields.to_vec();
        let field = nullable(name, &values);
        match fields.iter().position(|field| field.name() == name) {
            Some(place) => (fields[place], columns[place]) = (field, values),
            None => {
                fields.push(field);
                columns.push(values);
            }
        }
        Ok(Self {
            rows: StructArray::try_new(fields.into(), columns, nulls)?,
            is_mended: self.is_mended || is_mended,
        })
    }
}

fn mended_adds(adds: &StructArray, rules: &Rules) -> Result<Actions, ArrowError> {
    let mut actions = Actions::new(adds);
    let stats = adds.column_by_name("stats");
    if let Some(stats) = stats.and_then(|stats| stats.as_string_opt::<i32>()) {
        let (stats, is_mended) = mended_statistics(stats, rules);
        actions = actions.with("stats", stats, is_mended)?;
    }
    let values = adds.column_by_name("partitionValues");
    if let Some(values) = values.and_then(|values| values.as_map_opt()) {
        let mended = mended_partition_values(values, rules)?;
        let is_mended = mended.is_some();
        let values = mended.unwrap_or_else(|| values.clone());
        actions = actions.with("partitionValues", Arc::new(values), is_mended)?;
    }
    Ok(actions)
}

fn mended_statistics(stats: &StringArray, rules: &Rules) -> (ArrayRef, bool) {
    let mut texts: Vec<_> = stats.iter().collect();
    let mended = rules.statistics(&texts);
    for (place, text) in &mended {
        texts[*place] = text.as_deref();
    }
    let stats = texts.into_iter().collect::<StringArray>();
    (Arc::new(stats), !mended.is_empty())
}

/// The same map with other values; None where none is another.
fn mended_partition_values(
    values: &MapArray,
    rules: &Rules,
) -> Result<Option<MapArray>, ArrowError> {
    let keys = values.keys().as_string_opt::<i32>();
    let texts = values.values().as_string_opt::<i32>();
    let (Some(keys), Some(texts)) = (keys, texts) else {
        return Ok(None);
    };
    let mended = |key: Option<&str>, text: Option<&str>| rules.partition_value(key?, text?);
    let mended = keys.iter().zip(texts).map(|(key, text)| mended(key, text));
    let mended: Vec<_> = mended.collect();
    if mended.iter().all(Option::is_none) {
        return Ok(None);
    }
    let texts = texts.iter().zip(&mended);
    let texts = texts.map(|(text, mended)| mended.as_deref().or(text));
    let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
    let (field, offsets, entries, nulls, is_ordered) = values.clone().into_parts();
    let (fields, columns, of_entries) = entries.into_parts();
    let keys = columns.into_iter().take(1);
    let entries = StructArray::try_new(fields, keys.chain([texts]).collect(), of_entries)?;
    MapArray::try_new(field, offsets, entries, nulls, is_ordered).map(Some)
}

/// The metadata with the fields that may be left out, those of null rows too.
fn whole_metadata(metadata: &StructArray) -> Result<Actions, ArrowError> {
    let rows = metadata.len();
    let configuration = metadata.column_by_name("configuration");
    let format = metadata.column_by_name("format");
    let of_format = |name| format.and_then(|format| format.as_struct_opt()?.column_by_name(name));
    let (provider, options) = (of_format("provider"), of_format("options"));
    let lacks = |values: &Option<&ArrayRef>| {
        let is_null = |row| values.is_none_or(|values| values.is_null(row));
        (0..rows).any(|row| metadata.is_valid(row) && is_null(row))
    };
    let is_mended = [configuration, provider, options].iter().any(lacks);
    let format = [
        ("provider", providers(provider, rows)?),
        ("options", maps(options, rows)?),
    ];
    let format: Vec<_> = format
        .into_iter()
        .map(|(name, values)| (nullable(name, &values), values))
        .collect();
    let format = Arc::new(StructArray::from(format));
    let actions = Actions::new(metadata);
    let actions = actions.with("configuration", maps(configuration, rows)?, is_mended)?;
    actions.with("format", format, is_mended)
}

fn nullable(name: &str, values: &ArrayRef) -> FieldRef {
    Arc::new(Field::new(name, values.data_type().clone(), true))
}

fn providers(found: Option<&ArrayRef>, rows: usize) -> Result<ArrayRef, ArrowError> {
    let Some(found) = found else {
        return Ok(Arc::new(StringArray::from(vec!["parquet"; rows])));
    };
    let found = found.as_string_opt::<i32>().ok_or_else(unexpected)?;
    let filled = found.iter().map(|provider| provider.or(Some("parquet")));
    Ok(Arc::new(filled.collect::<StringArray>()))
}

/// The maps, empty in place of null.
fn maps(found: Option<&ArrayRef>, rows: usize) -> Result<ArrayRef, ArrowError> {
    if let Some(found) = found {
        let found = found.as_map_opt().ok_or_else(unexpected)?;
        // A null map has no entries.
        let (field, offsets, entries, _, is_ordered) = found.clone().into_parts();
        let maps = MapArray::try_new(field, offsets, entries, None, is_ordered)?;
        return Ok(Arc::new(maps));
    }
    let entry = [("key", false), ("value", true)];
    let entry = entry.map(|(name, is_nullable)| Field::new(name, DataType::Utf8, is_nullable));
    let entry = DataType::Struct(entry.to_vec().into());
    let entries = new_empty_array(&entry).as_struct().clone();
    let field = Arc::new(Field::new("key_value", entry, false));
    let offsets = OffsetBuffer::new_zeroed(rows);
    Ok(Arc::new(MapArray::try_new(
        field, offsets, entries, None, false,
    )?))
}

fn unexpected() -> ArrowError {
    ArrowError::SchemaError("a field of the metadata is of another type".to_owned())
}

/// The sidecars with the sizes of those that were mended.
fn mended_sidecars(sidecars: &StructArray, rules: &Rules) -> Result<Actions, ArrowError> {
    let actions = Actions::new(sidecars);
    let names = sidecars.column_by_name("path");
    let sizes = sidecars.column_by_name("sizeInBytes");
    let names = names.and_then(|names| names.as_string_opt::<i32>());
    let sizes = sizes.and_then(|sizes| sizes.as_primitive_opt::<Int64Type>());
    let (Some(names), Some(sizes)) = (names, sizes) else {
        return Ok(actions);
    };
    let mended = names.iter().map(|name| {
        let size = name.and_then(|name| rules.sidecar_size(name))?;
        i64::try_from(size).ok()
    });
    let mended: Vec<_> = mended.collect();
    let is_mended = mended.iter().any(Option::is_some);
    let sizes = mended
        .into_iter()
        .zip(sizes)
        .map(|(mended, size)| mended.or(size));
    let sizes = Arc::new(sizes.collect::<Int64Array>());
    actions.with("sizeInBytes", sizes, is_mended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::builder::{MapBuilder, StringBuilder};
    use arrow::buffer::NullBuffer;
    use serde_json::json;

    use crate::test_tables::field;

    fn rules() -> Rules {
        let fields = [field("id", "long"), field("p", "decimal(5,2)")];
        let schema = json!({"type": "struct", "fields": fields});
        Rules::of(&serde_json::from_value(schema).unwrap())
    }

    /// A map for each row, of one entry at most.
    fn one_entry_maps(values: &[Option<Option<(&str, &str)>>]) -> ArrayRef {
        let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        for map in values {
            if let Some((key, value)) = map.flatten() {
                maps.keys().append_value(key);
                maps.values().append_value(value);
            }
            maps.append(map.is_some()).unwrap();
        }
        Arc::new(maps.finish())
    }

    fn actions(fields: Vec<(&str, ArrayRef)>, is_there: &[bool]) -> ArrayRef {
        let (names, columns): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
        let fields = names.iter().zip(&columns);
        let fields: Vec<_> = fields
            .map(|(name, values)| nullable(name, values))
            .collect();
        let nulls = NullBuffer::from(is_there.to_vec());
        Arc::new(StructArray::new(fields.into(), columns, Some(nulls)))
    }

    fn file(columns: Vec<(&str, ArrayRef)>) -> Bytes {
        let columns = columns
            .into_iter()
            .map(|(name, column)| (name, column, true));
        let rows = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        written(&[rows]).unwrap().unwrap()
    }

    fn read(file: Bytes) -> RecordBatch {
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let mut batches = reader.build().unwrap();
        batches.next().unwrap().unwrap()
    }

    fn texts(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(values.iter().copied().collect::<StringArray>())
    }

    fn adds(values: [&str; 2], stats: [&str; 2]) -> ArrayRef {
        let values = values.map(|value| Some(Some(("p", value))));
        let fields = vec![
            ("path", texts(&[Some("a"), None, Some("b")])),
            (
                "partitionValues",
                one_entry_maps(&[values[0], None, values[1]]),
            ),
            ("stats", texts(&[Some(stats[0]), None, Some(stats[1])])),
            ("new", texts(&[Some("x"), None, None])),
        ];
        actions(fields, &[true, false, true])
    }

    fn metadata(fields: Vec<(&str, ArrayRef)>) -> ArrayRef {
        let id = texts(&[None, Some("id"), None]);
        let fields = [vec![("id", id)], fields].concat();
        actions(fields, &[false, true, false])
    }

    fn whole() -> ArrayRef {
        let format = vec![
            ("provider", texts(&[None, Some("parquet"), None])),
            ("options", one_entry_maps(&[None, Some(None), None])),
        ];
        let set = Some(Some(("delta.appendOnly", "true")));
        metadata(vec![
            ("format", actions(format, &[false, true, false])),
            ("configuration", one_entry_maps(&[None, set, None])),
        ])
    }

    #[test]
    fn a_checkpoint_that_is_taken_stays() {
        let stats = [r#"{"numRecords":1}"#, "{}"];
        let checkpoint = file(vec![
            ("add", adds(["1.00", "one"], stats)),
            ("metaData", whole()),
            ("new", texts(&[None, None, None])),
        ]);
        assert!(mended(checkpoint, &rules()).unwrap().is_none());
        assert!(mended(Bytes::from_static(b"PAR1"), &rules()).is_err());
    }

    #[test]
    fn adds_get_values_and_statistics_that_are_taken() {
        let stats = [r#"{"numRecords":1}"#, "garbage"];
        let checkpoint = file(vec![
            ("add", adds(["1E+1", "1.00"], stats)),
            ("metaData", whole()),
        ]);
        let found = read(mended(checkpoint, &rules()).unwrap().unwrap());
        let add = found["add"].as_struct();
        let wanted = adds(["10.00", "1.00"], stats);
        let wanted = wanted.as_struct();
        for name in ["path", "new"] {
            assert_eq!(add.column_by_name(name), wanted.column_by_name(name));
        }
        let stats: Vec<_> = add
            .column_by_name("stats")
            .unwrap()
            .as_string::<i32>()
            .iter()
            .collect();
        assert_eq!(stats, [Some(r#"{"numRecords":1}"#), None, None]);
        let values = add.column_by_name("partitionValues").unwrap().as_map();
        let values: Vec<_> = values.values().as_string::<i32>().iter().collect();
        assert_eq!(values, [Some("10.00"), Some("1.00")]);
        assert_eq!(add.logical_nulls(), wanted.logical_nulls());
    }

    #[test]
    fn metadata_gets_what_it_lacks() {
        let options = || one_entry_maps(&[None, None, None]);
        let format = |fields| ("format", actions(fields, &[false, true, false]));
        let parquet = || ("provider", texts(&[None, Some("parquet"), None]));
        let configuration = || ("configuration", one_entry_maps(&[None, Some(None), None]));
        for lacking in [
            vec![],
            vec![format(vec![parquet()]), configuration()],
            vec![
                format(vec![parquet(), ("options", options())]),
                configuration(),
            ],
            vec![
                format(vec![parquet(), ("options", options())]),
                ("configuration", options()),
            ],
        ] {
            let checkpoint = file(vec![("metaData", metadata(lacking))]);
            let found = read(mended(checkpoint, &rules()).unwrap().unwrap());
            let metadata = found["metaData"].as_struct();
            let configuration = metadata.column_by_name("configuration").unwrap();
            let format = metadata.column_by_name("format").unwrap().as_struct();
            let options = format.column_by_name("options").unwrap();
            for map in [configuration, options] {
                assert!(map.is_valid(1) && map.as_map().value_length(1) == 0);
            }
            let provider = format.column_by_name("provider").unwrap();
            assert_eq!(provider.as_string::<i32>().value(1), "parquet");
            assert_eq!(metadata.null_count(), 2);
        }
    }

    #[test]
    fn a_sidecar_gets_the_size_that_it_was_mended_to() {
        let sizes: ArrayRef = Arc::new(Int64Array::from(vec![5, 6]));
        let names = texts(&[Some("mended"), Some("as it was")]);
        let sidecars = actions(vec![("path", names), ("sizeInBytes", sizes)], &[true, true]);
        let checkpoint = file(vec![("sidecar", sidecars)]);
        assert!(mended(checkpoint.clone(), &rules()).unwrap().is_none());
        let rules = rules().with_sidecars([("mended".to_owned(), 7)].into());
        let found = read(mended(checkpoint, &rules).unwrap().unwrap());
        let sizes = found["sidecar"].as_struct().column_by_name("sizeInBytes");
        let sizes = sizes.unwrap().as_primitive::<Int64Type>();
        assert_eq!(sizes.values(), &[7, 6]);
    }
}
