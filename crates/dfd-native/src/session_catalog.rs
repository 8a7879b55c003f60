//! Delta tables by name in a session of datafusion-python, and the versions that a query reads of them.

use std::sync::Arc;

use datafusion::common::ResolvedTableReference;
use datafusion_ffi::catalog_provider_list::FFI_CatalogProviderList;
use dfd_delta::{CatalogList, LatestSnapshot, RegisteredTable, Snapshots};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyType};

use crate::support::{abi_check, errors, foreign_session};
use crate::table::{DeltaTable, exported_codec};

/// Catalog, schema and table.
type Name = (String, String, String);

fn resolved((catalog, schema, table): Name) -> ResolvedTableReference {
    ResolvedTableReference {
        catalog: catalog.into(),
        schema: schema.into(),
        table: table.into(),
    }
}

/// The catalogs of a session, with Delta tables in them; exports `__datafusion_catalog_provider_list__`.
#[pyclass(module = "dfd_native", frozen)]
pub(crate) struct SessionCatalog(Arc<CatalogList>);

#[pymethods]
impl SessionCatalog {
    #[new]
    fn new() -> Self {
        Self(Arc::default())
    }

    /// Register a table in place of whatever has its name: this version, or the newest.
    fn put(
        &self,
        py: Python<'_>,
        name: Name,
        label: String,
        uri: String,
        table: &DeltaTable,
        pinned: bool,
    ) -> PyResult<()> {
        let snapshot = Arc::clone(table.snapshot());
        let snapshots = if pinned {
            Snapshots::Pinned(snapshot)
        } else {
            Snapshots::Latest(Arc::new(LatestSnapshot::new(snapshot)))
        };
        let table = RegisteredTable {
            label,
            uri,
            snapshots,
        };
        // A schema may be one of Python's.
        let done = py.detach(|| self.0.put(resolved(name), table));
        done.map_err(|error| errors::table(py, &error))
    }

    /// Take a table out; False where none has the name.
    fn remove(&self, name: Name) -> bool {
        self.0.remove(&resolved(name)).is_some()
    }

    /// Read the same version from `table`, in plans that are made already too; False where `before` isn't
    /// read any more.
    fn exchange(&self, name: Name, before: &DeltaTable, table: &DeltaTable) -> bool {
        let (before, table) = (before.snapshot(), table.snapshot());
        self.0.exchange(&resolved(name), before, table)
    }

    /// Choose the versions of the tables that a statement names, where that spares waiting for one after
    /// the other.
    fn choose(
        &self,
        py: Python<'_>,
        sql: &str,
        session: &Bound<'_, PyAny>,
        versions: &QueryVersions,
    ) -> PyResult<()> {
        if !self.0.has_several_remote() {
            return Ok(());
        }
        let config = foreign_session::settings(session)?;
        let work = self.0.choose(sql, config.options(), &versions.0);
        let done = py.detach(|| dfd_runtime::block_on(work));
        done.map_err(|error| errors::table(py, &error))
    }

    /// Name, label, URI, version that is read or was seen last, and whether it is pinned.
    fn tables(&self) -> Vec<(Name, String, String, DeltaTable, bool)> {
        let shown = |(name, table): (ResolvedTableReference, RegisteredTable)| {
            let name = (
                name.catalog.to_string(),
                name.schema.to_string(),
                name.table.to_string(),
            );
            let read = DeltaTable::from(table.snapshot());
            let is_pinned = matches!(table.snapshots, Snapshots::Pinned(_));
            (name, table.label, table.uri, read, is_pinned)
        };
        self.0.tables().into_iter().map(shown).collect()
    }

    fn __datafusion_catalog_provider_list__<'py>(
        &self,
        py: Python<'py>,
        session: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        abi_check::check(py)?;
        let handle = dfd_runtime::handle().map_err(|error| errors::table(py, &error))?;
        let codec = exported_codec(session, &handle)?;
        let list = Arc::clone(&self.0);
        let exported = FFI_CatalogProviderList::new_with_ffi_codec(list, Some(handle), codec);
        PyCapsule::new_with_value(py, exported, c"datafusion_catalog_provider_list")
    }
}

/// The versions that one query reads, of each table one: a context manager around all that makes it.
#[pyclass(module = "dfd_native", frozen)]
pub(crate) struct QueryVersions(Arc<dfd_delta::QueryVersions>);

#[pymethods]
impl QueryVersions {
    #[new]
    fn new() -> Self {
        Self(Arc::default())
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf.get().0.enter();
        slf
    }

    /// The version that was read so far of the table at a canonical URI; None where it wasn't read, or is
    /// pinned to a version.
    fn version_of(&self, py: Python<'_>, uri: &str) -> PyResult<Option<u64>> {
        let root = dfd_runtime::table_root(uri).map_err(|error| errors::table(py, &error))?;
        Ok(self.0.read_of(&root))
    }

    /// Raises `TableError` where a table's newest version couldn't be had.
    #[pyo3(signature = (kind, _error, _trace))]
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: Option<&Bound<'_, PyType>>,
        _error: &Bound<'_, PyAny>,
        _trace: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        dfd_delta::QueryVersions::leave();
        let is_interrupt = match kind {
            Some(kind) => !kind.is_subclass_of::<PyException>()?,
            None => false,
        };
        match self.0.take_failure() {
            Some(failure) if !is_interrupt => Err(errors::table(py, failure.as_ref())),
            _ => Ok(()),
        }
    }
}
