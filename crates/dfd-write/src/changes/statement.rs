//! What a statement asks for, as a query of the rows that it changes.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::{Column, DFSchema};
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};
use dfd_delta::{DeltaTableProvider, FILE_COLUMN, LocatedRows, ROW_COLUMN};

use crate::changes::exact_values::{exact_time, refuse_lost_fields};
use crate::changes::found_rows::{ChangeQuery, Effect};
use crate::changes::merge::Merge;
use crate::error::Error;
use crate::schema::metadata::{Keep, strip_type_metadata};
use crate::schema::requirements::WriteRequirements;
use crate::schema::scope::{Scope, refuse_unknown};

/// What becomes of the rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// Rows for which the condition is true go; all, without one.
    Delete {
        /// SQL over the table's columns.
        condition: Option<String>,
    },
    /// In rows for which the condition is true, or in all, columns get other values.
    Update {
        /// Names of columns, and SQL over the columns as they were.
        values: Vec<(String, String)>,
        /// SQL over the table's columns.
        condition: Option<String>,
    },
    /// Rows become what those of a source say.
    Merge(Merge),
}

impl Statement {
    /// Whether rows are written.
    pub(crate) fn writes_rows(&self) -> bool {
        match self {
            Self::Delete { .. } => false,
            Self::Update { .. } => true,
            Self::Merge(merge) => merge
                .effects()
                .iter()
                .any(|effect| *effect != Effect::Delete),
        }
    }
}

/// The rows for which a condition is true, or all: where each is.
///
/// # Errors
/// A text isn't one expression over the table's columns.
pub(crate) fn matching_rows(
    condition: Option<&str>,
    rows: Arc<LocatedRows>,
    state: &SessionState,
) -> Result<ChangeQuery, Error> {
    let condition = compiled(condition, &scope(&rows, state)?)?;
    query(rows, condition, Effect::Delete, Vec::new())
}

/// The rows for which a condition over their columns is true.
///
/// # Errors
/// It isn't one.
pub(crate) fn rows_within(rows: Arc<LocatedRows>, condition: Expr) -> Result<ChangeQuery, Error> {
    query(rows, Some(condition), Effect::Delete, Vec::new())
}

/// The rows that an update changes: where each is, and then the columns that it has afterwards.
///
/// # Errors
/// A text isn't one expression over the table's columns, or a name is that of no column.
pub(crate) fn updated_rows(
    values: &[(String, String)],
    condition: Option<&str>,
    rows: Arc<LocatedRows>,
    requirements: &WriteRequirements,
    state: &SessionState,
) -> Result<ChangeQuery, Error> {
    let scope = scope(&rows, state)?;
    let new = new_columns(values, rows.snapshot().schema(), requirements, &scope)?;
    let condition = compiled(condition, &scope)?;
    query(rows, condition, Effect::Update, new)
}

fn compiled(condition: Option<&str>, scope: &Scope<'_>) -> Result<Option<Expr>, Error> {
    let condition = condition.map(|text| scope.condition(text, "The predicate"));
    Ok(condition.transpose()?)
}

fn query(
    rows: Arc<LocatedRows>,
    condition: Option<Expr>,
    effect: Effect,
    new_columns: Vec<Expr>,
) -> Result<ChangeQuery, Error> {
    let places = [FILE_COLUMN, ROW_COLUMN].map(column);
    let provider = Arc::new(DeltaTableProvider::native(rows));
    let mut plan = LogicalPlanBuilder::scan("the table", provider_as_source(provider), None)?;
    if let Some(condition) = condition {
        plan = plan.filter(condition)?;
    }
    let clause = lit(0i64).alias("_dfd_clause");
    let columns = places.into_iter().chain([clause]).chain(new_columns);
    Ok(ChangeQuery {
        plan: plan.project(columns)?.build()?,
        effects: vec![effect],
        keys: Vec::new(),
        allows_repeats: false,
    })
}

/// The table's columns; where a row is, no text can name.
fn scope<'a>(rows: &LocatedRows, state: &'a SessionState) -> Result<Scope<'a>, Error> {
    let table = rows.snapshot().schema();
    let columns = DFSchema::try_from(table.as_ref().clone())?;
    Ok(Scope::new(state, columns))
}

/// The columns of rows that are written: those that get no value keep theirs, and those that are
/// generated are computed anew.
fn new_columns(
    values: &[(String, String)],
    table: &Schema,
    requirements: &WriteRequirements,
    scope: &Scope<'_>,
) -> Result<Vec<Expr>, Error> {
    refuse_unknown(values, table)?;
    let mut columns = Vec::with_capacity(table.fields().len());
    for (place, field) in table.fields().iter().enumerate() {
        let name = field.name();
        let value = values.iter().find(|(column, _)| column == name);
        columns.push(match value {
            Some((_, text)) => {
                let value = scope.value(text, &format!("The value of column {name}"))?;
                let to = strip_type_metadata(field.data_type(), Keep::Nothing);
                refuse_lost_fields(&value, scope, name, &to)?;
                exact_time(value, scope, name, &to)?.alias(name)
            }
            None if requirements.is_generated(place) => continue,
            None => column(name),
        });
    }
    Ok(columns)
}

fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}
