//! The Python face of dfd's Rust half: pyo3 only, everything else is in the other crates.
#![warn(missing_docs, unreachable_pub, rustdoc::broken_intra_doc_links)]

mod adapted_stream;
mod batch;
mod caches;
mod commit;
mod counters;
mod delta_log;
mod descriptions;
mod engine;
mod engine_run;
mod extension;
mod functions;
mod observed_run;
mod plan_node;
mod row_change;
mod session_catalog;
mod sql;
mod stage;
mod support;
mod table;
mod table_files;

use pyo3::prelude::*;

use support::{allocator, build_info};

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    allocator::keep_freed();
    module.add_function(wrap_pyfunction!(build_info::build_info, module)?)?;
    module.add_function(wrap_pyfunction!(caches::cache_stats, module)?)?;
    module.add_function(wrap_pyfunction!(caches::cache_table, module)?)?;
    module.add_function(wrap_pyfunction!(caches::process_cache_limits, module)?)?;
    module.add_function(wrap_pyfunction!(caches::process_cache_stats, module)?)?;
    module.add_function(wrap_pyfunction!(caches::set_process_cache_limits, module)?)?;
    module.add_function(wrap_pyfunction!(counters::request_counts, module)?)?;
    module.add_function(wrap_pyfunction!(functions::functions, module)?)?;
    module.add_function(wrap_pyfunction!(delta_log::active_files, module)?)?;
    module.add_function(wrap_pyfunction!(commit::add_columns, module)?)?;
    module.add_function(wrap_pyfunction!(commit::change_properties, module)?)?;
    module.add_function(wrap_pyfunction!(commit::commit, module)?)?;
    module.add_function(wrap_pyfunction!(commit::commit_files, module)?)?;
    module.add_function(wrap_pyfunction!(commit::create_table, module)?)?;
    module.add_function(wrap_pyfunction!(commit::plan_restore, module)?)?;
    module.add_function(wrap_pyfunction!(delta_log::commits_since, module)?)?;
    module.add_function(wrap_pyfunction!(delta_log::misread_columns, module)?)?;
    module.add_function(wrap_pyfunction!(delta_log::table_features, module)?)?;
    module.add_function(wrap_pyfunction!(row_change::delete_rows, module)?)?;
    module.add_function(wrap_pyfunction!(row_change::merge_rows, module)?)?;
    module.add_function(wrap_pyfunction!(row_change::update_rows, module)?)?;
    module.add_function(wrap_pyfunction!(sql::sql_mentions, module)?)?;
    module.add_function(wrap_pyfunction!(sql::sql_script, module)?)?;
    module.add_function(wrap_pyfunction!(sql::sql_subqueries, module)?)?;
    module.add_function(wrap_pyfunction!(sql::sql_with_values, module)?)?;
    module.add_function(wrap_pyfunction!(stage::abandoned_stages, module)?)?;
    module.add_function(wrap_pyfunction!(stage::live_stages, module)?)?;
    module.add_function(wrap_pyfunction!(stage::rewrite, module)?)?;
    module.add_function(wrap_pyfunction!(stage::stage, module)?)?;
    module.add_function(wrap_pyfunction!(adapted_stream::adapt_stream, module)?)?;
    module.add_function(wrap_pyfunction!(batch::arrow_stream_to_batches, module)?)?;
    module.add_function(wrap_pyfunction!(adapted_stream::stop_prefetching, module)?)?;
    module.add_function(wrap_pyfunction!(table::delta_table, module)?)?;
    module.add_function(wrap_pyfunction!(table::refreshed, module)?)?;
    module.add_function(wrap_pyfunction!(table_files::log_length, module)?)?;
    module.add_function(wrap_pyfunction!(table_files::opening_cost, module)?)?;
    module.add_function(wrap_pyfunction!(table_files::list_files, module)?)?;
    module.add_function(wrap_pyfunction!(table_files::tables_beneath, module)?)?;
    module.add_function(wrap_pyfunction!(table_files::read_file, module)?)?;
    module.add_class::<commit::DefinitionChange>()?;
    module.add_class::<commit::Restore>()?;
    module.add_class::<delta_log::ActiveFiles>()?;
    module.add_class::<engine::Engine>()?;
    module.add_class::<engine_run::EngineRun>()?;
    module.add_class::<extension::DeltaCodec>()?;
    module.add_class::<functions::NativeFunction>()?;
    module.add_class::<row_change::MarkedFiles>()?;
    module.add_class::<row_change::RowChange>()?;
    module.add_class::<session_catalog::QueryVersions>()?;
    module.add_class::<session_catalog::SessionCatalog>()?;
    module.add_class::<stage::Stage>()?;
    module.add_class::<table::DeltaTable>()?;
    module.add_class::<table::LogTable>()?;
    module.add_class::<adapted_stream::AdaptedStream>()?;
    module.add_class::<batch::Batch>()?;
    Ok(())
}
