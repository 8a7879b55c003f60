//! The allocator, and how long it keeps freed memory.

use std::ffi::c_long;

use libmimalloc_sys2::{mi_option_get, mi_option_set, mi_option_t};
use mimalloc_safe::MiMalloc;

// Queries allocate on all threads at once, which the allocator of the system is slow at.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_purge_delay` of mimalloc 3: milliseconds until freed memory goes back to the system.
const PURGE_DELAY: mi_option_t = 15;
/// The delay that mimalloc comes with.
const USUAL: c_long = 1_000;
/// The delay that jemalloc has. What a query frees, the next one takes: fetched anew from the system,
/// page by page, it costs TPC-H a fifth of its time.
const OURS: c_long = 10_000;

/// Keep freed memory for longer, unless `MIMALLOC_PURGE_DELAY` says how long.
#[allow(unsafe_code)]
pub(crate) fn keep_freed() {
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_some() {
        return;
    }
    // SAFETY: both are about one number of the allocator, which any thread reads at any time.
    unsafe {
        // Whatever stands at this place in another release is left alone.
        if mi_option_get(PURGE_DELAY) == USUAL {
            mi_option_set(PURGE_DELAY, OURS);
        }
    }
}
