//! A source whose batches are put into shape before they leave.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::align::{self, AlignError};
use super::resize::Resizer;
use crate::panic_message::panic_message;

/// What another library gives.
pub type Source = Box<dyn RecordBatchReader + Send>;

/// A source that is fused, aligned and resized.
pub(super) struct ShapedSource {
    // None once the source has ended or failed: it is never asked again.
    source: Option<Source>,
    schema: SchemaRef,
    resizer: Option<Resizer>,
    failure: Option<ArrowError>,
    // Rows that the source has given.
    rows: u64,
}

impl ShapedSource {
    /// `source` with the columns of `schema`, in batches of `batch_rows` rows; each by default as it comes.
    pub(super) fn try_new(
        source: Source,
        schema: Option<SchemaRef>,
        batch_rows: Option<usize>,
    ) -> Result<Self, AlignError> {
        let schema = match schema {
            Some(schema) => {
                align::check(&source.schema(), &schema)?;
                schema
            }
            None => source.schema(),
        };
        let resizer = match batch_rows {
            Some(0) => return Err(AlignError::NoRows),
            rows => rows.map(|rows| Resizer::new(Arc::clone(&schema), rows)),
        };
        Ok(Self {
            source: Some(source),
            schema,
            resizer,
            failure: None,
            rows: 0,
        })
    }

    /// The columns that leave.
    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The next aligned batch of the source; `None` at its end, and ever after.
    fn pull(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let Some(source) = self.source.as_mut() else {
            return Ok(None);
        };
        // A panic must not reach the C interface that others pull this stream through.
        let pulled = catch_unwind(AssertUnwindSafe(|| match source.next() {
            Some(Ok(batch)) => {
                let aligned = align::align(&batch, &self.schema, self.rows)?;
                self.rows += batch.num_rows() as u64;
                Ok(Some(aligned))
            }
            other => other.transpose(),
        }));
        let next = pulled.unwrap_or_else(|panic| {
            let message = panic_message(panic.as_ref());
            let text = format!("the stream's source panicked: {message}");
            Err(ArrowError::ExternalError(text.into()))
        });
        if !matches!(next, Ok(Some(_))) {
            self.source = None;
        }
        next
    }

    /// The next batch of the resizer; rows that came before an error leave before the error does.
    fn resized(&mut self, resizer: &mut Resizer) -> Result<Option<RecordBatch>, ArrowError> {
        loop {
            if let Some(batch) = resizer.next_full()? {
                return Ok(Some(batch));
            }
            if let Some(error) = self.failure.take() {
                return Err(error);
            }
            match self.pull() {
                Ok(Some(batch)) => resizer.push(batch),
                Ok(None) => return resizer.last(),
                Err(error) => {
                    let last = resizer.last()?;
                    if last.is_none() {
                        return Err(error);
                    }
                    self.failure = Some(error);
                    return Ok(last);
                }
            }
        }
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let Some(mut resizer) = self.resizer.take() else {
            return self.pull();
        };
        let next = self.resized(&mut resizer);
        // After an error of its own nothing comes any more.
        match &next {
            Err(_) => self.source = None,
            Ok(_) => self.resizer = Some(resizer),
        }
        next
    }
}

impl Iterator for ShapedSource {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}
