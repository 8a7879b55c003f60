//! Columns of a data file as the table's types: a value that its type doesn't have is an error.
//!
//! DataFusion's own adapter casts as Arrow does: fractions, times of day and digits are cut off
//! without a word, and what is inside of a map is matched by its place. It is left to columns of
//! which no value can be lost; the others are cast here, by name at every depth.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapter, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};
use datafusion::physical_plan::PhysicalExpr;
use dfd_arrow::{castable, exact_cast, widens};

/// Makes the adapters of a scan's files.
#[derive(Debug)]
pub(crate) struct ExactColumns;

impl PhysicalExprAdapterFactory for ExactColumns {
    fn create(&self, wanted: SchemaRef, stored: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let mut exact = HashMap::new();
        let fields =
            wanted
                .fields()
                .iter()
                .map(|field| match stored.field_with_name(field.name()) {
                    Ok(column)
                        if hides_values(column)
                            || !is_plain(column.data_type(), field.data_type()) =>
                    {
                        exact.insert(field.name().clone(), Arc::clone(field));
                        Arc::new(column.clone())
                    }
                    _ => Arc::clone(field),
                });
        let plain = Schema::new(fields.collect::<Vec<_>>());
        Ok(Arc::new(Adapter {
            plain: DefaultPhysicalExprAdapter::new(Arc::new(plain), Arc::clone(&stored)),
            exact,
            stored,
        }))
    }
}

/// Reads the columns of one file.
#[derive(Debug)]
struct Adapter {
    plain: DefaultPhysicalExprAdapter,
    /// The columns that DataFusion's own may read wrong, as the table has them.
    exact: HashMap<String, FieldRef>,
    stored: SchemaRef,
}

impl PhysicalExprAdapter for Adapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let plain = self.plain.rewrite(expr)?;
        if self.exact.is_empty() {
            return Ok(plain);
        }
        plain
            .transform(|node| {
                let column = node.downcast_ref::<Column>();
                let field = column.and_then(|column| self.exact.get(column.name()));
                Ok(match field {
                    Some(field) => Transformed::yes(self.exact(&node, field)?),
                    None => Transformed::no(node),
                })
            })
            .data()
    }
}

impl Adapter {
    fn exact(
        &self,
        column: &Arc<dyn PhysicalExpr>,
        field: &FieldRef,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let stored = column.data_type(&self.stored)?;
        let known = known(&stored, field.data_type());
        castable(&known, field.data_type()).map_err(|reason| Misfit::error(field, reason))?;
        Ok(Arc::new(ExactCast {
            column: Arc::clone(column),
            field: Arc::clone(field),
        }))
    }
}

/// A column that isn't of the table's type.
#[derive(Debug, thiserror::Error)]
#[error("its column {column}{reason}")]
pub(crate) struct Misfit {
    /// Of the table.
    pub column: String,
    /// Begins with the path of a nested field.
    reason: String,
}

impl Misfit {
    fn error(field: &FieldRef, reason: String) -> DataFusionError {
        let column = field.name().clone();
        DataFusionError::External(Box::new(Self { column, reason }))
    }
}

/// Whether a null struct may have values inside, which `s.a` would give in place of null: those of
/// a field that may not be null are decoded as 0 where their struct isn't there.
fn hides_values(column: &Field) -> bool {
    use DataType::{FixedSizeList, LargeList, List, Map, Struct};
    match column.data_type() {
        Struct(fields) => {
            let is_hidden = |field: &FieldRef| column.is_nullable() && !field.is_nullable();
            fields
                .iter()
                .any(|field| is_hidden(field) || hides_values(field))
        }
        List(item) | LargeList(item) | FixedSizeList(item, _) => hides_values(item),
        Map(pairs, _) => match pairs.data_type() {
            Struct(pair) => pair.iter().any(|field| hides_values(field)),
            _ => false,
        },
        _ => false,
    }
}

/// Whether DataFusion's own adapter keeps every value of the column, and takes none for another.
pub(crate) fn is_plain(stored: &DataType, wanted: &DataType) -> bool {
    use DataType::{Dictionary, LargeList, List, Struct};
    match (stored, wanted) {
        (Struct(stored), Struct(wanted)) => {
            let pairs = wanted.iter().filter_map(|field| {
                let (_, column) = stored.find(field.name())?;
                Some((column, field))
            });
            let mut pairs = pairs.peekable();
            pairs.peek().is_some()
                && pairs.all(|(column, field)| is_plain(column.data_type(), field.data_type()))
        }
        (List(stored), List(wanted)) | (LargeList(stored), LargeList(wanted)) => {
            is_plain(stored.data_type(), wanted.data_type())
        }
        (Dictionary(_, stored), _) => widens(stored, wanted),
        _ => is_alike(stored, wanted),
    }
}

