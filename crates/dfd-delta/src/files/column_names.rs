//! The columns of a data file, under the names of its table.
//!
//! A file may know a column by a physical name, by an id alone, or by its name in another case (Delta's
//! names are the same in any). So its footer is given the table's names, at every depth, before
//! anything looks at it: fitting types, skipping row groups and pages, and decoding then all find a
//! column by the name it has in the table, and none is taken for missing.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::parquet::arrow::{ARROW_SCHEMA_META_KEY, PARQUET_FIELD_ID_META_KEY};
use datafusion::parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataBuilder, RowGroupMetaData,
};
use datafusion::parquet::schema::types::{
    ColumnDescPtr, SchemaDescPtr, SchemaDescriptor, Type, TypePtr,
};

use crate::files::column_mapping::{ID, MappingMode, PHYSICAL_NAME};

type Result<T> = std::result::Result<T, ParquetError>;

/// The names of a table's columns, and how its files are asked for them.
#[derive(Debug, Clone)]
pub(crate) struct TableNames {
    /// The columns in the files, by the table's names; their metadata has ids and physical names.
    pub fields: Fields,
    /// What a file has in place of the names.
    pub mode: MappingMode,
}

impl TableNames {
    /// The footer with the table's names in place of the file's own.
    ///
    /// # Errors
    /// The file's names don't say which column is meant.
    pub(crate) fn given_to(&self, footer: Arc<ParquetMetaData>) -> Result<Arc<ParquetMetaData>> {
        let root = footer.file_metadata().schema_descr().root_schema();
        let Some(root) = self.mode.renamed_struct(root, &self.fields)? else {
            return Ok(footer);
        };
        let schema = SchemaDescriptor::new(Arc::new(root));
        with_schema(&footer, Arc::new(schema)).map(Arc::new)
    }

    /// The same columns by the names that deltalake looks for in files: the physical ones.
    pub(crate) fn physical(&self) -> Self {
        Self {
            fields: physical_fields(&self.fields, self.mode),
            mode: self.mode,
        }
    }
}

impl MappingMode {
    /// The name under which the log and the files know a field, where they go by names.
    pub(crate) fn name_of(self, field: &Field) -> &str {
        match self {
            Self::None => field.name(),
            Self::Name | Self::Id => physical_name(field),
        }
    }

    /// The struct under the table's names; None where it has them.
    fn renamed_struct(self, group: &Type, wanted: &Fields) -> Result<Option<Type>> {
        let columns = group.get_fields();
        let mut is_other = false;
        let mut renamed = Vec::with_capacity(columns.len());
        for (place, (column, field)) in columns.iter().zip(self.found(columns, wanted)?).enumerate()
        {
            let inside = match field {
                Some(field) => self.renamed_inside(column, field.data_type())?,
                None => None,
            };
            let name = match field {
                Some(field) => field.name().clone(),
                // No column of the table may be read from it.
                None if wanted.find(column.name()).is_some() => format!("\u{0}{place}"),
                None => column.name().to_owned(),
            };
            is_other |= inside.is_some() || name != column.name();
            renamed.push(match inside {
                Some(inside) => rebuilt(&inside, &name, fields_of(&inside))?,
                None if name == column.name() => Arc::clone(column),
                None => rebuilt(column, &name, fields_of(column))?,
            });
        }
        is_other
            .then(|| rebuilt(group, group.name(), renamed).map(Arc::unwrap_or_clone))
            .transpose()
    }

    /// A column with what is inside of it under the table's names, and texts as such; None where it is like that.
    fn renamed_inside(self, column: &Type, wanted: &DataType) -> Result<Option<Type>> {
        if column.is_primitive() {
            return as_text(column, wanted);
        }
        match wanted {
            DataType::Struct(fields) => self.renamed_struct(column, fields),
            DataType::List(element) | DataType::LargeList(element) => {
                self.renamed_list(column, element)
            }
            DataType::Map(entries, _) => self.renamed_map(column, entries),
            _ => Ok(None),
        }
    }

    fn renamed_list(self, list: &Type, element: &FieldRef) -> Result<Option<Type>> {
        let [repeated] = list.get_fields() else {
            return Ok(None);
        };
        if repeated.is_primitive() {
            return Ok(None);
        }
        // Parquet's format, "Lists", backward compatibility: who wrote no group around the element.
        let is_element = repeated.get_fields().len() != 1
            || repeated.name() == "array"
            || repeated.name() == format!("{}_tuple", list.name());
        let wanted = element.data_type();
        let inside = if is_element {
            self.renamed_inside(repeated, wanted)?
        } else {
            self.renamed_children(repeated, &[wanted])?
        };
        with_children(list, inside.map(|inside| vec![Arc::new(inside)]))
    }

