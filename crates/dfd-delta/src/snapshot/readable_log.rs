//! Reads logs that delta_kernel refuses for what other readers pass by.
//!
//! ```text
//!   the log as it is ──> delta_kernel ──> what is opened
//!         └─ refused ──> its files, mended ──> delta_kernel ──> what is opened
//!                                                    └─ refused ──> the file at fault
//! ```

use deltalake_core::kernel::Snapshot;
use deltalake_core::{DeltaResult, DeltaTableBuilder, DeltaTableError};
use dfd_runtime::Location;

use crate::error::Error;
use crate::log_store::{builder, builder_over};
use crate::snapshot::log_fault::may_be_of_a_file;
use crate::snapshot::log_files::LogNames;

/// Opens what is at `version`, the newest for None, from the log as it is or from one that is mended.
///
/// # Errors
/// The log can't be read or understood: that of the file at fault, where there is one.
pub(super) async fn with_readable_log<T, F: Future<Output = DeltaResult<T>>>(
    location: &Location,
    version: Option<u64>,
    open: impl Fn(DeltaTableBuilder) -> F,
) -> Result<T, Error> {
    let as_it_is = builder(location).map_err(|source| Error::table(location.url(), source))?;
    match open(as_it_is).await {
        Ok(opened) => Ok(opened),
        Err(source) => with_mended_log(location, version, source, open).await,
    }
}

/// Opens what can't be opened from the log as it is, for the reason `source`.
///
/// # Errors
/// As of [`with_readable_log`].
pub(super) async fn with_mended_log<T, F: Future<Output = DeltaResult<T>>>(
    location: &Location,
    version: Option<u64>,
    source: DeltaTableError,
    open: impl Fn(DeltaTableBuilder) -> F,
) -> Result<T, Error> {
    let failed = |source| Error::table(location.url(), source);
    if !may_be_of_a_file(&source, location) {
        return Err(failed(source));
    }
    let newest = version.unwrap_or(u64::MAX);
    let Some(names) = LogNames::list(location, newest).await else {
        return Err(failed(source));
    };
    let mut files = names.read().await?;
    let mut reason = source;
    if let Some(store) = files.mend().await {
        let mended = builder_over(location, store).map_err(failed)?;
        match open(mended).await {
            Ok(opened) => return Ok(opened),
            Err(source) => reason = source,
        }
    }
    Err(files.fault().unwrap_or_else(|| failed(reason)))
}

/// Schema, properties and features at `version`, the newest for None.
///
/// # Errors
/// As of [`with_readable_log`].
pub(crate) async fn table_definition(
    location: &Location,
    version: Option<u64>,
) -> Result<Snapshot, Error> {
    let open = |builder: DeltaTableBuilder| async move {
        let log = builder.build_storage()?;
        Snapshot::try_new(log.as_ref(), version).await
    };
    with_readable_log(location, version, open).await
}
