//! The check of binary interfaces: nothing crosses between this library and one of another DataFusion, in
//! neither direction.
//!
//! The layout of what a capsule holds belongs to one major version of DataFusion; with another
//! the process crashes or reads garbage. So [`check`] stands before every capsule is made and
//! [`check_capsule`] before one is opened, where no route goes around them.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};
use pyo3::{ffi, intern};

use super::calling::{self, Callable};

/// The major is raised when the meaning of what the Python half calls changes, the minor when
/// there is more to call.
pub(crate) const PLUGIN_ABI: (u32, u32) = (1, 1);

/// The DataFusion major whose layouts this library was compiled with.
pub(crate) const DATAFUSION_MAJOR: u32 = 55;

/// Raise `dfd_native.IncompatibleInstallation` unless everything that is installed fits.
///
/// Once the imported datafusion fits, this is a look into `sys.modules`.
pub(crate) fn check(py: Python<'_>) -> PyResult<()> {
    static FITTING: Mutex<Option<Py<PyAny>>> = Mutex::new(None);
    let modules = py.import(intern!(py, "sys"))?.getattr("modules")?;
    let imported = modules
        .cast::<PyDict>()?
        .get_item(intern!(py, "datafusion"))?;
    {
        let fitting = FITTING.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(imported), Some(fitting)) = (&imported, &*fitting)
            && imported.is(fitting)
        {
            return Ok(());
        }
    }
    calling::function(py, "dfd_native.handshake", "ensure_fits")?.run((
        PLUGIN_ABI.0,
        PLUGIN_ABI.1,
        DATAFUSION_MAJOR,
    ))?;
    // What is not imported yet may still come from elsewhere.
    *FITTING.lock().unwrap_or_else(PoisonError::into_inner) = imported.map(Bound::unbind);
    Ok(())
}

/// Raise `dfd_native.IncompatibleInstallation` unless the session, which may be of any library, is on our DataFusion major.
pub(crate) fn check_session(session: &Bound<'_, PyAny>) -> PyResult<()> {
    let exported = session.run_method("__datafusion_logical_extension_codec__", ())?;
    let codec = exported
        .cast::<PyCapsule>()
        .map_err(|_| PyTypeError::new_err("the session exports no logical extension codec"))?;
    check_capsule(codec)
}

/// Raise `dfd_native.IncompatibleInstallation` unless the library that made the capsule is on our DataFusion major.
///
/// What the capsule holds is not touched. Where the system can't tell who made it, the look at
/// what is imported has to do.
pub(crate) fn check_capsule(capsule: &Bound<'_, PyCapsule>) -> PyResult<()> {
    static FITTING: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    if cfg!(not(unix)) {
        return Ok(());
    }
    let py = capsule.py();
    let maker = maker(capsule);
    let base = maker.as_ref().map(|(base, _)| *base);
    let known = |base| {
        let fitting = FITTING.lock().unwrap_or_else(PoisonError::into_inner);
        fitting.contains(&base)
    };
    if base.is_some_and(known) {
        return Ok(());
    }
    let path = maker.map(|(_, path)| path);
    calling::function(py, "dfd_native.handshake", "ensure_library")?
        .run((path, DATAFUSION_MAJOR))?;
    if let Some(base) = base {
        let mut fitting = FITTING.lock().unwrap_or_else(PoisonError::into_inner);
        fitting.push(base);
    }
    Ok(())
}

/// The library that made a capsule: where it is loaded, and its file. Its destructor lies there.
#[cfg(unix)]
#[allow(unsafe_code)]
fn maker(capsule: &Bound<'_, PyCapsule>) -> Option<(usize, String)> {
    // As in <dlfcn.h>.
    #[repr(C)]
    struct Found {
        file: *const c_char,
        base: *mut c_void,
        symbol: *const c_char,
        address: *mut c_void,
    }
    unsafe extern "C" {
        fn dladdr(address: *const c_void, found: *mut Found) -> c_int;
    }
    // SAFETY: it is a capsule, as its type says.
    let destructor = unsafe { ffi::PyCapsule_GetDestructor(capsule.as_ptr()) }?;
    let mut found = Found {
        file: std::ptr::null(),
        base: std::ptr::null_mut(),
        symbol: std::ptr::null(),
        address: std::ptr::null_mut(),
    };
    // SAFETY: the address is looked up, not called; the text lives as long as the library is
    // loaded, and libraries of Python extensions are never unloaded.
    unsafe {
        if dladdr(destructor as *const c_void, &raw mut found) == 0 || found.file.is_null() {
            return None;
        }
        let file = CStr::from_ptr(found.file).to_string_lossy().into_owned();
        Some((found.base as usize, file))
    }
}

#[cfg(not(unix))]
fn maker(_capsule: &Bound<'_, PyCapsule>) -> Option<(usize, String)> {
    None
}
