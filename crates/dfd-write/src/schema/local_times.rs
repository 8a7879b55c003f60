//! Local times and moments, of which neither is taken for the other.
//!
//! Without a time zone nobody knows the moment of a local time, and a moment is another local time in each zone.

use arrow::datatypes::DataType;

use crate::schema::type_pairs::each_pair;

/// Fails where values of one type are local times, and those of the other moments, or the other way round; the
/// reason begins with the path of the field.
pub(crate) fn refuse_mixed_times(from: &DataType, to: &DataType) -> Result<(), String> {
    use DataType::Timestamp;
    each_pair(from, to, &|from, to| {
        match (from, to) {
        (Timestamp(_, None), Timestamp(_, Some(_))) => Err(
            " is a local time, and the table's is a moment; give it its time zone first".to_owned(),
        ),
        (Timestamp(_, Some(_)), Timestamp(_, None)) => Err(
            " is a moment, and the table's is a local time; take it to the time zone that is meant first"
                .to_owned(),
        ),
        _ => Ok(()),
    }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{Field, Fields, TimeUnit};

    use super::*;

    const LOCAL: DataType = DataType::Timestamp(TimeUnit::Nanosecond, None);

    fn moment() -> DataType {
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
    }

    fn field(name: &str, kind: DataType) -> Field {
        Field::new(name, kind, true)
    }

    fn nested(kind: DataType) -> DataType {
        let list = DataType::LargeList(Arc::new(field("item", kind)));
        let pair = Fields::from(vec![field("key", DataType::Utf8), field("value", list)]);
        let entries = Arc::new(field("entries", DataType::Struct(pair)));
        let map = DataType::Map(entries, false);
        DataType::Struct(vec![field("x", DataType::Int64), field("m", map)].into())
    }

    #[test]
    fn neither_is_taken_for_the_other_at_any_depth() {
        for (from, to, said) in [
            (LOCAL, moment(), "a local time"),
            (moment(), LOCAL, "a moment"),
        ] {
            let told = refuse_mixed_times(&from, &to).unwrap_err();
            assert!(told.starts_with(&format!(" is {said}")), "{told}");
            let told = refuse_mixed_times(&nested(from.clone()), &nested(to.clone()));
            assert!(told.unwrap_err().starts_with(".m.value[] is"));
            let keys = DataType::Dictionary(DataType::Int8.into(), from.into());
            assert!(refuse_mixed_times(&keys, &to).is_err());
        }
    }

    #[test]
    fn units_zones_dates_and_texts_are_no_matter() {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let paris = DataType::Timestamp(TimeUnit::Second, Some("Europe/Paris".into()));
        for (from, to) in [
            (LOCAL, micros),
            (paris, moment()),
            (DataType::Date32, moment()),
            (DataType::Utf8, LOCAL),
            (DataType::Null, moment()),
            (nested(LOCAL), nested(LOCAL)),
            (nested(LOCAL), moment()),
        ] {
            assert_eq!(refuse_mixed_times(&from, &to), Ok(()), "{from} {to}");
        }
    }
}
