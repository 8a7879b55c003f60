//! Arrow C streams in and out.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, RecordBatchIterator, RecordBatchOptions,
    RecordBatchReader,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use dfd_arrow::{AdaptedReader, AlignError, Shape, Source};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};
use pyo3_arrow::{PyRecordBatch, PySchema};

use crate::adapted::export;
use crate::import::{self, Imported};
use crate::interrupt::raised;

/// How long to wait before looking whether Ctrl-C was pressed.
const PATIENCE: Duration = Duration::from_millis(100);

/// Any object with `__arrow_c_stream__`, or with `__arrow_c_array__` alone, as a reader.
pub fn reader(stream: &Bound<'_, PyAny>) -> PyResult<Source> {
    let py = stream.py();
    if stream.hasattr(intern!(py, "__arrow_c_stream__"))? {
        let capsule = stream.call_method0(intern!(py, "__arrow_c_stream__"))?;
        let arrays = import::stream(capsule.cast::<PyCapsule>()?)?;
        let schema = schema_of(arrays.field())?;
        return Ok(Box::new(Batches { arrays, schema }));
    }
    if stream.hasattr(intern!(py, "__arrow_c_array__"))? {
        let capsules = stream.call_method0(intern!(py, "__arrow_c_array__"))?;
        let (schema, array): (Bound<'_, PyCapsule>, Bound<'_, PyCapsule>) = capsules.extract()?;
        let (array, field) = import::array(&schema, &array)?;
        let schema = schema_of(&field)?;
        let batch = batch_of(&array, &schema);
        return Ok(Box::new(RecordBatchIterator::new([batch], schema)));
    }
    Err(PyTypeError::new_err(format!(
        "an object with __arrow_c_stream__ is needed, not {} (what is lazy or a scan has a method that \
         gives one, like to_reader() or collect())",
        stream.get_type().name()?
    )))
}

fn schema_of(field: &Field) -> PyResult<SchemaRef> {
    let DataType::Struct(fields) = field.data_type() else {
        return Err(PyTypeError::new_err(format!(
            "a stream of record batches is needed, not of {}",
            field.data_type()
        )));
    };
    let metadata = field.metadata().clone();
    Ok(Arc::new(Schema::new_with_metadata(
        fields.clone(),
        metadata,
    )))
}

/// Arrow's own reader of C streams loses that a row is null as a whole.
fn batch_of(array: &ArrayRef, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let rows = array.as_struct();
    if rows.null_count() > 0 {
        let text = "a batch has rows that are null as a whole, which are no rows of a table";
        return Err(ArrowError::InvalidArgumentError(text.into()));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let columns = rows.columns().to_vec();
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

struct Batches {
    arrays: Imported,
    schema: SchemaRef,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let array = self.arrays.next()?;
        Some(array.and_then(|array| batch_of(&array, &self.schema)))
    }
}

impl RecordBatchReader for Batches {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// The schema that a consumer asks for, if `own` can be given so.
///
/// Other columns are refused. Types that nothing leads to leave the schema as it is, which the
/// consumer sees; values that don't fit will be errors.
pub fn requested(
    capsule: Option<Bound<'_, PyCapsule>>,
    own: &SchemaRef,
) -> PyResult<Option<SchemaRef>> {
    let Some(capsule) = capsule else {
        return Ok(None);
    };
    let wanted = PySchema::from_arrow_pycapsule(&capsule)?.into_inner();
    if wanted.fields().len() != own.fields().len() {
        return Err(PyValueError::new_err(format!(
            "a schema of {} columns was requested of {}",
            wanted.fields().len(),
            own.fields().len()
        )));
    }
    match dfd_arrow::alignable(own, &wanted) {
        Ok(()) => Ok(Some(wanted)),
        Err(AlignError::Type { .. }) => Ok(None),
        Err(error) => Err(PyValueError::new_err(error.to_string())),
    }
}

pub fn schema_capsule<'py>(py: Python<'py>, schema: &SchemaRef) -> PyResult<Bound<'py, PyAny>> {
    PySchema::new(Arc::clone(schema))
        .into_pyobject(py)?
        .call_method0(intern!(py, "__arrow_c_schema__"))
}

/// A record batch that exports `__arrow_c_array__`, and `__arrow_c_stream__` as a stream of one.
#[pyclass(module = "dfd_native", name = "RecordBatch", frozen)]
pub struct Batch(pub RecordBatch);

impl From<RecordBatch> for Batch {
    fn from(batch: RecordBatch) -> Self {
        Self(batch)
    }
}

impl Batch {
    fn aligned(&self, wanted: Option<Bound<'_, PyCapsule>>) -> PyResult<RecordBatch> {
        match requested(wanted, self.0.schema_ref())? {
            None => Ok(self.0.clone()),
            Some(schema) => dfd_arrow::align(&self.0, &schema, 0)
                .map_err(|error| PyValueError::new_err(error.to_string())),
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
            .call_method0(intern!(py, "__arrow_c_array__"))?
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
pub fn arrow_stream_to_batches(py: Python<'_>, stream: &Bound<'_, PyAny>) -> PyResult<Vec<Batch>> {
    let mut adapted = adapted(reader(stream)?, Shape::default())?;
    let mut batches = Vec::new();
    while let Some(item) = wait(py, &mut adapted)? {
        batches.push(Batch(item.map_err(|error| raised(py, &error))?));
        py.check_signals()?;
    }
    Ok(batches)
}

pub fn adapted(source: Source, shape: Shape) -> PyResult<AdaptedReader> {
    AdaptedReader::try_new(source, shape).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// The next batch, with an eye on Ctrl-C.
pub fn wait(
    py: Python<'_>,
    reader: &mut AdaptedReader,
) -> PyResult<Option<Result<RecordBatch, ArrowError>>> {
    loop {
        match py.detach(|| reader.poll_next(PATIENCE)) {
            Poll::Ready(item) => return Ok(item),
            Poll::Pending => py.check_signals()?,
        }
    }
}
