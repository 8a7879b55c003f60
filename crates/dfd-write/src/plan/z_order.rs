//! Rows along a Z curve.
//!
//! As Delta-Spark has it: of each column, boundaries from a sample part the values into ranges; the
//! numbers of a row's ranges, their bits interleaved, are the row's place.
//!
//! ```text
//!   a: range 0b10   b: range 0b01   ->   a₁b₁a₀b₀ = 0b1001
//! ```

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array, UInt64Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::StreamExt;

use crate::error::Error;

/// Boundaries of a column, at most.
const MAX_BOUNDARIES: usize = 1000;
/// Bits of a range's number: enough for one range more than there are boundaries.
const RANGE_BITS: usize = 10;
/// Rows of the sample, at least, where the stream has as many.
const SAMPLED_ROWS: usize = 100_000;
/// Bytes of a value that count; values that are equal so far are in one range.
const BOUNDARY_BYTES: usize = 128;

/// Places rows of one schema along the curve.
#[derive(Debug)]
pub(crate) struct ZOrder {
    ranges: Vec<ColumnRanges>,
    schema: SchemaRef,
    key_names: Vec<String>,
}

/// The ranges of one column's values.
struct ColumnRanges {
    index: usize,
    converter: RowConverter,
    /// Boundaries in their order; a value is in the first range whose boundary isn't less.
    boundaries: Vec<Box<[u8]>>,
}

impl fmt::Debug for ColumnRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColumnRanges")
            .field("index", &self.index)
            .field("boundaries", &self.boundaries.len())
            .finish_non_exhaustive()
    }
}

impl ZOrder {
    /// Places rows of `columns` by those of `sampled`, which are read to their end.
    ///
    /// # Errors
    /// The stream fails, or a column has no order.
    pub(crate) async fn sample(
        mut sampled: SendableRecordBatchStream,
        columns: &SchemaRef,
    ) -> Result<Self, Error> {
        let schema = sampled.schema();
        let mut sample = Sample::new(&schema)?;
        while let Some(batch) = sampled.next().await {
            sample.add(&batch?)?;
        }
        let boundaries = sample.boundaries();
        let mut ranges = Vec::with_capacity(boundaries.len());
        for ((converter, boundaries), field) in boundaries.into_iter().zip(schema.fields()) {
            ranges.push(ColumnRanges {
                index: columns.index_of(field.name())?,
                converter,
                boundaries,
            });
        }
        Ok(Self::new(ranges, columns))
    }

    fn new(ranges: Vec<ColumnRanges>, columns: &Schema) -> Self {
        let keys = 0..(ranges.len() * RANGE_BITS).div_ceil(64);
        // A name that no column of a table has.
        let key_names: Vec<_> = keys.map(|key| format!("\u{0}z{key}")).collect();
        let key = |name: &String| Arc::new(Field::new(name, DataType::UInt64, false));
        let mut fields: Vec<_> = columns.fields().iter().cloned().collect();
        fields.extend(key_names.iter().map(key));
        Self {
            ranges,
            schema: Arc::new(Schema::new(fields)),
            key_names,
        }
    }

    /// The columns, and those of the keys after them.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The columns by which rows are sorted.
    pub(crate) fn key_names(&self) -> &[String] {
        &self.key_names
    }

    /// Gives rows their keys.
    ///
    /// # Errors
    /// The batch has other columns.
    pub(crate) fn with_keys(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let rows = batch.num_rows();
        let mut keys = vec![vec![0_u64; rows]; self.key_names.len()];
        for (place, ranges) in self.ranges.iter().enumerate() {
            let column = [Arc::clone(batch.column(ranges.index))];
            let values = ranges.converter.convert_columns(&column)?;
            for (row, value) in values.iter().enumerate() {
                let number = ranges.number(value.as_ref());
                for bit in 0..RANGE_BITS {
                    let is_set = u64::from(number >> (RANGE_BITS - 1 - bit) & 1 == 1);
                    let at = bit * self.ranges.len() + place;
                    keys[at / 64][row] |= is_set << (63 - at % 64);
                }
            }
        }
        let key_columns = keys
            .into_iter()
            .map(|key| -> ArrayRef { Arc::new(UInt64Array::from(key)) });
        let columns = batch.columns().iter().cloned().chain(key_columns);
        RecordBatch::try_new(Arc::clone(&self.schema), columns.collect())
    }
}

