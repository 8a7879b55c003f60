//! Constraints, invariants, generated columns and defaults.
//!
//! Their expressions are Spark's, and compiled once. A condition is computed for a whole batch, and only
//! where it fails is the row looked for.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Operator, col};
use datafusion::physical_expr::PhysicalExpr;
use delta_kernel::schema::{ColumnMetadataKey, MetadataValue, StructField, StructType};
use delta_kernel::table_configuration::TableConfiguration;
use deltalake_core::StructTypeExt;
use dfd_arrow::exact_cast;
use dfd_spark_sql::{Error as TranslateError, TypedExpr, compare, compile};

use crate::error::{Error, Rule, RuleViolation};
use crate::schema::expressions::{TableExpression, constant, describe_value, first_not_true};

/// What the rows of a table satisfy, and what its columns are where a stream lacks them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Constraints {
    conditions: Vec<TableExpression>,
    generated: Vec<GeneratedColumn>,
    /// The columns that have a default, by their place, and its expression.
    defaults: Vec<(usize, String)>,
}

/// A column that is computed from others.
#[derive(Debug, Clone)]
struct GeneratedColumn {
    index: usize,
    value: TableExpression,
    /// Whether the column has the expression's value; two nulls are the same.
    is_unchanged: Arc<dyn PhysicalExpr>,
}

impl Constraints {
    /// Compiles the constraints of a table with these columns.
    ///
    /// # Errors
    /// An expression that isn't known to mean the same as to Spark; by its text.
    pub(crate) fn new(table: &TableConfiguration, columns: &Schema) -> Result<Self, Error> {
        let schema = table.logical_schema();
        let mut conditions = Vec::new();
        for (rule, text) in condition_texts(table, &schema)? {
            let condition = TableExpression::new(rule, text, columns, |typed| {
                compile_condition(&typed, columns)
            });
            conditions.push(condition?);
        }
        Ok(Self {
            conditions,
            generated: generated_columns(&schema, columns)?,
            defaults: defaults(&schema),
        })
    }

    /// These and another condition.
    pub(crate) fn with_condition(&self, condition: TableExpression) -> Self {
        let mut all = self.clone();
        all.conditions.push(condition);
        all
    }

    /// Whether the column of this place can be computed.
    pub(crate) fn is_generated(&self, column: usize) -> bool {
        self.generated(column).is_some()
    }

    fn generated(&self, column: usize) -> Option<&GeneratedColumn> {
        self.generated
            .iter()
            .find(|generated| generated.index == column)
    }

    /// Computes what a column is where the stream lacks it; None without a default.
    ///
    /// # Errors
    /// A default that isn't known to mean the same as to Spark.
    pub(crate) fn default_value(
        &self,
        column: usize,
        field: &Field,
    ) -> Result<Option<ScalarValue>, RuleViolation> {
        let found = self.defaults.iter().find(|(index, _)| *index == column);
        let Some((_, text)) = found else {
            return Ok(None);
        };
        match constant(text, field.data_type()) {
            Ok(value) => Ok(Some(value)),
            Err(reason) => Err(RuleViolation::Expression {
                rule: Rule::Default(field.name().clone()),
                expression: text.clone(),
                reason,
            }),
        }
    }

    /// Computes a generated column from a batch in which the other columns are.
    ///
    /// # Errors
    /// Values that can't be computed, or aren't of the column's type; the row is named.
    pub(crate) fn compute_generated(
        &self,
        column: usize,
        batch: &RecordBatch,
        first_row: u64,
    ) -> Result<ArrayRef, Error> {
        let Some(GeneratedColumn { value, .. }) = self.generated(column) else {
            return Err(Error::metadata("no such generated column"));
        };
        let computed = value.evaluate(&value.compiled, batch, first_row)?;
        let cast = exact_cast(&computed, batch.schema_ref().field(column).data_type());
        Ok(cast.map_err(|inexact| RuleViolation::Uncomputed {
            rule: value.rule.clone(),
            expression: value.text.clone(),
            row: first_row + inexact.row as u64,
            reason: inexact.reason,
        })?)
    }

    /// Fails where a row of the batch breaks a rule.
    ///
    /// `is_given` says which columns the stream itself has.
    ///
    /// # Errors
    /// The first row that breaks the rule, and the values in it.
    pub(crate) fn check(
        &self,
        batch: &RecordBatch,
        first_row: u64,
        is_given: impl Fn(usize) -> bool,
    ) -> Result<(), Error> {
        for column in self.generated.iter().filter(|found| is_given(found.index)) {
            column.check(batch, first_row)?;
        }
        for condition in &self.conditions {
            check_condition(condition, batch, first_row)?;
        }
        Ok(())
    }
}

