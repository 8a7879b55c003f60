//! The Delta tables that were registered, by their names.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use datafusion::catalog::TableProvider;
use datafusion::common::ResolvedTableReference;

use crate::scan::latest_table::LatestTable;
use crate::scan::provider::DeltaTableProvider;
use crate::snapshot::{LatestSnapshot, TableSnapshot};

/// A Delta table under a name.
#[derive(Debug, Clone)]
pub struct RegisteredTable {
    /// The name as it was given.
    pub label: String,
    /// The location as it was given.
    pub uri: String,
    /// What is read.
    pub snapshots: Snapshots,
}

/// The versions that are read of a table.
#[derive(Debug, Clone)]
pub enum Snapshots {
    /// This one.
    Pinned(Arc<TableSnapshot>),
    /// The newest.
    Latest(Arc<LatestSnapshot>),
}

impl RegisteredTable {
    /// The version that is read, or that was seen last.
    pub fn snapshot(&self) -> Arc<TableSnapshot> {
        match &self.snapshots {
            Snapshots::Pinned(snapshot) => Arc::clone(snapshot),
            Snapshots::Latest(latest) => latest.seen(),
        }
    }

    /// The newest version; None of a table that is pinned.
    pub(super) fn latest(&self) -> Option<&Arc<LatestSnapshot>> {
        match &self.snapshots {
            Snapshots::Pinned(_) => None,
            Snapshots::Latest(latest) => Some(latest),
        }
    }

    /// The table for one planning.
    pub(super) fn provider(&self) -> Arc<dyn TableProvider> {
        match &self.snapshots {
            Snapshots::Pinned(snapshot) => {
                Arc::new(DeltaTableProvider::opaque(Arc::clone(snapshot)))
            }
            Snapshots::Latest(latest) => Arc::new(LatestTable::new(Arc::clone(latest))),
        }
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
        match self.write().entry(name.clone()) {
            Entry::Vacant(_) => false,
            Entry::Occupied(mut entry) => match &mut entry.get_mut().snapshots {
                Snapshots::Latest(latest) => latest.exchange(before, snapshot),
                Snapshots::Pinned(pinned) => {
                    let is_known = Arc::ptr_eq(pinned, before);
                    if is_known {
                        *pinned = Arc::clone(snapshot);
                    }
                    is_known
                }
            },
        }
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
