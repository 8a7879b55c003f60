//! Nothing that DataFusion will call crosses into a process whose DataFusion is another one.
//!
//! The layout of what a capsule holds belongs to one major version of DataFusion; with another
//! the process crashes or reads garbage. So the gate stands before every capsule is made, where
//! no route goes around it. It looks at what is installed, without importing it.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// The DataFusion major whose layouts this library was compiled with.
pub const DATAFUSION_MAJOR: u32 = 55;

/// Raise `dfd_native.IncompatibleInstallation` unless the installed DataFusion is ours.
pub fn check(py: Python<'_>) -> PyResult<()> {
    static PASSED: PyOnceLock<()> = PyOnceLock::new();
    PASSED
        .get_or_try_init(py, || {
            py.import("dfd_native.handshake")?
                .call_method1("ensure_datafusion", (DATAFUSION_MAJOR,))
                .map(|_| ())
        })
        .copied()
}
