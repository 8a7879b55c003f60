//! Casts of structs, lists and maps, field by field.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, LargeListArray, MapArray, StructArray, UInt64Array,
    new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{nullif, take};
use arrow::datatypes::{ArrowNativeType, DataType, Field, FieldRef, Fields};

use super::inexact::Inexact;
use super::nulls::not_null;
use super::strict::strict;

/// The cast of what is inside, which may be nested again.
type Cast = fn(&ArrayRef, &DataType) -> Result<ArrayRef, Inexact>;
/// Whether there is such a cast, or why not.
type Castable = fn(&DataType, &DataType) -> Result<(), String>;

/// The items of a list of any kind.
pub(super) fn item(of: &DataType) -> Option<&FieldRef> {
    use DataType::{FixedSizeList, LargeList, LargeListView, List, ListView};
    match of {
        List(item) | LargeList(item) | ListView(item) | LargeListView(item) => Some(item),
        FixedSizeList(item, _) => Some(item),
        _ => None,
    }
}

/// Key and value of a map's entries.
fn pair(entries: &Field) -> Option<(&FieldRef, &FieldRef)> {
    match entries.data_type() {
        DataType::Struct(fields) => Some((fields.first()?, fields.get(1)?)),
        _ => None,
    }
}

/// Fail where no struct of the one kind can become one of the other.
pub(super) fn structs_castable(
    from: &Fields,
    to: &Fields,
    castable: Castable,
) -> Result<(), String> {
    for (position, field) in from.iter().enumerate() {
        let name = field.name();
        if to.find(name).is_none() {
            return Err(format!(".{name} would be lost; project it away first"));
        }
        if from.find(name).is_some_and(|(first, _)| first != position) {
            return Err(format!(".{name} is there twice; rename one"));
        }
    }
    for field in to {
        let name = field.name();
        match from.find(name) {
            None if !field.is_nullable() => {
                return Err(format!(".{name} is missing and may not be null"));
            }
            None => {}
            Some((_, old)) => castable(old.data_type(), field.data_type())
                .map_err(|why| format!(".{name}{why}"))?,
        }
    }
    Ok(())
}

/// Fail where no map of the one kind can become one of the other.
pub(super) fn maps_castable(from: &Field, to: &Field, castable: Castable) -> Result<(), String> {
    let (Some((key, value)), Some((to_key, to_value))) = (pair(from), pair(to)) else {
        return Err(format!(" is {from} and can't become {to}"));
    };
    castable(key.data_type(), to_key.data_type()).map_err(|why| format!(".key{why}"))?;
    castable(value.data_type(), to_value.data_type()).map_err(|why| format!(".value{why}"))
}

/// A struct with other fields, by name.
pub(super) fn structs(array: &StructArray, to: &Fields, cast: Cast) -> Result<ArrayRef, Inexact> {
    let column = |field: &FieldRef| {
        let Some(old) = array.column_by_name(field.name()) else {
            return Ok(new_null_array(field.data_type(), array.len()));
        };
        let is_same = old.data_type() == field.data_type();
        let shown = if is_same && !field.is_nullable() {
            Ok(Arc::clone(old))
        } else {
            seen(old, array.nulls())
        };
        let values = shown.and_then(|shown| {
            if is_same {
                Ok(shown)
            } else {
                cast(&shown, field.data_type())
            }
        });
        values
            .and_then(|values| not_null(&values, array.nulls(), field))
            .map_err(|bad| bad.under(&format!(".{}", field.name())))
    };
    let columns = to.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let nulls = array.nulls().cloned();
    let made = StructArray::try_new_with_length(to.clone(), columns, nulls, array.len())?;
    Ok(Arc::new(made))
}

/// The values, null where their struct is.
fn seen(values: &ArrayRef, nulls: Option<&NullBuffer>) -> Result<ArrayRef, Inexact> {
    let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else {
        return Ok(Arc::clone(values));
    };
    let hidden = if let DataType::RunEndEncoded(_, _) = values.data_type() {
        let (_, rows, _) = UInt64Array::from_iter_values(0..values.len() as u64).into_parts();
        take(values, &UInt64Array::new(rows, Some(nulls.clone())), None)
    } else {
        nullif(values, &BooleanArray::new(!nulls.inner(), None))
    };
    Ok(hidden?)
}

/// The bounds of each list from 0, and the items that lie within them and nothing else.
struct Flat {
    offsets: OffsetBuffer<i64>,
    items: ArrayRef,
}

impl Flat {
    fn of(list: &LargeListArray) -> Self {
        let (first, last) = (list.value_offsets()[0], list.value_offsets()[list.len()]);
        let offsets = list.offsets().iter().map(|end| end - first).collect();
        Self {
            offsets: OffsetBuffer::new(offsets),
            items: (list.values()).slice(first.as_usize(), (last - first).as_usize()),
        }
    }

