//! A web server as an object store that is only read.

use std::fmt;
use std::iter::once;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::ready;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use serde::Deserialize;

/// Names that are asked for at a time.
const MAX_CONCURRENT_REQUESTS: usize = 16;

/// The files of a web server.
///
/// The web has no listing, and a Delta log needs none: its versions follow one another without a
/// gap, and `_last_checkpoint` names the newest checkpoint. A listing of `_delta_log` asks for the
/// names that there can be:
///
/// ```text
///   _last_checkpoint    itself, and the files of the checkpoint at version c
///   c, c - 1, ...       commits, downwards to where the listing begins or one was cleaned up
///   c + 1, c + 2, ...   commits, upwards until one isn't there
/// ```
///
/// Where older commits were cleaned up, checkpoints before c are looked for by their classic names.
pub(super) struct WebStore {
    files: Arc<dyn ObjectStore>,
}

/// What `_last_checkpoint` says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LastCheckpoint {
    version: u64,
    parts: Option<u64>,
    v2_checkpoint: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    path: String,
}

impl LastCheckpoint {
    /// How many files it has.
    fn count(&self) -> u64 {
        match self.v2_checkpoint {
            Some(_) => 1,
            None => self.parts.unwrap_or(1),
        }
    }

    fn name(&self, part: u64) -> String {
        let version = self.version;
        match (&self.v2_checkpoint, self.parts) {
            (Some(named), _) => named.path.clone(),
            (None, Some(parts)) => {
                format!("{version:020}.checkpoint.{part:010}.{parts:010}.parquet")
            }
            (None, None) => checkpoint(version),
        }
    }
}

fn commit(version: u64) -> String {
    format!("{version:020}.json")
}

fn checkpoint(version: u64) -> String {
    format!("{version:020}.checkpoint.parquet")
}

