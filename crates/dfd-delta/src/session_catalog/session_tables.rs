//! The Delta tables that were registered, by their names.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use datafusion::catalog::TableProvider;
use datafusion::common::ResolvedTableReference;

use crate::scan::registered_provider::RegisteredProvider;
use crate::snapshot::{FollowedTable, TableSnapshot};

/// A Delta table under a name.
#[derive(Debug, Clone)]
pub struct RegisteredTable {
    /// The name as it was given.
    pub label: String,
    /// The location as it was given.
    pub uri: String,
    /// The version that is read.
    pub followed: Arc<FollowedTable>,
}

impl RegisteredTable {
    /// The table for one planning.
    pub(super) fn provider(&self) -> Arc<dyn TableProvider> {
        Arc::new(RegisteredProvider::new(Arc::clone(&self.followed)))
    }
}

type Entries = HashMap<ResolvedTableReference, RegisteredTable>;

/// The tables of one session. No lock is held while anything else is called.
#[derive(Debug, Default)]
pub(super) struct SessionTables(RwLock<Entries>);

impl SessionTables {
    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn all(&self) -> Vec<(ResolvedTableReference, RegisteredTable)> {
        let entries = self.read();
        let copied = |(name, table): (&_, &RegisteredTable)| (Clone::clone(name), table.clone());
        entries.iter().map(copied).collect()
    }

    pub(super) fn get(&self, name: &ResolvedTableReference) -> Option<RegisteredTable> {
        self.read().get(name).cloned()
    }

    pub(super) fn put(
        &self,
        name: ResolvedTableReference,
        table: RegisteredTable,
    ) -> Option<RegisteredTable> {
        self.write().insert(name, table)
    }

    pub(super) fn remove(&self, name: &ResolvedTableReference) -> Option<RegisteredTable> {
        self.write().remove(name)
    }

    /// Reads the same version from `snapshot`, over another store; false where it is no longer `before`.
    pub(super) fn exchange(
        &self,
        name: &ResolvedTableReference,
        before: &Arc<TableSnapshot>,
        snapshot: &Arc<TableSnapshot>,
    ) -> bool {
        let known = self.get(name);
        known.is_some_and(|known| known.followed.exchange(before, snapshot))
    }

    /// The names of the tables in a schema.
    pub(super) fn names_in(&self, catalog: &str, schema: &str) -> Vec<String> {
        let entries = self.read();
        let here = entries
            .keys()
            .filter(|name| *name.catalog == *catalog && *name.schema == *schema);
        here.map(|name| name.table.to_string()).collect()
    }

    pub(super) fn has_catalog(&self, catalog: &str) -> bool {
        self.read().keys().any(|name| *name.catalog == *catalog)
    }

    pub(super) fn forget_schema(&self, catalog: &str, schema: &str) {
        self.write()
            .retain(|name, _| *name.catalog != *catalog || *name.schema != *schema);
    }

    pub(super) fn forget_catalog(&self, catalog: &str) {
        self.write().retain(|name, _| *name.catalog != *catalog);
    }
}