impl ColumnRanges {
    /// Numbers the range of a value. Where there are few ranges they are spread over all bits, or their
    /// column would count for nothing beside one with many.
    fn number(&self, value: &[u8]) -> usize {
        let range = self.boundaries.partition_point(|known| **known < *value);
        (range << RANGE_BITS) / (self.boundaries.len() + 1)
    }
}

/// A random sample of a stream's rows: those of the lowest priorities.
///
/// Each row is as likely to be in it as any other, and in every run it is the same ones.
struct Sample {
    converters: Vec<RowConverter>,
    rows: Vec<SampledRow>,
    seen_rows: u64,
    highest_priority: u64,
}

struct SampledRow {
    priority: u64,
    values: Vec<Box<[u8]>>,
}

impl Sample {
    fn new(schema: &Schema) -> Result<Self, ArrowError> {
        let sort_field = |field: &FieldRef| SortField::new(field.data_type().clone());
        let converters = schema
            .fields()
            .iter()
            .map(|field| RowConverter::new(vec![sort_field(field)]));
        Ok(Self {
            converters: converters.collect::<Result<_, _>>()?,
            rows: Vec::new(),
            seen_rows: 0,
            highest_priority: u64::MAX,
        })
    }

    /// Adds the rows of a batch that have a low priority.
    fn add(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let first = self.seen_rows;
        self.seen_rows += batch.num_rows() as u64;
        let priorities = (first..self.seen_rows).map(priority).zip(0_u32..);
        let chosen: Vec<_> = priorities
            .filter(|(priority, _)| *priority <= self.highest_priority)
            .collect();
        let places = UInt32Array::from_iter_values(chosen.iter().map(|(_, row)| *row));
        let batch_of_chosen = take_record_batch(batch, &places)?;
        let mut values = vec![Vec::with_capacity(self.converters.len()); chosen.len()];
        for (converter, column) in self.converters.iter().zip(batch_of_chosen.columns()) {
            let converted = converter.convert_columns(&[Arc::clone(column)])?;
            for (row, into) in converted.iter().zip(&mut values) {
                let bytes: &[u8] = row.as_ref();
                into.push(bytes[..bytes.len().min(BOUNDARY_BYTES)].into());
            }
        }
        let with_values = chosen.into_iter().zip(values);
        self.rows
            .extend(with_values.map(|((priority, _), values)| SampledRow { priority, values }));
        if self.rows.len() > 2 * SAMPLED_ROWS {
            self.keep_lowest();
        }
        Ok(())
    }

    fn keep_lowest(&mut self) {
        let (_, highest, _) = self
            .rows
            .select_nth_unstable_by_key(SAMPLED_ROWS - 1, |row| row.priority);
        self.highest_priority = highest.priority;
        self.rows.truncate(SAMPLED_ROWS);
    }

    /// Gives the converter and the boundaries of each column.
    fn boundaries(self) -> Vec<(RowConverter, Vec<Box<[u8]>>)> {
        let rows = self.rows;
        let of_column = |column: usize| {
            let mut values: Vec<&[u8]> = rows.iter().map(|row| &*row.values[column]).collect();
            values.sort_unstable();
            let quantiles =
                (1..=MAX_BOUNDARIES).map(|part| part * values.len() / (MAX_BOUNDARIES + 1));
            let mut boundaries: Vec<Box<[u8]>> = quantiles
                .filter_map(|place| values.get(place))
                .map(|value| Box::from(*value))
                .collect();
            boundaries.dedup();
            // Beyond the greatest value there is no range.
            boundaries.pop_if(|boundary| values.last() == Some(&&**boundary));
            boundaries
        };
        let boundaries: Vec<_> = (0..self.converters.len()).map(of_column).collect();
        self.converters.into_iter().zip(boundaries).collect()
    }
}