/// Whether all that is inside both is the same by its place, as Arrow's cast takes it.
fn is_alike(stored: &DataType, wanted: &DataType) -> bool {
    use DataType::{FixedSizeList, LargeList, List, Map, Struct};
    let inside = |stored: &Field, wanted: &Field| is_alike(stored.data_type(), wanted.data_type());
    match (stored, wanted) {
        (Struct(stored), Struct(wanted)) => {
            let mut pairs = stored.iter().zip(wanted);
            stored.len() == wanted.len()
                && pairs
                    .all(|(column, field)| column.name() == field.name() && inside(column, field))
        }
        (List(stored) | LargeList(stored) | FixedSizeList(stored, _), List(wanted)) => {
            inside(stored, wanted)
        }
        (Map(stored, sorted), Map(wanted, to_sorted)) => {
            let pairs = (stored.data_type(), wanted.data_type());
            let (Struct(stored), Struct(wanted)) = pairs else {
                return false;
            };
            let mut pairs = stored.iter().zip(wanted);
            sorted == to_sorted && pairs.all(|(stored, wanted)| inside(stored, wanted))
        }
        _ => widens(stored, wanted),
    }
}

/// The type without those fields of its structs that the table doesn't have.
fn known(stored: &DataType, wanted: &DataType) -> DataType {
    use DataType::{FixedSizeList, LargeList, List, Map, Struct};
    let inside = |stored: &FieldRef, wanted: &FieldRef| -> FieldRef {
        let kind = known(stored.data_type(), wanted.data_type());
        Arc::new(stored.as_ref().clone().with_data_type(kind))
    };
    match (stored, wanted) {
        (Struct(stored), Struct(wanted)) => {
            let fields = stored.iter().filter_map(|column| {
                let (_, field) = wanted.find(column.name())?;
                Some(inside(column, field))
            });
            Struct(fields.collect())
        }
        (List(stored), List(wanted) | LargeList(wanted)) => List(inside(stored, wanted)),
        (LargeList(stored), List(wanted) | LargeList(wanted)) => LargeList(inside(stored, wanted)),
        (FixedSizeList(stored, size), List(wanted) | LargeList(wanted)) => {
            FixedSizeList(inside(stored, wanted), *size)
        }
        (Map(stored, sorted), Map(wanted, _)) => match (stored.data_type(), wanted.data_type()) {
            (Struct(pair), Struct(wanted_pair)) => {
                let pairs = pair.iter().zip(wanted_pair);
                let pair = Struct(pairs.map(|(column, field)| inside(column, field)).collect());
                Map(
                    Arc::new(stored.as_ref().clone().with_data_type(pair)),
                    *sorted,
                )
            }
            _ => Map(Arc::clone(stored), *sorted),
        },
        _ => stored.clone(),
    }
}

/// A column of a file with every value as one of the table's type.
#[derive(Debug, Clone)]
struct ExactCast {
    column: Arc<dyn PhysicalExpr>,
    field: FieldRef,
}

// Not derived: rust-lang/rust#78808.
impl PartialEq for ExactCast {
    fn eq(&self, other: &Self) -> bool {
        self.column.eq(&other.column) && self.field == other.field
    }
}

impl Eq for ExactCast {}

impl Hash for ExactCast {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
        self.field.hash(state);
    }
}

impl fmt::Display for ExactCast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EXACT({} AS {})", self.column, self.field.data_type())
    }
}

impl PhysicalExpr for ExactCast {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(self.field.data_type().clone())
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(self.field.is_nullable())
    }

    fn return_field(&self, _: &Schema) -> Result<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let stored = self.column.evaluate(batch)?;
        let is_scalar = matches!(stored, ColumnarValue::Scalar(_));
        let rows = if is_scalar { 1 } else { batch.num_rows() };
        let cast = exact_cast(&stored.into_array(rows)?, self.field.data_type());
        let values = cast.map_err(|bad| {
            let reason = format!("{}: {}", bad.path, bad.reason);
            Misfit::error(&self.field, reason)
        })?;
        Ok(if is_scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?)
        } else {
            ColumnarValue::Array(values)
        })
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.column]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let column = children.into_iter().next();
        Ok(Arc::new(Self {
            column: column.unwrap_or_else(|| Arc::clone(&self.column)),
            ..self.as_ref().clone()
        }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
