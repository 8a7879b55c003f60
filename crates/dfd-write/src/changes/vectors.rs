//! Files whose rows go by a deletion vector.

use bytes::Bytes;
use delta_kernel::table_features::TableFeature;
use dfd_delta::{CutFile, ExistingFile, TableSnapshot, VectorFile, inline_vector};
use object_store::ObjectStoreExt;

use crate::error::Error;
use crate::files::stage_files::StageFiles;

/// Whether rows of a table go by deletion vectors: its protocol has them, and its properties ask for them.
pub(crate) fn has_vectors(snapshot: &TableSnapshot) -> Result<bool, Error> {
    let table = snapshot.configuration()?;
    let mut features = table
        .protocol()
        .writer_features()
        .unwrap_or_default()
        .iter();
    let is_known = features.any(|feature| *feature == TableFeature::DeletionVectors);
    Ok(is_known && table.table_properties().enable_deletion_vectors == Some(true))
}

/// Whether the table keeps what changes for readers of changes.
pub(crate) fn has_change_feed(snapshot: &TableSnapshot) -> Result<bool, Error> {
    let table = snapshot.configuration()?;
    Ok(table.table_properties().enable_change_data_feed == Some(true))
}

/// The files with deletion vectors for their rows that are gone. Small ones stand in the log; the others are
/// written into one file.
///
/// # Errors
/// The store fails.
pub(crate) async fn marked_files(
    files: &[&CutFile],
    stage: &StageFiles,
) -> Result<Vec<ExistingFile>, Error> {
    let inline: Vec<_> = files.iter().map(|cut| inline_vector(&cut.gone)).collect();
    let large = files
        .iter()
        .zip(&inline)
        .filter(|(_, inline)| inline.is_none());
    let large: Vec<_> = large.map(|(cut, _)| &cut.gone).collect();
    let mut stored = Vec::new();
    if !large.is_empty() {
        let file = VectorFile::of(large)?;
        put(stage, &file.path, file.bytes).await?;
        stored = file.vectors;
    }
    let mut stored = stored.into_iter();
    let marked = files.iter().zip(inline).map(|(cut, inline)| {
        let vector = inline.or_else(|| stored.next())?;
        cut.with_vector(vector)
    });
    let marked = marked.collect::<Option<Vec<_>>>();
    marked.ok_or(Error::Inconsistent("a file can't have a deletion vector"))
}

async fn put(stage: &StageFiles, path: &str, bytes: Bytes) -> Result<(), Error> {
    let in_store = stage.add(path)?;
    let store = stage.location().store();
    let put = store.put(&in_store, bytes.into()).await;
    put.map(|_| ())
        .map_err(|error| Error::store(&in_store, error))
}
