//! The bytes of one file, on their way to the table's store.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use dfd_runtime::Location;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use tokio::task::{JoinSet, spawn_blocking};

use crate::cancellation::{CancellationToken, unless_cancelled};
use crate::error::Error;
use crate::files::storage::local_path;

/// Bytes of a part of an upload; the least that S3 takes is 5 MiB.
const PART_BYTES: usize = 8 << 20;
/// Parts on their way at once.
const MAX_CONCURRENT_PARTS: usize = 2;

/// How often a directory is made for a file, at most.
const MAX_DIRECTORY_TRIES: usize = 10;

/// A file that is being written. Whoever doesn't `finish` it has to `abort` it.
pub(crate) enum Upload {
    /// A file of a disk, under its final name from the start: object_store's own files in progress are hidden from
    /// listings, so that a vacuum would never take what a killed process left.
    Local { path: Path, file: Option<File> },
    /// An object, which is uploaded in parts once it is larger than one.
    Remote(PartUpload),
}

/// An object of which some parts may have arrived.
pub(crate) struct PartUpload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    unsent: Vec<Bytes>,
    unsent_bytes: usize,
    upload: Option<Box<dyn MultipartUpload>>,
    in_flight: JoinSet<object_store::Result<()>>,
    cancellation: CancellationToken,
}

impl Upload {
    /// Begins a file at `path` of the table's store.
    pub(crate) async fn begin(
        location: &Location,
        path: Path,
        cancellation: CancellationToken,
    ) -> Result<Self, Error> {
        if !location.is_local() {
            return Ok(Self::Remote(PartUpload {
                store: Arc::clone(location.store()),
                path,
                unsent: Vec::new(),
                unsent_bytes: 0,
                upload: None,
                in_flight: JoinSet::new(),
                cancellation,
            }));
        }
        let target = local_path(location.url(), &path)?;
        let created = blocking(&path, move || create(target)).await?;
        Ok(Self::Local {
            path,
            file: Some(created),
        })
    }

    /// Writes `bytes`, and waits while too many are on their way.
    ///
    /// Gives an empty buffer for the next bytes, of which there will be about as many.
    pub(crate) async fn put(&mut self, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
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

    /// Waits until all bytes are at their place.
    pub(crate) async fn finish(&mut self) -> Result<(), Error> {
        match self {
            Self::Local { .. } => Ok(()),
            Self::Remote(parts) => parts.finish().await,
        }
    }

    /// Leaves nothing of an upload behind; a file that is there is the stage's to remove.
    pub(crate) async fn abort(self) {
        if let Self::Remote(mut parts) = self {
            parts.in_flight.shutdown().await;
            if let Some(mut upload) = parts.upload.take() {
                // The stage has an error to tell already.
                let _unfinished = upload.abort().await;
            }
        }
    }
}

impl PartUpload {
    async fn put(&mut self, mut bytes: Bytes) -> Result<(), Error> {
        while self.unsent_bytes + bytes.len() > PART_BYTES {
            let part = bytes.split_to(PART_BYTES - self.unsent_bytes);
            self.keep(part);
            self.send().await?;
        }
        self.keep(bytes);
        Ok(())
    }

    fn keep(&mut self, bytes: Bytes) {
        self.unsent_bytes += bytes.len();
        self.unsent.push(bytes);
    }

    fn payload(&mut self) -> PutPayload {
        self.unsent_bytes = 0;
        std::mem::take(&mut self.unsent).into_iter().collect()
    }

    /// Sends what is kept as a part.
    async fn send(&mut self) -> Result<(), Error> {
        while self.in_flight.len() >= MAX_CONCURRENT_PARTS {
            self.wait_for_part().await?;
        }
        let payload = self.payload();
        let upload = match &mut self.upload {
            Some(upload) => upload,
            none => {
                let begun = self.store.put_multipart(&self.path).await;
                none.insert(begun.map_err(|source| Error::store(&self.path, source))?)
            }
        };
        self.in_flight.spawn(upload.put_part(payload));
        Ok(())
    }

    async fn wait_for_part(&mut self) -> Result<(), Error> {
        // Nothing else is given up half-way: what a request in flight makes couldn't be removed.
        match unless_cancelled(&self.cancellation, self.in_flight.join_next()).await? {
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
        if self.unsent_bytes > 0 {
            self.send().await?;
        }
        while !self.in_flight.is_empty() {
            self.wait_for_part().await?;
        }
        if let Some(upload) = &mut self.upload {
            let completed = upload.complete().await;
            completed.map_err(|source| Error::store(&self.path, source))?;
            self.upload = None;
        }
        Ok(())
    }
}

fn create(target: PathBuf) -> std::io::Result<File> {
    let mut tries = 0;
    loop {
        match File::create_new(&target) {
            // Whoever drops a stage may remove an empty directory just now.
            Err(error) if error.kind() == ErrorKind::NotFound && tries < MAX_DIRECTORY_TRIES => {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    use crate::testing;

    fn in_memory() -> Location {
        Location::try_new("memory:///t", &HashMap::new(), None).unwrap()
    }

    async fn upload(location: &Location, chunks: &[usize]) -> Result<Bytes, Error> {
        let path = Path::from("t/part.parquet");
        let token = CancellationToken::new();
        let mut upload = Upload::begin(location, path.clone(), token).await?;
        for (number, bytes) in chunks.iter().enumerate() {
            let empty = upload.put(vec![number as u8; *bytes]).await?;
            assert!(empty.is_empty() && empty.capacity() >= *bytes);
        }
        upload.finish().await?;
        let found = location.store().get(&path).await.unwrap();
        Ok(found.bytes().await.unwrap())
    }

    #[test]
    fn bytes_arrive_in_their_order_in_one_part_or_many() {
        for chunks in [
            &[10, 20][..],
            &[PART_BYTES, 1],
            &[3 * PART_BYTES + 7, 5, PART_BYTES],
        ] {
            let work = async { upload(&in_memory(), chunks).await };
            let found = dfd_runtime::block_on(work).unwrap().unwrap();
            let mut wanted = Vec::new();
            for (number, bytes) in chunks.iter().enumerate() {
                wanted.resize(wanted.len() + bytes, number as u8);
            }
            assert!(found == wanted, "{chunks:?}");
        }
    }

    #[test]
    fn a_file_of_a_disk_is_made_with_its_directory_and_never_over_another() {
        let directory = tempfile::tempdir().unwrap();
        let location = testing::location(directory.path());
        let path = Path::parse(format!("{}/p=1/a", directory.path().display())).unwrap();
        let begin = || Upload::begin(&location, path.clone(), CancellationToken::new());
        let work = async {
            let mut upload = begin().await?;
            upload.put(b"abc".to_vec()).await?;
            upload.finish().await?;
            begin().await.map(|_| ())
        };
        let again = dfd_runtime::block_on(work).unwrap();
        assert!(matches!(again, Err(Error::Disk { .. })));
        assert_eq!(
            std::fs::read(directory.path().join("p=1/a")).unwrap(),
            b"abc"
        );
    }

    #[test]
    fn an_upload_that_is_aborted_leaves_nothing() {
        let location = in_memory();
        let path = Path::from("t/part.parquet");
        let work = async {
            let mut upload =
                Upload::begin(&location, path.clone(), CancellationToken::new()).await?;
            upload.put(vec![0; 2 * PART_BYTES]).await?;
            upload.abort().await;
            Ok::<_, Error>(location.store().get(&path).await.is_err())
        };
        assert!(dfd_runtime::block_on(work).unwrap().unwrap());
    }
}
