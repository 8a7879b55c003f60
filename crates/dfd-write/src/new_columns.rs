//! Columns that a table gets.

use dfd_delta::{At, DefinitionChange, TableSnapshot};
use dfd_runtime::Location;

use crate::error::Error;
use crate::schema::evolution::extended;

/// The change by which a version of a table gets columns, after those that it has; all rows are null in them.
///
/// `columns` is a schema in the JSON of Delta's log. Mapped columns get ids that none had before.
///
/// # Errors
/// It isn't a schema, the table has one of these names, one takes no nulls, or the log can't be read.
pub async fn add_columns(
    location: Location,
    version: u64,
    columns: String,
) -> Result<DefinitionChange, Error> {
    let snapshot = TableSnapshot::open(location, At::Version(version)).await?;
    extended(&snapshot, &columns)
}
