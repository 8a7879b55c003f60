//! Expressions, ready to be computed.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, Operator};
use datafusion::physical_expr::expressions::BinaryExpr;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};

use crate::error::Error;

/// Compiles an expression over these columns; integers raise where they overflow, as in Spark's ANSI mode.
///
/// The schema's word that a column is never null isn't relied on, so that the expression can be what
/// checks it.
///
/// # Errors
/// DataFusion has no such expression over these columns.
pub fn compile(expr: &Expr, columns: &Schema) -> Result<Arc<dyn PhysicalExpr>, Error> {
    let fields = columns.fields().iter();
    let nullable = fields.map(|field| field.as_ref().clone().with_nullable(true));
    let schema = DFSchema::try_from(Schema::new(nullable.collect::<Vec<_>>()))?;
    let (props, context) = (ExecutionProps::new(), PhysicalPlanningContext::default());
    let physical = create_physical_expr(expr, &schema, &props, &context)?;
    Ok(physical.transform(fail_on_overflow).data()?)
}

fn fail_on_overflow(
    node: Arc<dyn PhysicalExpr>,
) -> Result<Transformed<Arc<dyn PhysicalExpr>>, DataFusionError> {
    match node.downcast_ref::<BinaryExpr>() {
        Some(found)
            if matches!(
                found.op(),
                Operator::Plus | Operator::Minus | Operator::Multiply
            ) =>
        {
            let (left, right) = (Arc::clone(found.left()), Arc::clone(found.right()));
            let strict = BinaryExpr::new(left, *found.op(), right).with_fail_on_overflow(true);
            Ok(Transformed::yes(Arc::new(strict)))
        }
        _ => Ok(Transformed::no(node)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field};
    use datafusion::logical_expr::{col, lit};

    fn batch(values: Vec<i64>) -> RecordBatch {
        let array: ArrayRef = Arc::new(Int64Array::from(values));
        RecordBatch::try_from_iter([("n", array)]).unwrap()
    }

    #[test]
    fn additions_subtractions_and_products_raise_where_they_overflow() {
        let most = batch(vec![i64::MAX, i64::MIN]);
        for expr in [
            col("n") + lit(1_i64),
            col("n") - lit(1_i64),
            col("n") * lit(2_i64),
        ] {
            let compiled = compile(&expr, most.schema_ref()).unwrap();
            assert!(compiled.evaluate(&most).is_err(), "{expr}");
        }
        // Also inside another expression.
        let nested = (col("n") + lit(1_i64)).gt(lit(0_i64));
        let compiled = compile(&nested, most.schema_ref()).unwrap();
        assert!(compiled.evaluate(&most).is_err());
    }

    #[test]
    fn what_fits_is_computed() {
        let few = batch(vec![1, -1]);
        let compiled = compile(&(col("n") + lit(1_i64)).gt(lit(0_i64)), few.schema_ref());
        let found = compiled
            .unwrap()
            .evaluate(&few)
            .unwrap()
            .into_array(2)
            .unwrap();
        assert_eq!(
            found.as_boolean().iter().collect::<Vec<_>>(),
            [Some(true), Some(false)]
        );
    }

    #[test]
    fn a_schema_that_denies_nulls_is_not_believed() {
        let required = Schema::new(vec![Field::new("n", DataType::Int64, false)]);
        let compiled = compile(&col("n"), &required).unwrap();
        assert!(
            compiled
                .nullable(&Schema::new(vec![Field::new("n", DataType::Int64, true)]))
                .unwrap()
        );
        let array: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(1)]));
        let batch = RecordBatch::try_from_iter([("n", array)]).unwrap();
        let compiled = compile(&col("n").is_not_null(), &required).unwrap();
        let found = compiled.evaluate(&batch).unwrap().into_array(2).unwrap();
        assert_eq!(
            found.as_boolean().iter().collect::<Vec<_>>(),
            [Some(false), Some(true)]
        );
    }

    #[test]
    fn a_column_that_is_missing_is_an_error() {
        assert!(compile(&col("none"), &Schema::empty()).is_err());
    }
}
