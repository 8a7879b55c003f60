//! What caches may hold, and how they are doing.

use std::collections::HashMap;
use std::time::Duration;

use dfd_runtime::{CacheLimit, CacheStats, Caches};
use pyo3::prelude::*;

use crate::support::errors;
use crate::table::LogTable;

/// By the name of a cache.
pub(crate) type Named<T> = HashMap<&'static str, T>;
/// Bytes, and seconds that a value is believed; None for ever.
pub(crate) type Limit = (usize, Option<f64>);
/// By the name of a figure.
pub(crate) type Figures = HashMap<&'static str, usize>;

fn shown(limit: CacheLimit) -> Limit {
    (limit.bytes, limit.ttl.map(|ttl| ttl.as_secs_f64()))
}

fn given((bytes, ttl_s): Limit) -> PyResult<CacheLimit> {
    let ttl = ttl_s.map(Duration::try_from_secs_f64).transpose();
    let ttl = ttl.map_err(|error| errors::value(&error))?;
    Ok(CacheLimit { bytes, ttl })
}

/// What the caches of an environment may hold.
pub(crate) fn limits_of(caches: &Caches) -> Named<Limit> {
    let limits = caches.limits();
    HashMap::from([
        ("parquet_meta", shown(limits.footers)),
        ("list_files", shown(limits.listings)),
        ("file_statistics", shown(limits.statistics)),
    ])
}

/// Sets what is named.
pub(crate) fn set_limits(caches: &Caches, wanted: &HashMap<String, Limit>) -> PyResult<()> {
    let mut limits = caches.limits();
    for (name, limit) in wanted {
        let place = match name.as_str() {
            "parquet_meta" => &mut limits.footers,
            "list_files" => &mut limits.listings,
            "file_statistics" => &mut limits.statistics,
            _ => return Err(errors::value(&format!("there is no cache {name}"))),
        };
        *place = given(*limit)?;
    }
    caches.set_limits(limits);
    Ok(())
}

/// The figures of a cache.
pub(crate) fn figures(stats: CacheStats) -> Figures {
    HashMap::from([
        ("hits", stats.hits),
        ("misses", stats.misses),
        ("evictions", stats.evictions),
        ("entries", stats.entries),
        ("bytes", stats.bytes),
    ])
}

/// What the caches may hold of whatever has no engine of its user's, and that of snapshots.
#[pyfunction]
pub(crate) fn process_cache_limits() -> Named<Limit> {
    let mut limits = limits_of(dfd_runtime::process_caches());
    limits.insert("snapshot", shown(dfd_delta::snapshot_limit()));
    limits
}

/// Set what they may hold.
#[pyfunction]
pub(crate) fn set_process_cache_limits(limits: HashMap<String, Limit>) -> PyResult<()> {
    let mut others = limits;
    if let Some(limit) = others.remove("snapshot") {
        dfd_delta::set_snapshot_limit(given(limit)?);
    }
    set_limits(dfd_runtime::process_caches(), &others)
}

/// How the caches of whatever has no engine of its user's are doing.
#[pyfunction]
pub(crate) fn process_cache_stats() -> Named<Figures> {
    let stats = dfd_runtime::process_caches().stats().into_iter();
    stats.map(|(name, stats)| (name, figures(stats))).collect()
}

/// How all caches of the process are doing.
#[pyfunction]
pub(crate) fn cache_stats() -> Named<Figures> {
    let caches = dfd_delta::cache_stats().into_iter();
    caches.map(|(name, stats)| (name, figures(stats))).collect()
}

/// The same as a table.
#[pyfunction]
pub(crate) fn cache_table(py: Python<'_>) -> PyResult<LogTable> {
    LogTable::made(py, dfd_delta::caches)
}
