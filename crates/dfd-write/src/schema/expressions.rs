//! Expressions that the log has as text, compiled.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Schema};
use arrow::util::display::array_value_to_string;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use dfd_arrow::exact_cast;
use dfd_delta::told;
use dfd_spark_sql::{Error as TranslateError, TypedExpr, compile, translate};

use crate::error::{Error, Rule, RuleViolation};

/// Characters of a value in a message, at most.
const SHOWN_CHARACTERS: usize = 60;

/// An expression of a table, and whose it is.
#[derive(Debug, Clone)]
pub(crate) struct TableExpression {
    /// Whose it is.
    pub(crate) rule: Rule,
    /// The expression as the log has it.
    pub(crate) text: String,
    /// The expression over the table's columns.
    pub(crate) compiled: Arc<dyn PhysicalExpr>,
}

impl TableExpression {
    /// Translates an expression over these columns; `compile_with` compiles the translation.
    ///
    /// # Errors
    /// The expression isn't known to mean the same as to Spark.
    pub(crate) fn new(
        rule: Rule,
        text: String,
        columns: &Schema,
        compile_with: impl FnOnce(TypedExpr) -> Result<Arc<dyn PhysicalExpr>, TranslateError>,
    ) -> Result<Self, RuleViolation> {
        match translate(&text, columns).and_then(compile_with) {
            Ok(compiled) => Ok(Self {
                rule,
                text,
                compiled,
            }),
            Err(reason) => Err(RuleViolation::Expression {
                rule,
                expression: text,
                reason: reason.to_string(),
            }),
        }
    }

    /// Computes `expr`, which was made of this expression, for a batch.
    ///
    /// # Errors
    /// The first row for which it can't be computed.
    pub(crate) fn evaluate(
        &self,
        expr: &Arc<dyn PhysicalExpr>,
        batch: &RecordBatch,
        first_row: u64,
    ) -> Result<ArrayRef, Error> {
        let compute = |rows: &RecordBatch| expr.evaluate(rows)?.into_array(rows.num_rows());
        compute(batch).map_err(|error| {
            let mut rows = 0..batch.num_rows();
            let failed = rows.find_map(|row| Some((row, compute(&batch.slice(row, 1)).err()?)));
            match failed {
                Some((row, error)) => self.uncomputed(first_row + row as u64, &error).into(),
                None => error.into(),
            }
        })
    }

    fn uncomputed(&self, row: u64, error: &DataFusionError) -> RuleViolation {
        RuleViolation::Uncomputed {
            rule: self.rule.clone(),
            expression: self.text.clone(),
            row,
            reason: told(error),
        }
    }

    /// The places of the columns in the expression.
    pub(crate) fn columns(&self) -> Vec<usize> {
        let columns = collect_columns(&self.compiled);
        let mut places: Vec<_> = columns.iter().map(Column::index).collect();
        places.sort_unstable();
        places
    }

    /// The columns in the expression, and their values in a row.
    pub(crate) fn row_values(&self, batch: &RecordBatch, row: usize) -> Vec<(String, String)> {
        let schema = batch.schema_ref();
        let values = self.columns().into_iter().map(|place| {
            let value = describe_value(batch.column(place), row);
            (schema.field(place).name().clone(), value)
        });
        values.collect()
    }
}

/// Computes an expression without columns, as a value of this type.
///
/// # Errors
/// Why the expression has no such value.
pub(crate) fn constant(text: &str, data_type: &DataType) -> Result<ScalarValue, String> {
    let no_columns = Schema::empty();
    let expr = compile_constant(text, data_type, &no_columns).map_err(|error| error.to_string())?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let one_row = RecordBatch::try_new_with_options(Arc::new(no_columns), Vec::new(), &options);
    let evaluate = |rows: &RecordBatch| expr.evaluate(rows)?.into_array(1);
    let computed = one_row
        .map_err(DataFusionError::from)
        .and_then(|row| evaluate(&row));
    let array = computed.map_err(|error| error.to_string())?;
    let cast = exact_cast(&array, data_type).map_err(|inexact| inexact.reason)?;
    ScalarValue::try_from_array(&cast, 0).map_err(|error| error.to_string())
}

