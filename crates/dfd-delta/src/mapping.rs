//! Column mapping: where the files have a column of the table.
//!
//! Protocol, "Column Mapping". By name, a field's metadata has the physical name; by id, the
//! Parquet field id counts, and the physical name is only that of the log's statistics and
//! partition values.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::PhysicalExpr;
use datafusion_physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};

/// How the columns of a table are found in its files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnMapping {
    physical: HashMap<String, String>,
    ids: Option<HashMap<i32, String>>,
}

const PHYSICAL_NAME: &str = "delta.columnMapping.physicalName";
const ID: &str = "delta.columnMapping.id";
const PARQUET_ID: &str = "PARQUET:field_id";

impl ColumnMapping {
    /// From the table's logical schema and its `delta.columnMapping.mode`.
    pub fn new(schema: &Schema, mode: Option<&str>) -> Self {
        let mode = mode.unwrap_or("none");
        if mode == "none" {
            return Self::default();
        }
        let physical = schema.fields().iter().filter_map(|field| {
            let name = field.metadata().get(PHYSICAL_NAME)?;
            Some((field.name().clone(), name.clone()))
        });
        let ids = schema.fields().iter().filter_map(|field| {
            let metadata = field.metadata();
            let id = metadata.get(ID).or_else(|| metadata.get(PARQUET_ID))?;
            Some((id.parse().ok()?, field.name().clone()))
        });
        Self {
            physical: physical.collect(),
            ids: (mode == "id").then(|| ids.collect()),
        }
    }

    /// The name under which log and files know a column.
    pub fn physical<'a>(&'a self, logical: &'a str) -> &'a str {
        self.physical.get(logical).map_or(logical, String::as_str)
    }

    /// True when all columns have their own name.
    pub fn is_none(&self) -> bool {
        self.physical.is_empty()
    }

    /// The columns of a file under their logical names; what the table doesn't know keeps a name
    /// that no column of the table has.
    fn logical_schema(&self, file: &Schema) -> Schema {
        let by_name: HashMap<_, _> = self
            .physical
            .iter()
            .map(|(logical, physical)| (physical.as_str(), logical.as_str()))
            .collect();
        let fields = file.fields().iter().enumerate().map(|(index, field)| {
            let logical = match &self.ids {
                Some(ids) => field
                    .metadata()
                    .get(PARQUET_ID)
                    .and_then(|id| id.parse().ok())
                    .and_then(|id: i32| ids.get(&id))
                    .map(String::as_str),
                None => by_name.get(field.name().as_str()).copied(),
            };
            let name = logical.map_or_else(|| format!("\u{0}{index}"), ToOwned::to_owned);
            Arc::new(Field::new(
                name,
                field.data_type().clone(),
                field.is_nullable(),
            ))
        });
        Schema::new(fields.collect::<Vec<_>>())
    }
}

/// The type with every field inside it nullable.
///
/// "Not null" inside a struct is a rule for writers: Spark's files have such fields as optional, and
/// an expression adapter refuses to make them required.
pub fn relaxed(data_type: &DataType) -> DataType {
    let nullable = |field: &FieldRef| -> FieldRef {
        let inner = relaxed(field.data_type());
        Arc::new(
            field
                .as_ref()
                .clone()
                .with_data_type(inner)
                .with_nullable(true),
        )
    };
    match data_type {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(nullable).collect()),
        DataType::List(field) => DataType::List(nullable(field)),
        DataType::LargeList(field) => DataType::LargeList(nullable(field)),
        DataType::Map(entries, sorted) => match entries.data_type() {
            // A map's entries and keys are never null.
            DataType::Struct(pair) if pair.len() == 2 => {
                let key = relaxed(pair[0].data_type());
                let key = Arc::new(pair[0].as_ref().clone().with_data_type(key));
                let pair = DataType::Struct(vec![key, nullable(&pair[1])].into());
                DataType::Map(
                    Arc::new(entries.as_ref().clone().with_data_type(pair)),
                    *sorted,
                )
            }
            _ => data_type.clone(),
        },
        other => other.clone(),
    }
}

/// Rewrites the expressions of a scan for one file, by mapped columns.
#[derive(Debug)]
pub struct MappedAdapterFactory(pub ColumnMapping);

impl PhysicalExprAdapterFactory for MappedAdapterFactory {
    fn create(
        &self,
        logical_file_schema: SchemaRef,
        physical_file_schema: SchemaRef,
    ) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let renamed = Arc::new(self.0.logical_schema(&physical_file_schema));
        let inner = DefaultPhysicalExprAdapterFactory.create(logical_file_schema, renamed)?;
        Ok(Arc::new(MappedAdapter {
            inner,
            physical_file_schema,
        }))
    }
}

#[derive(Debug)]
struct MappedAdapter {
    inner: Arc<dyn PhysicalExprAdapter>,
    physical_file_schema: SchemaRef,
}

impl PhysicalExprAdapter for MappedAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        self.inner
            .rewrite(expr)?
            .transform(|node| match node.downcast_ref::<Column>() {
                Some(column) => {
                    let name = self.physical_file_schema.field(column.index()).name();
                    let named: Arc<dyn PhysicalExpr> = Arc::new(Column::new(name, column.index()));
                    Ok(Transformed::yes(named))
                }
                None => Ok(Transformed::no(node)),
            })
            .data()
    }
}
