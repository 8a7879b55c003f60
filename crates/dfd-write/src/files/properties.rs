//! How the values of data files are encoded and compressed.

use std::str::FromStr;

use arrow::datatypes::Schema;
use dfd_delta::CREATED_BY;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression as Codec, Encoding, PageType, Type, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats, ParquetMetaData};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::files::stats::bounds::FOOTER_BOUND_BYTES;

/// Rows of a row group, at most.
const MAX_ROW_GROUP_ROWS: usize = 1 << 19;
/// Encoded bytes of a row group, about: a writer holds two of them.
const MAX_ROW_GROUP_BYTES: usize = 16 << 20;
/// How large a dictionary becomes before it is given up: for row groups of half the usual rows, half of
/// what is usual.
const MAX_DICTIONARY_BYTES: usize = 512 << 10;

/// How the pages of data files are compressed, and for which readers they are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Zstandard: small, at little cost.
    #[default]
    Zstd,
    /// Snappy: larger, and without encodings that readers of before 2022 lack.
    Snappy,
    /// Not compressed.
    None,
}

impl Compression {
    fn codec(self) -> Codec {
        match self {
            Self::Zstd => Codec::ZSTD(ZstdLevel::default()),
            Self::Snappy => Codec::SNAPPY,
            Self::None => Codec::UNCOMPRESSED,
        }
    }

    /// The part of a file's name that tells of it.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Zstd => ".zstd",
            Self::Snappy => ".snappy",
            Self::None => "",
        }
    }
}

impl FromStr for Compression {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "zstd" => Ok(Self::Zstd),
            "snappy" => Ok(Self::Snappy),
            "none" => Ok(Self::None),
            other => Err(format!(
                "compression is zstd, snappy or none, not {other:?}"
            )),
        }
    }
}

/// Chooses the encodings of files of `schema`.
///
/// # Errors
/// Parquet has no such columns.
pub(crate) fn writer_properties(
    schema: &Schema,
    compression: Compression,
) -> Result<WriterProperties, ParquetError> {
    let mut properties = WriterProperties::builder()
        .set_compression(compression.codec())
        .set_max_row_group_row_count(Some(MAX_ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(MAX_ROW_GROUP_BYTES))
        .set_dictionary_page_size_limit(MAX_DICTIONARY_BYTES)
        .set_statistics_truncate_length(Some(FOOTER_BOUND_BYTES))
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

/// Turns off the dictionaries of columns that gave up each of theirs in a file.
///
/// Later files will give them up too, and filling one takes longer than all else. None where there are
/// no such columns.
pub(crate) fn without_failed_dictionaries(
    properties: &WriterProperties,
    footer: &ParquetMetaData,
) -> Option<WriterProperties> {
    let first = footer.row_groups().first()?;
    let mut builder = None;
    for (column, chunk) in first.columns().iter().enumerate() {
        let mut groups = footer.row_groups().iter();
        if groups.all(|group| has_failed_dictionary(group.column(column))) {
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
fn has_failed_dictionary(chunk: &ColumnChunkMetaData) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{DataType, Field};
    use parquet::arrow::ArrowWriter;
    use parquet::schema::types::ColumnPath;

    use crate::testing::{batch, int64s};

    fn schema() -> Schema {
        Schema::new(vec![
            Field::new("a", DataType::Int64, true),
            Field::new("s", DataType::Utf8, true),
            Field::new("l", DataType::new_list(DataType::Float64, true), true),
        ])
    }

    #[test]
    fn whole_numbers_are_packed_unless_for_old_readers() {
        let encoding = |compression, name: &str| {
            let properties = writer_properties(&schema(), compression).unwrap();
            properties.encoding(&ColumnPath::from(name))
        };
        let packed = Some(Encoding::DELTA_BINARY_PACKED);
        assert_eq!(encoding(Compression::Zstd, "a"), packed);
        assert_eq!(encoding(Compression::None, "a"), packed);
        assert_eq!(encoding(Compression::Snappy, "a"), None);
        assert_eq!(encoding(Compression::Zstd, "s"), None);
    }

    #[test]
    fn floats_in_lists_have_no_statistics() {
        let properties = writer_properties(&schema(), Compression::default()).unwrap();
        let converted = ArrowSchemaConverter::new().convert(&schema()).unwrap();
        let path = converted.column(2).path().clone();
        assert_eq!(
            properties.statistics_enabled(&path),
            EnabledStatistics::None
        );
        assert_ne!(
            properties.statistics_enabled(&ColumnPath::from("a")),
            EnabledStatistics::None
        );
    }

    #[test]
    fn names_of_compressions_are_read_and_stand_in_file_names() {
        for (name, suffix) in [("zstd", ".zstd"), ("snappy", ".snappy"), ("none", "")] {
            assert_eq!(
                name.parse::<Compression>().map(Compression::suffix),
                Ok(suffix)
            );
        }
        assert!(
            "ZSTD"
                .parse::<Compression>()
                .is_err_and(|text| text.contains("\"ZSTD\""))
        );
    }

    #[test]
    fn a_dictionary_that_was_given_up_is_not_tried_again() {
        let rows = 1 << 17;
        let unlike = int64s((0..rows).map(|row| Some(row * 1_000_003)));
        let alike = int64s((0..rows).map(|row| Some(row % 7)));
        let batch = batch(vec![("unlike", unlike), ("alike", alike)]);
        let properties = writer_properties(&batch.schema(), Compression::Zstd).unwrap();
        let mut writer =
            ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.clone())).unwrap();
        writer.write(&batch).unwrap();
        let footer = writer.finish().unwrap();
        let better = without_failed_dictionaries(&properties, &footer).unwrap();
        assert!(!better.dictionary_enabled(&ColumnPath::from("unlike")));
        assert!(better.dictionary_enabled(&ColumnPath::from("alike")));
        let mut again =
            ArrowWriter::try_new(Vec::new(), batch.schema(), Some(better.clone())).unwrap();
        again.write(&batch).unwrap();
        assert!(without_failed_dictionaries(&better, &again.finish().unwrap()).is_none());
    }
}
