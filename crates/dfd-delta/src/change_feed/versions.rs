//! What a table is at each version of a range.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use deltalake_core::kernel::{Metadata, Protocol, Snapshot};
use dfd_runtime::Location;

use crate::change_feed::commit::{Commit, earliest, missing};
use crate::change_feed::schema_fit::misfit;
use crate::change_feed_error::ChangeFeedError;
use crate::error::Error;
use crate::files::scan_columns::{ScanColumns, nullable};
use crate::log::listing::LogListing;
use crate::snapshot::readable_log::table_definition;
use crate::snapshot::unsupported_feature;

/// The versions of a change feed, of which each must be readable as the last one is.
pub(super) struct Versions<'a> {
    location: &'a Location,
    first: u64,
    last: Snapshot,
    pub schema: SchemaRef,
    pub columns: ScanColumns,
    /// At the newest version that was looked at.
    metadata: Metadata,
    /// When the files of the commits were written, taken as rising.
    written: BTreeMap<u64, i64>,
}

impl<'a> Versions<'a> {
    /// The versions from `first` to `last`, none of whose commits was looked at.
    pub(super) async fn open(location: &'a Location, first: u64, last: u64) -> Result<Self, Error> {
        let listing = LogListing::read(location);
        let (start, last, listing) =
            futures::try_join!(at(location, first), at(location, last), listing)?;
        let schema = Arc::new(nullable(&last.arrow_schema()));
        let versions = Self {
            location,
            first,
            columns: ScanColumns::of_version(&schema, last.metadata()),
            schema,
            last,
            metadata: start.metadata().clone(),
            written: listing.rising_times().collect(),
        };
        versions.check_metadata(first, start.metadata())?;
        versions.check_protocol(start.protocol())?;
        versions.check_protocol(versions.last.protocol())?;
        Ok(versions)
    }

    /// Goes on to the version of the next commit; its time, in milliseconds since 1970.
    pub(super) fn advance(&mut self, commit: &Commit) -> Result<i64, Error> {
        if let Some(metadata) = &commit.metadata {
            // That of the first version was looked at.
            if commit.version > self.first {
                self.check_metadata(commit.version, metadata)?;
            }
            self.metadata = metadata.clone();
        }
        if let Some(protocol) = &commit.protocol {
            self.check_protocol(protocol)?;
        }
        if !is_true(&self.metadata, "delta.enableInCommitTimestamps") {
            let written = self.written.get(&commit.version);
            return Ok(written.copied().unwrap_or(commit.written));
        }
        let version = commit.version;
        let within = commit.info["inCommitTimestamp"].as_i64();
        within.ok_or_else(|| self.error(ChangeFeedError::NoTimestamp { version }))
    }

    fn check_metadata(&self, version: u64, metadata: &Metadata) -> Result<(), Error> {
        if !is_true(metadata, "delta.enableChangeDataFeed") {
            return Err(self.error(ChangeFeedError::NotEnabled { version }));
        }
        let last = self.last.version();
        match misfit(metadata, self.last.metadata()) {
            Some(reason) => Err(self.error(ChangeFeedError::SchemaChanged {
                version,
                last,
                reason,
            })),
            None => Ok(()),
        }
    }

    fn check_protocol(&self, protocol: &Protocol) -> Result<(), Error> {
        match unsupported_feature(protocol) {
            Some(reason) => Err(Error::Unsupported {
                uri: self.location.url().to_string(),
                reason: format!("{reason} in a change feed"),
            }),
            None => Ok(()),
        }
    }

    fn error(&self, reason: ChangeFeedError) -> Error {
        Error::change_feed(self.location.url(), reason)
    }
}

fn is_true(metadata: &Metadata, property: &str) -> bool {
    let value = metadata.configuration().get(property);
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Schema, properties and features at a version.
async fn at(location: &Location, version: u64) -> Result<Snapshot, Error> {
    match table_definition(location, Some(version)).await {
        Ok(found) => Ok(found),
        Err(error) => Err(match earliest(location).await? {
            Some(earliest) if earliest <= version => error,
            _ => missing(location, version).await?,
        }),
    }
}