    /// The row of the list with this item.
    fn row(&self, item: usize) -> usize {
        (self
            .offsets
            .partition_point(|start| start.as_usize() <= item))
        .saturating_sub(1)
    }

    /// Its items in another type; `step` is their path.
    fn cast_items(&self, to: &Field, step: &str, cast: Cast) -> Result<ArrayRef, Inexact> {
        cast(&self.items, to.data_type())
            .and_then(|items| not_null(&items, None, to))
            .map_err(|bad| {
                let row = self.row(bad.row);
                bad.at(row).under(step)
            })
    }
}

/// A list of any kind with other items, as one of any kind.
pub(super) fn lists(
    array: &ArrayRef,
    item: &FieldRef,
    to: &DataType,
    to_item: &FieldRef,
    cast: Cast,
) -> Result<ArrayRef, Inexact> {
    // Lists of a fixed size have items under their nulls, which may be null.
    let nullable = Arc::new(item.as_ref().clone().with_nullable(true));
    let large = compact(&strict(array, &DataType::LargeList(nullable))?)?;
    let list = large.as_list::<i64>();
    let flat = Flat::of(list);
    let items = flat.cast_items(to_item, "[]", cast)?;
    if let DataType::FixedSizeList(_, size) = to {
        let is_other =
            |row: &usize| list.is_valid(*row) && list.value_length(*row) != i64::from(*size);
        if let Some(row) = (0..list.len()).find(is_other) {
            let length = list.value_length(row);
            return Err(Inexact::new(
                row,
                format!("it has {length} items, not {size}"),
            ));
        }
    }
    let nulls = list.nulls().cloned();
    let made: ArrayRef = Arc::new(LargeListArray::try_new(
        Arc::clone(to_item),
        flat.offsets,
        items,
        nulls,
    )?);
    strict(&made, to)
}

/// The lists without items under their nulls.
fn compact(list: &ArrayRef) -> Result<ArrayRef, Inexact> {
    let offsets = list.as_list::<i64>().value_offsets();
    let hides = |row| list.is_null(row) && offsets[row] != offsets[row + 1];
    if list.null_count() == 0 || !(0..list.len()).any(hides) {
        return Ok(Arc::clone(list));
    }
    let rows = UInt64Array::from_iter_values(0..list.len() as u64);
    Ok(take(list, &rows, None)?)
}

