//! A stream read ahead by a thread of its own.

use std::collections::VecDeque;
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

/// A batch, or the error that ends its stream.
pub(super) type Item = Result<RecordBatch, ArrowError>;

/// The queues that a thread fills, with its id.
static RUNNING: Mutex<Vec<(Weak<Queue>, u64)>> = Mutex::new(Vec::new());

/// Stop all threads that read ahead and wait for them, for at most `patience`; the ids, as the system has
/// them, of those whose source is still at work.
///
/// For a process that is about to end what its sources need, like an interpreter.
pub fn stop_prefetching(patience: Duration) -> Vec<u64> {
    let deadline = Instant::now() + patience;
    let mut running = lock(&RUNNING).clone();
    running.retain_mut(|(queue, _)| {
        let Some(queue) = queue.upgrade() else {
            return false;
        };
        // A forked process has the queues, but no threads.
        if queue.process != process::id() {
            return false;
        }
        queue.close();
        let left = deadline.saturating_duration_since(Instant::now());
        !queue.wait(left, |state| !state.has_ended).has_ended
    });
    running.into_iter().map(|(_, thread)| thread).collect()
}

/// Batches that a thread has read ahead, in their order and with the error that ends them.
///
/// Dropping it ends the thread, which drops the source: at once where it waits for the consumer, and
/// where the source is at work as soon as that gives its batch.
pub(super) struct Prefetcher(Arc<Queue>);

