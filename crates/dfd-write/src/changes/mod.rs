//! Rows of a table changed, without a commit.
//!
//! ```text
//!   Statement ──> query: file and number of each row that changes, and its new columns
//!                   ├─ new columns ──> NewRows ─────────────────────────────────────┐
//!                   └─ file, number ──> CutRows: all rows gone ──> removed          ├─> RowChange
//!                                                some ──> a deletion vector, or ────┤
//!                                                         what is left, written anew┘
//! ```
//!
//! A file gets a deletion vector where the table has them on; else what is left of it is written anew.
//!
//! On top of a later version the same change is another [`RowChange`] with the same new files, as long as no commit
//! that came meanwhile touched its rows ([`RowChange::rebased_on`]).

mod cut_rows;
mod exact_values;
mod found_rows;
mod in_place;
mod key_ranges;
mod merge;
mod metrics;
mod source;
mod statement;
mod vectors;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::Expr;
use dfd_delta::{
    ActiveFiles, At, CutFile, DefinitionChange, ExistingFile, LocatedRows, RewriteInput,
    TableSnapshot,
};
use dfd_runtime::Location;

pub use self::merge::{Clause, ClauseRows, Merge};
pub use self::statement::Statement;

use crate::cancellation::CancellationToken;
use crate::changes::cut_rows::CutRows;
use crate::changes::found_rows::{ChangeQuery, Found, FoundRows, found_rows};
use crate::changes::in_place::{UpdateInPlace, Updated};
use crate::changes::metrics::Counts;
use crate::changes::source::MergeSource;
use crate::changes::statement::{matching_rows, rows_within, updated_rows};
use crate::changes::vectors::{MarkedFiles, has_change_feed, has_vectors};
use crate::error::Error;
use crate::files::stage_files::{AddFile, StageFiles};
use crate::plan::pipeline::PipelineOutput;
use crate::plan::shared_stream::Input;
use crate::rewrite::{Rewriting, RowOrder};
use crate::schema::delta_types::Nulls;
use crate::schema::evolution::evolved;
use crate::schema::requirements::WriteRequirements;
use crate::stage::{NewRows, Settings, StageTarget, or_removed, staged_files};
use crate::staged::{OpenStage, StagedFiles};

/// The numbers of writers that one run of them has for itself, in names of files.
const WRITERS_PER_TURN: usize = 10_000;

/// Bytes for which a further writer of copies is worth its file.
const SMALLEST_SHARE: u64 = 8 << 20;

/// What to change, and how.
#[derive(Debug)]
pub struct ChangeRequest {
    /// Version of the table.
    pub version: u64,
    /// What becomes of its rows.
    pub statement: Statement,
    /// The source of a MERGE.
    pub source: Option<Input>,
    /// Files that the same commit adds.
    pub inserted: Vec<AddFile>,
    /// What the same commit makes of the table itself.
    pub definition: DefinitionChange,
    /// How to stage; the partition columns are the table's. A MERGE adds columns that it sets where it may.
    pub settings: Settings,
}

impl ChangeRequest {
    /// What the commit makes of the table itself.
    fn definition(&self, snapshot: &TableSnapshot) -> Result<DefinitionChange, Error> {
        match (&self.statement, &self.source, self.settings.schema_mode) {
            (Statement::Merge(merge), Some(source), Some(mode)) => {
                let set = merge.set_by_name(&source.schema);
                evolved(snapshot, &set, mode, None, Nulls::Everywhere)
            }
            _ => Ok(self.definition.clone()),
        }
    }
}

/// What the next version has to say, so that rows are changed.
#[derive(Debug)]
pub struct RowChange {
    /// New files; None where no row changes, and of a change that was rebased.
    pub staged: Option<StagedFiles>,
    stage: Option<Arc<StageFiles>>,
    cut: CutRows,
    marked: MarkedFiles,
    counts: Counts,
    definition: DefinitionChange,
    /// The version, under the definition that the commit makes.
    snapshot: Arc<TableSnapshot>,
    statement: Statement,
    /// What is true of every row that may match the source of a MERGE; None where any may.
    reach: Option<Expr>,
}

