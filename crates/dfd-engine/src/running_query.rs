//! A query that is running.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use dfd_arrow::panic_message;
use futures::StreamExt;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;

/// Batches that may wait for whoever consumes them.
const WAITING: usize = 2;

/// A query that is running, and its batches. Dropping it stops the work and frees its memory.
#[derive(Debug)]
pub struct RunningQuery {
    batches: Receiver<Result<RecordBatch>>,
    // None once its end was seen.
    work: Option<JoinHandle<()>>,
}

impl RunningQuery {
    /// Begin to run the plan on our threads.
    pub(crate) fn start(plan: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>) -> Result<Self> {
        let handle = dfd_runtime::handle()?;
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
        Ok(Self {
            batches,
            work: Some(work),
        })
    }

    /// The next batch, which is waited for no longer than `patience`.
    ///
    /// It is an error where the query failed, or its work panicked.
    pub fn poll_next(&mut self, patience: Duration) -> Poll<Option<Result<RecordBatch>>> {
        dfd_runtime::blocking(|| self.receive(patience)).map(|batch| match batch {
            None => self.end().err().map(Err),
            batch => batch,
        })
    }

    /// By the clock of this thread: those of the runtime stand still while all its threads work.
    fn receive(&mut self, patience: Duration) -> Poll<Option<Result<RecordBatch>>> {
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
    fn end(&mut self) -> Result<()> {
        let Some(work) = self.work.take() else {
            return Ok(());
        };
        match dfd_runtime::block_on(work)? {
            Ok(()) => Ok(()),
            Err(error) if error.is_panic() => Err(DataFusionError::Execution(format!(
                "the query's work panicked: {}",
                panic_message(error.into_panic().as_ref())
            ))),
            Err(error) => Err(DataFusionError::External(Box::new(error))),
        }
    }
}

/// Wakes a thread that is parked.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Drop for RunningQuery {
    fn drop(&mut self) {
        if let Some(work) = &self.work {
            work.abort();
        }
    }
}
