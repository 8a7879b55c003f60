//! Constraints, invariants, generated columns and defaults.
//!
//! Their expressions are Spark's, and compiled once; a check is computed for a whole batch, and only
//! where it fails is the row looked for.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Operator, col};
use datafusion::physical_expr::PhysicalExpr;
use delta_kernel::schema::{ColumnMetadataKey, MetadataValue, StructType};
use delta_kernel::table_configuration::TableConfiguration;
use deltalake_core::StructTypeExt;
use dfd_spark_sql::{Error as TranslateError, TypedExpr, compare, compile, translate};
use dfd_stream::exact_cast;

use crate::error::{Error, RuleViolation};
use crate::schema::expressions::{Rule, first_not_true, shown};

/// What the rows of a table satisfy, and what its columns are where a stream lacks them.
#[derive(Debug, Default)]
pub struct Checks {
    conditions: Vec<Rule>,
    generated: Vec<Generated>,
    defaults: Vec<(usize, String)>,
}

/// A column that is computed from others.
#[derive(Debug)]
struct Generated {
    column: usize,
    value: Rule,
    /// Whether the column has that value; two nulls are the same.
    is_kept: Arc<dyn PhysicalExpr>,
}

impl Checks {
    /// Those of a table with these columns.
    ///
    /// # Errors
    /// An expression that isn't known to mean the same as to Spark; by its text.
    pub fn new(table: &TableConfiguration, columns: &Schema) -> Result<Self, Error> {
        let schema = table.logical_schema();
        let mut constraints: Vec<(String, String)> = Vec::new();
        for (key, text) in table.metadata().configuration() {
            if let Some(name) = key.strip_prefix("delta.constraints.") {
                let name = format!("the CHECK constraint `{name}`");
                constraints.push((name, text.clone()));
            }
        }
        let invariants = schema.get_invariants();
        let invariants = invariants.map_err(|error| Error::Metadata(error.to_string()));
        for invariant in invariants? {
            let name = format!("the invariant of `{}`", invariant.field_name);
            constraints.push((name, invariant.invariant_sql));
        }
        constraints.sort();
        let conditions = constraints.into_iter().map(|(name, text)| {
            let condition = |typed: TypedExpr| match typed.data_type {
                DataType::Boolean => compile(&typed.expr, columns),
                other => Err(TranslateError::Unsupported(format!(
                    "it is {other} and no condition"
                ))),
            };
            Rule::new(name, text, columns, condition)
        });
        Ok(Self {
            conditions: conditions.collect::<Result<_, _>>()?,
            generated: generated(&schema, columns)?,
            defaults: defaults(&schema, columns),
        })
    }

    /// Whether the column can be computed.
    pub fn generates(&self, column: usize) -> bool {
        self.generated
            .iter()
            .any(|generated| generated.column == column)
    }

    /// What a column is where the stream lacks it; None without a default.
    ///
    /// # Errors
    /// A default that isn't known to mean the same as to Spark.
    pub fn default_of(&self, column: usize, field: &Field) -> Result<Option<ScalarValue>, Error> {
        let found = self.defaults.iter().find(|(index, _)| *index == column);
        let Some((_, text)) = found else {
            return Ok(None);
        };
        let value = constant(text, field.data_type()).map_err(|reason| {
            let rule = format!("the default of `{}`", field.name());
            RuleViolation::Expression {
                rule,
                expression: text.clone(),
                reason,
            }
        })?;
        Ok(Some(value))
    }

    /// The values of a generated column, from a batch in which the others are.
    ///
    /// # Errors
    /// They can't be computed, or aren't of the column's type; the row is named.
    pub fn generate(
        &self,
        column: usize,
        batch: &RecordBatch,
        first_row: u64,
    ) -> Result<ArrayRef, Error> {
        let found = self
            .generated
            .iter()
            .find(|generated| generated.column == column);
        let found = found.ok_or_else(|| Error::Metadata("no such generated column".to_owned()))?;
        let values = found
            .value
            .computed(&found.value.compiled, batch, first_row)?;
        let cast = exact_cast(&values, batch.schema_ref().field(column).data_type());
        Ok(cast.map_err(|inexact| RuleViolation::Uncomputed {
            rule: found.value.name.clone(),
            expression: found.value.text.clone(),
            row: first_row + inexact.row as u64,
            reason: inexact.reason,
        })?)
    }