    fn renamed_map(self, map: &Type, entries: &FieldRef) -> Result<Option<Type>> {
        let ([pairs], DataType::Struct(pair)) = (map.get_fields(), entries.data_type()) else {
            return Ok(None);
        };
        if pairs.is_primitive() || pairs.get_fields().len() != pair.len() {
            return Ok(None);
        }
        let wanted: Vec<_> = pair.iter().map(|field| field.data_type()).collect();
        let inside = self.renamed_children(pairs, &wanted)?;
        with_children(map, inside.map(|inside| vec![Arc::new(inside)]))
    }

    /// The group, its children renamed inside, each by its place; None where nothing changes.
    fn renamed_children(self, group: &Type, wanted: &[&DataType]) -> Result<Option<Type>> {
        let mut is_other = false;
        let children = group
            .get_fields()
            .iter()
            .zip(wanted)
            .map(|(child, wanted)| {
                let inside = self.renamed_inside(child, wanted)?;
                is_other |= inside.is_some();
                Ok(inside.map_or_else(|| Arc::clone(child), Arc::new))
            });
        let children = children.collect::<Result<Vec<_>>>()?;
        with_children(group, is_other.then_some(children))
    }

    /// The field of the table that each column is.
    fn found<'a>(
        self,
        columns: &[TypePtr],
        wanted: &'a Fields,
    ) -> Result<Vec<Option<&'a FieldRef>>> {
        if self == Self::Id {
            refuse_strangers(columns, wanted)?;
        }
        if self == Self::Id && columns.iter().any(has_id) {
            let ids: HashMap<_, _> = wanted.iter().filter_map(with_id).collect();
            let by_id = |column: &TypePtr| {
                let info = column.get_basic_info();
                if info.has_id() {
                    return ids.get(&info.id()).copied();
                }
                // What the table has no id for has none in its files, as the type of a change.
                let mut named = wanted.iter().filter(|field| with_id(field).is_none());
                named.find(|field| field.name() == column.name())
            };
            return Ok(columns.iter().map(by_id).collect());
        }
        let name = |field: &'a FieldRef| self.name_of(field);
        let names: HashMap<_, _> = wanted.iter().map(|field| (name(field), field)).collect();
        let mut found: Vec<_> = columns
            .iter()
            .map(|column| names.get(column.name()).copied())
            .collect();
        let known: Vec<_> = found.iter().flatten().map(|field| name(field)).collect();
        if known.len() < wanted.len() && known.len() < columns.len() {
            let missing = wanted.iter().filter(|field| !known.contains(&name(field)));
            in_another_case(
                columns,
                missing.map(|field| (name(field), field)),
                &mut found,
            )?;
        }
        Ok(found)
    }
}

/// Refuses columns that are looked for by id, and that have neither ids nor physical names: all would be null.
fn refuse_strangers(columns: &[TypePtr], wanted: &Fields) -> Result<()> {
    let is_known = |column: &TypePtr| {
        let mut names = wanted.iter().map(|field| physical_name(field));
        has_id(column) || names.any(|name| name == column.name())
    };
    if columns.is_empty() || columns.iter().any(is_known) {
        return Ok(());
    }
    let names: Vec<_> = columns.iter().map(|column| column.name()).collect();
    Err(ParquetError::General(format!(
        "the table finds its columns by id, and the file's {} have neither ids nor the physical names",
        names.join(", ")
    )))
}

/// A column of bytes that the table has as a text: as one, so that its values are looked at.
///
/// Older writers don't say that a column is a text, or say that it is JSON, and Arrow's reader then believes who
/// asks for a text.
fn as_text(column: &Type, wanted: &DataType) -> Result<Option<Type>> {
    let info = column.get_basic_info();
    let is_unchecked = column.get_physical_type() == PhysicalType::BYTE_ARRAY
        && !matches!(
            info.converted_type(),
            ConvertedType::UTF8 | ConvertedType::DECIMAL
        );
    let is_text = matches!(
        wanted,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    );
    if !(is_unchecked && is_text) {
        return Ok(None);
    }
    let text = Type::primitive_type_builder(column.name(), PhysicalType::BYTE_ARRAY)
        .with_repetition(info.repetition())
        .with_converted_type(ConvertedType::UTF8)
        .with_logical_type(Some(LogicalType::String))
        .with_id(info.has_id().then(|| info.id()))
        .build();
    text.map(Some)
}

