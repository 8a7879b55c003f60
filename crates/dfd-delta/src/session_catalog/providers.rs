//! Catalogs, schemas and tables as a session asks for them.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProviderList, SchemaProvider, TableProvider,
};
use datafusion::common::{ResolvedTableReference, Result, exec_err, plan_err};
use datafusion::config::ConfigOptions;
use futures::future::join_all;
use url::Url;

use crate::session_catalog::named_tables::named_tables;
use crate::session_catalog::session_tables::{RegisteredTable, SessionTables};
use crate::snapshot::{FollowedTable, Freshness, QueryVersions, TableSnapshot};

/// The catalogs of a session, which it registers here as in a list of its own.
#[derive(Debug, Default)]
pub struct CatalogList {
    tables: Arc<SessionTables>,
    catalogs: MemoryCatalogProviderList,
    freshness: Arc<Freshness>,
}

impl CatalogList {
    /// How old a look at the log of one of its tables may be.
    pub fn freshness(&self) -> &Arc<Freshness> {
        &self.freshness
    }

    /// The table of a name.
    pub fn table(&self, name: &ResolvedTableReference) -> Option<RegisteredTable> {
        self.tables.get(name)
    }

    /// Has the next query look for the newest version of the table whose root is `root`.
    pub fn outdate(&self, root: &Url) {
        for (_, table) in self.tables.all() {
            if table.followed.seen().location().url() == root {
                table.followed.outdate();
            }
        }
    }

    /// The tables that are registered now.
    pub fn tables(&self) -> Vec<(ResolvedTableReference, RegisteredTable)> {
        self.tables.all()
    }

    /// Whether the store of several tables that aren't pinned is asked over a network.
    pub fn has_several_remote(&self) -> bool {
        let tables = self.tables.all().into_iter();
        let remote = tables.filter(|(_, table)| !table.followed.current().location().is_local());
        remote
            .filter(|(_, table)| table.followed.pinned().is_none())
            .count()
            > 1
    }

    /// Chooses the versions of the tables that a statement names, all at once: one after the other is what
    /// its planner asks for. What can't be had is left to the planner.
    pub async fn choose(&self, sql: &str, options: &ConfigOptions, versions: &QueryVersions) {
        let named = named_tables(sql, options).into_iter();
        let mut tables: Vec<Arc<FollowedTable>> = Vec::new();
        let named = named.filter_map(|name| Some(self.tables.get(&name)?.followed));
        for table in named.filter(|table| table.pinned().is_none()) {
            let seen = table.seen();
            let is_same = |other: &Arc<FollowedTable>| other.seen().location().is(seen.location());
            // Two names may be of one table.
            if !tables.iter().any(is_same) {
                tables.push(table);
            }
        }
        let looks = tables.iter().map(|table| versions.version_of(table));
        join_all(looks).await;
        versions.take_failure();
    }

    /// Registers a table in place of whatever has its name.
    ///
    /// # Errors
    /// There is no such schema, or it keeps the table that it has.
    pub fn put(&self, name: ResolvedTableReference, table: RegisteredTable) -> Result<()> {
        let catalog = self.catalogs.catalog(&name.catalog);
        let Some(schema) = catalog.and_then(|catalog| catalog.schema(&name.schema)) else {
            return plan_err!("there is no schema {}.{}", name.catalog, name.schema);
        };
        let before = self.tables.put(name.clone(), table);
        if before.is_none()
            && schema.table_exist(&name.table)
            && let Err(error) = schema.deregister_table(&name.table)
        {
            self.tables.remove(&name);
            return Err(error);
        }
        Ok(())
    }

    /// Takes a table out; None where none of dfd's has the name.
    pub fn remove(&self, name: &ResolvedTableReference) -> Option<RegisteredTable> {
        self.tables.remove(name)
    }

