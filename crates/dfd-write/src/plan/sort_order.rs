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

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Field;

    fn columns() -> Schema {
        let list = DataType::new_list(DataType::Int64, true);
        Schema::new(vec![
            Field::new("a", DataType::Int64, true),
            Field::new("b", DataType::Utf8, true),
            Field::new("l", list, true),
        ])
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn orders_are_ascending_in_the_order_of_the_names() {
        let order = ascending(&names(&["b", "a"]), &columns()).unwrap();
        let told = order.map(|order| order.to_string());
        assert_eq!(told.as_deref(), Some("b@1 ASC, a@0 ASC"));
        assert!(ascending(&names(&[]), &columns()).unwrap().is_none());
        assert!(ascending(&names(&["z"]), &columns()).is_err());
    }

    #[test]
    fn columns_that_cannot_be_sorted_by_are_named() {
        assert!(require_sortable(&names(&["a", "b"]), &columns()).is_ok());
        for (sort_by, reason) in [
            (&["a", "a"][..], "`a`: it is named twice"),
            (&["z"], "`z`: it isn't there"),
            (&["l"], "`l`: it has no order"),
        ] {
            let refused = require_sortable(&names(sort_by), &columns()).unwrap_err();
            assert!(refused.to_string().contains(reason), "{refused}");
        }
    }
}
