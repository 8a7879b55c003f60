//! Expressions of a table, compiled.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::Schema;
use arrow::util::display::array_value_to_string;
use datafusion::error::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use dfd_spark_sql::{Error as TranslateError, TypedExpr, translate};

use crate::error::{Error, RuleViolation};

/// Longer values are cut in messages.
const SHOWN: usize = 60;

/// An expression of the table.
#[derive(Debug)]
pub struct Rule {
    /// As users know it.
    pub name: String,
    pub text: String,
    pub compiled: Arc<dyn PhysicalExpr>,
}

impl Rule {
    /// Compiled over these columns by `compile`.
    ///
    /// # Errors
    /// It isn't known to mean the same as to Spark.
    pub fn new(
        name: String,
        text: String,
        columns: &Schema,
        compile: impl FnOnce(TypedExpr) -> Result<Arc<dyn PhysicalExpr>, TranslateError>,
    ) -> Result<Self, RuleViolation> {
        match translate(&text, columns).and_then(compile) {
            Ok(compiled) => Ok(Self {
                name,
                text,
                compiled,
            }),
            Err(reason) => Err(RuleViolation::Expression {
                rule: name,
                expression: text,
                reason: reason.to_string(),
            }),
        }
    }

    /// The values of `expr`, which is of this rule, for a batch.
    ///
    /// # Errors
    /// The first row for which it can't be computed.
    pub fn computed(
        &self,
        expr: &Arc<dyn PhysicalExpr>,
        batch: &RecordBatch,
        first_row: u64,
    ) -> Result<ArrayRef, Error> {
        let compute = |rows: &RecordBatch| expr.evaluate(rows)?.into_array(rows.num_rows());
        let uncomputed = |row: usize, error: &DataFusionError| RuleViolation::Uncomputed {
            rule: self.name.clone(),
            expression: self.text.clone(),
            row: first_row + row as u64,
            reason: error.to_string(),
        };
        compute(batch).map_err(|error| {
            let mut rows = 0..batch.num_rows();
            let found = rows.find_map(|row| Some((row, compute(&batch.slice(row, 1)).err()?)));
            found.map_or_else(
                || error.into(),
                |(row, error)| uncomputed(row, &error).into(),
            )
        })
    }

    /// The columns in the expression, and what they are in a row.
    pub fn values(&self, batch: &RecordBatch, row: usize) -> String {
        let mut columns: Vec<_> = collect_columns(&self.compiled).into_iter().collect();
        columns.sort_by_key(Column::index);
        let values = columns.iter().map(|column| {
            let value = shown(batch.column(column.index()), row);
            format!("{} is {value}", column.name())
        });
        values.collect::<Vec<_>>().join(", ")
    }
}

/// The first row that is false or null.
pub fn first_not_true(values: &ArrayRef) -> Option<usize> {
    let values = values.as_boolean();
    if values.null_count() == 0 && values.false_count() == 0 {
        return None;
    }
    (0..values.len()).find(|row| values.is_null(*row) || !values.value(*row))
}

/// A value as messages have it.
pub fn shown(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "null".to_owned();
    }
    let text = array_value_to_string(array, row).unwrap_or_default();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
