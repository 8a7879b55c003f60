//! Where a table is, and the object store that leads there.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::ObjectStore;
use url::{Position, Url};

use crate::error::Error;
use crate::object_stores::builder::{WEB, registered_store};

/// A table's root and its store.
///
/// The store is registered in the process under a URL of its own, made of the bucket and all
/// options: two profiles for one bucket never mix, and tables of one profile share its connections.
#[derive(Clone)]
pub struct Location {
    url: Url,
    store: Arc<dyn ObjectStore>,
    store_url: ObjectStoreUrl,
    profile: String,
}

impl fmt::Debug for Location {
    /// The URL alone: a store may show its credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Location").field(&self.url.as_str()).finish()
    }
}

impl Location {
    /// A location from a canonical URI and the options of a storage profile; nothing is read from the
    /// environment. `profile` names the profile in plans that other processes read.
    ///
    /// # Errors
    /// The URI isn't one, or an option has a value its store refuses.
    pub fn try_new(
        uri: &str,
        options: &HashMap<String, String>,
        profile: Option<&str>,
    ) -> Result<Self, Error> {
        let refused = |reason: String| Error::Location {
            uri: uri.split('?').next().unwrap_or_default().to_owned(),
            reason,
        };
        let mut url = Url::parse(uri).map_err(|error| refused(error.to_string()))?;
        if ["http", "https"].contains(&url.scheme()) {
            let named = Url::parse(&format!("{WEB}{url}"));
            url = named.map_err(|error| refused(error.to_string()))?;
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        // deltalake-core names files under the real path of the table.
        if let Some(real) = url.to_file_path().ok().and_then(|p| p.canonicalize().ok())
            && url.scheme() == "file"
            && let Ok(found) = Url::from_directory_path(real)
        {
            url = found;
        }
        let store_url = store_url(&url, options)?;
        let store = registered_store(&url, &store_url, options)
            .map_err(|error| refused(error.to_string()))?;
        Ok(Self {
            url,
            store,
            profile: match profile {
                Some(name) => name.to_owned(),
                None if options.is_empty() => String::new(),
                // Known here alone: what it stands for can't be found elsewhere.
                None => store_url.as_str().to_owned(),
            },
            store_url,
        })
    }

    /// Whether both lead to the same table by the same options.
    pub fn is(&self, other: &Self) -> bool {
        (&self.url, &self.store_url, &self.profile)
            == (&other.url, &other.store_url, &other.profile)
    }

    /// The name of the profile in plans; empty where no options are needed.
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// The table's root, with a slash at its end.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The store, from the root of its bucket.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Whether the store is the local disk.
    pub fn is_local(&self) -> bool {
        self.url.scheme() == "file"
    }

    /// Under which URL the store is registered.
    pub fn store_url(&self) -> &ObjectStoreUrl {
        &self.store_url
    }
}

fn store_url(url: &Url, options: &HashMap<String, String>) -> Result<ObjectStoreUrl, Error> {
    let mut hasher = DefaultHasher::new();
    let mut sorted: Vec<_> = options.iter().collect();
    sorted.sort();
    // Where Azure's emulator is, object_store is told by the environment alone.
    let emulator = std::env::var_os("AZURITE_BLOB_STORAGE_URL");
    (&url[..Position::BeforePath], sorted, emulator).hash(&mut hasher);
    let named = ObjectStoreUrl::parse(format!("dfd-{:016x}://", hasher.finish()));
    Ok(named?)
}
