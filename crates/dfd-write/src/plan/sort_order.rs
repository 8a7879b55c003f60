//! Orders of rows by columns.

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Schema};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};

use crate::error::{Error, RuleViolation};

/// Makes an ascending order by columns of these names; None without names.
///
/// # Errors
/// There is no such column.
pub(crate) fn ascending<'a>(
    names: impl IntoIterator<Item = &'a String>,
    columns: &Schema,
) -> Result<Option<LexOrdering>, Error> {
    let mut sorted = Vec::new();
    for name in names {
        let column = col(name, columns)?;
        sorted.push(PhysicalSortExpr::new(column, SortOptions::default()));
    }
    Ok(LexOrdering::new(sorted))
}

/// Fails unless rows can be sorted by the columns of these names.
///
/// # Errors
/// A column isn't there, is named twice or has no order; it is named.
pub(crate) fn require_sortable(names: &[String], columns: &Schema) -> Result<(), RuleViolation> {
    let refuse = |name: &String, reason| Err(RuleViolation::SortColumn(name.clone(), reason));
    for (place, name) in names.iter().enumerate() {
        if names[..place].contains(name) {
            return refuse(name, "is named twice");
        }
        let Ok(field) = columns.field_with_name(name) else {
            return refuse(name, "isn't there");
        };
        if field.data_type().is_nested() || *field.data_type() == DataType::Null {
            return refuse(name, "has no order");
        }
    }
    Ok(())
}