/// Each file, or None where it isn't there.
fn asked<'a>(
    files: &'a dyn ObjectStore,
    log: &'a Path,
    names: impl Iterator<Item = String> + Send + 'a,
) -> BoxStream<'a, Result<Option<ObjectMeta>>> {
    let ask = move |name: String| async move {
        match files.head(&log.clone().join(name.as_str())).await {
            Ok(found) => Ok(Some(found)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    };
    stream::iter(names)
        .map(ask)
        .buffered(MAX_CONCURRENT_REQUESTS)
        .boxed()
}

/// The files of these names, up to the first that isn't there.
async fn present(
    files: &dyn ObjectStore,
    log: &Path,
    names: impl Iterator<Item = String> + Send,
) -> Result<Vec<ObjectMeta>> {
    asked(files, log, names)
        .try_take_while(|found| ready(Ok(found.is_some())))
        .try_filter_map(|found| ready(Ok(found)))
        .try_collect()
        .await
}

/// What `_last_checkpoint` names.
#[derive(Default)]
struct NewestCheckpoint {
    hint: Option<ObjectMeta>,
    /// Its version and its files. One that isn't whole is none.
    checkpoint: Option<(u64, Vec<ObjectMeta>)>,
}

async fn newest_checkpoint(files: &dyn ObjectStore, log: &Path) -> Result<NewestCheckpoint> {
    let named = match files.get(&log.clone().join("_last_checkpoint")).await {
        Ok(found) => found,
        Err(Error::NotFound { .. }) => return Ok(NewestCheckpoint::default()),
        Err(error) => return Err(error),
    };
    let hint = Some(named.meta.clone());
    let checkpoint = match serde_json::from_slice::<LastCheckpoint>(&named.bytes().await?) {
        Ok(last) => {
            let names = (1..=last.count()).map(|part| last.name(part));
            let parts = present(files, log, names).await?;
            let is_whole = u64::try_from(parts.len()).is_ok_and(|found| found == last.count());
            is_whole.then_some((last.version, parts))
        }
        Err(_) => None,
    };
    Ok(NewestCheckpoint { hint, checkpoint })
}

/// The files of a log from a version on.
async fn log_files(files: &dyn ObjectStore, log: &Path, first: u64) -> Result<Vec<ObjectMeta>> {
    // A page for every name would be a log without an end.
    let impossible = present(files, log, once(commit(u64::MAX))).await?;
    if !impossible.is_empty() {
        return Err(Error::Generic {
            store: "web",
            source: "the server has an answer for every name, so that no log can be read".into(),
        });
    }
    let NewestCheckpoint { hint, checkpoint } = newest_checkpoint(files, log).await?;
    let checkpoint = checkpoint.filter(|(version, _)| *version >= first);
    let mut found = match checkpoint {
        Some((version, parts)) => from_checkpoint(files, log, first, version, parts).await?,
        None => present(files, log, (first..u64::MAX).map(commit)).await?,
    };
    found.extend(hint);
    Ok(found)
}

/// The files of a log from a version on that has a checkpoint at `version`, made of `found`.
async fn from_checkpoint(
    files: &dyn ObjectStore,
    log: &Path,
    first: u64,
    version: u64,
    mut found: Vec<ObjectMeta>,
) -> Result<Vec<ObjectMeta>> {
    let next = version.saturating_add(1);
    let (before, after) = futures::try_join!(
        present(files, log, (first..=version).rev().map(commit)),
        present(files, log, (next..u64::MAX).map(commit)),
    )?;
    let oldest = next.saturating_sub(u64::try_from(before.len()).unwrap_or(u64::MAX));
    if oldest > 0 {
        // The newest commit that is gone may have left a checkpoint.
        let older: Vec<_> = asked(files, log, (oldest - 1..version).map(checkpoint))
            .try_collect()
            .await?;
        found.extend(older.into_iter().flatten());
    }
    found.extend(before);
    found.extend(after);
    Ok(found)
}

/// The files of the log at `prefix` whose names come after `offset`, in order.
async fn listed(
    files: Arc<dyn ObjectStore>,
    prefix: Option<Path>,
    offset: Option<Path>,
) -> Result<Vec<ObjectMeta>> {
    let log = prefix.filter(|prefix| prefix.filename() == Some("_delta_log"));
    let Some(log) = log else {
        return Err(only_read("it lists nothing but the log of a Delta table"));
    };
    let offset = offset.as_ref().and_then(Path::filename).unwrap_or_default();
    let first = offset.get(..20).and_then(|digits| digits.parse().ok());
    let mut found = log_files(files.as_ref(), &log, first.unwrap_or(0)).await?;
    found.retain(|meta| meta.location.filename().is_some_and(|name| name > offset));
    found.sort_by(|one, other| one.location.cmp(&other.location));
    Ok(found)
}

fn only_read(reason: &str) -> Error {
    Error::NotSupported {
        source: format!("a web server is only read by name: {reason}").into(),
    }
}

impl WebStore {
    /// The files of a server.
    pub(super) fn new(files: Arc<dyn ObjectStore>) -> Self {
        Self { files }
    }

    fn list_from(
        &self,
        prefix: Option<&Path>,
        offset: Option<&Path>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let found = listed(Arc::clone(&self.files), prefix.cloned(), offset.cloned());
        stream::once(found)
            .map_ok(|found| stream::iter(found).map(Ok))
            .try_flatten()
            .boxed()
    }
}

impl fmt::Debug for WebStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}

