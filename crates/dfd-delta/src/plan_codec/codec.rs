//! Tables and scans in serialized plans.
//!
//! A Delta table travels as its URI, its version and the profile it is reached with, by name: never with
//! a credential. Whoever reads the plan resolves the profile itself. Any other table travels as a
//! number that means something in this process alone (see [`crate::plan_codec::registry`]).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::{Result, TableReference, not_impl_err, plan_err};
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::bytes::Serializeable;
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use serde::{Deserialize, Serialize};

use crate::change_feed::ChangeFeed;
use crate::plan_codec::registry;
use crate::scan::opaque_exec::DeltaScanExec;
use crate::scan::provider::DeltaTableProvider;
use crate::scan::registered_provider::RegisteredProvider;
use crate::scan::relation::Relation;
use crate::scan::request::{Request, Views};
use crate::snapshot::{At, TableSnapshot};
use dfd_runtime::Location;

/// Finds the options of a location and a profile's name; None where that isn't known.
pub type Resolve = dyn Fn(&str, &str) -> Option<HashMap<String, String>> + Send + Sync;

/// Reads and writes Delta tables, and every other table by number.
#[derive(Clone)]
pub struct DeltaCodec {
    resolve: Arc<Resolve>,
}

impl fmt::Debug for DeltaCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeltaCodec")
    }
}

/// A version of a Delta table in a plan, or a change feed that ends with it.
#[derive(Debug, Serialize, Deserialize)]
struct TableRef {
    uri: String,
    version: u64,
    /// The version with which the change feed begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changes_from: Option<u64>,
    profile: String,
    /// The process that wrote the plan, and its number for the relation.
    process: u64,
    instance: u64,
}

/// A scan in a physical plan.
#[derive(Debug, Serialize, Deserialize)]
struct ScanRef {
    table: TableRef,
    projection: Option<Vec<usize>>,
    filters: Vec<Vec<u8>>,
    limit: Option<usize>,
    target_partitions: usize,
    partitions: usize,
}

#[derive(Debug, Serialize, Deserialize)]
enum Payload {
    Delta(TableRef),
    Scan(ScanRef),
    Local { process: u64, id: u64 },
}

fn write(payload: &Payload, buffer: &mut Vec<u8>) -> Result<()> {
    serde_json::to_writer(buffer, payload).map_err(|error| DataFusionError::External(error.into()))
}

fn read(buffer: &[u8]) -> Result<Payload> {
    serde_json::from_slice(buffer)
        .or_else(|error| plan_err!("the plan was written by another version of dfd: {error}"))
}

impl TableRef {
    fn of(relation: &Relation) -> Self {
        Self {
            uri: relation.location().url().to_string(),
            version: relation.version(),
            changes_from: relation.first_version(),
            profile: relation.location().profile().to_owned(),
            process: registry::process_token(),
            instance: relation.instance(),
        }
    }
}

impl DeltaCodec {
    /// A codec with what resolves profiles by location and name.
    pub fn new(resolve: Arc<Resolve>) -> Self {
        Self { resolve }
    }

    fn relation(&self, table: &TableRef) -> Result<Relation> {
        if table.process == registry::process_token()
            && let Some(relation) = Relation::alive(table.changes_from, table.instance)
        {
            return Ok(relation);
        }
        let options = if table.profile.is_empty() {
            Some(HashMap::new())
        } else {
            (self.resolve)(&table.uri, &table.profile)
        };
        let Some(options) = options else {
            return plan_err!(
                "the plan reads {} with the storage profile {:?}, which isn't known here: give it to DeltaExtension",
                table.uri,
                table.profile
            );
        };
        let profile = Some(table.profile.as_str()).filter(|name| !name.is_empty());
        let location = Location::try_new(&table.uri, &options, profile)?;
        let version = table.version;
        Ok(match table.changes_from {
            Some(first) => {
                let feed = ChangeFeed::open(location, first, version);
                dfd_runtime::block_on(feed)??.into()
            }
            None => {
                let snapshot = TableSnapshot::open(location, At::Version(version));
                dfd_runtime::block_on(snapshot)??.into()
            }
        })
    }
}

