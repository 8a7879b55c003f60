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
        let values = if old.data_type() == field.data_type() {
            Ok(Arc::clone(old))
        } else {
            seen(old, array.nulls()).and_then(|old| cast(&old, field.data_type()))
        };
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
