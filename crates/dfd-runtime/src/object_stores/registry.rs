//! The registry of all object stores of the process.

use std::sync::{Arc, LazyLock};

use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};

/// The object stores of all locations: each is registered under a URL of its own.
pub fn stores() -> Arc<dyn ObjectStoreRegistry> {
    static STORES: LazyLock<Arc<DefaultObjectStoreRegistry>> = LazyLock::new(Arc::default);
    Arc::clone(&*STORES) as _
}