    /// Fails where a row of the batch breaks a rule.
    ///
    /// `given` says which columns the stream itself has.
    ///
    /// # Errors
    /// The first row that breaks the rule, and the values in it.
    pub fn verify(
        &self,
        batch: &RecordBatch,
        first_row: u64,
        given: impl Fn(usize) -> bool,
    ) -> Result<(), Error> {
        for Generated {
            column,
            value,
            is_kept,
        } in &self.generated
        {
            if !given(*column) {
                continue;
            }
            let kept = value.computed(is_kept, batch, first_row)?;
            if let Some(row) = first_not_true(&kept) {
                let computed = value
                    .compiled
                    .evaluate(&batch.slice(row, 1))?
                    .into_array(1)?;
                return Err(RuleViolation::Generated {
                    column: batch.schema_ref().field(*column).name().clone(),
                    expression: value.text.clone(),
                    row: first_row + row as u64,
                    given: shown(batch.column(*column), row),
                    computed: shown(&computed, 0),
                }
                .into());
            }
        }
        for rule in &self.conditions {
            let holds = rule.computed(&rule.compiled, batch, first_row)?;
            if let Some(row) = first_not_true(&holds) {
                return Err(RuleViolation::Condition {
                    rule: rule.name.clone(),
                    expression: rule.text.clone(),
                    row: first_row + row as u64,
                    values: rule.values(batch, row),
                }
                .into());
            }
        }
        Ok(())
    }
}

fn generated(schema: &StructType, columns: &Schema) -> Result<Vec<Generated>, Error> {
    let key = ColumnMetadataKey::GenerationExpression.as_ref();
    let mut found = Vec::new();
    for (column, (field, ours)) in schema.fields().zip(columns.fields()).enumerate() {
        let Some(MetadataValue::String(text)) = field.metadata().get(key) else {
            continue;
        };
        let name = format!("the generated column `{}`", ours.name());
        let mut is_kept = None;
        let value = Rule::new(name, text.clone(), columns, |typed| {
            let given = TypedExpr::new(
                col(Column::from_name(ours.name())),
                ours.data_type().clone(),
            );
            let same = compare(given, Operator::IsNotDistinctFrom, typed.clone())?;
            is_kept = Some(compile(&same.expr, columns)?);
            compile(&typed.expr, columns)
        })?;
        if let Some(is_kept) = is_kept {
            found.push(Generated {
                column,
                value,
                is_kept,
            });
        }
    }
    Ok(found)
}

fn defaults(schema: &StructType, columns: &Schema) -> Vec<(usize, String)> {
    let key = ColumnMetadataKey::CurrentDefault.as_ref();
    let texts = schema.fields().zip(columns.fields()).enumerate();
    texts
        .filter_map(|(column, (field, _))| match field.metadata().get(key) {
            Some(MetadataValue::String(text)) => Some((column, text.clone())),
            _ => None,
        })
        .collect()
}

fn constant(text: &str, data_type: &DataType) -> Result<ScalarValue, String> {
    let none = Schema::empty();
    let expr = constant_expr(text, data_type, &none).map_err(|error| error.to_string())?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(Arc::new(none), Vec::new(), &options);
    let value = row.map_err(|error| error.to_string()).and_then(|row| {
        let value = expr.evaluate(&row).and_then(|value| value.into_array(1));
        value.map_err(|error| error.to_string())
    })?;
    let value = exact_cast(&value, data_type).map_err(|inexact| inexact.reason)?;
    ScalarValue::try_from_array(&value, 0).map_err(|error| error.to_string())
}

fn constant_expr(
    text: &str,
    data_type: &DataType,
    none: &Schema,
) -> Result<Arc<dyn PhysicalExpr>, TranslateError> {
    let typed = translate(text, none)?;
    let typed = match typed.text() {
        Some(_) => typed.cast(data_type)?,
        None => typed,
    };
    compile(&typed.expr, none)
}
