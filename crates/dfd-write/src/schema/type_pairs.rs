//! Two types side by side: that of a value, and that of the column which takes it.

use arrow::datatypes::{DataType, Field, FieldRef};

type Check<'a> = &'a dyn Fn(&DataType, &DataType) -> Result<(), String>;

/// Checks both types, and at any depth those of the fields that both have; fields of structs go by name.
///
/// # Errors
/// What the check says, after the path of the field: `.a[].b is ...`.
pub(crate) fn each_pair(from: &DataType, to: &DataType, check: Check<'_>) -> Result<(), String> {
    use DataType as T;
    check(from, to)?;
    match (from, to) {
        (T::Dictionary(_, from), to) => each_pair(from, to, check),
        (T::RunEndEncoded(_, from), to) => each_pair(from.data_type(), to, check),
        (T::Struct(from), T::Struct(to)) => {
            let pairs = to
                .iter()
                .filter_map(|to| Some((from.find(to.name())?.1, to)));
            pairs
                .into_iter()
                .try_for_each(|(from, to)| inside(from, to, &format!(".{}", to.name()), check))
        }
        (T::Map(from, _), T::Map(to, _)) => match (from.data_type(), to.data_type()) {
            (T::Struct(from), T::Struct(to)) => {
                let steps = [".key", ".value"];
                let mut pairs = from.iter().zip(to).zip(steps);
                pairs.try_for_each(|((from, to), step)| inside(from, to, step, check))
            }
            _ => Ok(()),
        },
        (from, to) => match (item(from), item(to)) {
            (Some(from), Some(to)) => inside(from, to, "[]", check),
            _ => Ok(()),
        },
    }
}

fn inside(from: &Field, to: &Field, step: &str, check: Check<'_>) -> Result<(), String> {
    let checked = each_pair(from.data_type(), to.data_type(), check);
    checked.map_err(|reason| format!("{step}{reason}"))
}

fn item(of: &DataType) -> Option<&FieldRef> {
    use DataType as T;
    match of {
        T::List(item)
        | T::LargeList(item)
        | T::FixedSizeList(item, _)
        | T::ListView(item)
        | T::LargeListView(item) => Some(item),
        _ => None,
    }
}