impl RowChange {
    /// Files that go, and those that come back with another deletion vector.
    pub fn removes(&self) -> ActiveFiles {
        self.cut.removes(&self.snapshot)
    }

    /// Those that come back.
    pub fn existing(&self) -> &[ExistingFile] {
        &self.marked.files
    }

    /// Counts of rows, files and deletion vectors.
    pub fn metrics(&self) -> BTreeMap<&'static str, u64> {
        self.cut.count(&self.counts).of(&self.statement)
    }

    /// The same change on top of a later version, with the same new files; None where it has to be worked out again:
    /// a file is gone, a row that it takes out is, or there are rows now that may change too.
    ///
    /// Where only deletion vectors of its files have other rows more, they are merged. What this one would have had
    /// to say can't be committed any more.
    ///
    /// # Errors
    /// The log or a file can't be read, or a deletion vector can't be written.
    pub async fn rebased_on(
        &self,
        version: u64,
        state: SessionState,
        cancellation: &CancellationToken,
    ) -> Result<Option<Self>, Error> {
        let location = self.snapshot.location().clone();
        let later = TableSnapshot::open(location, At::Version(version)).await?;
        let later = later.redefined(&self.definition)?;
        let Some(cut) = self.cut.again_in(&later)? else {
            return Ok(None);
        };
        if !self.is_whole_on(&later, state, cancellation).await? {
            return Ok(None);
        }
        let is_same = cut.removes(&later).has_those_of(&self.removes());
        let marked = match &self.stage {
            Some(stage) if !is_same => {
                let marked = MarkedFiles::write(&cut.marked, stage).await?;
                self.marked.remove(stage).await;
                marked
            }
            _ => self.marked.clone(),
        };
        Ok(Some(Self {
            staged: None,
            stage: self.stage.clone(),
            cut,
            marked,
            counts: self.counts.clone(),
            definition: self.definition.clone(),
            snapshot: later,
            statement: self.statement.clone(),
            reach: self.reach.clone(),
        }))
    }

    /// Whether it changes all rows of a later version that the statement would change there.
    async fn is_whole_on(
        &self,
        later: &Arc<TableSnapshot>,
        state: SessionState,
        cancellation: &CancellationToken,
    ) -> Result<bool, Error> {
        // Rows that went may have matched some of a source.
        if let Statement::Merge(merge) = &self.statement
            && merge.depends_on_kept_rows()
            && !self
                .snapshot
                .active_files()?
                .has_those_of(&later.active_files()?)
        {
            return Ok(false);
        }
        let new = LocatedRows::since(&self.snapshot, Arc::clone(later))?;
        if new.is_empty() {
            return Ok(true);
        }
        let query = match (&self.statement, &self.reach) {
            (Statement::Delete { condition } | Statement::Update { condition, .. }, _) => {
                matching_rows(condition.as_deref(), new, &state)?
            }
            (Statement::Merge(_), Some(reach)) => rows_within(new, reach.clone())?,
            (Statement::Merge(_), None) => return Ok(false),
        };
        let found = found_rows(query, state, cancellation).await?;
        Ok(found.is_none())
    }
}

