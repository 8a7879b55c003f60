//! A store some of whose files are others, which are in memory.
//!
//! They keep the time of what they stand for; sizes are their own, in listings too.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::ready;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// A store of which some files are read from memory.
#[derive(Debug)]
pub(crate) struct OverlayStore {
    store: Arc<dyn ObjectStore>,
    memory: InMemory,
    names: Arc<Names>,
}

/// The files that are others.
#[derive(Debug)]
struct Names {
    in_memory: HashMap<Path, ObjectMeta>,
    hidden: HashSet<Path>,
}

impl Names {
    /// What a listing tells of a file; None of one that is hidden.
    fn listed(&self, meta: ObjectMeta) -> Option<ObjectMeta> {
        let is_hidden = self.hidden.contains(&meta.location);
        (!is_hidden).then(|| self.in_memory.get(&meta.location).cloned().unwrap_or(meta))
    }
}

impl OverlayStore {
    /// `store` with `files` in place of those of their names, and without those that are `hidden`.
    pub(crate) async fn new(
        store: Arc<dyn ObjectStore>,
        files: Vec<(ObjectMeta, Bytes)>,
        hidden: HashSet<Path>,
    ) -> Result<Self> {
        let memory = InMemory::new();
        let mut in_memory = HashMap::new();
        for (meta, content) in files {
            let path = meta.location.clone();
            let meta = ObjectMeta {
                size: content.len() as u64,
                e_tag: None,
                version: None,
                ..meta
            };
            memory.put(&path, content.into()).await?;
            in_memory.insert(path, meta);
        }
        let names = Arc::new(Names { in_memory, hidden });
        Ok(Self {
            store,
            memory,
            names,
        })
    }

    fn listing(
        &self,
        found: BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let names = Arc::clone(&self.names);
        let listed = found.try_filter_map(move |meta| ready(Ok(names.listed(meta))));
        listed.boxed()
    }
}

impl fmt::Display for OverlayStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for OverlayStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.store.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if self.names.hidden.contains(location) {
            return Err(Error::NotFound {
                path: location.to_string(),
                source: "it is hidden".into(),
            });
        }
        let Some(meta) = self.names.in_memory.get(location) else {
            return self.store.get_opts(location, options).await;
        };
        let found = self.memory.get_opts(location, options).await?;
        let meta = meta.clone();
        Ok(GetResult { meta, ..found })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if self.names.in_memory.contains_key(location) {
            self.memory.get_ranges(location, ranges).await
        } else {
            self.store.get_ranges(location, ranges).await
        }
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listing(self.store.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listing(self.store.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let found = self.store.list_with_delimiter(prefix).await?;
        let objects = found.objects.into_iter();
        Ok(ListResult {
            objects: objects.filter_map(|meta| self.names.listed(meta)).collect(),
            ..found
        })
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_tables::run;
    use object_store::GetRange;

    fn overlaid() -> OverlayStore {
        let overlaid = async {
            let store = InMemory::new();
            for name in ["log/1", "log/2", "log/hint"] {
                store.put(&name.into(), "stored".into()).await?;
            }
            let meta = store.head(&"log/2".into()).await?;
            let files = vec![(meta, Bytes::from_static(b"in memory"))];
            let hidden = HashSet::from([Path::from("log/hint")]);
            OverlayStore::new(Arc::new(store), files, hidden).await
        };
        run(overlaid).unwrap()
    }

    fn told(listed: &[ObjectMeta]) -> Vec<(&str, u64)> {
        let told = listed
            .iter()
            .map(|meta| (meta.location.as_ref(), meta.size));
        let mut told: Vec<_> = told.collect();
        told.sort_unstable();
        told
    }

    #[test]
    fn a_file_in_memory_is_read_in_place_of_the_stored_one() {
        let store = overlaid();
        let read = |name: &str, options: GetOptions| {
            let read = async { store.get_opts(&name.into(), options).await?.bytes().await };
            run(read).unwrap()
        };
        assert_eq!(read("log/1", GetOptions::new()), "stored");
        assert_eq!(read("log/2", GetOptions::new()), "in memory");
        let range = |range: GetRange| GetOptions::new().with_range(Some(range));
        assert_eq!(read("log/2", range(GetRange::Bounded(3..6))), "mem");
        assert_eq!(read("log/2", range(GetRange::Suffix(3))), "ory");
        let ranges = run(store.get_ranges(&"log/2".into(), &[0..2, 3..6])).unwrap();
        assert_eq!(ranges, ["in", "mem"]);
    }

    #[test]
    fn it_has_its_own_size_and_the_time_of_the_stored_one() {
        let store = overlaid();
        let stored = run(store.store.head(&"log/2".into())).unwrap();
        let head = run(store.head(&"log/2".into())).unwrap();
        assert_eq!((head.size, head.last_modified), (9, stored.last_modified));
        let prefix = Path::from("log");
        let all: Vec<_> = run(store.list(Some(&prefix)).try_collect()).unwrap();
        let after = store.list_with_offset(Some(&prefix), &"log/1".into());
        let after: Vec<_> = run(after.try_collect()).unwrap();
        let delimited = run(store.list_with_delimiter(Some(&prefix))).unwrap();
        let both = [("log/1", 6), ("log/2", 9)];
        assert_eq!(told(&all), both);
        assert_eq!(told(&delimited.objects), both);
        assert_eq!(told(&after), both[1..]);
    }

    #[test]
    fn a_hidden_file_is_not_there() {
        let store = overlaid();
        let hidden = Path::from("log/hint");
        for error in [
            run(store.get(&hidden)).err(),
            run(store.head(&hidden)).err(),
        ] {
            assert!(matches!(error, Some(Error::NotFound { .. })), "{error:?}");
        }
    }
}