/// Hashes a row's place: spread evenly, whatever period the rows have (splitmix64).
fn priority(row: u64) -> u64 {
    let mut hash = row.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;
    use arrow::datatypes::UInt64Type;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use futures::stream;

    use crate::testing::{batch, int64s, texts};

    fn sampled(batches: Vec<RecordBatch>) -> SendableRecordBatchStream {
        let schema = batches[0].schema();
        let all = stream::iter(batches.into_iter().map(Ok));
        Box::pin(RecordBatchStreamAdapter::new(schema, all))
    }

    fn z_order(rows: &RecordBatch, columns: &SchemaRef) -> ZOrder {
        let work = ZOrder::sample(sampled(vec![rows.clone()]), columns);
        dfd_runtime::block_on(work).unwrap().unwrap()
    }

    fn keys(z_order: &ZOrder, rows: &RecordBatch) -> Vec<u64> {
        let keyed = z_order.with_keys(rows).unwrap();
        assert_eq!(keyed.schema_ref(), z_order.schema());
        let key = keyed
            .column(rows.num_columns())
            .as_primitive::<UInt64Type>();
        key.values().to_vec()
    }

    #[test]
    fn bits_of_the_columns_take_turns() {
        let values = || int64s((0..4).map(Some));
        let rows = batch(vec![("a", values()), ("b", values())]);
        let order = z_order(&rows, &rows.schema());
        let a = int64s([0, 0, 3, 3].map(Some));
        let b = int64s([0, 3, 0, 3].map(Some));
        let corners = batch(vec![("a", a), ("b", b)]);
        // Ranges of four values are 0b00 to 0b11 in their first bits: a's come before b's.
        let first_bits: Vec<_> = keys(&order, &corners).iter().map(|key| key >> 60).collect();
        assert_eq!(first_bits, [0b0000, 0b0101, 0b1010, 0b1111]);
    }

    #[test]
    fn one_column_is_ordered_with_nulls_first() {
        let values = int64s([Some(5), None, Some(-3), Some(100)]);
        let rows = batch(vec![("unused", int64s([None; 4])), ("a", values)]);
        let order = z_order(&rows.project(&[1]).unwrap(), &rows.schema());
        let found = keys(&order, &rows);
        assert!(found[1] < found[2] && found[2] < found[0] && found[0] < found[3]);
    }

    #[test]
    fn many_columns_have_more_than_one_key() {
        let names: Vec<_> = (0..7).map(|column| format!("c{column}")).collect();
        let columns = names.iter().map(|name| (name.as_str(), int64s([Some(1)])));
        let rows = batch(columns.collect());
        let order = z_order(&rows, &rows.schema());
        assert_eq!(order.key_names().len(), 2);
        assert_eq!(order.with_keys(&rows).unwrap().num_columns(), 9);
    }

    #[test]
    fn equal_values_have_one_range() {
        let rows = batch(vec![
            ("a", texts([Some("x"); 3])),
            ("b", int64s([Some(1), Some(2), Some(2)])),
        ]);
        let order = z_order(&rows, &rows.schema());
        let found = keys(&order, &rows);
        assert!(found[0] < found[1] && found[1] == found[2]);
    }

    #[test]
    fn an_empty_sample_places_every_row_alike() {
        let none = batch(vec![("a", int64s([]))]);
        let order = z_order(&none, &none.schema());
        let rows = batch(vec![("a", int64s([Some(1), Some(2)]))]);
        assert_eq!(keys(&order, &rows), [0, 0]);
    }

    #[test]
    fn a_sample_is_bounded_and_the_same_in_every_run() {
        let rows = batch(vec![("a", int64s((0..50_000).map(Some)))]);
        let sample = || {
            let mut sample = Sample::new(rows.schema_ref()).unwrap();
            for _ in 0..6 {
                sample.add(&rows).unwrap();
            }
            let mut priorities: Vec<_> = sample.rows.iter().map(|row| row.priority).collect();
            priorities.sort_unstable();
            (sample.seen_rows, priorities)
        };
        let (seen, priorities) = sample();
        assert_eq!(seen, 300_000);
        assert!((SAMPLED_ROWS..=2 * SAMPLED_ROWS).contains(&priorities.len()));
        assert_eq!(sample().1, priorities);
    }

    #[test]
    fn priorities_are_spread_whatever_the_period_of_the_rows() {
        let low = (0..10_000).filter(|row| priority(row * 1_024) < u64::MAX / 2);
        let share = low.count();
        assert!((4_700..5_300).contains(&share), "{share}");
    }
}