/// A map with other keys and values.
pub(super) fn maps(
    array: &MapArray,
    entries: &FieldRef,
    sorted: bool,
    cast: Cast,
) -> Result<ArrayRef, Inexact> {
    let (DataType::Struct(fields), Some((key, value))) = (entries.data_type(), pair(entries))
    else {
        return Err(Inexact::new(0, "its entries are no pairs"));
    };
    let flat = |items: &ArrayRef| -> Result<Flat, Inexact> {
        let item = Field::new("item", items.data_type().clone(), true);
        let ends = array.offsets().iter().map(|end| i64::from(*end)).collect();
        let list: ArrayRef = Arc::new(LargeListArray::try_new(
            Arc::new(item),
            OffsetBuffer::new(ends),
            Arc::clone(items),
            array.nulls().cloned(),
        )?);
        Ok(Flat::of(compact(&list)?.as_list::<i64>()))
    };
    let (keys, values) = (flat(array.keys())?, flat(array.values())?);
    let columns = vec![
        keys.cast_items(key, ".key", cast)?,
        values.cast_items(value, ".value", cast)?,
    ];
    let ends = keys.offsets.iter().map(|end| i32::usize_as(end.as_usize()));
    let made = MapArray::try_new(
        Arc::clone(entries),
        OffsetBuffer::new(ends.collect()),
        StructArray::try_new(fields.clone(), columns, None)?,
        array.nulls().cloned(),
        sorted,
    )?;
    Ok(Arc::new(made))
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        FixedSizeListArray, Int32Array, Int64Array, Int64Builder, ListArray, MapBuilder,
        StringArray, StringBuilder,
    };
    use arrow::datatypes::Int64Type;

    use super::super::{castable, exact_cast};
    use super::*;

    fn field(name: &str, data_type: DataType) -> FieldRef {
        Arc::new(Field::new(name, data_type, true))
    }

    fn list_of(inner: DataType) -> DataType {
        DataType::List(field("item", inner))
    }

    /// Structs `{a, b}` of a number and a text.
    fn pairs(a: Vec<Option<i64>>, b: Vec<&str>, nulls: Option<Vec<bool>>) -> ArrayRef {
        let fields = vec![field("a", DataType::Int64), field("b", DataType::Utf8)];
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(a)),
            Arc::new(StringArray::from(b)),
        ];
        Arc::new(StructArray::new(
            fields.into(),
            columns,
            nulls.map(NullBuffer::from),
        ))
    }

    fn numbers(lists: Vec<Option<Vec<i64>>>) -> ArrayRef {
        let items = |list: Vec<i64>| list.into_iter().map(Some).collect::<Vec<_>>();
        let lists = lists.into_iter().map(|list| list.map(items));
        Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))
    }

    #[test]
    fn fields_are_found_by_name_and_missing_ones_are_null() {
        let to = DataType::Struct(Fields::from(vec![
            field("b", DataType::LargeUtf8),
            field("c", DataType::Date32),
            field("a", DataType::Int8),
        ]));
        let cast = exact_cast(&pairs(vec![Some(1)], vec!["x"], None), &to).unwrap();
        let cast = cast.as_struct();
        assert_eq!(cast.column(0).as_string::<i64>().value(0), "x");
        assert!(cast.column(1).is_null(0));
        assert_eq!(
            cast.column(2)
                .as_primitive::<arrow::datatypes::Int8Type>()
                .value(0),
            1
        );
    }

    #[test]
    fn fields_that_would_be_lost_or_are_missing_are_refused_by_path() {
        let from = pairs(vec![], vec![], None);
        let a = field("a", DataType::Int64);
        let b = field("b", DataType::Utf8);
        let must = Arc::new(Field::new("must", DataType::Int8, false));
        let refusal = |fields: Vec<FieldRef>| {
            castable(from.data_type(), &DataType::Struct(fields.into())).unwrap_err()
        };
        assert!(refusal(vec![Arc::clone(&a)]).starts_with(".b would be lost"));
        assert!(refusal(vec![Arc::clone(&a), b, must]).starts_with(".must is missing"));
        let date = field("b", DataType::Date32);
        assert!(castable(from.data_type(), &DataType::Struct(vec![a, date].into())).is_ok());
        let twice = Fields::from(vec![field("a", DataType::Int8), field("a", DataType::Int8)]);
        let to = DataType::Struct(vec![field("a", DataType::Int8)].into());
        let refusal = castable(&DataType::Struct(twice), &to).unwrap_err();
        assert!(refusal.starts_with(".a is there twice"), "{refusal}");
    }

    #[test]
    fn a_path_leads_through_lists_and_structs() {
        let inner = |price| DataType::Struct(vec![field("price", price)].into());
        let (from, to) = (
            list_of(inner(DataType::Date32)),
            list_of(inner(DataType::Int32)),
        );
        let why = castable(&from, &to).unwrap_err();
        assert!(why.starts_with("[].price is Date32"), "{why}");
    }

    #[test]
    fn what_lies_under_a_null_struct_is_not_looked_at() {
        let from = pairs(
            vec![Some(1), Some(999)],
            vec!["x", "y"],
            Some(vec![true, false]),
        );
        let to =
            DataType::Struct(vec![field("a", DataType::Int8), field("b", DataType::Utf8)].into());
        let cast = exact_cast(&from, &to).unwrap();
        assert!(cast.is_valid(0) && cast.is_null(1));
        let seen = pairs(vec![Some(1), Some(999)], vec!["x", "y"], None);
        let error = exact_cast(&seen, &to).unwrap_err();
        assert_eq!((error.row, error.path.as_str()), (1, ".a"));
    }

    #[test]
    fn a_null_in_a_field_that_may_have_none_is_refused_where_its_struct_is_there() {
        let a = Arc::new(Field::new("a", DataType::Int64, false));
        let to = DataType::Struct(vec![a, field("b", DataType::Utf8)].into());
        let hidden = pairs(vec![Some(1), None], vec!["x", "y"], Some(vec![true, false]));
        assert!(exact_cast(&hidden, &to).is_ok());
        let error = exact_cast(&pairs(vec![Some(1), None], vec!["x", "y"], None), &to).unwrap_err();
        assert_eq!(
            error,
            Inexact::new(1, "it is null and may not be").under(".a")
        );
    }

    #[test]
    fn lists_of_every_kind_become_each_other() {
        let from = numbers(vec![Some(vec![1, 2]), None, Some(vec![3, 4])]);
        let item = field("item", DataType::Int16);
        let kinds = [
            DataType::List(Arc::clone(&item)),
            DataType::LargeList(Arc::clone(&item)),
            DataType::ListView(Arc::clone(&item)),
            DataType::LargeListView(Arc::clone(&item)),
            DataType::FixedSizeList(item, 2),
        ];
        for to in &kinds {
            let there = exact_cast(&from, to).unwrap_or_else(|error| panic!("{to}: {error}"));
            assert_eq!((there.data_type(), there.null_count()), (to, 1));
            for other in &kinds {
                let between = exact_cast(&there, other).unwrap();
                let back = exact_cast(&between, from.data_type()).unwrap();
                assert_eq!(&back, &from, "{to} {other}");
            }
        }
    }

    #[test]
    fn an_item_that_does_not_fit_is_told_by_the_row_of_its_list() {
        let from = numbers(vec![Some(vec![]), Some(vec![1]), Some(vec![2, 3, 300])]);
        let error = exact_cast(&from, &list_of(DataType::Int8)).unwrap_err();
        assert_eq!((error.row, error.path.as_str()), (2, "[]"));
        // Rows outside of a slice are not looked at.
        assert!(exact_cast(&from.slice(0, 2), &list_of(DataType::Int8)).is_ok());
        let error = exact_cast(&from.slice(2, 1), &list_of(DataType::Int8)).unwrap_err();
        assert_eq!(error.row, 0);
    }

    #[test]
    fn lists_of_another_length_are_not_of_a_fixed_size() {
        let to = DataType::FixedSizeList(field("item", DataType::Int64), 2);
        let from = numbers(vec![Some(vec![1, 2]), None, Some(vec![3])]);
        let error = exact_cast(&from, &to).unwrap_err();
        assert_eq!(error, Inexact::new(2, "it has 1 items, not 2"));
    }

    #[test]
    fn items_under_a_null_list_are_not_looked_at() {
        let items = Int64Array::from(vec![1, 2, 999, 999]);
        let nulls = Some(NullBuffer::from(vec![true, false]));
        let from: ArrayRef = Arc::new(FixedSizeListArray::new(
            field("item", DataType::Int64),
            2,
            Arc::new(items),
            nulls,
        ));
        let to = DataType::FixedSizeList(field("item", DataType::Int8), 2);
        assert_eq!(exact_cast(&from, &to).unwrap().null_count(), 1);
        assert_eq!(
            exact_cast(&from, &list_of(DataType::Int8))
                .unwrap()
                .null_count(),
            1
        );
    }

    #[test]
    fn lists_in_lists_in_structs_are_cast_to_the_bottom() {
        let lists = numbers(vec![Some(vec![1]), Some(vec![2, 300])]);
        let offsets = OffsetBuffer::new(vec![0_i32, 1, 2].into());
        let outer = ListArray::new(
            field("item", lists.data_type().clone()),
            offsets,
            lists,
            None,
        );
        let fields = Fields::from(vec![field("deep", outer.data_type().clone())]);
        let from: ArrayRef = Arc::new(StructArray::new(fields, vec![Arc::new(outer)], None));
        let to = |inner| DataType::Struct(vec![field("deep", list_of(list_of(inner)))].into());
        assert!(exact_cast(&from, &to(DataType::Int32)).is_ok());
        let error = exact_cast(&from, &to(DataType::Int8)).unwrap_err();
        assert_eq!((error.row, error.path.as_str()), (1, ".deep[][]"));
    }

    fn map() -> ArrayRef {
        let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
        for (key, value) in [("a", 1), ("b", 300)] {
            map.keys().append_value(key);
            map.values().append_value(value);
            map.append(true).unwrap();
        }
        map.append(false).unwrap();
        Arc::new(map.finish())
    }

    fn map_of(key: DataType, value: DataType, sorted: bool) -> DataType {
        let key = Arc::new(Field::new("k", key, false));
        let pair = DataType::Struct(vec![key, field("v", value)].into());
        DataType::Map(Arc::new(Field::new("pairs", pair, false)), sorted)
    }

    #[test]
    fn maps_are_cast_by_key_and_by_value() {
        let cast =
            exact_cast(&map(), &map_of(DataType::LargeUtf8, DataType::Int32, false)).unwrap();
        assert_eq!(cast.as_map().keys().as_string::<i64>().value(1), "b");
        assert_eq!(
            cast.as_map().values().as_ref(),
            &Int32Array::from(vec![1, 300]) as &dyn Array
        );
        assert_eq!(cast.null_count(), 1);
        let error = exact_cast(&map(), &map_of(DataType::Utf8, DataType::Int8, false)).unwrap_err();
        assert_eq!((error.row, error.path.as_str()), (1, ".value"));
        let error =
            exact_cast(&map(), &map_of(DataType::Int32, DataType::Int64, false)).unwrap_err();
        assert_eq!((error.row, error.path.as_str()), (0, ".key"));
    }

    #[test]
    fn maps_that_would_have_to_be_sorted_or_have_no_way_are_refused() {
        let unsorted = map_of(DataType::Utf8, DataType::Int64, false);
        let sorted = map_of(DataType::Utf8, DataType::Int64, true);
        assert!(castable(&unsorted, &sorted).is_err());
        assert!(castable(&sorted, &unsorted).is_ok());
        let dates = map_of(DataType::Utf8, DataType::Date32, false);
        assert!(
            castable(&unsorted, &dates)
                .unwrap_err()
                .starts_with(".value")
        );
        assert!(castable(&unsorted, &list_of(DataType::Utf8)).is_err());
    }
}
