//! The allocator, and how long it keeps freed memory.

use std::ffi::c_long;

use libmimalloc_sys2::{mi_option_get, mi_option_set, mi_option_t};
use mimalloc_safe::MiMalloc;

// Queries allocate on all threads at once, which the allocator of the system is slow at.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// An option of mimalloc 3.6: its place, its usual value, and the one it gets.
type Setting = (mi_option_t, c_long, c_long);

/// Milliseconds until freed memory goes back to the system (`purge_delay`): as long as jemalloc keeps it. What a
/// query frees, the next one takes: fetched anew from the system, page by page, it costs TPC-H a fifth of its time.
const PURGE_DELAY: Setting = (15, 1_000, 10_000);
/// Ranges of so many KiB don't wait for that (`arena_purge_immediate_size`): those of a hash table do.
const PURGE_AT_ONCE: Setting = (53, 32 << 10, 1 << 20);

/// Keep freed memory for longer, unless `MIMALLOC_PURGE_DELAY` says how long.
#[allow(unsafe_code)]
pub(crate) fn keep_freed() {
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_some() {
        return;
    }
    for (option, usual, ours) in [PURGE_DELAY, PURGE_AT_ONCE] {
        // SAFETY: both are about one number of the allocator, which any thread reads at any time.
        unsafe {
            // Whatever stands at this place in another release is left alone.
            if mi_option_get(option) == usual {
                mi_option_set(option, ours);
            }
        }
    }
}
