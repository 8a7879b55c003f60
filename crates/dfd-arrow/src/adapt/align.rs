//! Batches aligned to a schema: columns by name, types by exact cast.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::cast::{Inexact, castable, exact_cast, not_null};

/// Why a stream can't have the schema that is asked of it.
#[derive(Debug, thiserror::Error)]
pub enum AlignError {
    /// A column would be dropped.
    #[error("the stream has a column `{0}` that the target schema lacks; project it away first")]
    Extra(String),
    /// Two columns of the stream have one name.
    #[error("the stream has two columns named `{0}`; rename one")]
    Ambiguous(String),
    /// A column that may not be null isn't there.
    #[error("the stream lacks the column `{0}`, which may not be null")]
    Missing(String),
    /// No cast leads from one type to the other.
    #[error("the column `{name}`{reason}")]
    Type {
        /// The column.
        name: String,
        /// What has no way, with the path of the nested field.
        reason: String,
    },
    /// A value doesn't fit the target type.
    #[error("the column `{name}`{path} in row {row} of the stream: {reason}")]
    Value {
        /// The column.
        name: String,
        /// Where below it.
        path: String,
        /// The row, counted from 0 since the stream began.
        row: u64,
        /// The value, and what it isn't.
        reason: String,
    },
    /// Batches of no rows would never end.
    #[error("batch_rows is at least 1")]
    NoRows,
    /// A batch isn't what the stream said it would be.
    #[error("the batch after row {row} of the stream isn't as its schema says: {source}")]
    Batch {
        /// Rows that came before it.
        row: u64,
        /// What is wrong.
        source: ArrowError,
    },
}

impl From<AlignError> for ArrowError {
    fn from(error: AlignError) -> Self {
        Self::ExternalError(Box::new(error))
    }
}

/// Checks before any batch is read: fail where no batch of `from` can become one of `to`.
pub fn check(from: &Schema, to: &Schema) -> Result<(), AlignError> {
    if in_order(from, to) {
        return from
            .fields()
            .iter()
            .zip(to.fields())
            .try_for_each(|(old, new)| fits(old, new));
    }
    let found = |name: &str| from.fields().find(name);
    for (position, field) in from.fields().iter().enumerate() {
        let name = field.name();
        if to.fields().find(name).is_none() {
            return Err(AlignError::Extra(name.clone()));
        }
        if found(name).is_some_and(|(first, _)| first != position) {
            return Err(AlignError::Ambiguous(name.clone()));
        }
    }
    for field in to.fields() {
        let name = field.name().clone();
        match found(&name) {
            None if !field.is_nullable() => return Err(AlignError::Missing(name)),
            None => {}
            Some((_, old)) => fits(old, field)?,
        }
    }
    Ok(())
}

/// Whether both have the same names in the same order, so that two columns of one name are told apart.
fn in_order(from: &Schema, to: &Schema) -> bool {
    let (from, to) = (from.fields(), to.fields());
    from.len() == to.len()
        && from
            .iter()
            .zip(to)
            .all(|(old, new)| old.name() == new.name())
}

fn fits(old: &Field, new: &Field) -> Result<(), AlignError> {
    let name = new.name().clone();
    castable(old.data_type(), new.data_type()).map_err(|reason| AlignError::Type { name, reason })
}