impl LogicalExtensionCodec for DeltaCodec {
    fn try_decode(&self, _: &[u8], _: &[LogicalPlan], _: &TaskContext) -> Result<Extension> {
        not_impl_err!("dfd has no logical nodes of its own")
    }

    fn try_encode(&self, node: &Extension, _: &mut Vec<u8>) -> Result<()> {
        not_impl_err!("dfd can't write the node {}", node.node.name())
    }

    fn try_decode_table_provider(
        &self,
        buffer: &[u8],
        name: &TableReference,
        schema: SchemaRef,
        _: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        match read(buffer)? {
            Payload::Delta(table) => {
                let relation = self.relation(&table)?;
                let table = DeltaTableProvider::opaque(relation);
                Ok(Arc::new(table.with_columns(&schema)?))
            }
            Payload::Local { process, .. } if process != registry::process_token() => {
                plan_err!("the plan refers to {name}, a table in the memory of another process")
            }
            Payload::Local { id, .. } => match registry::take(id) {
                Some(table) => Ok(table),
                None => plan_err!(
                    "the plan refers to {name}, a table in memory that is gone: such a plan is read once, and before many others are written"
                ),
            },
            Payload::Scan(_) => plan_err!("{name} is a scan, and no table"),
        }
    }

    fn try_encode_table_provider(
        &self,
        _: &TableReference,
        table: Arc<dyn TableProvider>,
        buffer: &mut Vec<u8>,
    ) -> Result<()> {
        let relation = match table.downcast_ref::<RegisteredProvider>() {
            Some(latest) => Some(latest.to_write()?.relation().clone()),
            None => table
                .downcast_ref::<DeltaTableProvider>()
                .map(|delta| delta.relation().clone()),
        };
        let payload = match relation {
            Some(relation) => Payload::Delta(TableRef::of(&relation)),
            None => Payload::Local {
                process: registry::process_token(),
                id: registry::register(table),
            },
        };
        write(&payload, buffer)
    }
}

impl PhysicalExtensionCodec for DeltaCodec {
    fn try_decode(
        &self,
        buffer: &[u8],
        _: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Payload::Scan(scan) = read(buffer)? else {
            return plan_err!("the plan has a table where a scan is needed");
        };
        let filters = scan
            .filters
            .iter()
            .map(|bytes| Expr::from_bytes_with_ctx(bytes, context))
            .collect::<Result<Vec<_>>>()?;
        let request = Request {
            relation: self.relation(&scan.table)?,
            projection: scan.projection,
            filters,
            limit: scan.limit,
            views: Views::None,
        };
        let config = context
            .session_config()
            .clone()
            .with_target_partitions(scan.target_partitions);
        let exec = dfd_runtime::block_on(request.opaque_scan(config))??;
        if exec.properties().partitioning.partition_count() != scan.partitions {
            return plan_err!(
                "the scan of {} falls into other partitions here than where it was planned",
                scan.table.uri
            );
        }
        Ok(Arc::new(exec))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buffer: &mut Vec<u8>,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let requested = node
            .downcast_ref::<DeltaScanExec>()
            .and_then(DeltaScanExec::request);
        let Some((request, target_partitions)) = requested else {
            return not_impl_err!("dfd can't write the node {}", node.name());
        };
        let filters = request
            .filters
            .iter()
            .map(|filter| filter.to_bytes().map(|bytes| bytes.to_vec()))
            .collect::<Result<Vec<_>>>()?;
        let scan = ScanRef {
            table: TableRef::of(&request.relation),
            projection: request.projection.clone(),
            filters,
            limit: request.limit,
            target_partitions,
            partitions: node.properties().partitioning.partition_count(),
        };
        write(&Payload::Scan(scan), buffer)
    }
}

#[cfg(test)]
mod tests;
