//! Batches of a stream as rows of the table.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use dfd_arrow::{castable, exact_cast};

use crate::error::{Error, RuleViolation};
use crate::schema::constraints::Constraints;
use crate::schema::local_times::refuse_mixed_times;
use crate::schema::metadata::{Keep, strip_type_metadata};
use crate::schema::partitions::PartitionColumn;

/// Turns batches of one schema into rows of the table, which follow its rules.
#[derive(Debug)]
pub(crate) struct BatchTransform {
    columns: SchemaRef,
    sources: Vec<ColumnSource>,
    constraints: Arc<Constraints>,
    partitioning: Arc<[PartitionColumn]>,
}

/// Where a column of the table comes from.
#[derive(Debug)]
enum ColumnSource {
    /// A column of the stream.
    Stream {
        index: usize,
        /// The type to cast to first, so that the second cast looks for nulls where none may be.
        through: Option<DataType>,
    },
    /// The default of the table, or null.
    Constant(ScalarValue),
    /// The column's own expression.
    Generated,
}

impl BatchTransform {
    /// Plans how batches of `source` become rows of `columns`.
    ///
    /// # Errors
    /// A column is missing, unknown, ambiguous, or of a type without a way; it is named.
    pub(crate) fn new(
        columns: &SchemaRef,
        constraints: &Arc<Constraints>,
        partitioning: &Arc<[PartitionColumn]>,
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
        let fields = columns.fields().iter().enumerate();
        let sources =
            fields.map(|(index, field)| ColumnSource::new(index, field, constraints, source));
        Ok(Self {
            sources: sources.collect::<Result<_, _>>()?,
            columns: Arc::clone(columns),
            constraints: Arc::clone(constraints),
            partitioning: Arc::clone(partitioning),
        })
    }

    /// Gives the batch with the table's columns exactly; `first_row` is its place in the stream.
    ///
    /// # Errors
    /// A value that doesn't fit or that a rule forbids; column and row are named.
    pub(crate) fn apply(&self, batch: &RecordBatch, first_row: u64) -> Result<RecordBatch, Error> {
        let rows = batch.num_rows();
        let mut columns = Vec::with_capacity(self.sources.len());
        for (source, field) in self.sources.iter().zip(self.columns.fields()) {
            columns.push(match source {
                ColumnSource::Stream { index, through } => {
                    cast_column(batch.column(*index), through.as_ref(), field, first_row)?
                }
                ColumnSource::Constant(value) => value.to_array_of_size(rows)?,
                ColumnSource::Generated => new_null_array(field.data_type(), rows),
            });
        }
        self.compute_generated(&mut columns, rows, first_row)?;
        for (column, field) in columns.iter().zip(self.columns.fields()) {
            if has_not_null(field) {
                refuse_null(column, None, field, field.name(), first_row)?;
            }
        }
        let transformed = record_batch(Arc::clone(&self.columns), columns, rows)?;
        self.check_partitions(&transformed, first_row)?;
        let is_given = |column: usize| matches!(self.sources[column], ColumnSource::Stream { .. });
        self.constraints.check(&transformed, first_row, is_given)?;
        Ok(transformed)
    }

    fn compute_generated(
        &self,
        columns: &mut [ArrayRef],
        rows: usize,
        first_row: u64,
    ) -> Result<(), Error> {
        let is_generated = |source: &ColumnSource| matches!(source, ColumnSource::Generated);
        if !self.sources.iter().any(is_generated) {
            return Ok(());
        }
        let fields = self.columns.fields().iter();
        let nullable = fields.map(|field| field.as_ref().clone().with_nullable(true));
        let schema = Arc::new(Schema::new(nullable.collect::<Vec<_>>()));
        let others = record_batch(schema, columns.to_vec(), rows)?;
        for (index, source) in self.sources.iter().enumerate() {
            if is_generated(source) {
                let computed = self
                    .constraints
                    .compute_generated(index, &others, first_row);
                columns[index] = computed?;
            }
        }
        Ok(())
    }

