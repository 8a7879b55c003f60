//! The ranges of a source's keys: no row of the table outside of them matches a row of the source.

use std::fmt;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::{Column, DataFusionError, Result, TableReference};
use datafusion::functions_aggregate::min_max::{MaxAccumulator, MinAccumulator};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Accumulator, BinaryExpr, Expr, Operator, lit};

/// The keys of a source that a condition wants to be equal to columns of the table, and their bounds so far.
#[derive(Default)]
pub(crate) struct KeyRanges(Vec<KeyRange>);

struct KeyRange {
    key: usize,
    column: String,
    min: MinAccumulator,
    max: MaxAccumulator,
}

impl fmt::Debug for KeyRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.0.iter().map(|range| &range.column);
        f.debug_list().entries(columns).finish()
    }
}

/// A side of a condition: its name there, and its columns.
pub(crate) type Side<'a> = (&'a TableReference, &'a Schema);

impl KeyRanges {
    /// Those of the equalities that `condition` asks for, where both sides are ordered alike.
    ///
    /// # Errors
    /// A type has no order; none of those is asked for.
    pub(crate) fn of(condition: &Expr, source: Side<'_>, target: Side<'_>) -> Result<Self> {
        let mut found = Vec::new();
        for part in split_conjunction(condition) {
            let Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::Eq,
                right,
            }) = part
            else {
                continue;
            };
            for [key, column] in [[left, right], [right, left]] {
                let (Some((key, key_type)), Some((column, column_type))) =
                    (column_of(key, source), column_of(column, target))
                else {
                    continue;
                };
                if !are_ordered_alike(&key_type, &column_type) {
                    continue;
                }
                found.push(KeyRange {
                    key: source.1.index_of(&key)?,
                    column,
                    min: MinAccumulator::try_new(&key_type)?,
                    max: MaxAccumulator::try_new(&key_type)?,
                });
            }
        }
        Ok(Self(found))
    }

    /// Takes in rows of the source.
    ///
    /// # Errors
    /// They have other columns.
    pub(crate) fn update(&mut self, rows: &RecordBatch) -> Result<()> {
        for range in &mut self.0 {
            let keys = [rows.column(range.key).clone()];
            range.min.update_batch(&keys)?;
            range.max.update_batch(&keys)?;
        }
        Ok(())
    }

    /// What is true of every row of the table that may match; None where any may.
    ///
    /// # Errors
    /// None is known.
    pub(crate) fn condition(&mut self) -> Result<Option<Expr>, DataFusionError> {
        let mut all: Option<Expr> = None;
        for range in &mut self.0 {
            let column = || Expr::Column(Column::new_unqualified(&range.column));
            let (min, max) = (range.min.evaluate()?, range.max.evaluate()?);
            let within = column().gt_eq(lit(min)).and(column().lt_eq(lit(max)));
            all = Some(all.map_or(within.clone(), |all| all.and(within)));
        }
        Ok(all)
    }
}

/// The column of a side that an expression is, with its type; casts in between keep the order.
fn column_of(expr: &Expr, (name, columns): Side<'_>) -> Option<(String, DataType)> {
    match expr {
        Expr::Column(column) if column.relation.as_ref() == Some(name) => {
            let field = columns.field_with_name(&column.name).ok()?;
            Some((column.name.clone(), field.data_type().clone()))
        }
        Expr::Cast(cast) => {
            let (found, data_type) = column_of(&cast.expr, (name, columns))?;
            are_ordered_alike(&data_type, cast.field.data_type()).then_some((found, data_type))
        }
        _ => None,
    }
}

/// Whether values of both types that are equal stand at the same place among the others.
fn are_ordered_alike(one: &DataType, other: &DataType) -> bool {
    use DataType as T;
    match one {
        T::Date32 | T::Timestamp(..) | T::Decimal128(..) | T::Boolean => one == other,
        _ => (one.is_integer() && other.is_integer()) || (one.is_string() && other.is_string()),
    }
}
