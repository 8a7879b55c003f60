//! The local disk, whose listings pass by what has no name in an object store.
//!
//! object_store ends a listing at a name that isn't UTF-8 or has a control letter; one stray file in
//! a table's folder would make the table unreadable. Where that happened, the folder is walked here.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

#[derive(Debug)]
pub(super) struct LocalStore(LocalFileSystem);

impl LocalStore {
    pub(super) fn new() -> Self {
        Self(LocalFileSystem::new())
    }
}

impl fmt::Display for LocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What has a name in an object store, of a folder: the files, and the folders.
#[derive(Default)]
struct Named {
    files: Vec<ObjectMeta>,
    folders: Vec<(Path, PathBuf)>,
}

impl Named {
    fn of_folder(folder: &FilePath) -> io::Result<Self> {
        let mut found = Self::default();
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let place = entry?.path();
            let Ok(path) = Path::from_absolute_path(&place) else {
                continue;
            };
            match std::fs::metadata(&place) {
                Ok(metadata) if metadata.is_dir() => found.folders.push((path, place)),
                Ok(metadata) => found.files.push(ObjectMeta {
                    location: path,
                    last_modified: metadata.modified()?.into(),
                    size: metadata.len(),
                    e_tag: None,
                    version: None,
                }),
                // Removed meanwhile, or a link to nothing.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    fn below(folder: PathBuf) -> io::Result<Vec<ObjectMeta>> {
        let (mut files, mut folders) = (Vec::new(), vec![folder]);
        while let Some(folder) = folders.pop() {
            let found = Self::of_folder(&folder)?;
            files.extend(found.files);
            folders.extend(found.folders.into_iter().map(|(_, place)| place));
        }
        Ok(files)
    }
}

async fn walked<T: Send + 'static>(
    folder: Result<PathBuf>,
    walk: impl FnOnce(PathBuf) -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let folder = folder?;
    let walk = tokio::task::spawn_blocking(move || walk(folder)).await?;
    walk.map_err(|error| Error::Generic {
        store: "LocalFileSystem",
        source: Box::new(error),
    })
}

#[async_trait]
impl ObjectStore for LocalStore {
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
        let folder = self
            .0
            .path_to_filesystem(&prefix.cloned().unwrap_or_default());
        let listed = self.0.list(prefix).try_collect::<Vec<_>>();
        let files = async move {
            let files = match listed.await {
                Ok(files) => files,
                Err(_) => walked(folder, Named::below).await?,
            };
            Ok::<_, Error>(stream::iter(files.into_iter().map(Ok)))
        };
        stream::once(files).try_flatten().boxed()
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let offset = offset.clone();
        let listed = self.list(prefix);
        listed
            .try_filter(move |file| futures::future::ready(file.location > offset))
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        if let Ok(found) = self.0.list_with_delimiter(prefix).await {
            return Ok(found);
        }
        let folder = self
            .0
            .path_to_filesystem(&prefix.cloned().unwrap_or_default());
        let found = walked(folder, |folder| Named::of_folder(&folder)).await?;
        Ok(ListResult {
            common_prefixes: found.folders.into_iter().map(|(path, _)| path).collect(),
            objects: found.files,
        })
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn names(files: Vec<ObjectMeta>) -> Vec<String> {
        let names = files.iter().filter_map(|file| file.location.filename());
        let mut names: Vec<_> = names.map(ToOwned::to_owned).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn names_that_no_store_has_are_passed_by() {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::from_absolute_path(folder.path()).unwrap();
        for name in [b"a".as_slice(), b"b \xff", b"c\x07d", b"z"] {
            std::fs::write(folder.path().join(OsStr::from_bytes(name)), "x").unwrap();
        }
        std::fs::create_dir(folder.path().join("in")).unwrap();
        std::fs::write(folder.path().join("in/e"), "xy").unwrap();
        let store = LocalStore::new();
        let all = store.list(Some(&root)).try_collect().await.unwrap();
        assert_eq!(names(all), ["a", "e", "z"]);
        let found = store.list_with_delimiter(Some(&root)).await.unwrap();
        assert_eq!(found.common_prefixes, [root.clone().join("in")]);
        assert_eq!(names(found.objects), ["a", "z"]);
        let offset = root.clone().join("b");
        let later = store.list_with_offset(Some(&root), &offset);
        assert_eq!(names(later.try_collect().await.unwrap()), ["e", "z"]);
        // What isn't there has no files, as before.
        let gone = store.list(Some(&root.join("gone"))).try_collect::<Vec<_>>();
        assert!(gone.await.unwrap().is_empty());
    }
}