impl Prefetcher {
    /// Read ahead so that at most `batches` (at least 1) are there which nobody has taken.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(super) fn start(
        source: impl Iterator<Item = Item> + Send + 'static,
        batches: usize,
    ) -> Result<Self, ArrowError> {
        let queue = Arc::new(Queue {
            batches,
            process: process::id(),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let end = End(Arc::clone(&queue));
        let mut running = lock(&RUNNING);
        let thread = thread::Builder::new()
            .name("dfd-prefetch".into())
            .spawn(move || read(source, &end))
            .map_err(|error| ArrowError::IoError(error.to_string(), error))?;
        running.retain(|(queue, _)| queue.strong_count() > 0);
        running.push((Arc::downgrade(&queue), id(&thread)));
        drop(running);
        Ok(Self(queue))
    }

    /// The next batch, which is waited for no longer than `patience`.
    pub(super) fn poll_next(&self, patience: Duration) -> Poll<Option<Item>> {
        let is_waiting = |state: &mut State| state.items.is_empty() && !state.has_ended;
        let mut state = self.0.wait(patience, is_waiting);
        let item = state.items.pop_front();
        if item.is_none() && !state.has_ended {
            return Poll::Pending;
        }
        if item.is_none() && state.is_closed {
            let text = "the stream was stopped: the process ends";
            return Poll::Ready(Some(Err(ArrowError::ExternalError(text.into()))));
        }
        self.0.changed.notify_all();
        Poll::Ready(item)
    }
}

impl Drop for Prefetcher {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What the thread and the consumer share.
struct Queue {
    batches: usize,
    process: u32,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    is_closed: bool,
    has_ended: bool,
}

impl Queue {
    /// The state once it no longer `is_waiting`, or after `patience`.
    fn wait(
        &self,
        patience: Duration,
        is_waiting: impl Fn(&mut State) -> bool,
    ) -> MutexGuard<'_, State> {
        let locked = lock(&self.state);
        if patience == Duration::MAX {
            let state = self.changed.wait_while(locked, is_waiting);
            return state.unwrap_or_else(PoisonError::into_inner);
        }
        let waited = self
            .changed
            .wait_timeout_while(locked, patience, is_waiting);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Wait for room; whether the batches are still wanted.
    fn has_room(&self) -> bool {
        let is_full = |state: &mut State| state.items.len() >= self.batches && !state.is_closed;
        !self.wait(Duration::MAX, is_full).is_closed
    }

    fn push(&self, item: Item) {
        lock(&self.state).items.push_back(item);
        self.changed.notify_all();
    }

    fn close(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        let items = std::mem::take(&mut state.items);
        drop(state);
        self.changed.notify_all();
        drop(items);
    }
}

/// Says that the thread has ended, however it did.
struct End(Arc<Queue>);

impl Drop for End {
    fn drop(&mut self) {
        lock(&self.0.state).has_ended = true;
        self.0.changed.notify_all();
    }
}

fn read(mut source: impl Iterator<Item = Item>, end: &End) {
    let queue = &end.0;
    while queue.has_room() {
        // The source ends with its first error.
        let Some(item) = source.next() else {
            return;
        };
        queue.push(item);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
#[allow(clippy::unnecessary_cast)]
fn id(thread: &JoinHandle<()>) -> u64 {
    use std::os::unix::thread::JoinHandleExt;
    thread.as_pthread_t() as u64
}

#[cfg(not(unix))]
fn id(_thread: &JoinHandle<()>) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{channel, sync_channel};

    use arrow::array::{ArrayRef, Int32Array};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn batch(rows: i32) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(0..rows));
        RecordBatch::try_from_iter([("n", numbers)]).unwrap()
    }

    fn rows(item: Poll<Option<Item>>) -> Option<usize> {
        match item {
            Poll::Ready(item) => item.map(|batch| batch.unwrap().num_rows()),
            Poll::Pending => panic!("it waits"),
        }
    }

    #[test]
    fn batches_come_in_order_and_then_the_end_for_good() {
        let prefetcher = Prefetcher::start((1..=5).map(|n| Ok(batch(n))), 2).unwrap();
        let found: Vec<_> = (0..7).map(|_| rows(prefetcher.poll_next(LONG))).collect();
        assert_eq!(
            found,
            [Some(1), Some(2), Some(3), Some(4), Some(5), None, None]
        );
    }

    #[test]
    fn an_error_comes_after_the_batches_before_it() {
        let lost = Err(ArrowError::ComputeError("lost".into()));
        let prefetcher = Prefetcher::start([Ok(batch(1)), lost].into_iter(), 9).unwrap();
        assert_eq!(rows(prefetcher.poll_next(LONG)), Some(1));
        assert!(matches!(
            prefetcher.poll_next(LONG),
            Poll::Ready(Some(Err(_)))
        ));
        assert!(matches!(prefetcher.poll_next(LONG), Poll::Ready(None)));
    }

    #[test]
    fn patience_ends_where_the_source_is_slow() {
        let (give, given) = channel();
        let prefetcher = Prefetcher::start(given.into_iter(), 1).unwrap();
        assert!(prefetcher.poll_next(Duration::ZERO).is_pending());
        give.send(Ok(batch(3))).unwrap();
        assert_eq!(rows(prefetcher.poll_next(LONG)), Some(3));
        drop(give);
        assert_eq!(rows(prefetcher.poll_next(LONG)), None);
    }

    #[test]
    fn no_more_is_read_ahead_than_was_asked_for() {
        let (tell, told) = channel();
        let source = (1..=9).map(move |n| {
            tell.send(n).unwrap();
            Ok(batch(n))
        });
        let prefetcher = Prefetcher::start(source, 2).unwrap();
        assert_eq!((told.recv(), told.recv()), (Ok(1), Ok(2)));
        assert!(told.recv_timeout(Duration::from_millis(50)).is_err());
        assert_eq!(rows(prefetcher.poll_next(LONG)), Some(1));
        assert_eq!(told.recv(), Ok(3));
    }

    #[test]
    fn dropping_it_drops_the_source() {
        // The sender is dropped with the source.
        let (held, gone) = sync_channel::<()>(0);
        let source = std::iter::repeat_with(move || {
            let _held = &held;
            Ok(batch(1))
        });
        let prefetcher = Prefetcher::start(source, 1).unwrap();
        assert_eq!(rows(prefetcher.poll_next(LONG)), Some(1));
        drop(prefetcher);
        assert!(gone.recv_timeout(LONG).is_err());
    }
}