impl GeneratedColumn {
    fn check(&self, batch: &RecordBatch, first_row: u64) -> Result<(), Error> {
        let unchanged = self.value.evaluate(&self.is_unchanged, batch, first_row)?;
        let Some(row) = first_not_true(&unchanged) else {
            return Ok(());
        };
        let only = batch.slice(row, 1);
        let computed = self.value.compiled.evaluate(&only)?.into_array(1)?;
        Err(RuleViolation::Generated {
            column: batch.schema_ref().field(self.index).name().clone(),
            expression: self.value.text.clone(),
            row: first_row + row as u64,
            given: describe_value(batch.column(self.index), row),
            computed: describe_value(&computed, 0),
        }
        .into())
    }
}

/// Fails where a row of the batch breaks a condition.
///
/// # Errors
/// The first row that breaks it, and the values in it.
pub(crate) fn check_condition(
    condition: &TableExpression,
    batch: &RecordBatch,
    first_row: u64,
) -> Result<(), Error> {
    let holds = condition.evaluate(&condition.compiled, batch, first_row)?;
    match first_not_true(&holds) {
        None => Ok(()),
        Some(row) => Err(RuleViolation::Condition {
            rule: condition.rule.clone(),
            expression: condition.text.clone(),
            row: first_row + row as u64,
            values: condition.row_values(batch, row),
        }
        .into()),
    }
}

/// The CHECK constraints and invariants of a table: whose each is, and its text.
fn condition_texts(
    table: &TableConfiguration,
    schema: &StructType,
) -> Result<Vec<(Rule, String)>, Error> {
    let mut found = Vec::new();
    for (key, text) in table.metadata().configuration() {
        if let Some(name) = key.strip_prefix("delta.constraints.") {
            found.push((Rule::Check(name.to_owned()), text.clone()));
        }
    }
    for invariant in schema.get_invariants().map_err(Error::metadata)? {
        let rule = Rule::Invariant(invariant.field_name);
        found.push((rule, invariant.invariant_sql));
    }
    found.sort();
    Ok(found)
}

/// Compiles a translation that is a condition.
///
/// # Errors
/// It is none, or can't be compiled.
pub(crate) fn compile_condition(
    typed: &TypedExpr,
    columns: &Schema,
) -> Result<Arc<dyn PhysicalExpr>, TranslateError> {
    match &typed.data_type {
        DataType::Boolean => compile(&typed.expr, columns),
        other => Err(TranslateError::Unsupported(format!(
            "it is {other} and no condition"
        ))),
    }
}

fn generated_columns(
    schema: &StructType,
    columns: &Schema,
) -> Result<Vec<GeneratedColumn>, RuleViolation> {
    let mut found = Vec::new();
    for (index, (field, column)) in schema.fields().zip(columns.fields()).enumerate() {
        let Some(text) = metadata_text(field, ColumnMetadataKey::GenerationExpression) else {
            continue;
        };
        let rule = Rule::Generated(column.name().clone());
        let given = TypedExpr::new(
            col(Column::from_name(column.name())),
            column.data_type().clone(),
        );
        let mut is_unchanged = None;
        let value = TableExpression::new(rule, text.to_owned(), columns, |typed| {
            let same = compare(given, Operator::IsNotDistinctFrom, typed.clone())?;
            is_unchanged = Some(compile(&same.expr, columns)?);
            compile(&typed.expr, columns)
        })?;
        if let Some(is_unchanged) = is_unchanged {
            found.push(GeneratedColumn {
                index,
                value,
                is_unchanged,
            });
        }
    }
    Ok(found)
}

fn defaults(schema: &StructType) -> Vec<(usize, String)> {
    let texts = schema.fields().enumerate().filter_map(|(index, field)| {
        let text = metadata_text(field, ColumnMetadataKey::CurrentDefault)?;
        Some((index, text.to_owned()))
    });
    texts.collect()
}

