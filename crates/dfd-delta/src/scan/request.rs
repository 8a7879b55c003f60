//! What a scan is asked for.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;

use crate::snapshot::TableSnapshot;

/// The columns, filters and rows that a session wants of a snapshot.
#[derive(Debug, Clone)]
pub struct Request {
    pub snapshot: Arc<TableSnapshot>,
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
            .filter(|filter| filters_exactly(&self.snapshot, filter));
        conjunction(exact.map(unqualified))
    }

    /// The table's columns that the scan gives.
    pub fn schema(&self) -> Result<SchemaRef> {
        let schema = self.snapshot.schema();
        Ok(match &self.projection {
            Some(projection) => Arc::new(schema.project(projection)?),
            None => Arc::clone(schema),
        })
    }
}

/// Whether an opaque scan gives the rows for which `filter` is true and no others.
///
/// Functions are left to the foreign session, which has the settings that they may look at.
pub(crate) fn filters_exactly(snapshot: &TableSnapshot, filter: &Expr) -> bool {
    snapshot.fallback().is_none() && !snapshot.is_partition_predicate(filter) && is_plain(filter)
}

/// Whether nothing is in it but operators, whose results depend on their operands alone.
fn is_plain(filter: &Expr) -> bool {
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