/// Finds the `missing` fields of the table among the columns that are none yet.
fn in_another_case<'a>(
    columns: &[TypePtr],
    missing: impl Iterator<Item = (&'a str, &'a FieldRef)>,
    found: &mut [Option<&'a FieldRef>],
) -> Result<()> {
    let missing: HashMap<_, _> = missing
        .map(|(name, field)| (name.to_lowercase(), field))
        .collect();
    let mut taken: HashMap<String, &str> = HashMap::new();
    for (column, found) in columns.iter().zip(found) {
        let name = column.name().to_lowercase();
        let Some(field) = missing.get(&name).filter(|_| found.is_none()) else {
            continue;
        };
        if let Some(other) = taken.insert(name, column.name()) {
            return Err(ParquetError::General(format!(
                "its columns {other} and {} may both be the table's {}",
                column.name(),
                field.name()
            )));
        }
        *found = Some(field);
    }
    Ok(())
}

fn has_id(column: &TypePtr) -> bool {
    column.get_basic_info().has_id()
}

fn with_id(field: &FieldRef) -> Option<(i32, &FieldRef)> {
    let metadata = field.metadata();
    let id = metadata
        .get(ID)
        .or_else(|| metadata.get(PARQUET_FIELD_ID_META_KEY))?;
    Some((id.parse().ok()?, field))
}

fn physical_name(field: &Field) -> &str {
    let name = field.metadata().get(PHYSICAL_NAME);
    name.unwrap_or_else(|| field.name())
}

fn physical_fields(fields: &Fields, mode: MappingMode) -> Fields {
    if mode == MappingMode::None {
        return fields.clone();
    }
    let named = |field: &FieldRef| {
        let kind = physical_type(field.data_type(), mode);
        let named = field.as_ref().clone().with_name(physical_name(field));
        Arc::new(named.with_data_type(kind))
    };
    fields.iter().map(named).collect()
}

fn physical_type(kind: &DataType, mode: MappingMode) -> DataType {
    let inside = |field: &FieldRef| {
        let kind = physical_type(field.data_type(), mode);
        Arc::new(field.as_ref().clone().with_data_type(kind))
    };
    match kind {
        DataType::Struct(fields) => DataType::Struct(physical_fields(fields, mode)),
        DataType::List(element) => DataType::List(inside(element)),
        DataType::LargeList(element) => DataType::LargeList(inside(element)),
        DataType::Map(entries, sorted) => DataType::Map(inside(entries), *sorted),
        other => other.clone(),
    }
}

fn fields_of(node: &Type) -> Vec<TypePtr> {
    if node.is_primitive() {
        Vec::new()
    } else {
        node.get_fields().to_vec()
    }
}

fn with_children(group: &Type, children: Option<Vec<TypePtr>>) -> Result<Option<Type>> {
    children
        .map(|children| rebuilt(group, group.name(), children).map(Arc::unwrap_or_clone))
        .transpose()
}

/// The node under another name, and with other children.
fn rebuilt(node: &Type, name: &str, children: Vec<TypePtr>) -> Result<TypePtr> {
    let info = node.get_basic_info();
    let id = info.has_id().then(|| info.id());
    let built = match node {
        Type::GroupType { .. } => {
            let builder = Type::group_type_builder(name)
                .with_converted_type(info.converted_type())
                .with_logical_type(info.logical_type_ref().cloned())
                .with_fields(children)
                .with_id(id);
            // The root has none.
            if info.has_repetition() {
                builder.with_repetition(info.repetition()).build()
            } else {
                builder.build()
            }
        }
        Type::PrimitiveType {
            physical_type,
            type_length,
            scale,
            precision,
            ..
        } => Type::primitive_type_builder(name, *physical_type)
            .with_repetition(info.repetition())
            .with_converted_type(info.converted_type())
            .with_logical_type(info.logical_type_ref().cloned())
            .with_length(*type_length)
            .with_precision(*precision)
            .with_scale(*scale)
            .with_id(id)
            .build(),
    };
    built.map(Arc::new)
}