fn metadata_text(field: &StructField, key: ColumnMetadataKey) -> Option<&str> {
    match field.metadata().get(key.as_ref()) {
        Some(MetadataValue::String(text)) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::schema::requirements::WriteRequirements;
    use crate::testing::{Table, batch, column, column_with, int64s, texts};

    fn write(table: &Table, rows: &RecordBatch) -> Result<RecordBatch, String> {
        let requirements = WriteRequirements::for_configuration(&table.configuration());
        let transform = requirements.and_then(|found| found.transform(rows.schema_ref()));
        let written = transform.and_then(|transform| transform.apply(rows, 10));
        written.map_err(|error| error.to_string())
    }

    fn checked() -> Table {
        Table::new(&[column("a", "long", true), column("s", "string", true)])
            .property("delta.constraints.positive", "a > 0")
    }

    #[test]
    fn a_check_is_told_with_its_row_and_values() {
        let rows = batch(vec![
            ("a", int64s([Some(1), Some(0)])),
            ("s", texts([None, Some("x")])),
        ]);
        assert_eq!(
            write(&checked(), &rows).unwrap_err(),
            "row 11 (the first is 0) breaks the CHECK constraint `positive` (a > 0): a is 0"
        );
        assert!(write(&checked(), &rows.slice(0, 1)).is_ok());
    }

    #[test]
    fn null_is_no_truth() {
        let rows = batch(vec![("a", int64s([None]))]);
        assert!(write(&checked(), &rows).is_err_and(|text| text.contains("a is null")));
        // Also of a column that the stream lacks.
        let without = batch(vec![("s", texts([Some("x")]))]);
        assert!(write(&checked(), &without).is_err_and(|text| text.contains("a is null")));
    }

    #[test]
    fn an_invariant_is_a_condition_of_its_column() {
        let text = r#"{"expression": {"expression": "s <> ''"}}"#;
        let table = Table::new(&[column_with("s", "string", "delta.invariants", text)]);
        let rows = batch(vec![("s", texts([Some("x"), Some("")]))]);
        let told = write(&table, &rows).unwrap_err();
        assert!(told.contains("row 11 (the first is 0) breaks the invariant of `s` (s <> '')"));
    }

    #[test]
    fn what_spark_alone_can_check_is_left_to_spark() {
        let table = checked().property("delta.constraints.other", "rlike(s, 'x')");
        let told = write(&table, &batch(vec![("a", int64s([Some(1)]))])).unwrap_err();
        assert!(
            told.contains("`other`") && told.ends_with("Write with Spark"),
            "{told}"
        );
        let number = checked().property("delta.constraints.number", "a + 1");
        let told = write(&number, &batch(vec![("a", int64s([Some(1)]))])).unwrap_err();
        assert!(told.contains("it is Int64 and no condition"), "{told}");
    }

    fn generated() -> Table {
        let key = "delta.generationExpression";
        Table::new(&[
            column("a", "long", true),
            column_with("twice", "long", key, "a * 2"),
        ])
    }

    #[test]
    fn a_generated_column_is_computed_where_it_is_missing() {
        let rows = batch(vec![("a", int64s([Some(1), None]))]);
        let written = write(&generated(), &rows).unwrap();
        assert_eq!(written.column(1), &int64s([Some(2), None]));
    }

    #[test]
    fn a_generated_column_that_is_given_has_its_value() {
        let rows = |twice| batch(vec![("a", int64s([Some(1), None])), ("twice", twice)]);
        assert!(write(&generated(), &rows(int64s([Some(2), None]))).is_ok());
        let told = write(&generated(), &rows(int64s([Some(2), Some(0)]))).unwrap_err();
        assert!(
            told.contains("row 11 (the first is 0): the generated column `twice` is 0"),
            "{told}"
        );
        assert!(told.contains("its expression (a * 2) is null"), "{told}");
    }

    #[test]
    fn a_generated_value_that_does_not_fit_is_told() {
        let key = "delta.generationExpression";
        let table = Table::new(&[
            column("a", "long", true),
            column_with("b", "byte", key, "a"),
        ]);
        let rows = batch(vec![("a", int64s([Some(1), Some(300)]))]);
        let told = write(&table, &rows).unwrap_err();
        assert!(
            told.contains("row 11 (the first is 0): the generated column `b` (a)"),
            "{told}"
        );
    }

    #[test]
    fn a_default_fills_a_column_that_is_missing() {
        let table = Table::new(&[
            column("a", "long", true),
            column_with("s", "string", "CURRENT_DEFAULT", "'none'"),
        ]);
        let written = write(&table, &batch(vec![("a", int64s([Some(1)]))])).unwrap();
        assert_eq!(written.column(1), &texts([Some("none")]));
        let given = batch(vec![("a", int64s([Some(1)])), ("s", texts([None]))]);
        assert_eq!(write(&table, &given).unwrap().column(1), &texts([None]));
        let unknown = Table::new(&[
            column("a", "long", true),
            column_with("s", "string", "CURRENT_DEFAULT", "uuid()"),
        ]);
        let told = write(&unknown, &batch(vec![("a", int64s([Some(1)]))])).unwrap_err();
        assert!(
            told.contains("the default of `s` (uuid()) can't be followed"),
            "{told}"
        );
    }
}
