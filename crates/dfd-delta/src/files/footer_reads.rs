//! Footers that are being read: whoever wants one of them too waits for it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use datafusion::parquet::file::metadata::ParquetMetaData;
use object_store::ObjectMeta;
use tokio::sync::OnceCell;

/// A footer, once it is read.
pub(crate) type FooterRead = OnceCell<Arc<ParquetMetaData>>;

/// A file by where it is, and as it is there.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    /// The cache that it is read for: other engines may have other credentials.
    cache: usize,
    store: String,
    path: String,
    size: u64,
    modified_ms: i64,
    tag: Option<String>,
}

static READS: LazyLock<Mutex<HashMap<Key, Weak<FooterRead>>>> = LazyLock::new(Mutex::default);

/// The read of a file's footer for the cache of this number, which others may have begun.
pub(crate) fn join(cache: usize, store: &str, object: &ObjectMeta) -> Arc<FooterRead> {
    let key = Key {
        cache,
        store: store.to_owned(),
        path: object.location.to_string(),
        size: object.size,
        modified_ms: object.last_modified.timestamp_millis(),
        tag: object.e_tag.clone(),
    };
    let mut reads = READS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(read) = reads.get(&key).and_then(Weak::upgrade) {
        return read;
    }
    reads.retain(|_, read| read.strong_count() > 0);
    let read = Arc::new(FooterRead::new());
    reads.insert(key, Arc::downgrade(&read));
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::path::Path;

    #[test]
    fn a_read_is_joined_while_it_lasts_by_those_of_the_same_file_and_cache() {
        let object = |size| ObjectMeta {
            location: Path::from("joined"),
            last_modified: Default::default(),
            size,
            e_tag: None,
            version: None,
        };
        let first = join(1, "s", &object(1));
        assert!(Arc::ptr_eq(&first, &join(1, "s", &object(1))));
        for (cache, store, size) in [(2, "s", 1), (1, "t", 1), (1, "s", 2)] {
            assert!(!Arc::ptr_eq(&first, &join(cache, store, &object(size))));
        }
        let before = Arc::downgrade(&first);
        drop(first);
        assert!(before.upgrade().is_none());
    }
}
