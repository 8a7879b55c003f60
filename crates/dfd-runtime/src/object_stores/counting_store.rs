//! What is asked of object stores, counted.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, OBJECT_STORE_COALESCE_DEFAULT,
    ObjectMeta, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result, coalesce_ranges,
};

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Read an object, or ranges of it that lie close together.
    Get,
    /// Look at an object's size and time.
    Head,
    /// List a prefix, however many pages that takes.
    List,
    /// Write an object, or begin to.
    Put,
    /// Remove an object.
    Delete,
    /// Copy or rename an object.
    Copy,
}

/// By the place of their [`Verb`].
const NAMES: [&str; 6] = ["get", "head", "list", "put", "delete", "copy"];
static MADE: [AtomicU64; NAMES.len()] = [const { AtomicU64::new(0) }; NAMES.len()];

/// Requests that this process made for Delta tables so far, by kind.
pub fn request_counts() -> impl Iterator<Item = (&'static str, u64)> {
    NAMES
        .into_iter()
        .zip(MADE.iter().map(|made| made.load(Ordering::Relaxed)))
}

/// Told of every request.
pub(super) type OnRequest = dyn Fn(Verb) + Send + Sync;

/// A store whose requests are counted.
pub struct CountingStore {
    inner: Arc<dyn ObjectStore>,
    on_request: Arc<OnRequest>,
    is_local: bool,
}

impl CountingStore {
    /// Tells `on_request`; `is_local` where ranges of one object cost one look at it.
    pub fn new(inner: Arc<dyn ObjectStore>, on_request: Arc<OnRequest>, is_local: bool) -> Self {
        Self {
            inner,
            on_request,
            is_local,
        }
    }

    /// Counts for the whole process.
    pub fn of_process(inner: Arc<dyn ObjectStore>, is_local: bool) -> Self {
        let on_request = |verb| {
            MADE[verb as usize].fetch_add(1, Ordering::Relaxed);
        };
        Self::new(inner, Arc::new(on_request), is_local)
    }

    fn count(&self, verb: Verb) {
        (self.on_request)(verb);
    }
}

impl fmt::Debug for CountingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl fmt::Display for CountingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// An error that tells its causes too: who shows errors on the way here drops them.
#[derive(Debug)]
struct WithCauses(Box<dyn std::error::Error + Send + Sync>);

impl fmt::Display for WithCauses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let reason = error.to_string();
            if !text.contains(&reason) {
                text = format!("{text}: {reason}");
            }
            cause = error.source();
        }
        f.write_str(&text)
    }
}

impl std::error::Error for WithCauses {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.0.as_ref())
    }
}

fn with_causes(error: object_store::Error) -> object_store::Error {
    match error {
        object_store::Error::Generic { store, source } => object_store::Error::Generic {
            store,
            source: Box::new(WithCauses(source)),
        },
        other => other,
    }
}

#[async_trait]
impl ObjectStore for CountingStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.count(Verb::Put);
        self.inner
            .put_opts(location, payload, options)
            .await
            .map_err(with_causes)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.count(Verb::Put);
        self.inner
            .put_multipart_opts(location, options)
            .await
            .map_err(with_causes)
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.count(if options.head { Verb::Head } else { Verb::Get });
        self.inner
            .get_opts(location, options)
            .await
            .map_err(with_causes)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if self.is_local {
            self.count(Verb::Get);
            return self
                .inner
                .get_ranges(location, ranges)
                .await
                .map_err(with_causes);
        }
        // What a store without ranges of its own does, in sight.
        coalesce_ranges(
            ranges,
            |range| self.get_range(location, range),
            OBJECT_STORE_COALESCE_DEFAULT,
        )
        .await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.count(Verb::Delete);
        self.inner
            .delete_stream(locations)
            .map_err(with_causes)
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.count(Verb::List);
        self.inner.list(prefix).map_err(with_causes).boxed()
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.count(Verb::List);
        self.inner
            .list_with_offset(prefix, offset)
            .map_err(with_causes)
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.count(Verb::List);
        self.inner
            .list_with_delimiter(prefix)
            .await
            .map_err(with_causes)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.count(Verb::Copy);
        self.inner
            .copy_opts(from, to, options)
            .await
            .map_err(with_causes)
    }
}
