//! Counters of what the process has asked of stores and found in caches.

use std::collections::HashMap;

use dfd_runtime::CacheStats;
use pyo3::prelude::*;

use crate::table::LogTable;

/// Requests by kind.
#[pyfunction]
pub(crate) fn request_counts() -> HashMap<&'static str, u64> {
    dfd_runtime::request_counts().collect()
}

/// Hits, misses, entries and bytes by cache.
#[pyfunction]
pub(crate) fn cache_stats() -> HashMap<&'static str, HashMap<&'static str, usize>> {
    let numbers = |stats: CacheStats| {
        HashMap::from([
            ("hits", stats.hits),
            ("misses", stats.misses),
            ("entries", stats.entries),
            ("bytes", stats.bytes),
        ])
    };
    let caches = dfd_delta::cache_stats().into_iter();
    caches.map(|(name, stats)| (name, numbers(stats))).collect()
}

/// The statistics of the caches as a table.
#[pyfunction]
pub(crate) fn cache_table(py: Python<'_>) -> PyResult<LogTable> {
    LogTable::made(py, dfd_delta::caches)
}