    /// Reads the same version from `snapshot`, over another store, in plans that are made already too;
    /// false where `before` is no longer what is read.
    pub fn exchange(
        &self,
        name: &ResolvedTableReference,
        before: &Arc<TableSnapshot>,
        snapshot: &Arc<TableSnapshot>,
    ) -> bool {
        self.tables.exchange(name, before, snapshot)
    }
}

impl CatalogProviderList for CatalogList {
    fn register_catalog(
        &self,
        name: String,
        catalog: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        self.tables.forget_catalog(&name);
        self.catalogs.register_catalog(name, catalog)
    }

    fn catalog_names(&self) -> Vec<String> {
        self.catalogs.catalog_names()
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        let inner = self.catalogs.catalog(name)?;
        if !self.tables.has_catalog(name) {
            return Some(inner);
        }
        Some(Arc::new(CatalogOverlay {
            tables: Arc::clone(&self.tables),
            name: name.to_owned(),
            inner,
        }))
    }
}

/// A catalog of the session, with Delta tables in it.
#[derive(Debug)]
struct CatalogOverlay {
    tables: Arc<SessionTables>,
    name: String,
    inner: Arc<dyn CatalogProvider>,
}

impl CatalogProvider for CatalogOverlay {
    fn schema_names(&self) -> Vec<String> {
        self.inner.schema_names()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        Some(Arc::new(SchemaOverlay {
            tables: Arc::clone(&self.tables),
            catalog: self.name.clone(),
            name: name.to_owned(),
            inner: self.inner.schema(name)?,
        }))
    }

    fn register_schema(
        &self,
        name: &str,
        schema: Arc<dyn SchemaProvider>,
    ) -> Result<Option<Arc<dyn SchemaProvider>>> {
        let before = self.inner.register_schema(name, schema)?;
        self.tables.forget_schema(&self.name, name);
        Ok(before)
    }

    fn deregister_schema(
        &self,
        name: &str,
        cascade: bool,
    ) -> Result<Option<Arc<dyn SchemaProvider>>> {
        let names = self.tables.names_in(&self.name, name);
        if !cascade && !names.is_empty() {
            return exec_err!(
                "Cannot drop schema {name} because other tables depend on it: {}",
                names.join(", ")
            );
        }
        let before = self.inner.deregister_schema(name, cascade)?;
        self.tables.forget_schema(&self.name, name);
        Ok(before)
    }
}

/// A schema of the session, with Delta tables in it.
#[derive(Debug)]
struct SchemaOverlay {
    tables: Arc<SessionTables>,
    catalog: String,
    name: String,
    inner: Arc<dyn SchemaProvider>,
}

impl SchemaOverlay {
    fn reference(&self, table: &str) -> ResolvedTableReference {
        ResolvedTableReference {
            catalog: self.catalog.as_str().into(),
            schema: self.name.as_str().into(),
            table: table.into(),
        }
    }
}

#[async_trait]
impl SchemaProvider for SchemaOverlay {
    fn owner_name(&self) -> Option<&str> {
        self.inner.owner_name()
    }

    fn table_names(&self) -> Vec<String> {
        let mut names = self.tables.names_in(&self.catalog, &self.name);
        let others = self.inner.table_names().into_iter();
        names.extend(
            others
                .filter(|name| !names.contains(name))
                .collect::<Vec<_>>(),
        );
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match self.tables.get(&self.reference(name)) {
            Some(table) => Ok(Some(table.provider())),
            None => self.inner.table(name).await,
        }
    }

    fn register_table(
        &self,
        name: String,
        table: Arc<dyn TableProvider>,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        if self.tables.get(&self.reference(&name)).is_some() {
            return exec_err!("The table {name} already exists");
        }
        self.inner.register_table(name, table)
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match self.tables.remove(&self.reference(name)) {
            Some(table) => Ok(Some(table.provider())),
            None => self.inner.deregister_table(name),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.tables.get(&self.reference(name)).is_some() || self.inner.table_exist(name)
    }
}

#[cfg(test)]
mod tests;
