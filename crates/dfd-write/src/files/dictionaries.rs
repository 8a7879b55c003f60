//! Which columns get dictionaries, by the first rows of a file.
//!
//! Parquet's writer fills the dictionary of a column until it is too large, writes the other values as
//! they are, and keeps that dictionary, which every reader has to decode: of unique numbers it is the
//! larger part of a file of 100,000 rows.

use arrow::array::AsArray;
use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::kernels::length::length;
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use datafusion::common::hash_utils::{RandomState, create_hashes};
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::Type;
use parquet::file::properties::WriterProperties;

use crate::error::Error;

/// Rows that are looked at, about.
pub(crate) const SAMPLE_ROWS: usize = 1 << 16;
/// Of fewer values nothing is concluded: those that come in turns pass for as many as are looked at.
const MIN_SAMPLE_VALUES: usize = 1 << 14;

/// Turns off the dictionaries that would be given up, as far as the first rows of a file tell.
///
/// Those of columns inside others are left as they are.
///
/// # Errors
/// Parquet has no such columns.
pub(crate) fn without_vain_dictionaries(
    properties: &WriterProperties,
    sample: &[RecordBatch],
) -> Result<WriterProperties, Error> {
    let Some(first) = sample.first() else {
        return Ok(properties.clone());
    };
    let mut builder = properties.clone().into_builder();
    for column in ArrowSchemaConverter::new()
        .convert(first.schema_ref())?
        .columns()
    {
        let path = column.path();
        let [name] = path.parts() else { continue };
        let values: Vec<_> = (sample.iter())
            .filter_map(|batch| batch.column_by_name(name))
            .collect();
        let limit = properties.column_dictionary_page_size_limit(path);
        if properties.dictionary_enabled(path) && is_vain(&values, column.physical_type(), limit)? {
            builder = builder.set_column_dictionary_enabled(path.clone(), false);
        }
    }
    Ok(builder.build())
}

/// Whether the values of a column are more than its dictionary can hold.
///
/// Of `n` values drawn from as many as fit, `fit * (1 - exp(-n / fit))` are unlike in the mean. Where
/// more are, there are more to draw from.
fn is_vain(columns: &[&ArrayRef], kind: Type, limit: usize) -> Result<bool, Error> {
    let values: usize = (columns.iter())
        .map(|column| column.len() - column.null_count())
        .sum();
    if values < MIN_SAMPLE_VALUES {
        return Ok(false);
    }
    let values = values as f64;
    let width = match kind {
        Type::INT32 | Type::FLOAT => 4.0,
        Type::INT64 | Type::DOUBLE => 8.0,
        // A length of four bytes before each.
        Type::BYTE_ARRAY => 4.0 + text_bytes(columns)? as f64 / values,
        // These have no dictionaries.
        Type::BOOLEAN | Type::INT96 | Type::FIXED_LEN_BYTE_ARRAY => return Ok(false),
    };
    let fit = limit as f64 / width;
    Ok(count_unlike(columns)? as f64 > -fit * (-values / fit).exp_m1())
}

/// Bytes of all texts, or binaries.
fn text_bytes(columns: &[&ArrayRef]) -> Result<i64, Error> {
    let mut bytes = 0;
    for column in columns {
        let lengths = length(column)?;
        bytes += match lengths.data_type() {
            DataType::Int32 => lengths
                .as_primitive::<Int32Type>()
                .iter()
                .flatten()
                .map(i64::from)
                .sum(),
            _ => lengths
                .as_primitive::<Int64Type>()
                .iter()
                .flatten()
                .sum::<i64>(),
        };
    }
    Ok(bytes)
}