/// Works out what a statement changes in a version of a table, and writes new files; commits nothing. After
/// an error nothing is left.
///
/// The rows are found in a session of `state`.
///
/// # Errors
/// The statement can't be one of this table, a new row breaks a rule, or the store or the disk fails.
pub async fn change_rows(
    location: Location,
    request: ChangeRequest,
    state: SessionState,
    cancellation: CancellationToken,
) -> Result<RowChange, Error> {
    let began = Instant::now();
    let snapshot = TableSnapshot::open(location.clone(), At::Version(request.version)).await?;
    let definition = request.definition(&snapshot)?;
    let snapshot = snapshot.redefined(&definition)?;
    let requirements = Arc::new(match request.statement.writes_rows() {
        true => WriteRequirements::for_append(&snapshot)?.with_definition(definition.clone()),
        false => WriteRequirements::for_rewrite(&snapshot)?,
    });
    let source = request.source.map(MergeSource::new);
    let work = ChangeWork {
        snapshot,
        definition,
        requirements,
        statement: request.statement,
        source,
        inserted: request.inserted,
        settings: request.settings,
    };
    let changed = work.run(location, state, cancellation, began).await;
    changed.map_err(|error| match &work.source {
        Some(source) => source.or_failure(error),
        None => error,
    })
}

/// What becomes of rows and their files.
#[derive(Default)]
struct Changed {
    cut: CutRows,
    marked: MarkedFiles,
    outputs: Vec<PipelineOutput>,
    change_files: Vec<AddFile>,
    counts: Counts,
}

impl Changed {
    /// Of files that were written anew with all their rows, some of them updated.
    fn in_place(cut: Vec<CutFile>, output: PipelineOutput) -> Self {
        let counts = Counts {
            updated_rows: cut.iter().map(|file| file.taken.len()).sum(),
            added_files: count(output.added.iter()),
            ..Counts::default()
        };
        Self {
            cut: CutRows::copied(cut),
            outputs: vec![output],
            counts,
            ..Self::default()
        }
    }
}

/// New files, by what their rows were before.
#[derive(Default)]
struct NewFiles {
    updated: Vec<PipelineOutput>,
    inserted: Vec<PipelineOutput>,
}

struct ChangeWork {
    /// The version, under the definition that the commit makes.
    snapshot: Arc<TableSnapshot>,
    definition: DefinitionChange,
    requirements: Arc<WriteRequirements>,
    statement: Statement,
    source: Option<MergeSource>,
    /// Files that the same commit adds.
    inserted: Vec<AddFile>,
    settings: Settings,
}

impl ChangeWork {
    async fn run(
        &self,
        location: Location,
        state: SessionState,
        cancellation: CancellationToken,
        began: Instant,
    ) -> Result<RowChange, Error> {
        let query = self.query(&state)?;
        let found = found_rows(query, state, &cancellation).await?;
        let Some(rows) = found else {
            return self.change(Changed::default(), None);
        };
        let stage = OpenStage::begin(location).await?;
        let target = StageTarget::new(&stage, cancellation);
        let changed = self.write(rows, &target).await;
        let mut changed = or_removed(changed, &stage).await?;
        let outputs = std::mem::take(&mut changed.outputs);
        let change_files = std::mem::take(&mut changed.change_files);
        let requirements = Arc::clone(&self.requirements);
        let staged = staged_files(outputs, stage, requirements, &target.pool_usage, began);
        self.change(changed, Some(staged.with_changes(change_files)))
    }

    fn query(&self, state: &SessionState) -> Result<ChangeQuery, Error> {
        let rows = LocatedRows::of(Arc::clone(&self.snapshot))?;
        match (&self.statement, &self.source) {
            (Statement::Delete { condition }, _) => {
                matching_rows(condition.as_deref(), rows, state)
            }
            (Statement::Update { values, condition }, _) => {
                let condition = condition.as_deref();
                updated_rows(values, condition, rows, &self.requirements, state)
            }
            (Statement::Merge(merge), Some(source)) => {
                merge.query(rows, source, &self.requirements, state)
            }
            (Statement::Merge(_), None) => Err(Error::Inconsistent("a MERGE has no source")),
        }
    }