impl fmt::Display for WebStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for WebStore {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(only_read("it takes no files"))
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(only_read("it takes no files"))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        stream::once(ready(Err(only_read("it removes no files")))).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_from(prefix, None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_from(prefix, Some(offset))
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(only_read("it lists nothing but the log of a Delta table"))
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(only_read("it copies no files"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;
    use serde_json::{Value, json};

    /// The store over files of these names in a log, and what `_last_checkpoint` says.
    async fn web(names: &[String], last_checkpoint: Option<Value>) -> WebStore {
        let files = InMemory::new();
        let log = Path::from("t/_delta_log");
        for name in names {
            let path = log.clone().join(name.as_str());
            files.put(&path, "{}".into()).await.unwrap();
        }
        if let Some(last) = last_checkpoint {
            let path = log.join("_last_checkpoint");
            files.put(&path, last.to_string().into()).await.unwrap();
        }
        WebStore::new(Arc::new(files))
    }

    async fn names_of(store: &WebStore, offset: Option<&str>) -> Result<Vec<String>> {
        let log = Path::from("t/_delta_log");
        let listed = match offset {
            Some(name) => store.list_with_offset(Some(&log), &log.clone().join(name)),
            None => store.list(Some(&log)),
        };
        let listed: Vec<_> = listed.try_collect().await?;
        let names = listed.iter().filter_map(|meta| meta.location.filename());
        Ok(names.map(str::to_owned).collect())
    }

    /// What is listed before `_last_checkpoint`, which comes last where it is there.
    fn listed(names: &[String], last: Option<Value>, offset: Option<&str>) -> Vec<String> {
        let is_hinted = last.is_some();
        let mut found = futures::executor::block_on(async {
            names_of(&web(names, last).await, offset).await.unwrap()
        });
        if is_hinted {
            assert_eq!(found.pop().unwrap(), "_last_checkpoint");
        }
        found
    }

    #[test]
    fn commits_are_listed_until_one_is_missing() {
        // More than are asked for at a time.
        let commits: Vec<_> = (0..40).map(commit).collect();
        assert_eq!(listed(&commits, None, None), commits);
        assert_eq!(listed(&commits, None, Some(&commit(37))), commits[38..]);
        assert_eq!(listed(&commits, None, Some(&commit(40))), [""; 0]);
        let with_a_gap = [commit(0), commit(1), commit(3)];
        assert_eq!(listed(&with_a_gap, None, None), with_a_gap[..2]);
    }

    #[test]
    fn a_checkpoint_leads_to_the_commits_around_it() {
        // Commits before 3 were cleaned up.
        let files = [
            checkpoint(2),
            commit(3),
            commit(4),
            checkpoint(4),
            commit(5),
        ];
        let last = json!({"version": 4, "size": 1});
        let mut expected = files.to_vec();
        expected.sort();
        assert_eq!(listed(&files, Some(last.clone()), None), expected);
        assert_eq!(listed(&files, Some(last), Some(&commit(4))), [commit(5)]);
    }

    #[test]
    fn a_checkpoint_has_parts_or_a_name_of_its_own() {
        let part = |number: u64| format!("{:020}.checkpoint.{number:010}.{:010}.parquet", 1, 2);
        let files = [commit(1), part(1), part(2), commit(2)];
        let last = json!({"version": 1, "parts": 2});
        let mut expected = files.to_vec();
        expected.sort();
        assert_eq!(listed(&files, Some(last.clone()), None), expected);
        // One that isn't whole is none, and the commits before it are gone.
        assert_eq!(listed(&files[..2], Some(last), None), [""; 0]);
        let named = format!("{:020}.checkpoint.0d1f.json", 1);
        let files = [named.clone(), commit(1)];
        let last = json!({"version": 1, "v2Checkpoint": {"path": named}});
        assert_eq!(listed(&files, Some(last), None), files);
    }

    #[test]
    fn a_last_checkpoint_that_says_nothing_is_none() {
        let files = [commit(0), commit(1), checkpoint(1)];
        for last in [json!("?"), json!({"size": 1}), json!({"version": 9})] {
            assert_eq!(listed(&files, Some(last), None), files[..2]);
        }
    }

    #[test]
    fn a_server_with_an_answer_for_every_name_is_refused() {
        let files = [commit(0), commit(u64::MAX)];
        let error = futures::executor::block_on(async {
            names_of(&web(&files, None).await, None).await.unwrap_err()
        });
        assert!(
            error.to_string().contains("an answer for every name"),
            "{error}"
        );
    }

    #[test]
    fn it_is_only_read() {
        let work = async {
            let store = web(&[commit(0)], None).await;
            let path = Path::from("t/_delta_log").join(commit(0));
            assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "{}");
            let gone = stream::once(ready(Ok(path.clone()))).boxed();
            let others: [(Result<()>, &str); 6] = [
                (
                    store.put(&path, "".into()).await.map(drop),
                    "takes no files",
                ),
                (store.put_multipart(&path).await.map(drop), "takes no files"),
                (
                    store
                        .delete_stream(gone)
                        .try_collect::<Vec<_>>()
                        .await
                        .map(drop),
                    "removes no files",
                ),
                (store.copy(&path, &Path::from("c")).await, "copies no files"),
                (
                    store.list_with_delimiter(None).await.map(drop),
                    "lists nothing but the log",
                ),
                (
                    store.list(None).try_collect::<Vec<_>>().await.map(drop),
                    "lists nothing but the log",
                ),
            ];
            for (refused, reason) in others {
                let error = refused.unwrap_err();
                assert!(matches!(error, Error::NotSupported { .. }), "{error}");
                assert!(error.to_string().contains(reason), "{error}");
            }
        };
        futures::executor::block_on(work);
    }
}
