//! How many bytes the values of a batch take.
//!
//! A slice counts for what it shows of its buffers, and a dictionary once as long as batches go on
//! sharing it, so that the bytes of a stream don't depend on where it was cut.

use arrow::array::{
    Array, ArrayRef, AsArray, ByteView, GenericListViewArray, OffsetSizeTrait, RecordBatch,
    RunArray,
};
use arrow::datatypes::{
    ArrowNativeType, DataType, Int16Type, Int32Type, Int64Type, RunEndIndexType,
};
use arrow::util::bit_util::ceil;

/// A count of the bytes in the batches of one stream.
#[derive(Debug, Default)]
pub struct BatchBytes {
    // Where the dictionaries of the batch before lie, in the order in which they are met.
    known: Vec<usize>,
    met: Vec<usize>,
}

impl BatchBytes {
    /// Bytes of the values of a batch.
    pub fn count(&mut self, batch: &RecordBatch) -> usize {
        let bytes = batch
            .columns()
            .iter()
            .map(|column| self.array(column))
            .sum();
        self.known = std::mem::take(&mut self.met);
        bytes
    }

    fn array(&mut self, array: &ArrayRef) -> usize {
        let nulls = array.nulls().map_or(0, |nulls| ceil(nulls.len(), 8));
        nulls + self.values(array)
    }

    fn values(&mut self, array: &ArrayRef) -> usize {
        use DataType as T;
        let rows = array.len();
        match array.data_type() {
            T::Null => 0,
            T::Boolean => ceil(rows, 8),
            T::FixedSizeBinary(width) => rows * width.as_usize(),
            T::Utf8 => text(array.as_string::<i32>().value_offsets()),
            T::LargeUtf8 => text(array.as_string::<i64>().value_offsets()),
            T::Binary => text(array.as_binary::<i32>().value_offsets()),
            T::LargeBinary => text(array.as_binary::<i64>().value_offsets()),
            T::Utf8View => views(array.as_string_view().views()),
            T::BinaryView => views(array.as_binary_view().views()),
            T::Struct(_) => (array
                .as_struct()
                .columns()
                .iter()
                .map(|one| self.array(one)))
            .sum(),
            T::List(_) => {
                let list = array.as_list::<i32>();
                self.items(list.values(), list.value_offsets())
            }
            T::LargeList(_) => {
                let list = array.as_list::<i64>();
                self.items(list.values(), list.value_offsets())
            }
            T::Map(_, _) => {
                let map = array.as_map();
                self.items(map.keys(), map.value_offsets())
                    + self.items(map.values(), map.value_offsets())
            }
            T::ListView(_) => self.list_view(array.as_list_view::<i32>()),
            T::LargeListView(_) => self.list_view(array.as_list_view::<i64>()),
            T::FixedSizeList(_, _) => self.array(array.as_fixed_size_list().values()),
            T::Dictionary(key, _) => {
                let keys = rows * key.primitive_width().unwrap_or(0);
                keys + self.dictionary(array.as_any_dictionary().values())
            }
            T::RunEndEncoded(ends, _) => match ends.data_type() {
                T::Int16 => self.runs(array.as_run::<Int16Type>()),
                T::Int32 => self.runs(array.as_run::<Int32Type>()),
                _ => self.runs(array.as_run::<Int64Type>()),
            },
            T::Union(_, _) => array.get_buffer_memory_size(),
            fixed => rows * fixed.primitive_width().unwrap_or(0),
        }
    }

    fn items<O: OffsetSizeTrait>(&mut self, values: &ArrayRef, offsets: &[O]) -> usize {
        let (first, last) = bounds(offsets);
        size_of_val(offsets) + self.array(&values.slice(first, last - first))
    }

    fn list_view<O: OffsetSizeTrait>(&mut self, list: &GenericListViewArray<O>) -> usize {
        let views = list.offsets().iter().zip(list.sizes().iter());
        let ends = views.map(|(offset, size)| (offset.as_usize(), size.as_usize()));
        let used = ends.filter(|(_, size)| *size > 0);
        let (first, last) = used.fold((usize::MAX, 0), |(first, last), (offset, size)| {
            (first.min(offset), last.max(offset + size))
        });
        let items = list.values().slice(first.min(last), last - first.min(last));
        2 * list.len() * size_of::<O>() + self.array(&items)
    }

    fn dictionary(&mut self, values: &ArrayRef) -> usize {
        let data = values.to_data();
        let place = data
            .buffers()
            .first()
            .map_or(0, |buffer| buffer.as_ptr() as usize);
        let is_known = place != 0 && self.known.get(self.met.len()) == Some(&place);
        self.met.push(place);
        if is_known { 0 } else { self.array(values) }
    }

