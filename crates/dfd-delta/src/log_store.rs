//! What reads the log, on any object store: deltalake-core knows local ones alone.

use std::sync::Arc;

use deltalake_core::DeltaResult;
use deltalake_core::logstore::{
    LogStore, LogStoreFactory, ObjectStoreRef, StorageConfig, default_logstore, logstore_factories,
};
use url::Url;

/// Makes the log of a URL readable; deltalake-core keeps log stores by their scheme.
pub(crate) fn register_log_store(url: &Url) {
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
