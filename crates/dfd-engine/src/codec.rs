//! Reads what a host's session wrote.

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

/// Asks the host's own codec for tables and for functions that carry a payload; those without one are
/// built in, and resolve by name in our session.
pub struct HostCodec {
    host: Arc<dyn LogicalExtensionCodec>,
    accepts: Arc<Accepts>,
}

/// Whether a function of this name and payload may cross, or why not.
pub type Accepts = dyn Fn(&str, &[u8]) -> Result<()> + Send + Sync;

impl fmt::Debug for HostCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostCodec")
    }
}

impl HostCodec {
    /// Of the host's session; it takes the functions that `accepts` does.
    pub fn new(host: Arc<dyn LogicalExtensionCodec>, accepts: Arc<Accepts>) -> Self {
        Self { host, accepts }
    }
}

impl LogicalExtensionCodec for HostCodec {
    fn try_decode(
        &self,
        buffer: &[u8],
        inputs: &[LogicalPlan],
        context: &TaskContext,
    ) -> Result<Extension> {
        self.host.try_decode(buffer, inputs, context)
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
            .host
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
        // The host's codec crosses over FFI, which has no file formats.
        DefaultLogicalExtensionCodec {}.try_decode_file_format(buffer, context)
    }

    fn try_decode_udf(&self, name: &str, buffer: &[u8]) -> Result<Arc<ScalarUDF>> {
        (self.accepts)(name, buffer)?;
        self.host.try_decode_udf(name, buffer)
    }

    fn try_decode_udaf(&self, name: &str, buffer: &[u8]) -> Result<Arc<AggregateUDF>> {
        (self.accepts)(name, buffer)?;
        self.host.try_decode_udaf(name, buffer)
    }

    fn try_decode_udwf(&self, name: &str, buffer: &[u8]) -> Result<Arc<WindowUDF>> {
        (self.accepts)(name, buffer)?;
        self.host.try_decode_udwf(name, buffer)
    }
}
