//! Batches of a stream as rows of the table.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use dfd_stream::{castable, exact_cast};

use crate::error::{Error, RuleViolation};
use crate::schema::constraints::Checks;
use crate::schema::metadata::{Kept, bare_type};
use crate::schema::partitions::PartitionColumn;

/// How batches of one schema become rows of the table.
#[derive(Debug)]
pub struct Conform {
    columns: SchemaRef,
    sources: Vec<Source>,
    checks: Arc<Checks>,
    partition: Arc<[PartitionColumn]>,
}

/// Where a column of the table comes from.
#[derive(Debug)]
enum Source {
    /// The stream's column of this place; the type says how it is taken if it has nested fields
    /// of which Arrow doesn't see to it that they aren't null.
    Stream(usize, Option<DataType>),
    /// The default of the table, or null.
    Constant(ScalarValue),
    Generated,
}

impl Conform {
    /// From batches of `source` to rows of `columns`.
    ///
    /// # Errors
    /// A column is missing, unknown, ambiguous, or of a type without a way; it is named.
    pub fn new(
        columns: &SchemaRef,
        checks: &Arc<Checks>,
        partition: &Arc<[PartitionColumn]>,
        source: &Schema,
    ) -> Result<Self, Error> {
        for (position, field) in source.fields().iter().enumerate() {
            let name = field.name();
            if columns.fields().find(name).is_none() {
                return Err(RuleViolation::Unknown(name.clone()).into());
            }
            if source.index_of(name)? != position {
                return Err(RuleViolation::Ambiguous(name.clone()).into());
            }
        }
        let sources = columns.fields().iter().enumerate().map(|(index, field)| {
            let name = field.name();
            if let Some((place, given)) = source.column_with_name(name) {
                castable(given.data_type(), field.data_type()).map_err(|reason| {
                    RuleViolation::Type {
                        column: name.clone(),
                        reason,
                    }
                })?;
                return Ok(Source::Stream(place, unguarded(given, field)));
            }
            if checks.generates(index) {
                return Ok(Source::Generated);
            }
            match checks.default_of(index, field)? {
                Some(value) => Ok(Source::Constant(value)),
                None if field.is_nullable() => {
                    Ok(Source::Constant(ScalarValue::try_from(field.data_type())?))
                }
                None => Err(RuleViolation::Missing(name.clone()).into()),
            }
        });
        Ok(Self {
            sources: sources.collect::<Result<_, Error>>()?,
            columns: Arc::clone(columns),
            checks: Arc::clone(checks),
            partition: Arc::clone(partition),
        })
    }

    /// The batch with the table's columns exactly; `first_row` is its place in the stream.
    ///
    /// # Errors
    /// A value that doesn't fit or that a rule forbids; column and row are named.
    pub fn apply(&self, batch: &RecordBatch, first_row: u64) -> Result<RecordBatch, Error> {
        let rows = batch.num_rows();
        let mut columns = Vec::with_capacity(self.sources.len());
        for (source, field) in self.sources.iter().zip(self.columns.fields()) {
            columns.push(match source {
                Source::Stream(index, through) => {
                    taken(batch.column(*index), through.as_ref(), field, first_row)?
                }
                Source::Constant(value) => value.to_array_of_size(rows)?,
                Source::Generated => new_null_array(field.data_type(), rows),
            });
        }
        self.generate(&mut columns, rows, first_row)?;
        for (column, field) in columns.iter().zip(self.columns.fields()) {
            if is_required(field) {
                refuse_null(column, None, field, field.name(), first_row)?;
            }
        }
        let made = batch_of(Arc::clone(&self.columns), columns, rows)?;
        for column in self.partition.iter() {
            if let Some((row, reason)) = column.first_unfit(&made) {
                return Err(RuleViolation::PartitionValue {
                    column: column.name().to_owned(),
                    row: Some(first_row + row as u64),
                    reason,
                }
                .into());
            }
        }
        let is_given = |column: usize| matches!(self.sources[column], Source::Stream(..));
        self.checks.verify(&made, first_row, is_given)?;
        Ok(made)
    }

    fn generate(&self, columns: &mut [ArrayRef], rows: usize, first_row: u64) -> Result<(), Error> {
        let is_missing = |source: &Source| matches!(source, Source::Generated);
        if !self.sources.iter().any(is_missing) {
            return Ok(());
        }
        let nullable = self.columns.fields().iter();
        let nullable = nullable.map(|field| field.as_ref().clone().with_nullable(true));
        let schema = Arc::new(Schema::new(nullable.collect::<Vec<_>>()));
        let others = batch_of(schema, columns.to_vec(), rows)?;
        for (index, source) in self.sources.iter().enumerate() {
            if is_missing(source) {
                columns[index] = self.checks.generate(index, &others, first_row)?;
            }
        }
        Ok(())
    }
}

fn batch_of(schema: SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, Error> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        schema, columns, &options,
    )?)
}

/// A type on the way, where both are the same and have nested fields that may not be null: a
/// stream's word for it isn't enough, and a cast that changes the type looks.
fn unguarded(given: &Field, field: &Field) -> Option<DataType> {
    let is_same = given.data_type() == field.data_type();
    let loose = bare_type(field.data_type(), Kept::Nothing);
    (is_same && loose != *field.data_type()).then_some(loose)
}

fn taken(
    array: &ArrayRef,
    through: Option<&DataType>,
    field: &Field,
    first_row: u64,
) -> Result<ArrayRef, RuleViolation> {
    let cast = match through {
        Some(loose) => {
            exact_cast(array, loose).and_then(|array| exact_cast(&array, field.data_type()))
        }
        None => exact_cast(array, field.data_type()),
    };
    cast.map_err(|inexact| RuleViolation::Value {
        column: format!("{}{}", field.name(), inexact.path),
        row: first_row + inexact.row as u64,
        reason: inexact.reason,
    })
}

/// Fails at a null where none may be. To Spark, a null struct is one in each of its fields.
fn refuse_null(
    array: &ArrayRef,
    above: Option<&NullBuffer>,
    field: &Field,
    path: &str,
    first_row: u64,
) -> Result<(), RuleViolation> {
    let nulls = NullBuffer::union(above, array.logical_nulls().as_ref());
    let is_broken = |nulls: &&NullBuffer| !field.is_nullable() && nulls.null_count() > 0;
    if let Some(nulls) = nulls.as_ref().filter(is_broken) {
        let row = (0..array.len()).find(|row| nulls.is_null(*row));
        return Err(RuleViolation::Null {
            column: path.to_owned(),
            row: first_row + row.unwrap_or_default() as u64,
        });
    }
    if let Some(inside) = array.as_struct_opt() {
        for (array, field) in inside.columns().iter().zip(inside.fields()) {
            let path = format!("{path}.{}", field.name());
            refuse_null(array, nulls.as_ref(), field, &path, first_row)?;
        }
    }
    Ok(())
}

/// Whether the column or a field in it may not be null.
fn is_required(field: &Field) -> bool {
    !field.is_nullable() || bare_type(field.data_type(), Kept::Nothing) != *field.data_type()
}
