//! Which casts keep every value, whatever it is.

use arrow::datatypes::DataType;

use super::primitive::{is_utc, is_widened_number};

/// Whether every value of one type is one of the other, so that Arrow's own cast loses none; both
/// without fields.
pub fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    match (from, to) {
        (from, to) if from == to => true,
        (T::Utf8 | T::LargeUtf8 | T::Utf8View, T::Utf8 | T::LargeUtf8 | T::Utf8View) => true,
        (
            T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_),
            T::Binary | T::LargeBinary | T::BinaryView,
        ) => true,
        (T::Timestamp(unit, zone), T::Timestamp(to_unit, to_zone)) => {
            let is_utc = |zone: &Option<_>| zone.as_deref().is_none_or(is_utc);
            // What is too far for nanoseconds is an error of Arrow's.
            to_unit >= unit && is_utc(zone) && is_utc(to_zone)
        }
        _ => match (digits(from), digits(to)) {
            (Some((whole, scale)), Some((to_whole, to_scale))) => {
                to_whole >= whole && to_scale >= scale
            }
            _ => is_widened_number(from, to),
        },
    }
}

/// The digits of a decimal before and after its point.
fn digits(of: &DataType) -> Option<(i16, i8)> {
    use DataType::{Decimal32, Decimal64, Decimal128, Decimal256};
    match of {
        Decimal32(precision, scale)
        | Decimal64(precision, scale)
        | Decimal128(precision, scale)
        | Decimal256(precision, scale) => Some((i16::from(*precision) - i16::from(*scale), *scale)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit::{Microsecond, Millisecond};

    use super::*;

    #[test]
    fn wider_types_keep_all_values_and_others_may_not() {
        use DataType as T;
        let time = |unit, zone: Option<&str>| T::Timestamp(unit, zone.map(Into::into));
        for (from, to) in [
            (T::Int32, T::Int32),
            (T::Int8, T::Int64),
            (T::UInt32, T::Int64),
            (T::Float16, T::Float32),
            (T::Float32, T::Float64),
            (T::Utf8, T::Utf8View),
            (T::FixedSizeBinary(2), T::Binary),
            (T::Decimal128(5, 2), T::Decimal128(12, 4)),
            (T::Decimal32(5, 2), T::Decimal128(5, 2)),
            (time(Microsecond, None), time(Microsecond, Some("UTC"))),
            (time(Millisecond, None), time(Microsecond, None)),
        ] {
            assert!(widens(&from, &to), "{from} to {to}");
        }
        for (from, to) in [
            (T::Int64, T::Int32),
            (T::UInt64, T::Int64),
            (T::Int64, T::Float64),
            (T::Float64, T::Int64),
            (T::Float64, T::Float32),
            (T::Int32, T::Utf8),
            (T::Binary, T::Utf8),
            (T::Utf8, T::Binary),
            (T::Decimal128(5, 2), T::Decimal128(5, 3)),
            (T::Decimal128(5, 2), T::Decimal128(6, 1)),
            (T::Int32, T::Decimal128(12, 2)),
            (time(Microsecond, Some("UTC")), T::Date32),
            (time(Microsecond, None), time(Millisecond, None)),
            (
                time(Microsecond, Some("Asia/Tokyo")),
                time(Microsecond, None),
            ),
        ] {
            assert!(!widens(&from, &to), "{from} to {to}");
        }
    }
}
