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
            Some(delta) => Arc::new(DeltaTableProvider::native(Arc::clone(delta.snapshot()))),
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
