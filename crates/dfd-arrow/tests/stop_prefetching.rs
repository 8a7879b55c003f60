//! The end of all threads that read ahead: in a process of its own, since it is for all of them.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, RecordBatchIterator};
use dfd_arrow::{AdaptedReader, Shape, stop_prefetching};

const LONG: Duration = Duration::from_secs(60);

fn batch() -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    RecordBatch::try_from_iter([("n", numbers)]).unwrap()
}

fn prefetched(source: impl Iterator<Item = RecordBatch> + Send + 'static) -> AdaptedReader {
    let batches = RecordBatchIterator::new(source.map(Ok), batch().schema());
    let shape = Shape {
        prefetch_batches: 1,
        ..Shape::default()
    };
    AdaptedReader::try_new(Box::new(batches), shape).unwrap()
}

#[test]
fn threads_end_and_those_whose_source_is_at_work_are_named() {
    assert!(stop_prefetching(Duration::ZERO).is_empty());

    let mut endless = prefetched(std::iter::repeat_with(batch));
    assert!(endless.next().unwrap().is_ok());
    assert!(stop_prefetching(LONG).is_empty());
    // What was read ahead by then comes before the error.
    let mut left = endless.by_ref().take(2);
    let error = left.find_map(Result::err).unwrap().to_string();
    assert!(error.contains("the process ends"), "{error}");
    assert!(endless.next().is_none());

    let (give, given) = channel();
    let (ask, asked) = channel();
    let source = std::iter::from_fn(move || {
        ask.send(()).unwrap();
        given.recv().ok()
    });
    let mut stuck = prefetched(source);
    give.send(batch()).unwrap();
    assert!(stuck.next().unwrap().is_ok());
    assert_eq!((asked.recv(), asked.recv()), (Ok(()), Ok(())));
    assert_eq!(stop_prefetching(Duration::from_millis(50)).len(), 1);
    drop(give);
    assert!(stop_prefetching(LONG).is_empty());
}
