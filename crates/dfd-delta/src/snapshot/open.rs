//! Opens tables, and brings snapshots up to date.

use std::sync::Arc;

use deltalake_core::{DeltaResult, DeltaTable, DeltaTableBuilder};
use dfd_runtime::Location;

use crate::error::Error;
use crate::log::listing::LogListing;
use crate::snapshot::at::At;
use crate::snapshot::cache;
use crate::snapshot::readable_log::{with_mended_log, with_readable_log};
use crate::snapshot::table_snapshot::{TableSnapshot, commit_stamp};
use crate::snapshot::time_travel::version_at;

async fn load(builder: DeltaTableBuilder, version: Option<u64>) -> DeltaResult<DeltaTable> {
    let builder = match version {
        Some(version) => builder.with_version(version),
        None => builder,
    };
    builder.load().await
}

impl TableSnapshot {
    /// Open a table: the snapshot that others use where it stands at `at`, or one read from the log.
    ///
    /// # Errors
    /// There is no such table or version, or the log can't be read or understood.
    pub async fn open(location: Location, at: At) -> Result<Arc<Self>, Error> {
        let version = match at {
            At::Newest => None,
            At::Version(version) => Some(version),
            At::Time(time) => Some(version_at(&location, time).await?),
        };
        if let Some(found) = cache::find(&location, version) {
            if version.is_none() {
                return Ok(found.refreshed().await?.unwrap_or(found));
            }
            if found.is_of_the_same_table().await? {
                cache::count(true);
                return Ok(found);
            }
            cache::forget(&location);
        }
        Self::read(location, version).await
    }

    /// Reads the newest version from the log, for nobody else.
    ///
    /// # Errors
    /// There is no such table, or the log can't be read or understood.
    pub(crate) async fn read_anew(location: Location) -> Result<Arc<Self>, Error> {
        let load = |builder| load(builder, None);
        let table = with_readable_log(&location, None, load).await?;
        Self::of(location, table, None).await
    }

    async fn read(location: Location, version: Option<u64>) -> Result<Arc<Self>, Error> {
        cache::count(false);
        let mut stamp = None;
        if let Some(version) = version {
            // delta_kernel counts up to a version that isn't there, be it 2^63.
            let of_version = commit_stamp(&location, version).await?;
            if of_version.is_none() && LogListing::read(&location).await?.lacks(version) {
                let uri = location.url().to_string();
                return Err(Error::NoSuchVersion { uri, version });
            }
            stamp = Some(of_version);
        }
        let load = |builder| load(builder, version);
        let table = with_readable_log(&location, version, load).await?;
        let snapshot = Self::of(location, table, stamp).await?;
        cache::share(&snapshot, None);
        Ok(snapshot)
    }

    /// The newest version, or None when this is it; only the commits since then are read.
    ///
    /// A table that was removed and made anew under the same name is read anew.
    ///
    /// # Errors
    /// The log can't be read or understood.
    pub async fn refreshed(&self) -> Result<Option<Arc<Self>>, Error> {
        // Versions follow one another without a gap, so the log needn't be listed.
        let next = commit_stamp(self.location(), self.version() + 1);
        let (is_same, next) = futures::join!(self.is_of_the_same_table(), next);
        if !is_same? {
            cache::forget(self.location());
            return Self::read(self.location().clone(), None).await.map(Some);
        }
        let mut table = self.table().clone();
        // Where the known commit itself was cleaned up, those after it may have been too.
        if (next?.is_some() || self.has_no_commit())
            && let Err(source) = table.update_incremental(None).await
        {
            // The log may have got what only a table that is read anew is mended of.
            let load = |builder| load(builder, None);
            table = with_mended_log(self.location(), None, source, load).await?;
        }
        let is_newest = table.version() == Some(self.version());
        cache::count(is_newest);
        if is_newest {
            return Ok(None);
        }
        let newer = Self::of(self.location().clone(), table, None).await?;
        cache::share(&newer, Some(self));
        Ok(Some(newer))
    }
}
