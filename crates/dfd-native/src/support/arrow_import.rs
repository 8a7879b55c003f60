//! Arrow streams and arrays of other libraries, as readers of record batches.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, RecordBatchIterator, RecordBatchOptions,
    RecordBatchReader,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use dfd_arrow::Source;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use super::c_data::{self, Imported};
use super::calling::Callable;
use super::errors;

/// Any object with `__arrow_c_stream__`, or with `__arrow_c_array__` alone, as a reader.
pub(crate) fn reader(stream: &Bound<'_, PyAny>) -> PyResult<Source> {
    dfd_runtime::catching(|| imported(stream))
        .unwrap_or_else(|panic| Err(errors::panicked(stream.py(), &panic)))
}

fn imported(stream: &Bound<'_, PyAny>) -> PyResult<Source> {
    let py = stream.py();
    if stream.hasattr(intern!(py, "__arrow_c_stream__"))? {
        let capsule = stream.run_method(intern!(py, "__arrow_c_stream__"), ())?;
        let arrays = c_data::stream(capsule.cast::<PyCapsule>()?)?;
        let schema = schema_of(arrays.field())?;
        return Ok(Box::new(Batches { arrays, schema }));
    }
    if stream.hasattr(intern!(py, "__arrow_c_array__"))? {
        let capsules = stream.run_method(intern!(py, "__arrow_c_array__"), ())?;
        let (schema, array): (Bound<'_, PyCapsule>, Bound<'_, PyCapsule>) = capsules.extract()?;
        let (array, field) = c_data::array(&schema, &array)?;
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

/// The columns of record batches that come as arrays of `field`.
fn schema_of(field: &Field) -> PyResult<SchemaRef> {
    let DataType::Struct(fields) = field.data_type() else {
        return Err(PyTypeError::new_err(format!(
            "a stream of record batches is needed, not of {}",
            field.data_type()
        )));
    };
    let schema = Schema::new_with_metadata(fields.clone(), field.metadata().clone());
    Ok(Arc::new(schema))
}

/// The struct as a record batch. Arrow's own reader of C streams loses that a row is null as a whole.
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

/// The record batches of imported arrays.
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
