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
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::StreamExt;

use crate::error::Error;

/// Boundaries of a column, at most.
const BOUNDARIES: usize = 1000;
/// Bits of a range's number: enough for one range more than there are boundaries.
const BITS: usize = 10;
/// Rows of the sample, at least where there are as many.
const SAMPLED_ROWS: usize = 100_000;
/// Bytes of a boundary that count; what is equal so far is of one range.
const BOUNDARY_BYTES: usize = 128;

/// How rows of one schema are placed.
#[derive(Debug)]
pub struct ZOrder {
    ranges: Vec<Ranges>,
    schema: SchemaRef,
    key_names: Vec<String>,
}

/// The ranges of one column.
struct Ranges {
    index: usize,
    converter: RowConverter,
    /// In their order; a value is in the first range whose boundary isn't less.
    boundaries: Vec<Box<[u8]>>,
}

impl fmt::Debug for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ranges")
            .field("index", &self.index)
            .field("boundaries", &self.boundaries.len())
            .finish_non_exhaustive()
    }
}

impl ZOrder {
    /// By the columns of `sampled`, which are read to their end, for rows of `columns`.
    ///
    /// # Errors
    /// The stream fails, or a column has no order.
    pub async fn of(
        mut sampled: SendableRecordBatchStream,
        columns: &SchemaRef,
    ) -> Result<Self, Error> {
        let schema = sampled.schema();
        let mut samples = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            samples.push(RowConverter::new(vec![SortField::new(
                field.data_type().clone(),
            )])?);
        }
        let mut sample = Sample::new(samples);
        while let Some(batch) = sampled.next().await {
            sample.see(&batch?)?;
        }
        let found = sample.boundaries();
        let mut ranges = Vec::with_capacity(found.len());
        for ((converter, boundaries), field) in found.into_iter().zip(schema.fields()) {
            ranges.push(Ranges {
                index: columns.index_of(field.name())?,
                converter,
                boundaries,
            });
        }
        let mut fields: Vec<_> = columns.fields().iter().cloned().collect();
        let keys = 0..(ranges.len() * BITS).div_ceil(64);
        // A name that no column of a table has.
        let key_names: Vec<_> = keys.map(|key| format!("\u{0}z{key}")).collect();
        let key = |name: &String| Arc::new(Field::new(name, DataType::UInt64, false));
        fields.extend(key_names.iter().map(key));
        Ok(Self {
            ranges,
            schema: Arc::new(Schema::new(fields)),
            key_names,
        })
    }

    /// The columns, and those of the keys after them.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// By which rows are sorted.
    pub fn key_names(&self) -> &[String] {
        &self.key_names
    }

    /// The rows with their keys.
    ///
    /// # Errors
    /// The batch has other columns.
    pub fn keyed(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let rows = batch.num_rows();
        let mut keys = vec![vec![0_u64; rows]; self.key_names.len()];
        for (place, ranges) in self.ranges.iter().enumerate() {
            let values = [Arc::clone(batch.column(ranges.index))];
            let values = ranges.converter.convert_columns(&values)?;
            for (row, value) in values.iter().enumerate() {
                let number = ranges.number(value.as_ref());
                for bit in 0..BITS {
                    let is_set = u64::from(number >> (BITS - 1 - bit) & 1 == 1);
                    let at = bit * self.ranges.len() + place;
                    keys[at / 64][row] |= is_set << (63 - at % 64);
                }
            }
        }
        let keys = keys
            .into_iter()
            .map(|key| -> ArrayRef { Arc::new(UInt64Array::from(key)) });
        let columns = batch.columns().iter().cloned().chain(keys);
        RecordBatch::try_new(Arc::clone(&self.schema), columns.collect())
    }
}

impl Ranges {
    /// The number of a value's range. Where there are few ranges they are spread over all bits, or their
    /// column would count for nothing beside one with many.
    fn number(&self, value: &[u8]) -> usize {
        let range = self.boundaries.partition_point(|known| **known < *value);
        (range << BITS) / (self.boundaries.len() + 1)
    }
}

/// Rows that are drawn by lot from a stream, each as likely as any other; the lots are those of every run.
struct Sample {
    converters: Vec<RowConverter>,
    drawn: Vec<Drawn>,
    seen_rows: u64,
    highest_lot: u64,
}

struct Drawn {
    lot: u64,
    values: Vec<Box<[u8]>>,
}

impl Sample {
    fn new(converters: Vec<RowConverter>) -> Self {
        Self {
            converters,
            drawn: Vec::new(),
            seen_rows: 0,
            highest_lot: u64::MAX,
        }
    }

    fn see(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let first = self.seen_rows;
        self.seen_rows += batch.num_rows() as u64;
        let lots = (first..self.seen_rows).map(lot).zip(0_u32..);
        let drawn: Vec<_> = lots.filter(|(lot, _)| *lot <= self.highest_lot).collect();
        let places = UInt32Array::from_iter_values(drawn.iter().map(|(_, row)| *row));
        let rows = take_record_batch(batch, &places)?;
        let mut values = vec![Vec::with_capacity(self.converters.len()); drawn.len()];
        for (converter, column) in self.converters.iter().zip(rows.columns()) {
            let converted = converter.convert_columns(&[Arc::clone(column)])?;
            for (row, into) in converted.iter().zip(&mut values) {
                let bytes: &[u8] = row.as_ref();
                into.push(bytes[..bytes.len().min(BOUNDARY_BYTES)].into());
            }
        }
        let drawn = drawn.into_iter().zip(values);
        self.drawn
            .extend(drawn.map(|((lot, _), values)| Drawn { lot, values }));
        if self.drawn.len() > 2 * SAMPLED_ROWS {
            let (_, highest, _) = self
                .drawn
                .select_nth_unstable_by_key(SAMPLED_ROWS - 1, |drawn| drawn.lot);
            self.highest_lot = highest.lot;
            self.drawn.truncate(SAMPLED_ROWS);
        }
        Ok(())
    }

    /// Of each column its converter and boundaries.
    fn boundaries(self) -> Vec<(RowConverter, Vec<Box<[u8]>>)> {
        let drawn = self.drawn;
        let of_column = |column: usize| {
            let mut values: Vec<&[u8]> = drawn.iter().map(|drawn| &*drawn.values[column]).collect();
            values.sort_unstable();
            let quantiles = (1..=BOUNDARIES).map(|part| part * values.len() / (BOUNDARIES + 1));
            let mut found: Vec<Box<[u8]>> = quantiles
                .filter_map(|place| values.get(place))
                .map(|value| Box::from(*value))
                .collect();
            found.dedup();
            // Beyond the greatest value there is no range.
            found.pop_if(|boundary| values.last() == Some(&&**boundary));
            found
        };
        let boundaries: Vec<_> = (0..self.converters.len()).map(of_column).collect();
        self.converters.into_iter().zip(boundaries).collect()
    }
}

/// Spread evenly, whatever period the rows have (splitmix64).
fn lot(row: u64) -> u64 {
    let mut lot = row.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    lot = (lot ^ (lot >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    lot = (lot ^ (lot >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    lot ^ (lot >> 31)
}