/// Different values, nulls apart. A few of them may have the hash of others.
fn count_unlike(columns: &[&ArrayRef]) -> Result<usize, Error> {
    let mut hashes = Vec::new();
    for column in columns {
        let mut these = vec![0; column.len()];
        create_hashes([*column], &RandomState::default(), &mut these)
            .map_err(Error::from_operator)?;
        let valid = (0..column.len()).filter(|row| column.is_valid(*row));
        hashes.extend(valid.map(|row| these[row]));
    }
    hashes.sort_unstable();
    hashes.dedup();
    Ok(hashes.len())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int32Array, StringArray, StructArray};
    use parquet::arrow::ArrowWriter;
    use parquet::schema::types::ColumnPath;

    use super::*;
    use crate::files::properties::{Compression, writer_properties};
    use crate::testing::{batch, int64s};

    /// Whether a column of these values, cut into batches of 10,000 rows, gets a dictionary.
    fn has_dictionary(values: ArrayRef) -> bool {
        let rows = batch(vec![("x.y", values)]);
        let cuts = (0..rows.num_rows()).step_by(10_000);
        let sample: Vec<_> = cuts
            .map(|row| rows.slice(row, 10_000.min(rows.num_rows() - row)))
            .collect();
        let properties = writer_properties(&rows.schema(), Compression::Zstd).unwrap();
        let chosen = without_vain_dictionaries(&properties, &sample).unwrap();
        chosen.dictionary_enabled(&ColumnPath::new(vec!["x.y".to_owned()]))
    }

    /// Numbers below `limit` in no order.
    fn drawn(rows: i64, limit: i64) -> impl Iterator<Item = i64> {
        let mut state = 1_u64;
        (0..rows).map(move |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as i64 % limit
        })
    }

    #[test]
    fn values_of_which_too_many_are_unlike_get_none() {
        let fit = (512 << 10) / 8;
        for rows in [1 << 14, 1 << 16] {
            let has = |limit| has_dictionary(int64s(drawn(rows, limit).map(Some)));
            assert!(has(fit / 2), "{rows}");
            assert!(!has(fit * 4), "{rows}");
            assert!(!has_dictionary(int64s((0..rows).map(Some))));
            assert!(has_dictionary(int64s((0..rows).map(|row| Some(row / 2)))));
        }
        assert!(has_dictionary(int64s((0..16_383).map(Some))));
    }

    #[test]
    fn narrow_values_fit_more_often_than_wide_ones() {
        let limit = (512 << 10) / 6;
        let numbers = || drawn(1 << 16, limit);
        assert!(!has_dictionary(int64s(numbers().map(Some))));
        let narrow: Int32Array = numbers().map(|one| Some(one as i32)).collect();
        assert!(has_dictionary(Arc::new(narrow)));
        let text = |width: usize| {
            let texts: StringArray = drawn(1 << 16, 20_000)
                .map(|one| Some(format!("{one:0width$}")))
                .collect();
            has_dictionary(Arc::new(texts))
        };
        assert!(text(8));
        assert!(!text(80));
    }

    #[test]
    fn nulls_are_no_values() {
        let sparse = |step: i64| int64s((0..1 << 16).map(|row| (row % step == 0).then_some(row)));
        assert!(!has_dictionary(sparse(4)));
        assert!(has_dictionary(sparse(5)));
        assert!(has_dictionary(int64s((0..1 << 16).map(|_| None))));
    }

    #[test]
    fn columns_inside_others_are_left_as_they_are() {
        let inner = batch(vec![("x", int64s((0..1 << 14).map(Some)))]);
        let rows = batch(vec![("s", Arc::new(StructArray::from(inner)) as ArrayRef)]);
        let properties = writer_properties(&rows.schema(), Compression::Zstd).unwrap();
        let chosen = without_vain_dictionaries(&properties, &[rows]).unwrap();
        let path = ColumnPath::new(vec!["s".to_owned(), "x".to_owned()]);
        assert!(chosen.dictionary_enabled(&path));
    }

    #[test]
    fn a_file_of_unique_numbers_is_smaller_without() {
        let rows = batch(vec![("id", int64s((0..100_000).map(|row| Some(row * 7))))]);
        let before = writer_properties(&rows.schema(), Compression::Zstd).unwrap();
        let after = without_vain_dictionaries(&before, std::slice::from_ref(&rows)).unwrap();
        let [before, after] = [before, after].map(|properties| {
            let mut writer =
                ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties)).unwrap();
            writer.write(&rows).unwrap();
            writer.into_inner().unwrap().len()
        });
        assert!(after * 10 < before, "{after} {before}");
    }
}
