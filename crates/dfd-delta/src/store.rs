//! Where a table is, and the object store that leads there.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::object_store::ObjectStoreUrl;
use deltalake_core::DeltaResult;
use deltalake_core::logstore::{
    LogStore, LogStoreFactory, ObjectStoreRef, StorageConfig, default_logstore, logstore_factories,
};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{ObjectStore, RetryConfig};
use url::Url;

use crate::error::Error;
use crate::requests::CountedStore;
use crate::runtime;

/// A table's root and its store.
///
/// The store is registered in our environment under a URL of its own, made of the host and all
/// options: two profiles for one bucket never mix.
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
    /// From a canonical URI and the options of a storage profile; nothing is read from the
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
        let store = open(&url, options).map_err(|error| refused(error.to_string()))?;
        let is_local = url.scheme() == "file";
        let store: Arc<dyn ObjectStore> = Arc::new(CountedStore::of_process(store, is_local));
        let scheme = format!("{}://", url.scheme());
        let scheme = Url::parse(&scheme).map_err(|error| refused(error.to_string()))?;
        logstore_factories()
            .entry(scheme)
            .or_insert_with(|| Arc::new(AnyStore));
        let mut hasher = DefaultHasher::new();
        let mut sorted: Vec<_> = options.iter().collect();
        sorted.sort();
        (url.scheme(), url.host_str(), sorted).hash(&mut hasher);
        let store_url = ObjectStoreUrl::parse(format!("dfd-{:016x}://", hasher.finish()))?;
        runtime::stores().register_store(store_url.as_ref(), Arc::clone(&store));
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

/// The log on any store: deltalake-core knows local ones alone. We only read.
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

/// The store of a scheme, with these options and no others; an unknown one is an error.
fn open(
    url: &Url,
    options: &HashMap<String, String>,
) -> object_store::Result<Arc<dyn ObjectStore>> {
    let retry = retry(options)?;
    macro_rules! built {
        ($builder:ty) => {{
            let mut builder = <$builder>::new().with_url(url.as_str()).with_retry(retry);
            for (key, value) in options.iter().filter(|(key, _)| !is_of_retries(key)) {
                builder = builder.with_config(key.parse()?, value);
            }
            Ok(Arc::new(builder.build()?))
        }};
    }
    match url.scheme() {
        "file" => Ok(Arc::new(LocalFileSystem::new())),
        "memory" => Ok(Arc::new(InMemory::new())),
        "s3" | "s3a" => built!(AmazonS3Builder),
        "az" | "azure" | "adl" | "abfs" | "abfss" => built!(MicrosoftAzureBuilder),
        "gs" => built!(GoogleCloudStorageBuilder),
        "http" | "https" => built!(HttpBuilder),
        scheme => Err(object_store::Error::Generic {
            store: "URL",
            source: format!("{scheme}:// names no kind of store").into(),
        }),
    }
}

const MAX_RETRIES: &str = "max_retries";
const RETRY_TIMEOUT: &str = "retry_timeout";

fn is_of_retries(key: &str) -> bool {
    [MAX_RETRIES, RETRY_TIMEOUT].contains(&key)
}

/// Options that deltalake has beside those of object_store.
fn retry(options: &HashMap<String, String>) -> object_store::Result<RetryConfig> {
    let mut retry = RetryConfig::default();
    let refused = |key: &str, value: &str| object_store::Error::Generic {
        store: "options",
        source: format!("{key} can't be {value:?}").into(),
    };
    if let Some(value) = options.get(MAX_RETRIES) {
        retry.max_retries = value.parse().map_err(|_| refused(MAX_RETRIES, value))?;
    }
    if let Some(value) = options.get(RETRY_TIMEOUT) {
        retry.retry_timeout = parse_duration(value).ok_or_else(|| refused(RETRY_TIMEOUT, value))?;
    }
    Ok(retry)
}

/// `500ms`, `30s` or `5m`, as object_store's own options have them.
fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let number: u64 = digits.parse().ok()?;
    match &text[digits.len()..] {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
}
