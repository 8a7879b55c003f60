//! How the values of data files are encoded.

use arrow::datatypes::Schema;
use dfd_delta::CREATED_BY;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Encoding, PageType, Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats, ParquetMetaData};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::files::compression::Compression;
use crate::files::stats::collector::BOUND_BYTES;

/// Rows of a row group, at most.
const ROW_GROUP_ROWS: usize = 1 << 19;
/// Encoded bytes of a row group, about: a writer holds two of them.
const ROW_GROUP_BYTES: usize = 16 << 20;
/// How large a dictionary becomes before it is given up: for row groups of half the usual rows, half of
/// what is usual.
const DICTIONARY_BYTES: usize = 512 << 10;

/// Of files of `schema`.
///
/// # Errors
/// Parquet has no such columns.
pub fn of(schema: &Schema, compression: Compression) -> Result<WriterProperties, ParquetError> {
    let mut properties = WriterProperties::builder()
        .set_compression(compression.codec())
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_statistics_truncate_length(Some(BOUND_BYTES))
        .set_created_by(CREATED_BY.to_owned());
    for column in ArrowSchemaConverter::new().convert(schema)?.columns() {
        let path = column.path().clone();
        match column.physical_type() {
            // Nobody skips by the bounds of those inside lists and maps.
            Type::FLOAT | Type::DOUBLE if column.max_rep_level() > 0 => {
                properties =
                    properties.set_column_statistics_enabled(path, EnabledStatistics::None);
            }
            // Where there is no dictionary: smaller, and faster to write and to read.
            Type::INT32 | Type::INT64 if compression != Compression::Snappy => {
                properties = properties.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
            }
            _ => {}
        }
    }
    Ok(properties.build())
}

/// The same without dictionaries of columns of which all those in the file were given up, as later files
/// will give them up too: filling one takes longer than all else. None where there is none.
pub fn after(properties: &WriterProperties, footer: &ParquetMetaData) -> Option<WriterProperties> {
    let first = footer.row_groups().first()?;
    let mut builder = None;
    for (column, chunk) in first.columns().iter().enumerate() {
        let mut groups = footer.row_groups().iter();
        if groups.all(|group| has_given_up(group.column(column))) {
            let path = chunk.column_path().clone();
            let changed = builder
                .take()
                .unwrap_or_else(|| properties.clone().into_builder());
            builder = Some(changed.set_column_dictionary_enabled(path, false));
        }
    }
    builder.map(|builder| builder.build())
}

/// Whether values stand beside the dictionary that there is.
fn has_given_up(chunk: &ColumnChunkMetaData) -> bool {
    let is_beside = |pages: &PageEncodingStats| {
        let is_data = matches!(
            pages.page_type,
            PageType::DATA_PAGE | PageType::DATA_PAGE_V2
        );
        is_data
            && !matches!(
                pages.encoding,
                Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY
            )
    };
    let pages = chunk.page_encoding_stats();
    chunk.dictionary_page_offset().is_some()
        && pages.is_some_and(|pages| pages.iter().any(is_beside))
}
