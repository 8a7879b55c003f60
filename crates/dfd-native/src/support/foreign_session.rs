//! A foreign session of datafusion-python: its codec and its settings.

use std::collections::HashMap;

use datafusion::prelude::SessionConfig;
use datafusion_ffi::execution::{FFI_TaskContext, FFI_TaskContextProvider};
use datafusion_ffi::proto::logical_extension_codec::FFI_LogicalExtensionCodec;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use super::calling::Callable;
use super::{abi_check, errors};

/// The codec with which the session reads plans, as its capsule holds it, which may stand for the session.
#[allow(unsafe_code)]
pub(crate) fn logical_codec(session: &Bound<'_, PyAny>) -> PyResult<FFI_LogicalExtensionCodec> {
    let exported = if session.is_instance_of::<PyCapsule>() {
        session.clone()
    } else {
        session.run_method("__datafusion_logical_extension_codec__", ())?
    };
    let capsule = exported
        .cast::<PyCapsule>()
        .map_err(|_| PyTypeError::new_err("the session exports no logical extension codec"))?;
    abi_check::check_capsule(capsule)?;
    let pointer = capsule.pointer_checked(Some(c"datafusion_logical_extension_codec"))?;
    // SAFETY: the check has seen that the session's DataFusion has the layouts of ours, and the
    // capsule, whose name was checked, lives until the clone is made.
    let codec = unsafe { pointer.cast::<FFI_LogicalExtensionCodec>().as_ref() };
    Ok(codec.clone())
}

/// The settings of the session as they are now.
#[allow(unsafe_code)]
pub(crate) fn settings(session: &Bound<'_, PyAny>) -> PyResult<SessionConfig> {
    let py = session.py();
    let inner = session.getattr("ctx")?;
    let exported = inner.run_method("__datafusion_task_context_provider__", ())?;
    let capsule = exported
        .cast::<PyCapsule>()
        .map_err(|_| PyTypeError::new_err("the session exports no task context"))?;
    abi_check::check_capsule(capsule)?;
    let pointer = capsule.pointer_checked(Some(c"datafusion_task_context_provider"))?;
    // SAFETY: as above; and each function is called with the struct it came with. The functions of
    // the session, which are hundreds, are left where they are.
    let found = unsafe {
        let provider = pointer.cast::<FFI_TaskContextProvider>().as_ref();
        let context: Result<FFI_TaskContext, _> = (provider.task_ctx)(provider).into();
        context.map(|context| SessionConfig::try_from(&(context.session_config)(&context)))
    };
    match found {
        Ok(Ok(config)) => with_separate_switches(session, config),
        Ok(Err(error)) => Err(errors::engine(py, &error.to_string())),
        Err(error) => Err(errors::engine(py, error.as_ref())),
    }
}

/// The settings with each dynamic filter's own switch as it is: the one for all of them, which DataFusion sets after
/// them when settings cross, sets every one. A session shows its settings one a line.
fn with_separate_switches(
    session: &Bound<'_, PyAny>,
    mut config: SessionConfig,
) -> PyResult<SessionConfig> {
    let shown = session.run_method("__repr__", ())?.to_string();
    let optimizer = &mut config.options_mut().optimizer;
    let switches = [
        (
            "datafusion.optimizer.enable_aggregate_dynamic_filter_pushdown",
            &mut optimizer.enable_aggregate_dynamic_filter_pushdown,
        ),
        (
            "datafusion.optimizer.enable_join_dynamic_filter_pushdown",
            &mut optimizer.enable_join_dynamic_filter_pushdown,
        ),
        (
            "datafusion.optimizer.enable_topk_dynamic_filter_pushdown",
            &mut optimizer.enable_topk_dynamic_filter_pushdown,
        ),
    ];
    let settings = shown
        .lines()
        .filter_map(|line| line.trim().split_once(" = "));
    let settings: HashMap<_, _> = settings.collect();
    for (name, switch) in switches {
        if let Some(value) = settings.get(name).and_then(|value| value.parse().ok()) {
            *switch = value;
        }
    }
    Ok(config)
}