/// The footer of the same file under a schema of the same columns.
fn with_schema(footer: &ParquetMetaData, schema: SchemaDescPtr) -> Result<ParquetMetaData> {
    let file = footer.file_metadata();
    // Arrow's own schema has the file's names, and the reader refuses others than those.
    let others = file.key_value_metadata().map(|all| {
        let others = all.iter().filter(|pair| pair.key != ARROW_SCHEMA_META_KEY);
        others.cloned().collect()
    });
    let renamed = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_owned),
        others,
        Arc::clone(&schema),
        file.column_orders().cloned(),
    );
    let groups = footer.row_groups().iter();
    let groups = groups.map(|group| group_with_schema(group, &schema));
    Ok(ParquetMetaDataBuilder::new(renamed)
        .set_row_groups(groups.collect::<Result<_>>()?)
        .set_column_index(footer.column_index().cloned())
        .set_offset_index(footer.offset_index().cloned())
        .build())
}

fn group_with_schema(group: &RowGroupMetaData, schema: &SchemaDescPtr) -> Result<RowGroupMetaData> {
    let columns = group.columns().iter().enumerate();
    let columns = columns.map(|(place, column)| with_descriptor(column, schema.column(place)));
    let mut builder = RowGroupMetaData::builder(Arc::clone(schema))
        .set_num_rows(group.num_rows())
        .set_sorting_columns(group.sorting_columns().cloned())
        .set_total_byte_size(group.total_byte_size())
        .set_column_metadata(columns.collect::<Result<_>>()?);
    if let Some(ordinal) = group.ordinal() {
        builder = builder.set_ordinal(ordinal);
    }
    if let Some(offset) = group.file_offset() {
        builder = builder.set_file_offset(offset);
    }
    builder.build()
}

