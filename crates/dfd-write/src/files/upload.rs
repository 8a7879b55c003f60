//! The bytes of one file, on their way to where the table is.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use dfd_delta::Location;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use tokio::task::{JoinSet, spawn_blocking};
use url::Url;

use crate::cancellation::{CancellationToken, unless_cancelled};
use crate::error::Error;

/// Of a part of an upload; the least that S3 takes is 5 MiB.
const PART_BYTES: usize = 8 << 20;
/// Parts on their way at once.
const PARTS: usize = 2;

/// How often a directory is made for a file.
const DIRECTORY_TRIES: usize = 10;

/// A file that is being written. Whoever doesn't `finish` it has to `abort` it.
pub enum Upload {
    /// Under its final name from the start: object_store's own files in progress are hidden from
    /// listings, so that a vacuum would never take what a killed process left.
    Local { path: Path, file: Option<File> },
    /// In parts once it is larger than one.
    Remote(Parts),
}

pub struct Parts {
    store: Arc<dyn ObjectStore>,
    path: Path,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
    upload: Option<Box<dyn MultipartUpload>>,
    sent: JoinSet<object_store::Result<()>>,
    cancellation: CancellationToken,
}

impl Upload {
    /// Begin a file at `path` of the table's store.
    pub async fn begin(
        location: &Location,
        path: Path,
        cancellation: CancellationToken,
    ) -> Result<Self, Error> {
        if !location.is_local() {
            return Ok(Self::Remote(Parts {
                store: Arc::clone(location.store()),
                path,
                waiting: Vec::new(),
                waiting_bytes: 0,
                upload: None,
                sent: JoinSet::new(),
                cancellation,
            }));
        }
        let target = on_disk(location.url(), &path)?;
        let created = blocking(&path, move || create(target)).await?;
        Ok(Self::Local {
            path,
            file: Some(created),
        })
    }

    /// Take `bytes`, and wait while too many are on their way. Gives an empty buffer for the next, of which
    /// there will be about as many.
    pub async fn put(&mut self, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
        match self {
            Self::Local { path, file } => {
                let Some(mut open) = file.take() else {
                    return Err(Error::Inconsistent("a file was written to after an error"));
                };
                let work = move || open.write_all(&bytes).map(|()| (open, bytes));
                let (open, mut bytes) = blocking(path, work).await?;
                *file = Some(open);
                bytes.clear();
                Ok(bytes)
            }
            Self::Remote(parts) => {
                let room = bytes.len();
                parts.put(Bytes::from(bytes)).await?;
                Ok(Vec::with_capacity(room))
            }
        }
    }

    /// Have all of it at its place.
    pub async fn finish(&mut self) -> Result<(), Error> {
        match self {
            Self::Local { .. } => Ok(()),
            Self::Remote(parts) => parts.finish().await,
        }
    }

    /// Leave nothing of an upload behind; a file that is there is the stage's to remove.
    pub async fn abort(self) {
        if let Self::Remote(mut parts) = self {
            parts.sent.shutdown().await;
            if let Some(mut upload) = parts.upload.take() {
                // The stage has an error to tell already.
                let _unfinished = upload.abort().await;
            }
        }
    }
}

impl Parts {
    async fn put(&mut self, mut bytes: Bytes) -> Result<(), Error> {
        while self.waiting_bytes + bytes.len() > PART_BYTES {
            let part = bytes.split_to(PART_BYTES - self.waiting_bytes);
            self.wait(part);
            self.send().await?;
        }
        self.wait(bytes);
        Ok(())
    }

    fn wait(&mut self, bytes: Bytes) {
        self.waiting_bytes += bytes.len();
        self.waiting.push(bytes);
    }

    fn payload(&mut self) -> PutPayload {
        self.waiting_bytes = 0;
        std::mem::take(&mut self.waiting).into_iter().collect()
    }

    async fn send(&mut self) -> Result<(), Error> {
        while self.sent.len() >= PARTS {
            self.arrived().await?;
        }
        let payload = self.payload();
        let upload = match &mut self.upload {
            Some(upload) => upload,
            none => {
                let begun = self.store.put_multipart(&self.path).await;
                none.insert(begun.map_err(|source| Error::store(&self.path, source))?)
            }
        };
        self.sent.spawn(upload.put_part(payload));
        Ok(())
    }

    async fn arrived(&mut self) -> Result<(), Error> {
        // Nothing else is given up half-way: what a request in flight makes couldn't be removed.
        match unless_cancelled(&self.cancellation, self.sent.join_next()).await? {
            Some(Ok(Err(source))) => Err(Error::store(&self.path, source)),
            Some(Err(error)) => Err(Error::from_task(error)),
            Some(Ok(Ok(()))) | None => Ok(()),
        }
    }

    async fn finish(&mut self) -> Result<(), Error> {
        if self.upload.is_none() {
            let payload = self.payload();
            let put = self.store.put(&self.path, payload).await;
            return put
                .map(drop)
                .map_err(|source| Error::store(&self.path, source));
        }
        if self.waiting_bytes > 0 {
            self.send().await?;
        }
        while !self.sent.is_empty() {
            self.arrived().await?;
        }
        if let Some(upload) = &mut self.upload {
            let completed = upload.complete().await;
            completed.map_err(|source| Error::store(&self.path, source))?;
            self.upload = None;
        }
        Ok(())
    }
}

/// Where `path` of the store of `table` is on the disk.
pub fn on_disk(table: &Url, path: &Path) -> Result<PathBuf, Error> {
    let mut url = table.clone();
    let segments = url.path_segments_mut();
    segments
        .map_err(|()| Error::Inconsistent("the table's URL has no path"))?
        .clear()
        .extend(path.as_ref().split('/'));
    url.to_file_path()
        .map_err(|()| Error::Inconsistent("the table's URL is no path of a disk"))
}

fn create(target: PathBuf) -> std::io::Result<File> {
    let mut tries = 0;
    loop {
        match File::create_new(&target) {
            // Whoever drops a stage may remove an empty directory just now.
            Err(error) if error.kind() == ErrorKind::NotFound && tries < DIRECTORY_TRIES => {
                tries += 1;
                if let Some(directory) = target.parent() {
                    std::fs::create_dir_all(directory)?;
                }
            }
            created => return created,
        }
    }
}

async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(|source| Error::Disk {
            path: path.to_string(),
            source,
        }),
        Err(error) => Err(Error::from_task(error)),
    }
}