    fn runs<R: RunEndIndexType>(&mut self, runs: &RunArray<R>) -> usize {
        if runs.is_empty() {
            return 0;
        }
        let first = runs.get_start_physical_index();
        let count = runs.get_end_physical_index() - first + 1;
        count * size_of::<R::Native>() + self.array(&runs.values().slice(first, count))
    }
}

fn bounds<O: OffsetSizeTrait>(offsets: &[O]) -> (usize, usize) {
    match offsets {
        [first, .., last] => (first.as_usize(), last.as_usize()),
        _ => (0, 0),
    }
}

fn text<O: OffsetSizeTrait>(offsets: &[O]) -> usize {
    let (first, last) = bounds(offsets);
    size_of_val(offsets) + last - first
}

fn views(views: &[u128]) -> usize {
    let lengths = views
        .iter()
        .map(|view| ByteView::from(*view).length as usize);
    // Shorter texts are in the view itself.
    size_of_val(views) + lengths.filter(|length| *length > 12).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, DictionaryArray, Int64Array, ListArray, RunArray, StringArray,
        StringViewArray, StructArray,
    };
    use arrow::datatypes::{Field, Int8Type};

    use super::*;

    fn batch(array: ArrayRef) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable([("c", array, true)]).unwrap()
    }

    fn bytes(array: impl Array + 'static) -> usize {
        BatchBytes::default().count(&batch(Arc::new(array)))
    }

    #[test]
    fn numbers_and_bits_count_by_their_width() {
        assert_eq!(bytes(Int64Array::from(vec![1, 2, 3])), 24);
        assert_eq!(
            bytes(Int64Array::from(vec![Some(1), None, Some(3)])),
            24 + 1
        );
        assert_eq!(bytes(BooleanArray::from(vec![true; 9])), 2);
        assert_eq!(bytes(arrow::array::NullArray::new(100)), 0);
    }

    #[test]
    fn a_slice_counts_for_what_it_shows() {
        let texts = StringArray::from(vec!["a", "bb", "ccc", "dddd"]);
        assert_eq!(bytes(texts.slice(1, 2)), 3 * 4 + 5);
        let lists = vec![Some(vec![Some(1_i64); 10]), Some(vec![Some(2); 3])];
        let lists = ListArray::from_iter_primitive::<arrow::datatypes::Int64Type, _, _>(lists);
        assert_eq!(
            bytes(lists.slice(1, 1)),
            2 * 4 + 3 * 8 + usize::from(items_have_nulls(&lists))
        );
    }

    fn items_have_nulls(lists: &ListArray) -> bool {
        lists.values().nulls().is_some()
    }

    #[test]
    fn short_texts_are_in_their_views() {
        let views = StringViewArray::from(vec!["short", "a text of more than twelve bytes"]);
        assert_eq!(bytes(views), 2 * 16 + 32);
    }

    #[test]
    fn structs_count_their_fields() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let field = Arc::new(Field::new("n", DataType::Int64, true));
        assert_eq!(
            bytes(StructArray::new(vec![field].into(), vec![numbers], None)),
            16
        );
    }

    #[test]
    fn a_dictionary_counts_once_while_batches_share_it() {
        let coded: DictionaryArray<Int8Type> = ["xx", "yy", "xx"].into_iter().collect();
        let coded: ArrayRef = Arc::new(coded);
        let values = 3 * 4 + 4;
        let mut sizes = BatchBytes::default();
        assert_eq!(sizes.count(&batch(coded.slice(0, 2))), 2 + values);
        assert_eq!(sizes.count(&batch(coded.slice(2, 1))), 1);
        let other: DictionaryArray<Int8Type> = ["zz", "yy"].into_iter().collect();
        assert_eq!(sizes.count(&batch(Arc::new(other))), 2 + values);
        assert_eq!(sizes.count(&batch(coded)), 3 + values);
    }

    #[test]
    fn runs_count_for_those_that_a_slice_shows() {
        let ends = arrow::array::Int32Array::from(vec![2, 4, 6]);
        let values = Int64Array::from(vec![1, 2, 3]);
        let runs = RunArray::<Int32Type>::try_new(&ends, &values).unwrap();
        assert_eq!(bytes(runs.slice(0, 3)), 2 * (4 + 8));
        assert_eq!(bytes(runs), 3 * (4 + 8));
    }
}
