//! The Python face of dfd's Rust half: pyo3 only, everything else is in the other crates.

mod adapted;
mod build_info;
mod counters;
mod engine;
mod errors;
mod extension;
mod functions;
mod gate;
mod host;
mod import;
mod interrupt;
mod location;
mod log;
mod memory;
mod plan;
mod stage;
mod streams;
mod table;

use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    memory::keep_freed();
    module.add_function(wrap_pyfunction!(build_info::build_info, module)?)?;
    module.add_function(wrap_pyfunction!(counters::cache_stats, module)?)?;
    module.add_function(wrap_pyfunction!(counters::cache_table, module)?)?;
    module.add_function(wrap_pyfunction!(counters::request_counts, module)?)?;
    module.add_function(wrap_pyfunction!(functions::functions, module)?)?;
    module.add_function(wrap_pyfunction!(log::active_files, module)?)?;
    module.add_function(wrap_pyfunction!(log::commit, module)?)?;
    module.add_function(wrap_pyfunction!(log::misread_columns, module)?)?;
    module.add_function(wrap_pyfunction!(stage::abandoned_stages, module)?)?;
    module.add_function(wrap_pyfunction!(stage::rewrite, module)?)?;
    module.add_function(wrap_pyfunction!(stage::stage, module)?)?;
    module.add_function(wrap_pyfunction!(adapted::adapt_stream, module)?)?;
    module.add_function(wrap_pyfunction!(streams::arrow_stream_to_batches, module)?)?;
    module.add_function(wrap_pyfunction!(adapted::stop_prefetching, module)?)?;
    module.add_function(wrap_pyfunction!(table::delta_table, module)?)?;
    module.add_function(wrap_pyfunction!(table::refreshed, module)?)?;
    module.add_class::<engine::Engine>()?;
    module.add_class::<engine::EngineRun>()?;
    module.add_class::<extension::DeltaCodec>()?;
    module.add_class::<functions::NativeFunction>()?;
    module.add_class::<stage::Stage>()?;
    module.add_class::<table::DeltaTable>()?;
    module.add_class::<table::LogTable>()?;
    module.add_class::<adapted::AdaptedStream>()?;
    module.add_class::<streams::Batch>()?;
    Ok(())
}
