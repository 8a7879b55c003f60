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

pub(super) fn is_utc(zone: &str) -> bool {
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
        (T::Timestamp(_, _) | T::Date32 | T::Date64, _) if kind(to) != Some(Kind::Text) => false,
        _ => is_widened_number(from, to) || matches!(kind(to), Some(Kind::Text | Kind::Binary)),
    }
}

/// Whether every number of one type is one of the other; neither is a decimal.
pub(super) fn is_widened_number(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    match (from, to) {
        (T::Float16, T::Float32 | T::Float64) | (T::Float32, T::Float64) => true,
        _ if from.is_integer() && to.is_integer() => {
            let wider = to.primitive_width() > from.primitive_width();
            wider && (to.is_signed_integer() || from.is_unsigned_integer())
        }
        _ => false,
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

#[cfg(test)]
mod tests {
    use std::f32;

    use arrow::array::{
        BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
        Int8Array, Int16Array, Int64Array, StringArray, TimestampMicrosecondArray,
        TimestampMillisecondArray, UInt8Array,
    };
    use arrow::datatypes::TimeUnit;

    use super::*;

    fn text(values: &[&str]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    /// The cast gives `wanted`.
    fn assert_kept(from: impl Array + 'static, wanted: impl Array + 'static) {
        let from: ArrayRef = Arc::new(from);
        let wanted: ArrayRef = Arc::new(wanted);
        assert_eq!(cast(&from, wanted.data_type()).as_ref(), Ok(&wanted));
    }

    /// The cast fails at `row`, whose value it shows.
    fn assert_refused(from: impl Array + 'static, to: &DataType, row: usize, shown: &str) {
        let from: ArrayRef = Arc::new(from);
        let error = cast(&from, to).unwrap_err();
        assert_eq!((error.row, error.path.as_str()), (row, ""));
        assert_eq!(error.reason, format!("{shown} doesn't fit {to}"));
    }

    #[test]
    fn integers_keep_their_number_or_are_refused() {
        assert_kept(Int8Array::from(vec![-1, 2]), Int64Array::from(vec![-1, 2]));
        assert_kept(Int64Array::from(vec![127]), Int8Array::from(vec![127]));
        assert_kept(UInt8Array::from(vec![255]), Int16Array::from(vec![255]));
        assert_refused(Int64Array::from(vec![127, 128]), &DataType::Int8, 1, "128");
        assert_refused(Int8Array::from(vec![0, -1]), &DataType::UInt64, 1, "-1");
    }

    #[test]
    fn floats_are_integers_where_they_have_no_fraction() {
        assert_kept(
            Float64Array::from(vec![3.0, -0.0]),
            Int64Array::from(vec![3, 0]),
        );
        assert_kept(
            Int64Array::from(vec![1 << 53]),
            Float64Array::from(vec![9_007_199_254_740_992.0]),
        );
        assert_refused(
            Float64Array::from(vec![3.0, 3.5]),
            &DataType::Int64,
            1,
            "3.5",
        );
        assert_refused(
            Float64Array::from(vec![f64::NAN]),
            &DataType::Int64,
            0,
            "NaN",
        );
        let odd = (1 << 53) + 1;
        assert_refused(
            Int64Array::from(vec![odd]),
            &DataType::Float64,
            0,
            "9007199254740993",
        );
    }

    #[test]
    fn floats_narrow_where_the_number_is_there_and_nan_is_one() {
        let wide = Float64Array::from(vec![0.5, f64::INFINITY, -0.0, f64::NAN]);
        let cast = cast(&(Arc::new(wide) as ArrayRef), &DataType::Float32).unwrap();
        let narrow = cast.as_primitive::<Float32Type>();
        assert_eq!(narrow.value(0), 0.5);
        assert!(narrow.value(1).is_infinite() && narrow.value(3).is_nan());
        assert!(narrow.value(2).is_sign_negative());
        assert_refused(Float64Array::from(vec![0.1]), &DataType::Float32, 0, "0.1");
        assert_kept(
            Float32Array::from(vec![f32::MAX]),
            Float64Array::from(vec![f64::from(f32::MAX)]),
        );
    }

    #[test]
    fn decimals_keep_their_digits() {
        let cents = |values: &[i128]| {
            Decimal128Array::from(values.to_vec())
                .with_precision_and_scale(10, 2)
                .unwrap()
        };
        let tenths = |values: &[i128]| {
            Decimal128Array::from(values.to_vec())
                .with_precision_and_scale(4, 1)
                .unwrap()
        };
        assert_kept(cents(&[150, -20]), tenths(&[15, -2]));
        assert_kept(cents(&[300]), Int64Array::from(vec![3]));
        assert_kept(Int64Array::from(vec![3]), cents(&[300]));
        assert_refused(cents(&[150, 151]), tenths(&[]).data_type(), 1, "1.51");
        assert_refused(cents(&[150]), &DataType::Int64, 0, "1.50");
        assert_refused(cents(&[1_000_000]), tenths(&[]).data_type(), 0, "10000.00");
    }

    #[test]
    fn booleans_are_the_numbers_0_and_1() {
        assert_kept(
            BooleanArray::from(vec![true, false]),
            Int8Array::from(vec![1, 0]),
        );
        assert_kept(
            Int8Array::from(vec![1, 0]),
            BooleanArray::from(vec![true, false]),
        );
        assert_refused(Int8Array::from(vec![0, 2]), &DataType::Boolean, 1, "2");
    }

    #[test]
    fn text_is_parsed_and_written() {
        assert_kept(
            StringArray::from(vec!["12", "-3"]),
            Int64Array::from(vec![12, -3]),
        );
        assert_kept(
            Int64Array::from(vec![12, -3]),
            StringArray::from(vec!["12", "-3"]),
        );
        assert_kept(
            StringArray::from(vec!["true"]),
            BooleanArray::from(vec![true]),
        );
        assert_kept(
            StringArray::from(vec!["1970-01-02"]),
            Date32Array::from(vec![1]),
        );
        let cents = Decimal128Array::from(vec![1500])
            .with_precision_and_scale(10, 2)
            .unwrap();
        assert_kept(StringArray::from(vec!["1.5e1"]), cents);
        assert_refused(
            StringArray::from(vec!["1", "1.5"]),
            &DataType::Int64,
            1,
            "\"1.5\"",
        );
        assert_refused(StringArray::from(vec![""]), &DataType::Float64, 0, "\"\"");
    }

    #[test]
    fn text_becomes_a_date_of_milliseconds_without_its_time() {
        let day = cast(&text(&["1970-01-02"]), &DataType::Date64).unwrap();
        assert_eq!(
            cast(&day, &DataType::Date32),
            Ok(Arc::new(Date32Array::from(vec![1])) as _)
        );
        assert!(cast(&text(&["1970-01-02T01:00:00"]), &DataType::Date64).is_err());
    }

    #[test]
    fn bytes_are_text_where_they_encode_one_and_hidden_ones_are_not_looked_at() {
        assert_kept(
            BinaryArray::from(vec![&b"ab"[..]]),
            StringArray::from(vec!["ab"]),
        );
        assert_kept(
            StringArray::from(vec!["ab"]),
            BinaryArray::from(vec![&b"ab"[..]]),
        );
        let bad = BinaryArray::from(vec![&b"ab"[..], b"\xff"]);
        assert_refused(bad.clone(), &DataType::Utf8, 1, "ff");
        let first: ArrayRef = Arc::new(bad.slice(0, 1));
        assert_eq!(cast(&first, &DataType::Utf8), Ok(text(&["ab"])));
        let fixed = DataType::FixedSizeBinary(2);
        assert!(
            cast(
                &(Arc::new(BinaryArray::from(vec![&b"ab"[..]])) as _),
                &fixed
            )
            .is_ok()
        );
        assert!(
            cast(
                &(Arc::new(BinaryArray::from(vec![&b"abc"[..]])) as _),
                &fixed
            )
            .is_err()
        );
    }

    #[test]
    fn times_keep_their_instant_in_another_unit() {
        let millis = TimestampMillisecondArray::from(vec![1, -1]);
        assert_kept(millis, TimestampMicrosecondArray::from(vec![1_000, -1_000]));
        let seconds = DataType::Timestamp(TimeUnit::Second, None);
        let millis = TimestampMillisecondArray::from(vec![2_000, 2_001]);
        assert_refused(millis, &seconds, 1, "1970-01-01T00:00:02.001");
        let nanos = DataType::Timestamp(TimeUnit::Nanosecond, None);
        let far = TimestampMillisecondArray::from(vec![i64::MAX / 1_000]);
        assert!(cast(&(Arc::new(far) as ArrayRef), &nanos).is_err());
    }

    #[test]
    fn a_zone_is_a_label_and_none_is_taken_for_utc() {
        let bare = TimestampMicrosecondArray::from(vec![0, 1]);
        assert_kept(bare.clone(), bare.clone().with_timezone("UTC"));
        assert_kept(
            bare.clone().with_timezone("UTC"),
            bare.clone().with_timezone("Europe/Paris"),
        );
        let paris = DataType::Timestamp(TimeUnit::Microsecond, Some("Europe/Paris".into()));
        assert!(!castable(bare.data_type(), &paris));
    }

    #[test]
    fn dates_are_time_stamps_at_midnight() {
        let midnight = TimestampMicrosecondArray::from(vec![86_400_000_000]);
        assert_kept(Date32Array::from(vec![1]), midnight.clone());
        assert_kept(midnight, Date32Array::from(vec![1]));
        let later = TimestampMicrosecondArray::from(vec![86_400_000_001]);
        assert_refused(later, &DataType::Date32, 0, "1970-01-02T00:00:00.000001");
    }

    #[test]
    fn times_of_day_and_durations_change_their_unit_only() {
        use arrow::array::{DurationSecondArray, Time32SecondArray, Time64MicrosecondArray};
        let micros = Time64MicrosecondArray::from(vec![1_000_000]);
        assert_kept(Time32SecondArray::from(vec![1]), micros.clone());
        assert_kept(micros, Time32SecondArray::from(vec![1]));
        assert_kept(
            StringArray::from(vec!["00:00:01"]),
            Time32SecondArray::from(vec![1]),
        );
        let millis = DataType::Duration(TimeUnit::Millisecond);
        assert!(castable(
            DurationSecondArray::from(vec![1]).data_type(),
            &millis
        ));
        assert!(!castable(&millis, &DataType::Int64));
    }

    #[test]
    fn kinds_that_mean_something_else_have_no_cast() {
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for (from, to) in [
            (DataType::Date32, DataType::Int32),
            (DataType::Int64, zoned.clone()),
            (DataType::Boolean, DataType::Date32),
            (DataType::Binary, DataType::Int32),
            (DataType::Int64, DataType::Binary),
            (DataType::Time32(TimeUnit::Second), zoned),
            (DataType::Null, DataType::Int8),
        ] {
            assert!(!castable(&from, &to), "{from} {to}");
            let array = arrow::array::new_null_array(&from, 1);
            assert!(cast(&array, &to).is_err(), "{from} {to}");
        }
    }

    #[test]
    fn the_first_row_that_is_cut_off_is_told_before_a_later_one_that_arrow_refuses() {
        let text = text(&["1.5", "1.25", "x"]);
        let error = cast(&text, &DataType::Decimal128(5, 1)).unwrap_err();
        assert_eq!(error.row, 1);
    }

    #[test]
    fn nulls_stay_nulls_in_every_family() {
        let to_text = [
            DataType::Int8,
            DataType::UInt64,
            DataType::Float32,
            DataType::Float64,
            DataType::Decimal128(10, 2),
            DataType::Boolean,
            DataType::Date32,
            DataType::Date64,
            DataType::Timestamp(TimeUnit::Second, None),
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            DataType::Time32(TimeUnit::Second),
            DataType::Time64(TimeUnit::Nanosecond),
            DataType::Binary,
            DataType::BinaryView,
            DataType::LargeUtf8,
            DataType::Utf8View,
        ];
        for other in to_text {
            for (from, to) in [(&other, &DataType::Utf8), (&DataType::Utf8, &other)] {
                let nulls = arrow::array::new_null_array(from, 3);
                let cast = cast(&nulls, to).unwrap_or_else(|error| panic!("{from} {to}: {error}"));
                assert_eq!(
                    (cast.data_type(), cast.null_count()),
                    (to, 3),
                    "{from} {to}"
                );
            }
        }
    }
}
