//! The columns that a scan reads for a filter above it.

use std::collections::HashSet;

use arrow::datatypes::Schema;
use datafusion::common::Column;
use datafusion::logical_expr::Expr;

/// A projection widened by the columns that a condition looks at.
///
/// The wanted columns come first, in their order, so that the first `wanted` of what is read are they.
/// None is all columns of `schema`, and stays so.
pub fn widened_projection(
    schema: &Schema,
    projection: Option<&Vec<usize>>,
    condition: &Expr,
) -> Vec<usize> {
    let all = 0..schema.fields().len();
    let Some(wanted) = projection else {
        return all.collect();
    };
    let columns = condition.column_refs().into_iter();
    let looked_at: HashSet<_> = columns.map(Column::name).collect();
    let is_missing = |index: &usize| {
        looked_at.contains(schema.field(*index).name().as_str()) && !wanted.contains(index)
    };
    let missing = all.filter(is_missing);
    wanted.iter().copied().chain(missing).collect()
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};
    use datafusion::logical_expr::{col, lit};

    use super::*;

    #[test]
    fn what_is_looked_at_comes_after_what_is_wanted() {
        let fields = ["a", "b", "c", "d"].map(|name| Field::new(name, DataType::Int64, true));
        let schema = Schema::new(fields.to_vec());
        let condition = col("c").gt(lit(1)).and(col("t.a").eq(col("c")));
        let widened = |wanted: Option<&[usize]>| {
            widened_projection(&schema, wanted.map(<[usize]>::to_vec).as_ref(), &condition)
        };
        assert_eq!(widened(Some(&[3, 1])), [3, 1, 0, 2]);
        assert_eq!(widened(Some(&[2, 0])), [2, 0]);
        assert_eq!(widened(Some(&[])), [0, 2]);
        assert_eq!(widened(None), [0, 1, 2, 3]);
    }
}