    fn check_partitions(&self, batch: &RecordBatch, first_row: u64) -> Result<(), RuleViolation> {
        for column in self.partitioning.iter() {
            if let Some((row, reason)) = column.first_unrepresentable(batch) {
                return Err(RuleViolation::PartitionValue {
                    column: column.name().to_owned(),
                    row: Some(first_row + row as u64),
                    reason,
                });
            }
        }
        Ok(())
    }
}

impl ColumnSource {
    fn new(
        index: usize,
        field: &Field,
        constraints: &Constraints,
        source: &Schema,
    ) -> Result<Self, Error> {
        let name = field.name();
        if let Some((place, given)) = source.column_with_name(name) {
            let (from, to) = (given.data_type(), field.data_type());
            let is_castable = castable(from, to).and_then(|()| refuse_mixed_times(from, to));
            is_castable.map_err(|reason| RuleViolation::Type {
                column: name.clone(),
                reason,
            })?;
            return Ok(Self::Stream {
                index: place,
                through: nullable_detour(given, field),
            });
        }
        if constraints.is_generated(index) {
            return Ok(Self::Generated);
        }
        match constraints.default_value(index, field)? {
            Some(value) => Ok(Self::Constant(value)),
            None if field.is_nullable() => {
                Ok(Self::Constant(ScalarValue::try_from(field.data_type())?))
            }
            None => Err(RuleViolation::Missing(name.clone()).into()),
        }
    }
}

fn record_batch(
    schema: SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch, Error> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        schema, columns, &options,
    )?)
}

/// A type on the way, where both are the same and have nested fields that may not be null: a
/// stream's word for it isn't enough, and a cast that changes the type looks.
fn nullable_detour(given: &Field, field: &Field) -> Option<DataType> {
    let is_same = given.data_type() == field.data_type();
    let nullable = strip_type_metadata(field.data_type(), Keep::Nothing);
    (is_same && nullable != *field.data_type()).then_some(nullable)
}

