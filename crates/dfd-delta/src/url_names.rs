//! A store whose listings can be put into URLs, for delta_kernel's engine, which does so.
//!
//! `a%20b` in a listing becomes `/a%20b` in a URL there, which is `a b` to whoever decodes it; and a
//! backslash becomes a slash. What is listed here has both escaped, and names that are asked for are
//! taken as they are: those come out of URLs.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use url::Url;

/// The store of the table at `root` as delta_kernel's engine can use it.
pub(crate) fn kernel_store(root: &Url, store: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
    let root = Path::from_url_path(root.path());
    if root.is_ok_and(|root| is_odd(&root)) {
        Arc::new(UrlNames(store))
    } else {
        store
    }
}

fn is_odd(path: &Path) -> bool {
    path.as_ref().contains(['%', '\\'])
}

#[derive(Debug)]
struct UrlNames(Arc<dyn ObjectStore>);

impl fmt::Display for UrlNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn escaped(path: &Path) -> Result<Path> {
    let text = path.as_ref().replace('%', "%25").replace('\\', "%5C");
    Ok(Path::parse(text)?)
}

fn escaped_meta(meta: ObjectMeta) -> Result<ObjectMeta> {
    Ok(ObjectMeta {
        location: escaped(&meta.location)?,
        ..meta
    })
}

#[async_trait]
impl ObjectStore for UrlNames {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.0.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.0.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let listed = self.0.list(prefix);
        listed.map(|found| found.and_then(escaped_meta)).boxed()
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let listed = self.0.list_with_offset(prefix, offset);
        listed.and_then(|meta| async { escaped_meta(meta) }).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let found = self.0.list_with_delimiter(prefix).await?;
        let objects = found.objects.into_iter().map(escaped_meta);
        Ok(ListResult {
            common_prefixes: found
                .common_prefixes
                .iter()
                .map(escaped)
                .collect::<Result<_>>()?,
            objects: objects.collect::<Result<_>>()?,
        })
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::snapshot::At;
    use crate::test_tables::{Add, TestTable, field, metadata, protocol, run};

    #[test]
    fn a_table_is_read_whatever_its_folder_is_called() {
        let names = [
            "a b",
            "a%20b",
            "%41",
            "100%",
            "a\\b",
            "a#b?c",
            "[a]^|b",
            "ä 日本",
            "%2F",
        ];
        for name in names {
            let made = metadata(&[field("id", "long")], &[], json!({}));
            let table = TestTable::named(name, &[protocol(&[]), made]);
            let file = Add::new("part-0.parquet", 100).stats(json!({"numRecords": 1}));
            table.commit(1, &[file.action()]);
            let opened = table.open();
            assert_eq!((opened.version(), opened.files().len()), (1, 1), "{name}");
            table.commit(2, &[]);
            let newer = run(opened.refreshed()).unwrap().unwrap();
            assert_eq!(newer.version(), 2, "{name}");
            let path = newer.files()[0].scanned.object_meta.location.as_ref();
            assert!(path.ends_with(&format!("/{name}/part-0.parquet")), "{path}");
            let earlier = table.try_open(At::Version(0)).unwrap();
            assert!(earlier.files().is_empty(), "{name}");
        }
    }
}
