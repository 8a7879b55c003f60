//! What Python says of a commit and of a table.

use std::collections::HashMap;

use dfd_delta::{CommitInfo, Fields, TableDescription};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyMapping;
use serde_json::Value;

use crate::support::calling::{self, Callable};

/// What a commit says of its operation: anything with these attributes.
#[derive(FromPyObject)]
pub(crate) struct OperationInfo<'py> {
    operation: String,
    parameters: Bound<'py, PyMapping>,
    metrics: Bound<'py, PyMapping>,
    isolation_level: String,
    is_blind_append: bool,
    engine: String,
    operation_id: Option<String>,
    metadata: Bound<'py, PyMapping>,
    pub(crate) transactions: Vec<(String, i64)>,
}

impl OperationInfo<'_> {
    /// For the log, but for the transactions.
    pub(crate) fn commit_info(&self) -> PyResult<CommitInfo> {
        Ok(CommitInfo {
            operation: self.operation.clone(),
            operation_parameters: fields(&self.parameters, json)?,
            isolation_level: self.isolation_level.clone(),
            is_blind_append: self.is_blind_append,
            operation_metrics: fields(&self.metrics, |value| Ok(value.str()?.to_string()))?,
            engine_info: self.engine.clone(),
            txn_id: self.operation_id.clone(),
            metadata: fields(&self.metadata, |value| value.extract::<String>())?,
        })
    }
}

/// What a table says of itself: anything with these attributes.
#[derive(FromPyObject)]
pub(crate) struct Description {
    name: Option<String>,
    description: Option<String>,
    properties: HashMap<String, String>,
    columns: HashMap<String, HashMap<String, String>>,
}

impl Description {
    /// For the log.
    pub(crate) fn of_table(self) -> TableDescription {
        TableDescription {
            properties: self.properties.into_iter().collect(),
            columns: self
                .columns
                .into_iter()
                .map(|(name, told)| (name, told.into_iter().collect()))
                .collect(),
            name: self.name,
            description: self.description,
        }
    }
}

/// The entries of a mapping in its order.
fn fields<V>(
    mapping: &Bound<'_, PyMapping>,
    convert: impl Fn(&Bound<'_, PyAny>) -> PyResult<V>,
) -> PyResult<Fields<V>> {
    let entries = mapping.items()?;
    let converted = entries.iter().map(|entry| {
        let (name, value): (String, Bound<'_, PyAny>) = entry.extract()?;
        Ok((name, convert(&value)?))
    });
    converted.collect::<PyResult<_>>().map(Fields)
}

fn json(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    let dumps = calling::function(value.py(), "json", "dumps")?;
    let text: String = dumps.run((value,))?.extract()?;
    serde_json::from_str(&text).map_err(|error| PyValueError::new_err(error.to_string()))
}
