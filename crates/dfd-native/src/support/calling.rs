//! Calls of foreign code that takes Python's lock, and may never return.
//!
//! Before 3.14, Python ends a daemon thread that wants its lock after the interpreter has ended: with `pthread_exit`,
//! wherever the thread stands. That unwinds the frames of its callers, where destructors of ours would
//! touch an interpreter that the thread has left. So the frame next to the foreign one holds such a thread for
//! ever, as Python 3.14 does. pyo3 does so where it takes the lock itself; but Python code gives the lock
//! away and takes it again on its own.

use std::{mem, ptr, thread};

use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use pyo3::{BoundObject, ffi};

/// A thread that is unwound to this place stays here, unless it panicked.
struct HeldWhenEnded;

impl Drop for HeldWhenEnded {
    fn drop(&mut self) {
        while !thread::panicking() {
            thread::park();
        }
    }
}

/// What `foreign` gives, which calls a function with the ABI `C-unwind` and owns nothing.
pub(crate) fn foreign<T>(foreign: impl FnOnce() -> T) -> T {
    let held = HeldWhenEnded;
    let result = foreign();
    mem::forget(held);
    result
}

/// Calls of Python code; pyo3's own calls of them end the process where the thread is ended in them.
pub(crate) trait Callable<'py> {
    /// What the object gives when it is called with `arguments`.
    fn run<A>(&self, arguments: A) -> PyResult<Bound<'py, PyAny>>
    where
        A: IntoPyObject<'py, Target = PyTuple>;

    /// What a method of the object gives.
    fn run_method<N, A>(&self, name: N, arguments: A) -> PyResult<Bound<'py, PyAny>>
    where
        N: IntoPyObject<'py, Target = PyString>,
        A: IntoPyObject<'py, Target = PyTuple>;
}

impl<'py> Callable<'py> for Bound<'py, PyAny> {
    #[allow(unsafe_code)]
    fn run<A>(&self, arguments: A) -> PyResult<Bound<'py, PyAny>>
    where
        A: IntoPyObject<'py, Target = PyTuple>,
    {
        // As pyo3 declares it, but that it may be unwound.
        unsafe extern "C-unwind" {
            fn PyObject_Call(
                callable: *mut ffi::PyObject,
                arguments: *mut ffi::PyObject,
                named: *mut ffi::PyObject,
            ) -> *mut ffi::PyObject;
        }
        let arguments = arguments.into_pyobject(self.py()).map_err(Into::into)?;
        let arguments = arguments.into_bound();
        let (callable, values) = (self.as_ptr(), arguments.as_ptr());
        // SAFETY: the lock is held, both objects live until it returns, and what it gives is ours.
        unsafe {
            let result = foreign(|| PyObject_Call(callable, values, ptr::null_mut()));
            Bound::from_owned_ptr_or_err(self.py(), result)
        }
    }

    fn run_method<N, A>(&self, name: N, arguments: A) -> PyResult<Bound<'py, PyAny>>
    where
        N: IntoPyObject<'py, Target = PyString>,
        A: IntoPyObject<'py, Target = PyTuple>,
    {
        self.getattr(name)?.run(arguments)
    }
}

/// A function or class of a Python module.
pub(crate) fn function<'py>(
    py: Python<'py>,
    module: &str,
    name: &str,
) -> PyResult<Bound<'py, PyAny>> {
    py.import(module)?.getattr(name)
}
