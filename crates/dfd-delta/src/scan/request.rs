//! What a scan is asked for.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;

use crate::scan::relation::Relation;

/// The columns, filters and rows that a session wants of a relation.
#[derive(Debug, Clone)]
pub struct Request {
    pub relation: Relation,
    pub projection: Option<Vec<usize>>,
    pub filters: Vec<Expr>,
    pub limit: Option<usize>,
    /// Which texts and binaries of the files are views.
    pub views: Views,
}

/// The columns that are read as views.
#[derive(Debug, Clone)]
pub enum Views {
    /// None.
    None,
    /// All.
    All,
    /// Those of these names.
    Of(HashSet<String>),
}

impl Views {
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Of(names) => names.contains(name),
        }
    }
}

impl Request {
    /// The filters that an opaque scan applies itself, as one.
    pub fn condition(&self) -> Option<Expr> {
        let exact = self
            .filters
            .iter()
            .filter(|filter| filters_exactly(&self.relation, filter));
        conjunction(exact.map(unqualified))
    }

    /// The columns that the scan gives.
    pub fn schema(&self) -> Result<SchemaRef> {
        let schema = self.relation.schema();
        Ok(match &self.projection {
            Some(projection) => Arc::new(schema.project(projection)?),
            None => Arc::clone(schema),
        })
    }
}

/// Whether an opaque scan gives the rows for which `filter` is true and no others.
///
/// Functions are left to the foreign session, which has the settings that they may look at.
pub(crate) fn filters_exactly(relation: &Relation, filter: &Expr) -> bool {
    !relation.is_partition_predicate(filter) && is_plain(filter)
}

/// Whether nothing is in it but operators, whose results depend on their operands alone.
pub(crate) fn is_plain(filter: &Expr) -> bool {
    let other = filter.exists(|part| {
        Ok(!matches!(
            part,
            Expr::Column(_)
                | Expr::Literal(..)
                | Expr::BinaryExpr(_)
                | Expr::Like(_)
                | Expr::Between(_)
                | Expr::InList(_)
                | Expr::Case(_)
                | Expr::Cast(_)
                | Expr::TryCast(_)
                | Expr::Negative(_)
                | Expr::Not(_)
                | Expr::IsNull(_)
                | Expr::IsNotNull(_)
                | Expr::IsTrue(_)
                | Expr::IsNotTrue(_)
                | Expr::IsFalse(_)
                | Expr::IsNotFalse(_)
                | Expr::IsUnknown(_)
                | Expr::IsNotUnknown(_)
        ))
    });
    other.is_ok_and(|other| !other)
}

/// The expression without the name under which the session knows the table.
pub(crate) fn unqualified(expr: &Expr) -> Expr {
    expr.clone()
        .transform(|node| match node {
            Expr::Column(column) => Ok(Transformed::yes(Expr::Column(Column::new_unqualified(
                column.name,
            )))),
            other => Ok(Transformed::no(other)),
        })
        .data()
        .unwrap_or_else(|_| expr.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_tables::{condition, mixed};
    use datafusion::logical_expr::{col, lit};

    #[test]
    fn operators_are_applied_by_the_scan() {
        let (table, _) = mixed();
        let snapshot = table.open();
        let relation = Relation::from(Arc::clone(&snapshot));
        for text in [
            "id > 1",
            "id + 2 * 3 % 5 <> 7",
            "name ~ 'a'",
            "name || 'x' = 'ax'",
            "name is distinct from 'a'",
            "name like 'a%'",
            "name not ilike 'A%'",
            "id between 1 and 2",
            "id not in (1, 2)",
            "case when id = 1 then true else false end",
            "cast(id as string) = '1'",
            "try_cast(name as bigint) = 1",
            "-id = 1",
            "not (id = 1)",
            "name is null",
            "name is not null",
            "(id = 1) is true",
            "(id = 1) is not true",
            "(id = 1) is false",
            "(id = 1) is not false",
            "(id = 1) is unknown",
            "(id = 1) is not unknown",
            "id = 1 and p = 'a'",
        ] {
            let filter = condition(&snapshot, text);
            assert!(filters_exactly(&relation, &filter), "{text}");
        }
    }

    #[test]
    fn functions_and_all_else_are_left_to_the_session() {
        let (table, _) = mixed();
        let snapshot = table.open();
        let relation = Relation::from(Arc::clone(&snapshot));
        for text in [
            "upper(name) = 'A'",
            "id = 1 or abs(id) = 1",
            "case when coalesce(name, 'x') = 'x' then true else false end",
            "id in (1, cast(random() as bigint))",
            "name similar to 'a'",
            // Of the values of partitions, the log says which files have them.
            "p = 'a'",
        ] {
            let filter = condition(&snapshot, text);
            assert!(!filters_exactly(&relation, &filter), "{text}");
        }
        let aliased = col("id").eq(lit(1)).alias("a");
        assert!(!filters_exactly(&relation, &aliased));
    }

    #[test]
    fn a_predicate_of_partitions_looks_at_nothing_else() {
        let (table, _) = mixed();
        let snapshot = table.open();
        let relation = Relation::from(Arc::clone(&snapshot));
        for (text, is_one) in [
            ("p = 'a'", true),
            ("p is null or p <> 'b'", true),
            ("upper(p) = 'A'", true),
            ("p = 'a' and id = 1", false),
            ("id = 1", false),
            ("true", true),
            ("p not in (null)", true),
            ("random() < 0.5", false),
            ("p = 'a' and random() < 0.5", false),
        ] {
            let filter = condition(&snapshot, text);
            assert_eq!(relation.is_partition_predicate(&filter), is_one, "{text}");
        }
        assert!(relation.is_partition_predicate(&col("anything.p").is_null()));
    }

    #[test]
    fn what_a_scan_applies_is_one_condition_without_the_tables_name() -> Result<()> {
        let (table, _) = mixed();
        let snapshot = table.open();
        let relation = Relation::from(Arc::clone(&snapshot));
        let request = |filters: Vec<Expr>| Request {
            relation: relation.clone(),
            projection: Some(vec![3, 1]),
            filters,
            limit: None,
            views: Views::None,
        };
        let filters = vec![
            col("t.id").gt(lit(1)),
            condition(&snapshot, "upper(name) = 'A'"),
            col("t.p").eq(lit("a")),
            col("t.name").is_null(),
        ];
        let condition = request(filters).condition().map(|all| all.to_string());
        let expected = "id > Int32(1) AND name IS NULL";
        assert_eq!(condition.as_deref(), Some(expected));
        assert_eq!(request(vec![col("p").is_null()]).condition(), None);
        let schema = request(Vec::new()).schema()?;
        let names: Vec<_> = schema.fields().iter().map(|field| field.name()).collect();
        assert_eq!(names, ["price", "p"]);
        let outside = Request {
            projection: Some(vec![4]),
            ..request(Vec::new())
        };
        assert!(outside.schema().is_err());
        Ok(())
    }

    #[test]
    fn views_are_chosen_by_name() {
        let some = Views::Of(["a".to_owned()].into());
        let has = |views: &Views| ["a", "b"].map(|name| views.has(name));
        assert_eq!(has(&Views::None), [false, false]);
        assert_eq!(has(&Views::All), [true, true]);
        assert_eq!(has(&some), [true, false]);
    }
}
