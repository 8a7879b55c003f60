//! Which object store a query of the engine reads from.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};
use object_store::ObjectStore;
use url::Url;

/// The engine's own stores, for files that a session reads by URL; then those of Delta tables.
#[derive(Debug, Default)]
pub struct EngineStores {
    own: DefaultObjectStoreRegistry,
}

impl ObjectStoreRegistry for EngineStores {
    fn register_store(
        &self,
        url: &Url,
        store: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        self.own.register_store(url, store)
    }

    fn deregister_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        self.own.deregister_store(url)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        self.own
            .get_store(url)
            .or_else(|_| dfd_delta::stores().get_store(url))
    }
}