fn compile_constant(
    text: &str,
    data_type: &DataType,
    no_columns: &Schema,
) -> Result<Arc<dyn PhysicalExpr>, TranslateError> {
    let typed = translate(text, no_columns)?;
    let value = match typed.text() {
        Some(_) => typed.cast(data_type)?,
        None => typed,
    };
    compile(&value.expr, no_columns)
}

/// Finds the first row that is false or null.
pub(crate) fn first_not_true(values: &ArrayRef) -> Option<usize> {
    let booleans = values.as_boolean();
    if booleans.null_count() == 0 && booleans.false_count() == 0 {
        return None;
    }
    (0..booleans.len()).find(|row| booleans.is_null(*row) || !booleans.value(*row))
}

/// Tells a value as messages have it: long ones are cut.
pub(crate) fn describe_value(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "null".to_owned();
    }
    let text = array_value_to_string(array, row).unwrap_or_default();
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::BooleanArray;

    use crate::testing::{batch, int64s, texts};

    fn expression(text: &str, rows: &RecordBatch) -> TableExpression {
        let columns = rows.schema();
        let compile_all = |typed: TypedExpr| compile(&typed.expr, &columns);
        TableExpression::new(Rule::Check("c".into()), text.into(), &columns, compile_all).unwrap()
    }

    #[test]
    fn the_row_that_cannot_be_computed_is_found() {
        let rows = batch(vec![("a", int64s([Some(1), None, Some(i64::MAX)]))]);
        let next = expression("a + 1", &rows);
        let failed = next.evaluate(&next.compiled, &rows, 100).unwrap_err();
        let text = failed.to_string();
        assert!(text.starts_with(
            "row 102 (the first is 0): the CHECK constraint `c` (a + 1) can't be computed"
        ));
        let few = next
            .evaluate(&next.compiled, &rows.slice(0, 2), 100)
            .unwrap();
        assert_eq!(describe_value(&few, 0), "2");
        assert_eq!(describe_value(&few, 1), "null");
    }

    #[test]
    fn a_row_is_described_by_the_columns_of_the_expression() {
        let long = "é".repeat(61);
        let rows = batch(vec![
            ("a", int64s([Some(1)])),
            ("unused", int64s([Some(2)])),
            ("b", texts([Some(long.as_str())])),
        ]);
        let both = expression("b = 'x' OR a > 1 AND a < 5", &rows);
        let wanted = [("a", "1".to_owned()), ("b", "é".repeat(60) + "...")];
        let wanted = wanted.map(|(column, value)| (column.to_owned(), value));
        assert_eq!(both.row_values(&rows, 0), wanted);
    }

    #[test]
    fn constants_have_the_columns_type() {
        assert_eq!(
            constant("1 + 1", &DataType::Int64),
            Ok(ScalarValue::from(2_i64))
        );
        let date = constant("'1970-01-02'", &DataType::Date32);
        assert_eq!(date, Ok(ScalarValue::Date32(Some(1))));
        assert_eq!(
            constant("NULL", &DataType::Utf8),
            Ok(ScalarValue::Utf8(None))
        );
        assert!(constant("300", &DataType::Int8).is_err());
        assert!(constant("a", &DataType::Int64).is_err_and(|text| text.contains("no column")));
        assert!(constant("current_date()", &DataType::Date32).is_err());
    }

    #[test]
    fn false_and_null_are_not_true() {
        let array =
            |values: Vec<Option<bool>>| -> ArrayRef { Arc::new(BooleanArray::from(values)) };
        assert_eq!(first_not_true(&array(vec![Some(true); 3])), None);
        assert_eq!(
            first_not_true(&array(vec![Some(true), None, Some(false)])),
            Some(1)
        );
        assert_eq!(first_not_true(&array(vec![Some(false)])), Some(0));
    }
}