fn cast_column(
    array: &ArrayRef,
    through: Option<&DataType>,
    field: &Field,
    first_row: u64,
) -> Result<ArrayRef, RuleViolation> {
    let to = field.data_type();
    let cast = match through {
        Some(nullable) => exact_cast(array, nullable).and_then(|array| exact_cast(&array, to)),
        None => exact_cast(array, to),
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
    outer_nulls: Option<&NullBuffer>,
    field: &Field,
    path: &str,
    first_row: u64,
) -> Result<(), RuleViolation> {
    let nulls = NullBuffer::union(outer_nulls, array.logical_nulls().as_ref());
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
fn has_not_null(field: &Field) -> bool {
    !field.is_nullable()
        || strip_type_metadata(field.data_type(), Keep::Nothing) != *field.data_type()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int32Array, ListArray, StructArray};
    use arrow::datatypes::Int32Type;
    use serde_json::json;

    use crate::schema::requirements::WriteRequirements;
    use crate::testing::{Table, batch, column, int64s, texts};

    fn transform(table: &Table, source: &RecordBatch) -> Result<BatchTransform, String> {
        let requirements = WriteRequirements::for_configuration(&table.configuration()).unwrap();
        let made = requirements.transform(source.schema_ref());
        made.map_err(|error| error.to_string())
    }

    fn refused(table: &Table, source: &RecordBatch) -> String {
        let transform = transform(table, source).unwrap();
        transform.apply(source, 5).unwrap_err().to_string()
    }

    fn table() -> Table {
        Table::new(&[
            column("a", "long", false),
            column("b", "byte", true),
            column("s", "string", true),
        ])
    }

    #[test]
    fn columns_take_the_tables_order_and_types() {
        let source = batch(vec![
            ("b", int64s([Some(1), None])),
            ("a", Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef),
        ]);
        let written = transform(&table(), &source)
            .unwrap()
            .apply(&source, 0)
            .unwrap();
        let names: Vec<_> = written
            .schema()
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .collect();
        assert_eq!(names, ["a", "b", "s"]);
        assert_eq!(written.column(0), &int64s([Some(1), Some(2)]));
        assert_eq!(*written.column(1).data_type(), DataType::Int8);
        assert_eq!(written.column(2).null_count(), 2);
    }

    #[test]
    fn columns_that_do_not_match_are_named() {
        let a = || ("a", int64s([Some(1)]));
        let missing = transform(&table(), &batch(vec![("b", int64s([Some(1)]))]));
        assert!(missing.is_err_and(|text| text.contains("lacks the column `a`")));
        let unknown = transform(&table(), &batch(vec![a(), ("z", int64s([Some(1)]))]));
        assert!(unknown.is_err_and(|text| text.contains("`z` that the table lacks")));
        let twice = transform(&table(), &batch(vec![a(), a()]));
        assert!(twice.is_err_and(|text| text.contains("two columns named `a`")));
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]);
        let other = transform(&table(), &batch(vec![("a", Arc::new(list) as ArrayRef)]));
        assert!(other.is_err_and(|text| text.starts_with("the column `a`")));
    }

    #[test]
    fn values_that_do_not_fit_are_told_by_their_row_of_the_stream() {
        let source = batch(vec![
            ("a", int64s([Some(1), Some(2)])),
            ("b", int64s([Some(1), Some(128)])),
        ]);
        let told = refused(&table(), &source);
        assert!(
            told.starts_with("row 6 (the first is 0): the column `b`"),
            "{told}"
        );
    }

    #[test]
    fn a_null_where_none_may_be_is_told() {
        let source = batch(vec![("a", int64s([Some(1), None]))]);
        assert_eq!(
            refused(&table(), &source),
            "row 6 (the first is 0): the column `a` is null and may not be"
        );
    }

    #[test]
    fn a_null_struct_is_a_null_in_each_of_its_fields() {
        let inner = json!({"type": "struct", "fields": [column("x", "long", false)]});
        let nested = Table::new(&[column("a", "long", true), column("r", inner, true)]);
        let fields = vec![Field::new("x", DataType::Int64, true)];
        let structs = StructArray::new(
            fields.into(),
            vec![int64s([Some(1), Some(2)])],
            Some(NullBuffer::from(vec![true, false])),
        );
        let source = batch(vec![("r", Arc::new(structs) as ArrayRef)]);
        assert!(refused(&nested, &source).contains("row 6 (the first is 0): the column `r.x`"));
    }

    #[test]
    fn a_streams_word_that_nothing_inside_is_null_is_not_enough() {
        let given = Field::new(
            "r",
            DataType::Struct(vec![Field::new("x", DataType::Int64, false)].into()),
            true,
        );
        let loose = DataType::Struct(vec![Field::new("x", DataType::Int64, true)].into());
        assert_eq!(nullable_detour(&given, &given), Some(loose.clone()));
        let nullable = Field::new("r", loose, true);
        assert_eq!(nullable_detour(&nullable, &nullable), None);
        assert_eq!(nullable_detour(&nullable, &given), None);
        assert!(has_not_null(&given) && !has_not_null(&nullable));
    }

    #[test]
    fn partition_values_are_looked_at_before_they_are_written() {
        let partitioned = table().partition_by(&["s"]);
        let source = batch(vec![
            ("a", int64s([Some(1), Some(2)])),
            ("s", texts([None, Some("")])),
        ]);
        let told = refused(&partitioned, &source);
        assert!(
            told.starts_with("row 6 (the first is 0): the partition column `s`"),
            "{told}"
        );
    }

    #[test]
    fn a_batch_without_rows_has_the_tables_columns() {
        let source = batch(vec![("a", int64s([]))]);
        let written = transform(&table(), &source)
            .unwrap()
            .apply(&source, 0)
            .unwrap();
        assert_eq!((written.num_rows(), written.num_columns()), (0, 3));
    }
}
