//! The object stores that queries of an engine read from.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};
use object_store::ObjectStore;
use url::Url;

/// The object stores of an engine: its own, for files that a session reads by URL, and then those of Delta
/// tables.
#[derive(Debug, Default)]
pub(crate) struct StoreRegistry {
    own: DefaultObjectStoreRegistry,
}

impl ObjectStoreRegistry for StoreRegistry {
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
            .or_else(|_| dfd_runtime::stores().get_store(url))
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_store_of_the_engine_comes_before_that_of_a_delta_table() {
        let registry = StoreRegistry::default();
        let (own, other): (Arc<dyn ObjectStore>, Arc<dyn ObjectStore>) =
            (Arc::new(InMemory::new()), Arc::new(InMemory::new()));
        let url = url("memory-of-a-test://both");
        dfd_runtime::stores().register_store(&url, Arc::clone(&other));
        assert!(Arc::ptr_eq(&registry.get_store(&url).unwrap(), &other));
        registry.register_store(&url, Arc::clone(&own));
        assert!(Arc::ptr_eq(&registry.get_store(&url).unwrap(), &own));
        registry.deregister_store(&url).unwrap();
        assert!(Arc::ptr_eq(&registry.get_store(&url).unwrap(), &other));
    }

    #[test]
    fn a_store_of_one_engine_is_not_that_of_another() {
        let url = url("memory-of-a-test://one");
        let registry = StoreRegistry::default();
        registry.register_store(&url, Arc::new(InMemory::new()));
        assert!(registry.get_store(&url).is_ok());
        assert!(StoreRegistry::default().get_store(&url).is_err());
    }
}
