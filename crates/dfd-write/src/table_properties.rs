//! Properties that a table gets, once they are seen to be true of its rows.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, Schema};
use datafusion::common::Column;
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use datafusion::physical_plan::{SendableRecordBatchStream, execute_stream};
use dfd_delta::{
    ActiveFile, At, DefinitionChange, DeltaTableProvider, FILE_COLUMN, LocatedRows, ROW_COLUMN,
    TableSnapshot, check_name,
};
use dfd_runtime::Location;
use futures::StreamExt;

use crate::cancellation::{CancellationToken, unless_cancelled};
use crate::error::{Error, Rule};
use crate::schema::constraints::{check_condition, compile_condition};
use crate::schema::expressions::TableExpression;
use crate::schema::metadata::{Keep, strip_metadata};

/// The change by which a version of a table gets properties; those without a value go.
///
/// A CHECK constraint among them is true of every row that the version has.
///
/// # Errors
/// A constraint isn't a condition that means the same as to Spark, a row breaks it, or the table can't be read.
pub async fn change_properties(
    location: Location,
    version: u64,
    changes: Vec<(String, Option<String>)>,
    state: SessionState,
    cancellation: CancellationToken,
) -> Result<DefinitionChange, Error> {
    let snapshot = TableSnapshot::open(location, At::Version(version)).await?;
    let definition = snapshot.with_properties(&changes)?;
    for (property, text) in changes {
        if let (Some(name), Some(text)) = (check_name(&property), text) {
            let rule = Rule::Check(name.to_owned());
            hold_rows(&snapshot, rule, text, &state, &cancellation).await?;
        }
    }
    Ok(definition)
}

/// Fails where a row of a version breaks a condition.
async fn hold_rows(
    snapshot: &Arc<TableSnapshot>,
    rule: Rule,
    text: String,
    state: &SessionState,
    cancellation: &CancellationToken,
) -> Result<(), Error> {
    let compiled = |columns: &Schema| {
        TableExpression::new(rule.clone(), text.clone(), columns, |typed| {
            compile_condition(&typed, columns)
        })
    };
    let columns = Schema::new(strip_metadata(snapshot.schema().fields(), Keep::Nothing));
    let columns = columns.project(&compiled(&columns)?.columns())?;
    let condition = compiled(&columns)?;
    let mut batches = rows_of(snapshot, &columns, state, cancellation).await?;
    let files = snapshot.active_files()?.files;
    while let Some(batch) = unless_cancelled(cancellation, batches.next()).await? {
        let batch = batch.map_err(|error| Error::Read(error.into()))?;
        check_stored(&condition, &batch, &files)?;
    }
    Ok(())
}

/// These columns of all rows, and last the file and the number of each.
async fn rows_of(
    snapshot: &Arc<TableSnapshot>,
    columns: &Schema,
    state: &SessionState,
    cancellation: &CancellationToken,
) -> Result<SendableRecordBatchStream, Error> {
    let rows = LocatedRows::of(Arc::clone(snapshot))?;
    let provider = provider_as_source(Arc::new(DeltaTableProvider::native(rows)));
    let names = columns.fields().iter().map(|field| field.name().as_str());
    let names = names.chain([FILE_COLUMN, ROW_COLUMN]);
    let named = names.map(|name| Expr::Column(Column::new_unqualified(name)));
    let plan = LogicalPlanBuilder::scan("the table", provider, None)?.project(named)?;
    let plan = plan.build()?;
    let planned = unless_cancelled(cancellation, state.create_physical_plan(&plan)).await??;
    Ok(execute_stream(planned, state.task_ctx())?)
}

/// Fails where a row of a batch breaks a condition; the error says in which file, and where there.
fn check_stored(
    condition: &TableExpression,
    batch: &RecordBatch,
    files: &[ActiveFile],
) -> Result<(), Error> {
    let broken = match check_condition(condition, batch, 0) {
        Err(Error::Rule(broken)) => broken,
        checked => return checked,
    };
    let row = broken
        .fields()
        .row
        .and_then(|row| usize::try_from(row).ok());
    let row = row.ok_or(Error::Inconsistent("a broken rule has no row"))?;
    let [file, number] = [2, 1].map(|place| {
        let column = batch.column(batch.num_columns() - place);
        column.as_primitive::<Int64Type>().value(row)
    });
    let file = usize::try_from(file).ok().and_then(|file| files.get(file));
    match check_condition(condition, &batch.slice(row, 1), number.unsigned_abs()) {
        Err(Error::Rule(violation)) => Err(Error::Stored {
            path: file.map(|file| file.path.clone()).unwrap_or_default(),
            violation: Box::new(violation),
        }),
        checked => checked,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::stage::Settings;
    use crate::testing::{Table, batch, column, commit, int64s, location, stage_into, texts};

    fn changed(directory: &Path, text: &str) -> Result<DefinitionChange, Error> {
        let changes = vec![("delta.constraints.c".to_owned(), Some(text.to_owned()))];
        let state = crate::schema::scope::statement_state();
        let token = CancellationToken::new();
        let work = change_properties(location(directory), 2, changes, state, token);
        dfd_runtime::block_on(work).unwrap()
    }

    /// Two files, of three rows and of two.
    fn table(directory: &Path) {
        let columns = [column("a", "long", true), column("s", "string", true)];
        Table::new(&columns).create(directory);
        let files = [
            (
                int64s([Some(1), Some(2), Some(3)]),
                texts([Some("x"), None, Some("y")]),
            ),
            (int64s([Some(4), None]), texts([Some("z"), Some("z")])),
        ];
        for (version, (a, s)) in (1..).zip(files) {
            let rows = batch(vec![("a", a), ("s", s)]);
            let staged = stage_into(directory, vec![rows], Settings::default()).unwrap();
            commit(directory, version, &staged);
        }
    }

    #[test]
    fn a_new_check_holds_for_the_rows_that_are_there() {
        let directory = tempfile::tempdir().unwrap();
        table(directory.path());
        for text in ["a > 0 or s = 'z'", "S <> '' or a = 2", "true"] {
            let definition = changed(directory.path(), text).unwrap();
            let properties = definition.metadata.unwrap().configuration().clone();
            assert_eq!(properties["delta.constraints.c"], text);
        }
    }

    #[test]
    fn a_row_that_breaks_a_new_check_is_told_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        table(directory.path());
        let broken = [
            (
                "s is not null",
                "row 1 (the first is 0) breaks",
                "s is null",
            ),
            ("a < 10", "row 1 (the first is 0) breaks", "a is null"),
            ("a <> 3", "row ", "a is "),
        ];
        for (text, place, why) in broken {
            let error = changed(directory.path(), text).unwrap_err();
            assert!(error.is_rule_violation());
            let told = error.to_string();
            assert!(told.starts_with(place) && told.contains(why), "{told}");
            let path = error.fields().path.unwrap();
            assert!(directory.path().join(&path).is_file(), "{path}");
            assert!(
                told.ends_with(&format!("; it is in the file {path}")),
                "{told}"
            );
        }
    }

    #[test]
    fn a_check_is_one_that_writers_can_follow() {
        let directory = tempfile::tempdir().unwrap();
        table(directory.path());
        for (text, why) in [
            ("rlike(s, 'x')", "Write with Spark"),
            ("a + 1", "no condition"),
            ("b > 0", "b"),
        ] {
            let told = changed(directory.path(), text).unwrap_err().to_string();
            assert!(told.contains("`c`") && told.contains(why), "{told}");
        }
    }
}