    fn change(&self, changed: Changed, staged: Option<StagedFiles>) -> Result<RowChange, Error> {
        let counts = Counts {
            source_rows: self.source.as_ref().map_or(0, MergeSource::rows),
            ..changed.counts
        };
        let stage = staged.as_ref().map(|staged| Arc::clone(staged.files()));
        let reach = self.source.as_ref().map(MergeSource::reach).transpose()?;
        Ok(RowChange {
            staged,
            stage,
            cut: changed.cut,
            marked: changed.marked,
            counts,
            definition: self.definition.clone(),
            snapshot: Arc::clone(&self.snapshot),
            statement: self.statement.clone(),
            reach: reach.flatten(),
        })
    }

    /// Writes the new rows, and takes those out that were found on the way.
    async fn write(&self, rows: FoundRows, target: &StageTarget) -> Result<Changed, Error> {
        let rows = match self.update_in_place(rows, target).await? {
            Updated::InPlace(cut, output) => return Ok(Changed::in_place(cut, output)),
            Updated::Otherwise(rows) => rows,
        };
        let places = rows.places.clone();
        let new = self.write_new(rows, target).await?;
        let found = places.take();
        let cut = self.snapshot.cut_files(found.places()).await?;
        let change_files = match has_change_feed(&self.snapshot)? {
            true => self.write_changes(&found, &cut, &new, target).await?,
            false => Vec::new(),
        };
        let cut = CutRows::of(cut, has_vectors(&self.snapshot)?);
        let marked = MarkedFiles::write(&cut.marked, &target.files).await?;
        let copies = self.copy(&cut.copied, target).await?;
        let mut outputs = new.updated;
        outputs.extend(new.inserted);
        outputs.extend(copies);
        let counts = Counts {
            deleted_rows: found.deleted.len(),
            updated_rows: found.updated.len(),
            inserted_rows: found.inserted,
            added_files: count(added_by(&outputs)),
            added_change_files: count(change_files.iter()),
            ..Counts::default()
        };
        Ok(Changed {
            cut,
            marked,
            outputs,
            change_files,
            counts,
        })
    }

    async fn update_in_place(
        &self,
        rows: FoundRows,
        target: &StageTarget,
    ) -> Result<Updated, Error> {
        let Statement::Update { values, .. } = &self.statement else {
            return Ok(Updated::Otherwise(rows));
        };
        let update = UpdateInPlace {
            snapshot: &self.snapshot,
            requirements: &self.requirements,
            settings: &self.settings,
            values,
        };
        update.run(rows, target).await
    }

    /// Writes the rows as they are afterwards. For readers of changes, inserted ones have files of their own.
    async fn write_new(&self, rows: FoundRows, target: &StageTarget) -> Result<NewFiles, Error> {
        let written = |input: Input, turn: usize| {
            let requirements = Arc::clone(&self.requirements);
            let rows = NewRows::new(input, requirements, self.settings.clone());
            let target = in_turn(target, turn);
            async move {
                let written = rows?.write(target).await;
                written
                    .map(|output| vec![output])
                    .map_err(|error| match error {
                        Error::Source { reason, .. } => Error::of_query(reason),
                        other => other,
                    })
            }
        };
        if !self.statement.writes_rows() {
            rows.drain(&target.cancellation).await?;
            return Ok(NewFiles::default());
        }
        let has_source = self.source.is_some();
        if !(has_source && has_change_feed(&self.snapshot)?) {
            return Ok(NewFiles {
                updated: written(rows.written(), 0).await?,
                inserted: Vec::new(),
            });
        }
        let (updated, inserted) = rows.parted();
        let (updated, inserted) = futures::join!(written(updated, 0), written(inserted, 1));
        Ok(NewFiles {
            updated: updated?,
            inserted: inserted?,
        })
    }

