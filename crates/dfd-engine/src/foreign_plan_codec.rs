//! The codec that reads what a foreign session wrote.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::{Result, TableReference, not_impl_err};
use datafusion::datasource::file_format::FileFormatFactory;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{AggregateUDF, Extension, LogicalPlan, ScalarUDF, WindowUDF};
use datafusion_proto::logical_plan::{DefaultLogicalExtensionCodec, LogicalExtensionCodec};
use dfd_delta::DeltaTableProvider;

/// A check of functions that carry a payload, by name and payload: fails where one may not cross.
pub type UdfGuard = dyn Fn(&str, &[u8]) -> Result<()> + Send + Sync;

/// A codec that asks the foreign session's own for tables and for functions that carry a payload; functions
/// without one are built in, and resolve by name in our session.
pub struct ForeignPlanCodec {
    foreign: Arc<dyn LogicalExtensionCodec>,
    guard: Arc<UdfGuard>,
}

impl fmt::Debug for ForeignPlanCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForeignPlanCodec")
    }
}

impl ForeignPlanCodec {
    /// A codec over `foreign`, which takes the functions that `guard` lets pass.
    pub fn new(foreign: Arc<dyn LogicalExtensionCodec>, guard: Arc<UdfGuard>) -> Self {
        Self { foreign, guard }
    }
}

impl LogicalExtensionCodec for ForeignPlanCodec {
    fn try_decode(
        &self,
        buffer: &[u8],
        inputs: &[LogicalPlan],
        context: &TaskContext,
    ) -> Result<Extension> {
        self.foreign.try_decode(buffer, inputs, context)
    }

    fn try_encode(&self, _: &Extension, _: &mut Vec<u8>) -> Result<()> {
        not_impl_err!("plans are read here, and not written")
    }

    fn try_decode_table_provider(
        &self,
        buffer: &[u8],
        name: &TableReference,
        schema: SchemaRef,
        context: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        if name.schema() == Some("information_schema") {
            return not_impl_err!("information_schema is that of the session");
        }
        let table = self
            .foreign
            .try_decode_table_provider(buffer, name, schema, context)?;
        Ok(match table.downcast_ref::<DeltaTableProvider>() {
            Some(delta) => Arc::new(delta.to_native()),
            None => table,
        })
    }

    fn try_encode_table_provider(
        &self,
        _: &TableReference,
        _: Arc<dyn TableProvider>,
        _: &mut Vec<u8>,
    ) -> Result<()> {
        not_impl_err!("plans are read here, and not written")
    }

    fn try_decode_file_format(
        &self,
        buffer: &[u8],
        context: &TaskContext,
    ) -> Result<Arc<dyn FileFormatFactory>> {
        // The foreign codec crosses over FFI, which has no file formats.
        DefaultLogicalExtensionCodec {}.try_decode_file_format(buffer, context)
    }

    fn try_decode_udf(&self, name: &str, buffer: &[u8]) -> Result<Arc<ScalarUDF>> {
        (self.guard)(name, buffer)?;
        self.foreign.try_decode_udf(name, buffer)
    }

    fn try_decode_udaf(&self, name: &str, buffer: &[u8]) -> Result<Arc<AggregateUDF>> {
        (self.guard)(name, buffer)?;
        self.foreign.try_decode_udaf(name, buffer)
    }

