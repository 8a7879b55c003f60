//! Record batches.

use arrow::array::{RecordBatch, RecordBatchIterator};
use dfd_arrow::{AdaptedReader, Shape};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};
use pyo3_arrow::PyRecordBatch;

use crate::support::arrow_export::{export, requested, schema_capsule};
use crate::support::arrow_import::reader;
use crate::support::calling::Callable;
use crate::support::interrupt::raised;
use crate::support::{errors, polling};

/// A record batch that exports `__arrow_c_array__`, and `__arrow_c_stream__` as a stream of one.
#[pyclass(module = "dfd_native", name = "RecordBatch", frozen)]
pub(crate) struct Batch(RecordBatch);

impl From<RecordBatch> for Batch {
    fn from(batch: RecordBatch) -> Self {
        Self(batch)
    }
}

impl Batch {
    /// The batch in the schema that a consumer asks for.
    fn aligned(&self, wanted: Option<Bound<'_, PyCapsule>>) -> PyResult<RecordBatch> {
        match requested(wanted, self.0.schema_ref())? {
            None => Ok(self.0.clone()),
            Some(schema) => {
                dfd_arrow::align(&self.0, &schema, 0).map_err(|error| errors::value(&error))
            }
        }
    }
}

#[pymethods]
impl Batch {
    /// Number of rows.
    #[getter]
    fn num_rows(&self) -> usize {
        self.0.num_rows()
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        schema_capsule(py, self.0.schema_ref())
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        PyRecordBatch::new(self.aligned(requested_schema)?)
            .into_pyobject(py)?
            .into_any()
            .run_method(intern!(py, "__arrow_c_array__"), ())?
            .cast_into::<PyTuple>()
            .map_err(Into::into)
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let batches = RecordBatchIterator::new([Ok(self.0.clone())], self.0.schema());
        export(py, Box::new(batches), requested_schema)
    }
}

/// Read a whole stream into memory.
#[pyfunction]
pub(crate) fn arrow_stream_to_batches(
    py: Python<'_>,
    stream: &Bound<'_, PyAny>,
) -> PyResult<Vec<Batch>> {
    let mut adapted = AdaptedReader::try_new(reader(stream)?, Shape::default())
        .map_err(|error| errors::value(&error))?;
    let mut batches = Vec::new();
    while let Some(item) = polling::wait(py, |patience| adapted.poll_next(patience))? {
        batches.push(Batch(item.map_err(|error| raised(py, &error))?));
        py.check_signals()?;
    }
    Ok(batches)
}
