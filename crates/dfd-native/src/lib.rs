//! The Python face of dfd's Rust half: pyo3 only, everything else is in the other crates.

mod build_info;
mod counters;
mod engine;
mod errors;
mod extension;
mod functions;
mod gate;
mod host;
mod plan;
mod streams;
mod table;

use mimalloc::MiMalloc;
use pyo3::prelude::*;

// Queries allocate on all threads at once, which the allocator of the system is slow at.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(build_info::build_info, module)?)?;
    module.add_function(wrap_pyfunction!(counters::cache_stats, module)?)?;
    module.add_function(wrap_pyfunction!(counters::cache_table, module)?)?;
    module.add_function(wrap_pyfunction!(counters::request_counts, module)?)?;
    module.add_function(wrap_pyfunction!(functions::functions, module)?)?;
    module.add_function(wrap_pyfunction!(streams::adapt_stream, module)?)?;
    module.add_function(wrap_pyfunction!(streams::arrow_stream_to_batches, module)?)?;
    module.add_function(wrap_pyfunction!(table::delta_table, module)?)?;
    module.add_function(wrap_pyfunction!(table::refreshed, module)?)?;
    module.add_class::<engine::Engine>()?;
    module.add_class::<engine::EngineRun>()?;
    module.add_class::<extension::DeltaCodec>()?;
    module.add_class::<functions::NativeFunction>()?;
    module.add_class::<table::DeltaTable>()?;
    module.add_class::<table::LogTable>()?;
    module.add_class::<streams::AdaptedStream>()?;
    module.add_class::<streams::Batch>()?;
    Ok(())
}