    /// Writes the rows that change for readers of changes: as they were, and as they are.
    ///
    /// Where whole files go and no row is updated, those readers see it by the removals.
    async fn write_changes(
        &self,
        found: &Found,
        cut: &[CutFile],
        new: &NewFiles,
        target: &StageTarget,
    ) -> Result<Vec<AddFile>, Error> {
        if found.updated.is_empty() && cut.iter().all(CutFile::is_empty) {
            return Ok(Vec::new());
        }
        let deleted = self.snapshot.cut_files(found.deleted.clone()).await?;
        let updated = self.snapshot.cut_files(found.updated.clone()).await?;
        let inserted = added_by(&new.inserted).chain(&self.inserted);
        let mut files = Vec::new();
        for (change_type, inputs, turn) in [
            ("delete", self.snapshot.rows_taken(&deleted)?, 2),
            ("update_preimage", self.snapshot.rows_taken(&updated)?, 3),
            ("update_postimage", self.inputs(added_by(&new.updated))?, 4),
            ("insert", self.inputs(inserted)?, 5),
        ] {
            let written = self
                .write_as(change_type, inputs, in_turn(target, turn))
                .await?;
            files.extend(written);
        }
        Ok(files)
    }

    /// New files, to be read.
    fn inputs<'a>(
        &self,
        files: impl IntoIterator<Item = &'a AddFile>,
    ) -> Result<Vec<RewriteInput>, Error> {
        let inputs = files.into_iter().map(|file| {
            let (path, values) = (&file.path, &file.partition_values);
            Ok(self
                .snapshot
                .new_input(path, file.size, file.rows, values)?)
        });
        inputs.collect()
    }

    /// Writes rows with what became of them.
    async fn write_as(
        &self,
        change_type: &'static str,
        inputs: Vec<RewriteInput>,
        target: StageTarget,
    ) -> Result<Vec<AddFile>, Error> {
        let requirements = WriteRequirements::for_rewrite(&self.snapshot)?.for_changed_rows();
        let rewriting = self.rewriting(requirements, Some(change_type));
        let written = rewriting.write(inputs, &self.settings, target).await?;
        Ok(written
            .into_iter()
            .flat_map(|output| output.added)
            .collect())
    }

    /// Writes what is left of some files anew.
    async fn copy(
        &self,
        files: &[CutFile],
        target: &StageTarget,
    ) -> Result<Vec<PipelineOutput>, Error> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let inputs = self.snapshot.rows_left(files)?;
        let requirements = WriteRequirements::for_rewrite(&self.snapshot)?;
        let wanted = self.settings.target_file_bytes;
        let wanted = wanted.unwrap_or_else(|| requirements.target_file_bytes());
        let settings = Settings {
            target_file_bytes: Some(wanted.min(self.share_of_writer(&inputs))),
            ..self.settings.clone()
        };
        let rewriting = self.rewriting(requirements, None);
        rewriting.write(inputs, &settings, in_turn(target, 6)).await
    }

    /// Bytes for each writer, where all have something to do.
    fn share_of_writer(&self, inputs: &[RewriteInput]) -> u64 {
        let bytes: u64 = inputs.iter().map(RewriteInput::live_bytes).sum();
        bytes
            .div_ceil(self.settings.writers() as u64)
            .max(SMALLEST_SHARE)
    }

    fn rewriting(
        &self,
        requirements: WriteRequirements,
        change_type: Option<&'static str>,
    ) -> Rewriting {
        Rewriting {
            snapshot: Arc::clone(&self.snapshot),
            order: RowOrder::Unchanged,
            requirements: Arc::new(requirements),
            change_type,
        }
    }
}

/// The stage for the `turn`th run of writers, whose numbers are their own.
fn in_turn(target: &StageTarget, turn: usize) -> StageTarget {
    StageTarget {
        first_writer: turn * WRITERS_PER_TURN,
        ..target.clone()
    }
}

/// The files of some runs of writers.
fn added_by(outputs: &[PipelineOutput]) -> impl Iterator<Item = &AddFile> {
    outputs.iter().flat_map(|output| &output.added)
}

fn count<T>(found: impl Iterator<Item = T>) -> u64 {
    found.count() as u64
}

#[cfg(test)]
mod tests;
