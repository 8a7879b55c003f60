//! Delta tables by name in a session of datafusion-python, the versions that a query reads of them, and pins.

use std::sync::Arc;
use std::time::Duration;

use datafusion::common::ResolvedTableReference;
use datafusion_ffi::catalog_provider_list::FFI_CatalogProviderList;
use dfd_delta::{CatalogList, Error, FollowedTable, RegisteredTable, pins};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyType};

use crate::support::{abi_check, errors, foreign_session, polling};
use crate::table::{DeltaTable, LogTable, exported_codec};

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
        let snapshot = table.snapshot();
        let followed = FollowedTable::new(Arc::clone(snapshot), Arc::clone(self.0.freshness()));
        followed.pin(pinned.then(|| Arc::clone(snapshot)));
        let table = RegisteredTable {
            label,
            uri,
            followed: Arc::new(followed),
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
            let is_pinned = table.followed.pinned().is_some();
            let read = DeltaTable::from(table.followed.current());
            (name, table.label, table.uri, read, is_pinned)
        };
        self.0.tables().into_iter().map(shown).collect()
    }

    /// The tables that are registered now, as a table.
    fn listing(&self, py: Python<'_>) -> PyResult<LogTable> {
        LogTable::made(py, || dfd_delta::registered(&self.0))
    }

    /// Pin tables to their newest versions, all at once; those that are pinned stay as they are.
    fn pin(&self, py: Python<'_>, names: Vec<Name>) -> PyResult<()> {
        let tables = self.followed(py, names)?;
        let done = polling::detached(py, || dfd_runtime::block_on(pins::pin(&tables))?);
        done.map_err(|error: Error| errors::table(py, &error))
    }

    /// Follow the newest versions again.
    fn unpin(&self, py: Python<'_>, names: Vec<Name>) -> PyResult<()> {
        for table in self.followed(py, names)? {
            table.pin(None);
        }
        Ok(())
    }

    /// Look for the newest versions, all at once, and pin those tables to them that are pinned.
    fn refresh(&self, py: Python<'_>, names: Vec<Name>) -> PyResult<()> {
        let tables = self.followed(py, names)?;
        let done = polling::detached(py, || dfd_runtime::block_on(pins::refresh(&tables))?);
        done.map_err(|error: Error| errors::table(py, &error))
    }

    /// The version that is read, the newest, and when the first was committed that isn't read, in milliseconds.
    fn staleness(&self, py: Python<'_>, name: Name) -> PyResult<(u64, u64, Option<i64>)> {
        let table = self.followed_one(py, name)?;
        let found = polling::detached(py, || dfd_runtime::block_on(pins::staleness(&table))?);
        let found = found.map_err(|error: Error| errors::table(py, &error))?;
        let since = found.since.map(|time| time.timestamp_millis());
        Ok((found.version, found.newest, since))
    }

    /// How old a look at a log may be, in seconds.
    fn set_freshness(&self, seconds: f64) -> PyResult<()> {
        let age = Duration::try_from_secs_f64(seconds).map_err(|error| errors::value(&error))?;
        self.0.freshness().set(age);
        Ok(())
    }

    fn freshness(&self) -> f64 {
        self.0.freshness().get().as_secs_f64()
    }

    /// Have the next query look at the log of the table at a canonical URI.
    fn outdate(&self, py: Python<'_>, uri: &str) -> PyResult<()> {
        let root = dfd_runtime::table_root(uri).map_err(|error| errors::table(py, &error))?;
        self.0.outdate(&root);
        Ok(())
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

impl SessionCatalog {
    fn followed_one(&self, py: Python<'_>, name: Name) -> PyResult<Arc<FollowedTable>> {
        let name = resolved(name);
        let found = self.0.table(&name).map(|found| found.followed);
        found.ok_or_else(|| errors::unregistered(py, &name.to_string()))
    }

    fn followed(&self, py: Python<'_>, names: Vec<Name>) -> PyResult<Vec<Arc<FollowedTable>>> {
        let names = names.into_iter();
        names.map(|name| self.followed_one(py, name)).collect()
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

    /// Why a scan in the session failed, where a data file is gone; once.
    fn take_gone(&self, py: Python<'_>) -> Option<PyErr> {
        let gone = self.0.take_gone()?;
        Some(errors::table(py, gone.as_ref()))
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
