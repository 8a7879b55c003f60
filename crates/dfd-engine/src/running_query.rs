//! A query that is running.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
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
    /// Begin to run on our threads what `begin` gives there.
    pub(crate) fn start(
        begin: impl FnOnce() -> Result<SendableRecordBatchStream> + Send + 'static,
    ) -> Result<Self> {
        let handle = dfd_runtime::handle()?;
        let (sender, batches) = channel(WAITING);
        let work = handle.spawn(async move {
            let mut stream = match begin() {
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

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::sync::Mutex;
    use std::sync::mpsc::{RecvTimeoutError, channel as std_channel};

    use arrow::datatypes::SchemaRef;
    use datafusion::common::exec_err;
    use datafusion::execution::TaskContext;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
    use datafusion::physical_plan::{ExecutionPlan, execute_stream};
    use futures::Stream;
    use futures::stream::{self, BoxStream};

    use super::*;
    use crate::testing::{batch, numbers};

    const LONG: Duration = Duration::from_secs(60);

    /// A partition that gives what a test wants, once.
    struct Source {
        schema: SchemaRef,
        batches: Mutex<Option<BoxStream<'static, Result<RecordBatch>>>>,
    }

    impl fmt::Debug for Source {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Source")
        }
    }

    impl PartitionStream for Source {
        fn schema(&self) -> &SchemaRef {
            &self.schema
        }

        fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
            let batches = self.batches.lock().unwrap().take().unwrap();
            Box::pin(RecordBatchStreamAdapter::new(
                Arc::clone(&self.schema),
                batches,
            ))
        }
    }

    fn one() -> RecordBatch {
        batch(vec![("n", numbers([1]))])
    }

    fn running(batches: impl Stream<Item = Result<RecordBatch>> + Send + 'static) -> RunningQuery {
        let schema = one().schema();
        let source = Arc::new(Source {
            schema: Arc::clone(&schema),
            batches: Mutex::new(Some(batches.boxed())),
        });
        let plan = StreamingTableExec::try_new(schema, vec![source], None, [], false, None);
        started(Arc::new(plan.unwrap()))
    }

    fn started(plan: Arc<dyn ExecutionPlan>) -> RunningQuery {
        RunningQuery::start(move || execute_stream(plan, Arc::default())).unwrap()
    }

    fn next(query: &mut RunningQuery) -> Option<Result<RecordBatch>> {
        match query.poll_next(LONG) {
            Poll::Ready(next) => next,
            Poll::Pending => panic!("a minute has gone by"),
        }
    }

    #[test]
    fn batches_come_in_order_and_then_the_end_for_good() {
        let batches = (0..5).map(|n| Ok(batch(vec![("n", numbers([n]))])));
        let mut query = running(stream::iter(batches));
        for n in 0..5 {
            let found = next(&mut query).unwrap().unwrap();
            assert_eq!(found, batch(vec![("n", numbers([n]))]));
        }
        assert!(next(&mut query).is_none());
        assert!(next(&mut query).is_none());
    }

    #[test]
    fn an_error_comes_after_the_batches_before_it_and_is_the_last() {
        let mut query = running(stream::iter([Ok(one()), exec_err!("lost"), Ok(one())]));
        assert!(next(&mut query).unwrap().is_ok());
        let error = next(&mut query).unwrap().unwrap_err().to_string();
        assert!(error.contains("lost"), "{error}");
        assert!(next(&mut query).is_none());
    }

    #[test]
    fn a_plan_that_does_not_begin_is_an_error() {
        let nothing = StreamingTableExec::try_new(one().schema(), vec![], None, [], false, None);
        let mut query = started(Arc::new(nothing.unwrap()));
        assert!(next(&mut query).is_none());

        let memory = crate::testing::physical(&crate::testing::session(), "VALUES (1)");
        let broken = Arc::new(Broken(memory));
        let mut query = started(broken);
        let error = next(&mut query).unwrap().unwrap_err().to_string();
        assert!(error.contains("it doesn't begin"), "{error}");
        assert!(next(&mut query).is_none());
    }

    /// A plan that can't be executed.
    #[derive(Debug)]
    struct Broken(Arc<dyn ExecutionPlan>);

    impl datafusion::physical_plan::DisplayAs for Broken {
        fn fmt_as(
            &self,
            _: datafusion::physical_plan::DisplayFormatType,
            f: &mut fmt::Formatter<'_>,
        ) -> fmt::Result {
            f.write_str("Broken")
        }
    }

    impl ExecutionPlan for Broken {
        fn name(&self) -> &str {
            "Broken"
        }

        fn properties(&self) -> &Arc<datafusion::physical_plan::PlanProperties> {
            self.0.properties()
        }

        fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
            Vec::new()
        }

        fn apply_expressions(
            &self,
            _: &mut dyn FnMut(
                &Arc<dyn datafusion::physical_plan::PhysicalExpr>,
            )
                -> Result<datafusion::common::tree_node::TreeNodeRecursion>,
        ) -> Result<datafusion::common::tree_node::TreeNodeRecursion> {
            Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
        }

        fn with_new_children(
            self: Arc<Self>,
            _: Vec<Arc<dyn ExecutionPlan>>,
        ) -> Result<Arc<dyn ExecutionPlan>> {
            Ok(self)
        }

        fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
            exec_err!("it doesn't begin")
        }
    }

    #[test]
    fn a_panic_is_an_error_with_its_text() {
        for text in ["a literal", "formatted 7"] {
            let panics = stream::poll_fn(move |_| {
                if text.ends_with('7') {
                    panic!("formatted {}", 7)
                }
                panic!("a literal")
            });
            let mut query = running(panics);
            let error = next(&mut query).unwrap().unwrap_err().to_string();
            assert!(
                error.contains(&format!("the query's work panicked: {text}")),
                "{error}"
            );
            assert!(next(&mut query).is_none());
        }
    }

    #[test]
    fn patience_ends_while_there_is_nothing() {
        let (give, given) = tokio::sync::oneshot::channel::<()>();
        let waits = stream::once(async {
            given.await.unwrap();
            Ok(one())
        });
        let mut query = running(waits);
        assert!(query.poll_next(Duration::ZERO).is_pending());
        assert!(query.poll_next(Duration::from_millis(20)).is_pending());
        give.send(()).unwrap();
        assert!(next(&mut query).unwrap().is_ok());
    }

    #[test]
    fn dropping_it_stops_the_work_and_drops_the_plan() {
        // The sender is dropped with the stream.
        let (held, gone) = std_channel::<()>();
        let endless = stream::repeat_with(move || {
            let _held = &held;
            Ok(one())
        });
        let mut query = running(endless);
        assert!(next(&mut query).unwrap().is_ok());
        assert_eq!(
            gone.recv_timeout(Duration::ZERO),
            Err(RecvTimeoutError::Timeout)
        );
        drop(query);
        assert_eq!(gone.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn it_is_polled_from_a_thread_of_the_runtime_too() {
        let handle = dfd_runtime::handle().unwrap();
        let mut query = running(stream::iter([Ok(one())]));
        let found = handle.spawn(async move { next(&mut query).is_some_and(|next| next.is_ok()) });
        assert!(dfd_runtime::block_on(found).unwrap().unwrap());
    }
}