fn with_descriptor(
    column: &ColumnChunkMetaData,
    descriptor: ColumnDescPtr,
) -> Result<ColumnChunkMetaData> {
    let mut builder = ColumnChunkMetaData::builder(descriptor)
        .set_encodings_mask(*column.encodings_mask())
        .set_num_values(column.num_values())
        .set_compression_codec(column.compression_codec())
        .set_total_compressed_size(column.compressed_size())
        .set_total_uncompressed_size(column.uncompressed_size())
        .set_data_page_offset(column.data_page_offset())
        .set_index_page_offset(column.index_page_offset())
        .set_dictionary_page_offset(column.dictionary_page_offset())
        .set_bloom_filter_offset(column.bloom_filter_offset())
        .set_bloom_filter_length(column.bloom_filter_length())
        .set_offset_index_offset(column.offset_index_offset())
        .set_offset_index_length(column.offset_index_length())
        .set_column_index_offset(column.column_index_offset())
        .set_column_index_length(column.column_index_length())
        .set_unencoded_byte_array_data_bytes(column.unencoded_byte_array_data_bytes())
        .set_repetition_level_histogram(column.repetition_level_histogram().cloned())
        .set_definition_level_histogram(column.definition_level_histogram().cloned());
    if let Some(path) = column.file_path() {
        builder = builder.set_file_path(path.to_owned());
    }
    if let Some(statistics) = column.statistics() {
        builder = builder.set_statistics(statistics.clone());
    }
    if let Some(encodings) = column.page_encoding_stats_mask() {
        builder = builder.set_page_encoding_stats_mask(*encodings);
    } else if let Some(encodings) = column.page_encoding_stats() {
        builder = builder.set_page_encoding_stats(encodings.clone());
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use datafusion::parquet::arrow::parquet_to_arrow_schema;
    use datafusion::parquet::file::metadata::ParquetMetaDataReader;
    use datafusion::parquet::file::properties::WriterProperties;
    use datafusion::parquet::file::writer::SerializedFileWriter;
    use datafusion::parquet::schema::parser::parse_message_type;

    fn footer(message: &str) -> Arc<ParquetMetaData> {
        let schema = Arc::new(parse_message_type(message).unwrap());
        let properties = Arc::new(WriterProperties::default());
        let mut file = Vec::new();
        SerializedFileWriter::new(&mut file, schema, properties)
            .unwrap()
            .close()
            .unwrap();
        let mut reader = ParquetMetaDataReader::new();
        reader.try_parse(&Bytes::from(file)).unwrap();
        Arc::new(reader.finish().unwrap())
    }

    fn mapped(name: &str, data_type: DataType, id: i32, physical: &str) -> FieldRef {
        let metadata = [
            (ID.to_owned(), id.to_string()),
            (PHYSICAL_NAME.to_owned(), physical.to_owned()),
        ];
        Arc::new(Field::new(name, data_type, true).with_metadata(metadata.into()))
    }

    fn plain(name: &str, data_type: DataType) -> FieldRef {
        Arc::new(Field::new(name, data_type, true))
    }

    fn list_of(element: DataType) -> DataType {
        DataType::List(plain("element", element))
    }

    /// The columns that a reader finds: leaves with their paths.
    fn read(names: TableNames, footer: Arc<ParquetMetaData>) -> Result<Vec<String>> {
        let footer = names.given_to(footer)?;
        let file = footer.file_metadata();
        parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata())?;
        let columns = file.schema_descr().columns().iter();
        Ok(columns.map(|column| column.path().string()).collect())
    }

    fn names(mode: MappingMode, fields: Vec<FieldRef>) -> TableNames {
        TableNames {
            fields: fields.into(),
            mode,
        }
    }

    #[test]
    fn names_as_they_are_leave_the_footer() {
        let footer = footer("message m { optional int64 a; optional binary b (UTF8); }");
        let fields = vec![plain("a", DataType::Int64), plain("later", DataType::Utf8)];
        let given = names(MappingMode::None, fields)
            .given_to(Arc::clone(&footer))
            .unwrap();
        assert!(Arc::ptr_eq(&given, &footer));
    }

    #[test]
    fn names_in_another_case_are_found_at_every_depth() {
        let footer = footer(
            "message m { optional int64 id; optional group S { optional int64 inner; optional int64 other; }
             optional group L (LIST) { repeated group list { optional group element { optional int64 X; } } }
             optional group M (MAP) { repeated group key_value { required binary key (UTF8); optional group value { optional int64 Y; } } } }",
        );
        let one = |name: &str| DataType::Struct(vec![plain(name, DataType::Int64)].into());
        let pair = vec![plain("key", DataType::Utf8), plain("value", one("y"))];
        let entries = plain("key_value", DataType::Struct(pair.into()));
        let fields = vec![
            plain("ID", DataType::Int64),
            plain("s", one("Inner")),
            plain("l", list_of(one("x"))),
            plain("m", DataType::Map(entries, false)),
        ];
        assert_eq!(
            read(names(MappingMode::None, fields), footer).unwrap(),
            [
                "ID",
                "s.Inner",
                "s.other",
                "l.list.element.x",
                "m.key_value.key",
                "m.key_value.value.y"
            ]
        );
    }

    #[test]
    fn the_exact_name_wins_and_two_others_are_refused() {
        let both = "message m { optional int64 A; optional int64 a; }";
        let exact = names(MappingMode::None, vec![plain("a", DataType::Int64)]);
        assert_eq!(read(exact, footer(both)).unwrap(), ["A", "a"]);
        let two = footer("message m { optional int64 Ab; optional int64 aB; }");
        let neither = names(MappingMode::None, vec![plain("ab", DataType::Int64)]);
        let error = read(neither, two).unwrap_err().to_string();
        assert!(error.contains("Ab and aB"), "{error}");
    }

    #[test]
    fn ids_count_and_not_names() {
        let footer = footer(
            "message m { optional int64 b = 1; optional group s = 2 { optional int64 q = 3; }
             optional int64 gone = 9; optional int64 a; }",
        );
        let inner = vec![mapped("deep", DataType::Int64, 3, "col-3")];
        let fields = vec![
            mapped("a", DataType::Int64, 1, "col-1"),
            mapped("t", DataType::Struct(inner.into()), 2, "col-2"),
        ];
        assert_eq!(
            read(names(MappingMode::Id, fields), footer).unwrap(),
            ["a", "t.deep", "gone", "\u{0}3"]
        );
    }

    #[test]
    fn a_file_without_ids_has_the_physical_names_or_is_refused() {
        let fields = vec![mapped("a", DataType::Int64, 1, "col-1")];
        let by_id = names(MappingMode::Id, fields);
        let physical = footer(
            "message m { optional int64 `col-1`; }"
                .replace('`', "")
                .as_str(),
        );
        assert_eq!(read(by_id.clone(), physical).unwrap(), ["a"]);
        let error = read(by_id, footer("message m { optional int64 a; }")).unwrap_err();
        assert!(error.to_string().contains("by id"), "{error}");
    }

    #[test]
    fn fields_inside_have_ids_or_physical_names_or_are_refused() {
        let inner = vec![mapped("x", DataType::Int64, 2, "p2")];
        let fields = vec![mapped("s", DataType::Struct(inner.into()), 1, "p1")];
        let by_id = names(MappingMode::Id, fields);
        let of = |inside: &str| {
            let message = format!("message m {{ optional group s = 1 {{ {inside} }} }}");
            read(by_id.clone(), footer(&message))
        };
        assert_eq!(of("optional int64 any = 2;").unwrap(), ["s.x"]);
        assert_eq!(of("optional int64 p2;").unwrap(), ["s.x"]);
        let error = of("optional int64 x;").unwrap_err().to_string();
        assert!(error.contains("the file's x have neither ids"), "{error}");
    }

    #[test]
    fn bytes_are_texts_where_the_table_has_texts() {
        let texts = DataType::Struct(vec![plain("x", DataType::Utf8View)].into());
        let fields = vec![
            plain("a", DataType::Utf8),
            plain("l", list_of(texts)),
            plain("raw", DataType::Binary),
            plain("said", DataType::Utf8),
            plain("json", DataType::Utf8),
            plain("fixed", DataType::Utf8),
        ];
        let stored = footer(
            "message m { optional binary a; optional group l (LIST) { repeated group list { \
             optional group element { optional binary x (ENUM); } } } \
             optional binary raw; optional binary said (UTF8); optional binary json (JSON); \
             optional fixed_len_byte_array(2) fixed; }",
        );
        let found = names(MappingMode::None, fields).given_to(stored).unwrap();
        let schema = found.file_metadata().schema_descr();
        let types: Vec<_> = schema
            .columns()
            .iter()
            .map(|column| column.converted_type())
            .collect();
        use ConvertedType::{NONE, UTF8};
        assert_eq!(types, [UTF8, UTF8, NONE, UTF8, UTF8, NONE]);
    }

    #[test]
    fn physical_names_are_found_inside_lists() {
        let footer = footer(
            "message m { optional group p1 (LIST) { repeated group list { optional group element { optional int64 p2; } } } }",
        );
        let inner = vec![mapped("x", DataType::Int64, 2, "p2")];
        let fields = vec![mapped(
            "l",
            list_of(DataType::Struct(inner.into())),
            1,
            "p1",
        )];
        assert_eq!(
            read(names(MappingMode::Name, fields), footer).unwrap(),
            ["l.list.element.x"]
        );
    }

    #[test]
    fn lists_of_two_levels_have_their_elements_in_the_repeated_group() {
        let wanted = || {
            let inner = DataType::Struct(vec![plain("x", DataType::Int64)].into());
            names(MappingMode::None, vec![plain("l", list_of(inner))])
        };
        let of = |repeated: &str| {
            let message = format!("message m {{ optional group L (LIST) {{ {repeated} }} }}");
            read(wanted(), footer(&message)).unwrap()
        };
        let by_name = "repeated group array { optional int64 X; }";
        assert_eq!(of(by_name), ["l.array.x"]);
        let by_the_lists_name = "repeated group L_tuple { optional int64 X; }";
        assert_eq!(of(by_the_lists_name), ["l.L_tuple.x"]);
        let by_two_fields = "repeated group any { optional int64 X; optional int64 Y; }";
        assert_eq!(of(by_two_fields), ["l.any.x", "l.any.Y"]);
        // Of three levels, whatever they are called.
        let odd = "repeated group bag { optional group array_element { optional int64 X; } }";
        assert_eq!(of(odd), ["l.bag.array_element.x"]);
        let message = "message m { optional group L (LIST) { repeated int64 array; } }";
        let numbers = names(
            MappingMode::None,
            vec![plain("l", list_of(DataType::Int64))],
        );
        assert_eq!(read(numbers, footer(message)).unwrap(), ["l.array"]);
    }

    #[test]
    fn ids_are_found_in_maps_and_in_their_keys() {
        let file = footer(
            "message m { optional group old (MAP) = 1 { repeated group key_value {
               required group key { required int64 was = 2; }
               optional group value { optional int64 a = 4; optional int64 b = 3; } } } }",
        );
        let one = |name: &str, id| mapped(name, DataType::Int64, id, "p");
        let key = DataType::Struct(vec![one("k", 2)].into());
        let value = DataType::Struct(vec![one("three", 3), one("four", 4)].into());
        let pair = vec![plain("key", key), plain("value", value)];
        let entries = plain("key_value", DataType::Struct(pair.into()));
        let map = mapped("new", DataType::Map(entries, false), 1, "p");
        assert_eq!(
            read(names(MappingMode::Id, vec![map]), file).unwrap(),
            [
                "new.key_value.key.k",
                "new.key_value.value.four",
                "new.key_value.value.three"
            ]
        );
    }

    #[test]
    fn ids_count_at_each_depth_where_there_are_any() {
        // Inside of `s` the file has none.
        let file = footer(
            "message m { optional group s = 1 { optional int64 p2; optional int64 x; }
             optional int64 p3; optional int64 y = 4; }",
        );
        let inner = vec![mapped("x", DataType::Int64, 2, "p2")];
        let fields = vec![
            mapped("t", DataType::Struct(inner.into()), 1, "p1"),
            // Without its id it isn't the column, for all that the physical name is there.
            mapped("z", DataType::Int64, 3, "p3"),
        ];
        assert_eq!(
            read(names(MappingMode::Id, fields), file).unwrap(),
            ["t.x", "t.\u{0}1", "p3", "y"]
        );
    }

    #[test]
    fn ids_may_be_those_of_parquet() {
        let metadata = [(PARQUET_FIELD_ID_META_KEY.to_owned(), "7".to_owned())];
        let field = Field::new("a", DataType::Int64, true).with_metadata(metadata.into());
        let file = footer("message m { optional int64 other = 7; }");
        let by_id = names(MappingMode::Id, vec![Arc::new(field)]);
        assert_eq!(read(by_id, file).unwrap(), ["a"]);
    }

    #[test]
    fn physical_names_are_found_in_another_case_and_logical_ones_are_not() {
        let fields = vec![
            mapped("a", DataType::Int64, 1, "Col-1"),
            mapped("b", DataType::Int64, 2, "Col-2"),
        ];
        let file = footer("message m { optional int64 col-1; optional int64 B; }");
        let by_name = names(MappingMode::Name, fields);
        assert_eq!(read(by_name, file).unwrap(), ["a", "B"]);
    }

    #[test]
    fn a_footer_keeps_all_but_its_names() {
        use crate::test_tables::{longs, rows, texts};
        use datafusion::parquet::arrow::ArrowWriter;
        use datafusion::parquet::file::metadata::{KeyValue, PageIndexPolicy};

        let stored = rows([
            ("ID", longs([1, 2, 3])),
            ("t", texts([Some("a"), None, None])),
        ]);
        let pair = KeyValue::new("kept".to_owned(), "yes".to_owned());
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(2))
            .set_key_value_metadata(Some(vec![pair.clone()]))
            .build();
        let mut bytes = Vec::new();
        let mut writer =
            ArrowWriter::try_new(&mut bytes, stored.schema(), Some(properties)).unwrap();
        writer.write(&stored).unwrap();
        writer.close().unwrap();
        let mut reader =
            ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
        reader.try_parse(&Bytes::from(bytes)).unwrap();
        let before = Arc::new(reader.finish().unwrap());
        let wanted = names(MappingMode::None, vec![plain("id", DataType::Int64)]);
        let after = wanted.given_to(Arc::clone(&before)).unwrap();
        let file = after.file_metadata();
        assert_eq!(file.key_value_metadata(), Some(&vec![pair]));
        assert_eq!(file.created_by(), before.file_metadata().created_by());
        assert_eq!(file.num_rows(), 3);
        assert_eq!(after.num_row_groups(), 2);
        assert_eq!(after.column_index(), before.column_index());
        assert_eq!(after.offset_index(), before.offset_index());
        for (after, before) in after.row_groups().iter().zip(before.row_groups()) {
            assert_eq!(after.num_rows(), before.num_rows());
            assert_eq!(after.ordinal(), before.ordinal());
            assert_eq!(after.total_byte_size(), before.total_byte_size());
            for (after, before) in after.columns().iter().zip(before.columns()) {
                assert_eq!(after.statistics(), before.statistics());
                assert_eq!(after.byte_range(), before.byte_range());
                assert_eq!(after.num_values(), before.num_values());
                assert_eq!(after.compression(), before.compression());
            }
        }
        let paths = after.row_group(1).columns().iter();
        let paths: Vec<_> = paths.map(|column| column.column_path().string()).collect();
        assert_eq!(paths, ["id", "t"]);
    }
}