    fn try_decode_udwf(&self, name: &str, buffer: &[u8]) -> Result<Arc<WindowUDF>> {
        (self.guard)(name, buffer)?;
        self.foreign.try_decode_udwf(name, buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow::datatypes::{DataType, Schema};
    use datafusion::common::{exec_err, plan_err};
    use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
    use dfd_delta::DeltaCodec;

    use super::*;
    use crate::testing::{DeltaTable, batch, in_memory, numbers};

    /// A foreign codec that has one scalar function and no tables.
    #[derive(Debug)]
    struct Foreign;

    impl LogicalExtensionCodec for Foreign {
        fn try_decode(&self, _: &[u8], _: &[LogicalPlan], _: &TaskContext) -> Result<Extension> {
            exec_err!("the foreign codec was asked for a node")
        }

        fn try_encode(&self, _: &Extension, _: &mut Vec<u8>) -> Result<()> {
            Ok(())
        }

        fn try_decode_table_provider(
            &self,
            _: &[u8],
            _: &TableReference,
            _: SchemaRef,
            _: &TaskContext,
        ) -> Result<Arc<dyn TableProvider>> {
            exec_err!("the foreign codec was asked for a table")
        }

        fn try_encode_table_provider(
            &self,
            _: &TableReference,
            _: Arc<dyn TableProvider>,
            _: &mut Vec<u8>,
        ) -> Result<()> {
            Ok(())
        }

        fn try_decode_udf(&self, name: &str, _: &[u8]) -> Result<Arc<ScalarUDF>> {
            let body = Arc::new(|arguments: &[ColumnarValue]| Ok(arguments[0].clone()));
            let number = DataType::Int64;
            Ok(Arc::new(create_udf(
                name,
                vec![number.clone()],
                number,
                Volatility::Immutable,
                body,
            )))
        }
    }

    fn over(foreign: impl LogicalExtensionCodec) -> ForeignPlanCodec {
        let guard = |name: &str, payload: &[u8]| {
            if payload.starts_with(b"bad") {
                return plan_err!("{name} may not cross");
            }
            Ok(())
        };
        ForeignPlanCodec::new(Arc::new(foreign), Arc::new(guard))
    }

    fn delta() -> DeltaCodec {
        DeltaCodec::new(Arc::new(|_: &str, _: &str| Some(HashMap::new())))
    }

    /// The table as it comes out on this side.
    fn crossed(table: Arc<dyn TableProvider>) -> Arc<dyn TableProvider> {
        let name = TableReference::bare("t");
        let (mut buffer, schema) = (Vec::new(), table.schema());
        delta()
            .try_encode_table_provider(&name, table, &mut buffer)
            .unwrap();
        let context = TaskContext::default();
        over(delta())
            .try_decode_table_provider(&buffer, &name, schema, &context)
            .unwrap()
    }

    #[test]
    fn functions_cross_where_the_guard_lets_them() {
        let codec = over(Foreign);
        assert_eq!(codec.try_decode_udf("f", b"good").unwrap().name(), "f");
        let says = |error: datafusion::error::DataFusionError| error.to_string();
        let refused = "f may not cross";
        assert!(says(codec.try_decode_udf("f", b"bad").unwrap_err()).contains(refused));
        assert!(says(codec.try_decode_udaf("f", b"bad").unwrap_err()).contains(refused));
        assert!(says(codec.try_decode_udwf("f", b"bad").unwrap_err()).contains(refused));
        assert!(!says(codec.try_decode_udaf("f", b"good").unwrap_err()).contains(refused));
    }

    #[test]
    fn nodes_and_tables_are_asked_of_the_foreign_codec() {
        let codec = over(Foreign);
        let context = TaskContext::default();
        let node = codec.try_decode(b"", &[], &context).unwrap_err();
        assert!(node.to_string().contains("asked for a node"));
        let schema = Arc::new(Schema::empty());
        let name = TableReference::bare("t");
        let table = codec
            .try_decode_table_provider(b"", &name, schema, &context)
            .unwrap_err();
        assert!(table.to_string().contains("asked for a table"));
    }

    #[test]
    fn the_information_schema_is_not_asked_for() {
        let name = TableReference::partial("information_schema", "tables");
        let schema = Arc::new(Schema::empty());
        let context = TaskContext::default();
        let error = over(Foreign).try_decode_table_provider(b"", &name, schema, &context);
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("that of the session")
        );
    }

    #[test]
    fn an_opaque_delta_table_is_a_native_one_here() {
        let table = DeltaTable::new(&[batch(vec![("n", numbers(0..3))])]);
        let found = crossed(table.opaque());
        let native = found.downcast_ref::<DeltaTableProvider>().unwrap();
        let opaque = table.opaque();
        let snapshots = [native, &opaque].map(|table| table.relation().snapshot().unwrap());
        assert!(Arc::ptr_eq(snapshots[0], snapshots[1]));
        let filter = datafusion::logical_expr::col("n").gt(datafusion::logical_expr::lit(1_i64));
        let support =
            |table: &dyn TableProvider| table.supports_filters_pushdown(&[&filter]).unwrap();
        // The opaque scan applies it, and the native one leaves it to the plan.
        assert_ne!(support(native), support(table.opaque().as_ref()));
    }

    #[test]
    fn another_table_stays_what_it_is() {
        let table = in_memory(&[batch(vec![("n", numbers(0..3))])]);
        let found = crossed(Arc::clone(&table) as _);
        assert!(Arc::ptr_eq(&found, &(table as Arc<dyn TableProvider>)));
    }

    #[test]
    fn plans_are_not_written() {
        let codec = over(Foreign);
        let table = in_memory(&[batch(vec![("n", numbers(0..3))])]);
        let name = TableReference::bare("t");
        assert!(
            codec
                .try_encode_table_provider(&name, table, &mut Vec::new())
                .is_err()
        );
        assert_eq!(format!("{codec:?}"), "ForeignPlanCodec");
    }
}
