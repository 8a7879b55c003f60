//! Arrow arrays of the C data interface, taken over without a copy.
//!
//! arrow-rs 59 slices the children of a struct again when a struct inside another begins at an offset
//! (`ArrayData::slice`, then `StructArray::from`), and panics: a pyarrow table with nested structs that was
//! sliced couldn't come in. So offsets of structs are handed down to their children here first.

use std::ffi::{CStr, c_int};
use std::mem;
use std::sync::Arc;

use arrow::array::{ArrayData, ArrayDataBuilder, ArrayRef, make_array};
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi_and_data_type};
use arrow::ffi_stream::FFI_ArrowArrayStream;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use super::calling;

/// The arrays of an Arrow C stream.
pub(super) struct Imported {
    stream: FFI_ArrowArrayStream,
    field: Arc<Field>,
}

/// Take over the stream of a capsule, which is then empty.
#[allow(unsafe_code)]
pub(super) fn stream(capsule: &Bound<'_, PyCapsule>) -> PyResult<Imported> {
    let pointer = capsule.pointer_checked(Some(c"arrow_array_stream"))?;
    // SAFETY: a capsule of this name holds an ArrowArrayStream, by the Arrow PyCapsule interface; what is
    // left in it is marked as released.
    let mut stream = unsafe { FFI_ArrowArrayStream::from_raw(pointer.cast().as_ptr()) };
    let get_schema = stream.get_schema.filter(|_| stream.release.is_some());
    let Some(get_schema) = get_schema else {
        return Err(PyValueError::new_err(
            "the stream was given away before; a stream is read once",
        ));
    };
    let mut schema = FFI_ArrowSchema::empty();
    // SAFETY: the stream isn't released, and both are ours.
    if unsafe { pulled(get_schema, &raw mut stream, &raw mut schema) } != 0 {
        return Err(PyValueError::new_err(last_error(&mut stream)));
    }
    let field =
        Field::try_from(&schema).map_err(|error| PyTypeError::new_err(error.to_string()))?;
    Ok(Imported {
        stream,
        field: Arc::new(field),
    })
}

/// Take over the array of two capsules.
#[allow(unsafe_code)]
pub(super) fn array(
    schema: &Bound<'_, PyCapsule>,
    array: &Bound<'_, PyCapsule>,
) -> PyResult<(ArrayRef, Field)> {
    let refused = |error: ArrowError| PyTypeError::new_err(error.to_string());
    let schema = schema.pointer_checked(Some(c"arrow_schema"))?;
    let array = array.pointer_checked(Some(c"arrow_array"))?;
    // SAFETY: capsules of these names hold an ArrowSchema and an ArrowArray, by the same interface.
    let (field, array) = unsafe {
        (
            Field::try_from(schema.cast::<FFI_ArrowSchema>().as_ref()).map_err(refused)?,
            FFI_ArrowArray::from_raw(array.cast().as_ptr()),
        )
    };
    Ok((imported(array, field.data_type()).map_err(refused)?, field))
}

impl Imported {
    /// The type of the arrays: a struct, where they are record batches.
    pub(super) fn field(&self) -> &Arc<Field> {
        &self.field
    }
}

impl Iterator for Imported {
    type Item = Result<ArrayRef, ArrowError>;

    #[allow(unsafe_code)]
    fn next(&mut self) -> Option<Self::Item> {
        let get_next = self.stream.get_next?;
        let mut array = FFI_ArrowArray::empty();
        // SAFETY: the stream isn't released before it is dropped, and the array is ours.
        if unsafe { pulled(get_next, &raw mut self.stream, &raw mut array) } != 0 {
            let reason = last_error(&mut self.stream);
            return Some(Err(ArrowError::CDataInterface(reason)));
        }
        (!array.is_released()).then(|| imported(array, self.field.data_type()))
    }
}

type Pull<T> = unsafe extern "C" fn(*mut FFI_ArrowArrayStream, *mut T) -> c_int;
type UnwindingPull<T> = unsafe extern "C-unwind" fn(*mut FFI_ArrowArrayStream, *mut T) -> c_int;

/// What a function of a foreign stream gives, which may be written in Python.
#[allow(unsafe_code)]
unsafe fn pulled<T>(function: Pull<T>, stream: *mut FFI_ArrowArrayStream, out: *mut T) -> c_int {
    // SAFETY: the two kinds of functions are called alike; the arguments are the caller's care.
    unsafe {
        let function = mem::transmute::<Pull<T>, UnwindingPull<T>>(function);
        calling::foreign(|| function(stream, out))
    }
}

#[allow(unsafe_code)]
fn last_error(stream: &mut FFI_ArrowArrayStream) -> String {
    // SAFETY: asked of a stream that isn't released; the text lives until its next call.
    let text = stream
        .get_last_error
        .map(|get| unsafe { get(std::ptr::from_mut(stream)) })
        .filter(|text| !text.is_null())
        .map(|text| {
            unsafe { CStr::from_ptr(text) }
                .to_string_lossy()
                .into_owned()
        });
    text.unwrap_or_else(|| "the stream failed and doesn't say why".to_owned())
}

#[allow(unsafe_code)]
fn imported(array: FFI_ArrowArray, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    // SAFETY: who exports an array vouches for its buffers, by the C data interface.
    let data = unsafe { from_ffi_and_data_type(array, data_type.clone()) }?;
    Ok(make_array(without_offsets(data)))
}

/// The array with its values as they are, and with offsets handed down to children that go along row by row.
fn without_offsets(data: ArrayData) -> ArrayData {
    if !has_offset(&data) {
        return data;
    }
    let children = data.child_data().iter();
    let builder = match stride(data.data_type()) {
        Some(stride) => {
            let (first, length) = (data.offset() * stride, data.len() * stride);
            let moved = children
                .map(|child| without_offsets(sliced(child, first, length)))
                .collect();
            data.into_builder().offset(0).child_data(moved)
        }
        None => {
            let moved = children.cloned().map(without_offsets).collect();
            data.into_builder().child_data(moved)
        }
    };
    built(builder)
}

/// Rows of an array, those of a struct or a list of fixed size without a look at its children.
fn sliced(data: &ArrayData, first: usize, length: usize) -> ArrayData {
    if stride(data.data_type()).is_none() {
        return data.slice(first, length);
    }
    let nulls = data.nulls().map(|nulls| nulls.slice(first, length));
    let builder = data.clone().into_builder();
    built(
        builder
            .offset(data.offset() + first)
            .len(length)
            .nulls(nulls),
    )
}

#[allow(unsafe_code)]
fn built(builder: ArrayDataBuilder) -> ArrayData {
    // SAFETY: buffers and types are those of an array that was valid, and no range grew.
    unsafe { builder.build_unchecked() }
}

/// Whether something inside begins elsewhere than its children.
fn has_offset(data: &ArrayData) -> bool {
    let is_shifted = stride(data.data_type()).is_some_and(|stride| {
        let differs = |child: &ArrayData| child.len() != data.len() * stride;
        data.offset() > 0 || data.child_data().iter().any(differs)
    });
    is_shifted || data.child_data().iter().any(has_offset)
}

/// How many rows of its children a row has, where that is a fixed number.
fn stride(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Struct(_) => Some(1),
        DataType::FixedSizeList(_, size) => usize::try_from(*size).ok(),
        _ => None,
    }
}
