//! The version of the table that a stage begins with.

use std::sync::Arc;

use dfd_delta::{At, TableSnapshot};
use dfd_runtime::Location;
use futures::StreamExt;

use crate::error::Error;
use crate::files::storage::table_root;

/// Opens the newest version of a table; None where there is no table.
///
/// # Errors
/// The log can't be read.
pub(crate) async fn open_if_exists(
    location: &Location,
) -> Result<Option<Arc<TableSnapshot>>, Error> {
    match TableSnapshot::open(location.clone(), At::Newest).await {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(dfd_delta::Error::Table { .. }) => {
            let log = table_root(location)?.join("_delta_log");
            match location.store().list(Some(&log)).next().await {
                None => Ok(None),
                // Somebody may have made the table after the first look.
                Some(_) => Ok(Some(
                    TableSnapshot::open(location.clone(), At::Newest).await?,
                )),
            }
        }
        Err(error) => Err(error.into()),
    }
}
