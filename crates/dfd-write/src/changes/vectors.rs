//! Files whose rows go by a deletion vector.

use bytes::Bytes;
use delta_kernel::table_features::TableFeature;
use dfd_delta::{CutFile, ExistingFile, TableSnapshot, VectorFile, inline_vector};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::error::Error;
use crate::files::stage_files::StageFiles;

/// Files with deletion vectors for their rows that are gone.
#[derive(Debug, Clone, Default)]
pub(crate) struct MarkedFiles {
    /// The files, as the next version has them.
    pub(crate) files: Vec<ExistingFile>,
    /// Where the vectors are that don't stand in the log.
    vectors: Option<Path>,
}

impl MarkedFiles {
    /// Small vectors stand in the log; the others are written into one file.
    ///
    /// # Errors
    /// The store fails.
    pub(crate) async fn write(cut: &[CutFile], stage: &StageFiles) -> Result<Self, Error> {
        let inline: Vec<_> = cut.iter().map(|cut| inline_vector(&cut.gone)).collect();
        let large = cut
            .iter()
            .zip(&inline)
            .filter(|(_, inline)| inline.is_none());
        let large: Vec<_> = large.map(|(cut, _)| &cut.gone).collect();
        let (mut stored, mut vectors) = (Vec::new(), None);
        if !large.is_empty() {
            let file = VectorFile::of(large)?;
            vectors = Some(put(stage, &file.path, file.bytes).await?);
            stored = file.vectors;
        }
        let mut stored = stored.into_iter();
        let marked = cut.iter().zip(inline).map(|(cut, inline)| {
            let vector = inline.or_else(|| stored.next())?;
            cut.with_vector(vector)
        });
        let files = marked.collect::<Option<Vec<_>>>();
        let files = files.ok_or(Error::Inconsistent("a file can't have a deletion vector"))?;
        Ok(Self { files, vectors })
    }

    /// Removes what was written of vectors that no commit has.
    pub(crate) async fn remove(&self, stage: &StageFiles) {
        if let Some(path) = &self.vectors {
            // Where that fails it is a file of the stage still, and at last one that VACUUM takes.
            let _stays = stage.remove_one(path).await;
        }
    }
}

/// Whether rows of a table go by deletion vectors: its protocol has them, and its properties ask for them.
///
/// A file with one has to say how many rows it has, which a checkpoint without statistics doesn't.
pub(crate) fn has_vectors(snapshot: &TableSnapshot) -> Result<bool, Error> {
    let table = snapshot.configuration()?;
    let mut features = table
        .protocol()
        .writer_features()
        .unwrap_or_default()
        .iter();
    let is_known = features.any(|feature| *feature == TableFeature::DeletionVectors);
    let properties = table.table_properties();
    let is_asked = properties.enable_deletion_vectors == Some(true);
    Ok(is_known && is_asked && properties.checkpoint_write_stats_as_json != Some(false))
}

/// Whether the table keeps what changes for readers of changes.
pub(crate) fn has_change_feed(snapshot: &TableSnapshot) -> Result<bool, Error> {
    let table = snapshot.configuration()?;
    Ok(table.table_properties().enable_change_data_feed == Some(true))
}

async fn put(stage: &StageFiles, path: &str, bytes: Bytes) -> Result<Path, Error> {
    let in_store = stage.add(path)?;
    let store = stage.location().store();
    let put = store.put(&in_store, bytes.into()).await;
    put.map_err(|error| Error::store(&in_store, error))?;
    Ok(in_store)
}
