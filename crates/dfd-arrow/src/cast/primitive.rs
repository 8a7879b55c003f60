//! Casts of types that have no fields: numbers, text, bytes, time.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, make_array};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};

use super::inexact::Inexact;
use super::parse;
use super::strict::{first_bad, strict};

/// The kinds of types that casts tell apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    Number,
    Text,
    Binary,
    Date,
    /// A point in time: UTC, or without a zone, which is taken for it.
    Utc,
    /// A point in time in a zone of its own.
    Zoned,
    Time,
    Duration,
}

fn kind(of: &DataType) -> Option<Kind> {
    use DataType as T;
    Some(match of {
        T::Boolean => Kind::Boolean,
        T::Utf8 | T::LargeUtf8 | T::Utf8View => Kind::Text,
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => Kind::Binary,
        T::Date32 | T::Date64 => Kind::Date,
        T::Timestamp(_, Some(zone)) if !is_utc(zone) => Kind::Zoned,
        T::Timestamp(_, _) => Kind::Utc,
        T::Time32(_) | T::Time64(_) => Kind::Time,
        T::Duration(_) => Kind::Duration,
        number if number.is_numeric() => Kind::Number,
        _ => return None,
    })
}

fn is_utc(zone: &str) -> bool {
    matches!(
        zone,
        "UTC" | "utc" | "Z" | "z" | "+00:00" | "-00:00" | "+0000" | "+00" | "GMT" | "Etc/UTC"
    )
}

/// Whether values of one type may be values of the other; both without fields.
pub(super) fn castable(from: &DataType, to: &DataType) -> bool {
    use Kind::{Binary, Boolean, Date, Duration, Number, Text, Time, Utc, Zoned};
    let (Some(a), Some(b)) = (kind(from), kind(to)) else {
        return false;
    };
    let related = match (a, b) {
        (Duration, Duration) | (Time, Time) | (Binary, Binary | Text) | (Zoned, Zoned) => true,
        (Boolean | Number, Boolean | Number) | (Date | Utc, Date | Utc) => true,
        (Utc, Zoned) | (Zoned, Utc) => has_zone(from) && has_zone(to),
        (Text, Text | Binary | Boolean | Number | Date | Utc | Zoned | Time) => true,
        (Boolean | Number | Date | Utc | Zoned | Time, Text) => true,
        _ => false,
    };
    related && can_cast_types(from, to)
}

fn has_zone(of: &DataType) -> bool {
    matches!(of, DataType::Timestamp(_, Some(_)))
}

/// Whether Arrow can make a dictionary of values of the type.
pub(super) fn fits_dictionary(value: &DataType) -> bool {
    use DataType as T;
    let temporal = matches!(
        kind(value),
        Some(Kind::Date | Kind::Utc | Kind::Zoned | Kind::Time)
    );
    let bytes = matches!(kind(value), Some(Kind::Text | Kind::Binary));
    temporal || value.is_numeric() || (bytes && *value != T::BinaryView)
}

/// The array in another type with every value kept; both without fields.
pub(super) fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Inexact> {
    let from = array.data_type();
    if !castable(from, to) {
        return Err(Inexact::new(0, format!("{from} can't become {to}")));
    }
    converted(array, to).or_else(|bad| {
        // Of the rows before one that Arrow refuses it may have cut off some.
        converted(&array.slice(0, bad.row), to)?;
        Err(bad)
    })
}

fn converted(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Inexact> {
    let from = array.data_type();
    match (kind(from), to) {
        // With a time of day a Date64 is no date.
        (Some(Kind::Text), DataType::Date64) => cast(&cast(array, &DataType::Date32)?, to),
        (Some(Kind::Text), _) => {
            let readable = if to.is_decimal() {
                &parse::without_exponents(array)?
            } else {
                array
            };
            let read = strict(readable, to).map_err(|bad| Inexact::value(array, bad.row, to))?;
            parse::check_all_read(array, &read)?;
            Ok(read)
        }
        (Some(Kind::Binary), _) if kind(to) == Some(Kind::Text) => decoded(array, to),
        _ if is_kept(from, to) => strict(array, to),
        _ => back_and_forth(array, to),
    }
}

/// The type without its zone, in which Arrow's casts leave the number alone.
fn zoneless(of: &DataType) -> DataType {
    match of {
        DataType::Timestamp(unit, _) => DataType::Timestamp(*unit, None),
        other => other.clone(),
    }
}

/// Time stamps with their numbers left alone, under another time zone.
fn labelled(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Inexact> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    let data = array.to_data().into_builder().data_type(to.clone()).build();
    Ok(data.map(make_array)?)
}

/// Whether every value of one type is one of the other.
fn is_kept(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    match (from, to) {
        (T::Float16, T::Float32 | T::Float64) | (T::Float32, T::Float64) => true,
        (T::Timestamp(_, _) | T::Date32 | T::Date64, _) if kind(to) != Some(Kind::Text) => false,
        _ if from.is_integer() && to.is_integer() => {
            let wider = to.primitive_width() > from.primitive_width();
            wider && (to.is_signed_integer() || from.is_unsigned_integer())
        }
        _ => matches!(kind(to), Some(Kind::Text | Kind::Binary)),
    }
}

/// Bytes as the text that they encode.
fn decoded(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Inexact> {
    // Arrow's strict cast reads bytes outside of the slice and under nulls too; the other one makes
    // nulls of what is no text.
    let text = cast_with_options(array, to, &CastOptions::default())?;
    match (0..array.len()).find(|row| text.is_null(*row) && array.is_valid(*row)) {
        Some(row) => Err(Inexact::value(array, row, to)),
        None => Ok(text),
    }
}

/// Cast, and cast back: what is the same again was kept.
fn back_and_forth(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Inexact> {
    let plain = labelled(array, &zoneless(array.data_type()))?;
    let there = strict(&plain, &zoneless(to)).map_err(|bad| Inexact::value(array, bad.row, to))?;
    let back = cast_with_options(&there, plain.data_type(), &CastOptions::default())?;
    if is_same(&plain, &back) {
        return labelled(&there, to);
    }
    let fine = |rows| is_same(&plain.slice(0, rows), &back.slice(0, rows));
    let row = first_bad(array.len(), fine);
    Err(Inexact::value(array, row, to))
}

/// Equal as numbers: every NaN is one, and so are both zeros.
fn is_same(a: &ArrayRef, b: &ArrayRef) -> bool {
    match a.data_type() {
        DataType::Float16 => same_floats::<Float16Type>(a, b),
        DataType::Float32 => same_floats::<Float32Type>(a, b),
        DataType::Float64 => same_floats::<Float64Type>(a, b),
        _ => a.to_data() == b.to_data(),
    }
}

fn same_floats<T: ArrowPrimitiveType>(a: &ArrayRef, b: &ArrayRef) -> bool {
    let is_nan = |value: T::Native| value.partial_cmp(&value).is_none();
    let same = |a: Option<T::Native>, b: Option<T::Native>| match (a, b) {
        (Some(a), Some(b)) => a == b || (is_nan(a) && is_nan(b)),
        (a, b) => a.is_none() && b.is_none(),
    };
    let (a, b) = (a.as_primitive::<T>(), b.as_primitive::<T>());
    a.iter().zip(b).all(|(a, b)| same(a, b))
}
