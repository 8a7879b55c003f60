//! Counters of what has left a stream.

use std::sync::atomic::{AtomicU64, Ordering};

/// Rows, batches and bytes that have left a stream so far; read from any thread.
#[derive(Debug, Default)]
pub struct Counters {
    rows: AtomicU64,
    batches: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    /// Rows that left.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Batches that left.
    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    /// Bytes of the values that left; what batches share counts once.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, rows: usize, bytes: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
