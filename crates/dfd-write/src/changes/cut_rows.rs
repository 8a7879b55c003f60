//! Rows that a change takes out of files of a version, file by file.

use dfd_delta::{ActiveFiles, CutFile, TableSnapshot};

use crate::changes::metrics::Counts;
use crate::error::Error;

/// The files out of which rows are taken, by what becomes of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct CutRows {
    /// Those that go, of which no row is left.
    emptied: Vec<CutFile>,
    /// Those that go, of which what is left is written anew.
    pub(crate) copied: Vec<CutFile>,
    /// Those that stay, with a deletion vector.
    pub(crate) marked: Vec<CutFile>,
}

impl CutRows {
    /// Of these files, in a table that has deletion vectors or hasn't.
    pub(crate) fn of(files: Vec<CutFile>, has_vectors: bool) -> Self {
        let (emptied, left) = files.into_iter().partition(CutFile::is_empty);
        let is_marked = |file: &CutFile| has_vectors && file.may_have_vector();
        let (marked, copied) = Vec::into_iter(left).partition(is_marked);
        Self {
            emptied,
            copied,
            marked,
        }
    }

    /// Of files that are all written anew.
    pub(crate) fn copied(files: Vec<CutFile>) -> Self {
        Self {
            copied: files,
            ..Self::default()
        }
    }

    /// The same rows of a later version; None where it doesn't have them as they were.
    ///
    /// Of files that get a deletion vector, other rows may be gone meanwhile.
    ///
    /// # Errors
    /// The log wasn't read.
    pub(crate) fn again_in(&self, later: &TableSnapshot) -> Result<Option<Self>, Error> {
        let removed = removal_from(later, self.going());
        if removed.in_version(&later.active_files()?).is_none() {
            return Ok(None);
        }
        let Some(marked) = later.cut_again(&self.marked)? else {
            return Ok(None);
        };
        let Self {
            emptied,
            copied,
            marked,
        } = Self::of(marked, true);
        // Nobody has copied what is left of those.
        let has_all = copied.is_empty();
        Ok(has_all.then(|| Self {
            emptied: self.emptied.iter().cloned().chain(emptied).collect(),
            copied: self.copied.clone(),
            marked,
        }))
    }

    /// The files as those that a commit on top of `snapshot` removes, those too that come back.
    pub(crate) fn removes(&self, snapshot: &TableSnapshot) -> ActiveFiles {
        removal_from(snapshot, self.going().chain(&self.marked))
    }

    fn going(&self) -> impl Iterator<Item = &CutFile> {
        self.emptied.iter().chain(&self.copied)
    }

    /// Counts files and vectors, and the rows that are copied.
    pub(crate) fn count(&self, counts: &Counts) -> Counts {
        let with_vector = |files: &[CutFile]| files.iter().filter(|file| file.has_vector()).count();
        let [emptied, copied, marked] =
            [&self.emptied, &self.copied, &self.marked].map(|files| with_vector(files) as u64);
        let copied_rows = self
            .copied
            .iter()
            .map(|file| file.stored_rows - file.gone.len());
        Counts {
            copied_rows: copied_rows.sum(),
            removed_files: self.going().count() as u64,
            vectors_added: self.marked.len() as u64,
            vectors_updated: marked,
            vectors_removed: emptied + copied + marked,
            ..counts.clone()
        }
    }
}

fn removal_from<'a>(
    snapshot: &TableSnapshot,
    files: impl Iterator<Item = &'a CutFile>,
) -> ActiveFiles {
    ActiveFiles {
        version: snapshot.version(),
        files: files.map(|cut| cut.file.clone()).collect(),
    }
}
