//! What reads the log, on any object store: deltalake-core knows local ones alone.

use std::sync::Arc;

use deltalake_core::logstore::{
    LogStore, LogStoreFactory, ObjectStoreRef, StorageConfig, default_logstore, logstore_factories,
};
use deltalake_core::{DeltaResult, DeltaTableBuilder};
use dfd_runtime::Location;
use object_store::ObjectStore;
use url::Url;

use crate::url_names::kernel_store;

/// What opens the table at a location.
pub(crate) fn builder(location: &Location) -> DeltaResult<DeltaTableBuilder> {
    builder_over(location, Arc::clone(location.store()))
}

/// What opens the table at a location, whose files are read from `store`.
pub(crate) fn builder_over(
    location: &Location,
    store: Arc<dyn ObjectStore>,
) -> DeltaResult<DeltaTableBuilder> {
    register_log_store(location.url());
    let url = location.url();
    let builder = DeltaTableBuilder::from_url(url.clone())?;
    Ok(builder.with_storage_backend(kernel_store(url, store), url.clone()))
}

/// Makes the log of a URL readable; deltalake-core keeps log stores by their scheme.
fn register_log_store(url: &Url) {
    if let Ok(scheme) = Url::parse(&format!("{}://", url.scheme())) {
        logstore_factories()
            .entry(scheme)
            .or_insert_with(|| Arc::new(AnyStore));
    }
}

/// The log on any store, for readers alone.
struct AnyStore;

impl LogStoreFactory for AnyStore {
    fn with_options(
        &self,
        prefixed: ObjectStoreRef,
        root: ObjectStoreRef,
        location: &Url,
        options: &StorageConfig,
    ) -> DeltaResult<Arc<dyn LogStore>> {
        Ok(default_logstore(prefixed, root, location, options))
    }
}
