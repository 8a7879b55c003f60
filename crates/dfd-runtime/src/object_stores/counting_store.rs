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

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;
    use futures::stream;
    use object_store::memory::InMemory;

    type Told = Arc<Mutex<Vec<Verb>>>;

    /// A store in memory with one object, and what was asked of it since.
    async fn counted(is_local: bool) -> (CountingStore, Told) {
        let inner = InMemory::new();
        let content = vec![7; 3 << 20];
        inner.put(&Path::from("t/a"), content.into()).await.unwrap();
        let told = Told::default();
        let listener = Arc::clone(&told);
        let on_request = move |verb| listener.lock().unwrap().push(verb);
        let store = CountingStore::new(Arc::new(inner), Arc::new(on_request), is_local);
        (store, told)
    }

    fn taken(told: &Told) -> Vec<Verb> {
        std::mem::take(&mut *told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[test]
    fn every_verb_is_told() {
        let work = async {
            let (store, told) = counted(false).await;
            let (a, b) = (Path::from("t/a"), Path::from("t/b"));
            store.put(&b, "12".into()).await.unwrap();
            assert_eq!(taken(&told), [Verb::Put]);
            let mut parts = store.put_multipart(&b).await.unwrap();
            parts.put_part("345".into()).await.unwrap();
            parts.complete().await.unwrap();
            assert_eq!(taken(&told), [Verb::Put]);
            assert_eq!(store.get(&b).await.unwrap().bytes().await.unwrap(), "345");
            assert_eq!(store.get_range(&b, 1..2).await.unwrap(), "4");
            assert_eq!(taken(&told), [Verb::Get, Verb::Get]);
            assert_eq!(store.head(&b).await.unwrap().size, 3);
            assert_eq!(taken(&told), [Verb::Head]);
            let names = |found: Vec<ObjectMeta>| -> Vec<String> {
                found
                    .into_iter()
                    .map(|meta| meta.location.to_string())
                    .collect()
            };
            let all = store.list(None).try_collect().await.unwrap();
            assert_eq!(names(all), ["t/a", "t/b"]);
            let later = store
                .list_with_offset(None, &a)
                .try_collect()
                .await
                .unwrap();
            assert_eq!(names(later), ["t/b"]);
            let folders = store.list_with_delimiter(None).await.unwrap();
            assert_eq!(folders.common_prefixes, [Path::from("t")]);
            assert_eq!(taken(&told), [Verb::List; 3]);
            store.copy(&b, &Path::from("c")).await.unwrap();
            assert_eq!(taken(&told), [Verb::Copy]);
            store.rename(&b, &Path::from("d")).await.unwrap();
            assert_eq!(taken(&told), [Verb::Copy, Verb::Delete]);
            store.delete(&a).await.unwrap();
            assert_eq!(taken(&told), [Verb::Delete]);
            // A request is one whatever comes of it.
            let error = store.get(&a).await.unwrap_err();
            assert!(matches!(error, object_store::Error::NotFound { .. }));
            assert_eq!(taken(&told), [Verb::Get]);
        };
        futures::executor::block_on(work);
    }

    #[test]
    fn ranges_are_one_look_at_a_local_object_and_one_request_for_those_nearby_elsewhere() {
        let near = [0..10, 20..30, 1000..1001];
        let far = [0..10, 20..30, (2 << 20)..(2 << 20) + 5];
        let requests = |is_local: bool, ranges: [Range<u64>; 3]| {
            futures::executor::block_on(async {
                let (store, told) = counted(is_local).await;
                let found = store.get_ranges(&Path::from("t/a"), &ranges).await.unwrap();
                let sizes: Vec<_> = found.iter().map(|bytes| bytes.len() as u64).collect();
                let asked: Vec<_> = ranges.iter().map(|range| range.end - range.start).collect();
                assert_eq!(sizes, asked);
                taken(&told)
            })
        };
        assert_eq!(requests(true, near.clone()), [Verb::Get]);
        assert_eq!(requests(true, far.clone()), [Verb::Get]);
        assert_eq!(requests(false, near), [Verb::Get]);
        assert_eq!(requests(false, far), [Verb::Get, Verb::Get]);
    }

    #[test]
    fn the_process_counts_by_name() {
        let count = |name: &str| {
            let mut counts = request_counts();
            counts.find(|(kind, _)| *kind == name).unwrap().1
        };
        let names: Vec<_> = request_counts().map(|(name, _)| name).collect();
        assert_eq!(names, ["get", "head", "list", "put", "delete", "copy"]);
        let store = CountingStore::of_process(Arc::new(InMemory::new()), false);
        let before = (count("copy"), count("delete"));
        let missing = Path::from("missing");
        futures::executor::block_on(async {
            assert!(store.copy(&missing, &Path::from("to")).await.is_err());
            assert!(store.copy(&missing, &Path::from("to")).await.is_err());
            let names = stream::iter(["b", "c"]).map(|name| Ok(Path::from(name)));
            let _: Vec<_> = store.delete_stream(names.boxed()).collect().await;
        });
        // Removing many is one request.
        assert_eq!(
            (count("copy"), count("delete")),
            (before.0 + 2, before.1 + 1)
        );
    }

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Failure {
        text: &'static str,
        source: Option<Box<Failure>>,
    }

    #[test]
    fn causes_are_told_once() {
        let failure = |text, source: Option<Failure>| Failure {
            text,
            source: source.map(Box::new),
        };
        let refused = failure("connection refused", None);
        let repeated = failure("no route", Some(refused));
        let outer = failure("the request failed: no route", Some(repeated));
        let error = with_causes(object_store::Error::Generic {
            store: "S3",
            source: Box::new(outer),
        });
        assert_eq!(
            error.to_string(),
            "Generic S3 error: the request failed: no route: connection refused"
        );
        let of_another_kind = with_causes(object_store::Error::NotImplemented {
            operation: "o".to_owned(),
            implementer: "i".to_owned(),
        });
        assert!(matches!(
            of_another_kind,
            object_store::Error::NotImplemented { .. }
        ));
    }

    #[test]
    fn a_store_is_shown_as_the_one_inside() {
        let (store, _) = futures::executor::block_on(counted(true));
        assert_eq!(store.to_string(), "InMemory");
        assert!(format!("{store:?}").starts_with("InMemory"));
    }
}