/// The batch with the columns of `to`, values unchanged; `first_row` rows came before it.
pub fn align(
    batch: &RecordBatch,
    to: &SchemaRef,
    first_row: u64,
) -> Result<RecordBatch, AlignError> {
    if batch.schema_ref() == to {
        return Ok(batch.clone());
    }
    let is_in_order = in_order(batch.schema_ref(), to);
    let columns = to
        .fields()
        .iter()
        .enumerate()
        .map(|(position, field)| {
            let array = if is_in_order {
                Some(batch.column(position))
            } else {
                batch.column_by_name(field.name())
            };
            column(array, field, batch.num_rows()).map_err(|bad| AlignError::Value {
                name: field.name().clone(),
                path: bad.path,
                row: first_row + bad.row as u64,
                reason: bad.reason,
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    // A batch without columns still has rows.
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(to), columns, &options).map_err(|source| {
        AlignError::Batch {
            row: first_row,
            source,
        }
    })
}

fn column(array: Option<&ArrayRef>, field: &Field, rows: usize) -> Result<ArrayRef, Inexact> {
    let Some(array) = array else {
        return Ok(new_null_array(field.data_type(), rows));
    };
    not_null(&exact_cast(array, field.data_type())?, None, field)
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use arrow::array::{AsArray, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Int8Type};

    use super::*;

    fn schema(fields: &[(&str, DataType, bool)]) -> SchemaRef {
        let fields = fields.iter().map(|(name, data_type, is_nullable)| {
            Field::new(*name, data_type.clone(), *is_nullable)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    fn batch() -> RecordBatch {
        RecordBatch::try_from_iter([
            (
                "n",
                Arc::new(Int64Array::from(vec![Some(1), None, Some(300)])) as ArrayRef,
            ),
            ("s", Arc::new(StringArray::from(vec!["a", "b", "c"]))),
        ])
        .unwrap()
    }

    #[test]
    fn schemas_that_no_batch_can_have_are_refused_before_one_comes() {
        let from = schema(&[("n", DataType::Int64, true), ("s", DataType::Utf8, true)]);
        let n = ("n", DataType::Int8, true);
        let s = ("s", DataType::Utf8, true);
        let extra = check(&from, &schema(std::slice::from_ref(&n)));
        assert!(matches!(extra, Err(AlignError::Extra(name)) if name == "s"));
        let missing = check(
            &from,
            &schema(&[n.clone(), s.clone(), ("d", DataType::Date32, false)]),
        );
        assert!(matches!(missing, Err(AlignError::Missing(name)) if name == "d"));
        let other = check(&from, &schema(&[("n", DataType::Date32, true), s.clone()]));
        assert!(matches!(other, Err(AlignError::Type { name, .. }) if name == "n"));
        let twice = schema(&[n.clone(), n.clone()]);
        let ambiguous = check(&twice, &schema(&[n, s]));
        assert!(matches!(ambiguous, Err(AlignError::Ambiguous(name)) if name == "n"));
    }

    #[test]
    fn columns_are_put_in_order_cast_and_filled_with_nulls() {
        let to = schema(&[
            ("s", DataType::LargeUtf8, false),
            ("d", DataType::Date32, true),
            ("n", DataType::Int64, true),
        ]);
        let aligned = align(&batch(), &to, 0).unwrap();
        assert_eq!(aligned.schema_ref(), &to);
        assert_eq!(aligned.column(0).as_string::<i64>().value(2), "c");
        assert_eq!(aligned.column(1).null_count(), 3);
        assert_eq!(aligned.column(2).null_count(), 1);
    }

    #[test]
    fn columns_of_one_name_are_told_apart_by_their_places() {
        let number = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
        let from = schema(&[("n", DataType::Int64, false), ("n", DataType::Int64, false)]);
        let columns = vec![number(vec![1, 2]), number(vec![3, 4])];
        let batch = RecordBatch::try_new(from, columns).unwrap();
        let to = schema(&[("n", DataType::Int64, true), ("n", DataType::Int8, true)]);
        check(batch.schema_ref(), &to).unwrap();
        let aligned = align(&batch, &to, 0).unwrap();
        assert_eq!(aligned.column(0), batch.column(0));
        assert_eq!(
            aligned.column(1).as_primitive::<Int8Type>().values(),
            &[3, 4]
        );
    }

    #[test]
    fn a_batch_that_is_so_already_is_not_copied() {
        let batch = batch();
        let aligned = align(&batch, batch.schema_ref(), 0).unwrap();
        assert!(Arc::ptr_eq(aligned.column(0), batch.column(0)));
    }

    #[test]
    fn a_value_is_told_by_the_row_of_the_stream() {
        let to = schema(&[("n", DataType::Int8, true), ("s", DataType::Utf8, true)]);
        let error = align(&batch(), &to, 40).unwrap_err();
        assert!(
            matches!(&error, AlignError::Value { name, row: 42, .. } if name == "n"),
            "{error}"
        );
        let to = schema(&[("n", DataType::Int64, false), ("s", DataType::Utf8, true)]);
        let error = align(&batch(), &to, 40).unwrap_err();
        assert!(
            matches!(error, AlignError::Value { row: 41, .. }),
            "{error}"
        );
        assert!(error.source().is_none());
    }

    #[test]
    fn a_batch_without_columns_keeps_its_rows() {
        let options = RecordBatchOptions::new().with_row_count(Some(3));
        let bare = RecordBatch::try_new_with_options(schema(&[]), vec![], &options).unwrap();
        let aligned = align(&bare, &schema(&[("n", DataType::Int8, true)]), 0).unwrap();
        assert_eq!(aligned.column(0).null_count(), 3);
        let labelled = Schema::empty().with_metadata([("k".into(), "v".into())].into());
        assert_eq!(align(&bare, &Arc::new(labelled), 0).unwrap().num_rows(), 3);
    }
}
