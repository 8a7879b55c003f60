//! A plan that is running.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;

/// Batches that may wait for whoever consumes them.
const WAITING: usize = 2;

/// Gives the batches of a run. Dropping it stops the work and frees its memory.
#[derive(Debug)]
pub struct Run {
    batches: Receiver<Result<RecordBatch>>,
    work: JoinHandle<()>,
}

/// What there is after a while of waiting.
#[derive(Debug)]
pub enum Next {
    /// The next batch.
    Batch(RecordBatch),
    /// There are no more.
    End,
    /// Nothing yet.
    Waiting,
}

impl Run {
    pub(crate) fn start(plan: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>) -> Result<Self> {
        let handle = dfd_delta::runtime_handle()?;
        let (sender, batches) = channel(WAITING);
        let work = handle.spawn(async move {
            let mut stream = match execute_stream(plan, context) {
                Ok(stream) => stream,
                Err(error) => {
                    let _gone = sender.send(Err(error)).await;
                    return;
                }
            };
            while let Some(batch) = stream.next().await {
                let is_last = batch.is_err();
                if sender.send(batch).await.is_err() || is_last {
                    return;
                }
            }
        });
        Ok(Self { batches, work })
    }

    /// Wait for the next batch, for at most `patience`.
    ///
    /// # Errors
    /// The query failed, or its work panicked.
    pub fn next(&mut self, patience: Duration) -> Result<Next> {
        match dfd_delta::blocking(|| self.poll_for(patience)) {
            Poll::Pending => Ok(Next::Waiting),
            Poll::Ready(Some(batch)) => batch.map(Next::Batch),
            Poll::Ready(None) => self.end(),
        }
    }

    /// By the clock of this thread: those of the runtime stand still while all its threads work.
    fn poll_for(&mut self, patience: Duration) -> Poll<Option<Result<RecordBatch>>> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        let began = Instant::now();
        loop {
            let found = self.batches.poll_recv(&mut context);
            let left = patience.saturating_sub(began.elapsed());
            if found.is_ready() || left.is_zero() {
                return found;
            }
            thread::park_timeout(left);
        }
    }

    /// The work is over: in order, or in a panic.
    fn end(&mut self) -> Result<Next> {
        match dfd_delta::block_on(&mut self.work)? {
            Ok(()) => Ok(Next::End),
            Err(error) if error.is_panic() => Err(DataFusionError::Execution(format!(
                "the query's work panicked: {}",
                message(error.into_panic())
            ))),
            Err(error) => Err(DataFusionError::External(Box::new(error))),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn message(panic: Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

impl Drop for Run {
    fn drop(&mut self) {
        self.work.abort();
    }
}
