//! Where a table is, and the object store that leads there.

mod web;

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
use object_store::limit::LimitStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{Certificate, ClientOptions, ObjectStore, RetryConfig};
use url::{Position, Url};

use self::web::WebStore;

use crate::error::Error;
use crate::requests::CountedStore;
use crate::runtime;

/// What stands before `http` and `https`: deltalake-core keeps log stores by URLs of a scheme
/// alone, and `https://` is none.
const WEB: &str = "web+";

/// A table's root and its store.
///
/// The store is registered in our environment under a URL of its own, made of the bucket and all
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
        let store = store(&url, &store_url, options).map_err(|error| refused(error.to_string()))?;
        let scheme = format!("{}://", url.scheme());
        let scheme = Url::parse(&scheme).map_err(|error| refused(error.to_string()))?;
        logstore_factories()
            .entry(scheme)
            .or_insert_with(|| Arc::new(AnyStore));
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

/// The store that is registered, or a new one.
fn store(
    url: &Url,
    store_url: &ObjectStoreUrl,
    options: &HashMap<String, String>,
) -> object_store::Result<Arc<dyn ObjectStore>> {
    let stores = runtime::stores();
    let is_remote = !["file", "memory"].contains(&url.scheme());
    if is_remote && let Ok(store) = stores.get_store(store_url.as_ref()) {
        return Ok(store);
    }
    let mut store = open(url, options)?;
    if let Some(value) = options.get(MAX_CONCURRENCY) {
        let most = value.parse().ok().filter(|most| *most > 0);
        store = Arc::new(LimitStore::new(
            store,
            most.ok_or_else(|| refused(MAX_CONCURRENCY, value))?,
        ));
    }
    let store: Arc<dyn ObjectStore> = Arc::new(CountedStore::of_process(store, !is_remote));
    stores.register_store(store_url.as_ref(), Arc::clone(&store));
    Ok(store)
}

/// The store of a scheme, with these options and no others; an unknown one is an error.
fn open(
    url: &Url,
    options: &HashMap<String, String>,
) -> object_store::Result<Arc<dyn ObjectStore>> {
    let retry = retry(options)?;
    let client = client(options)?;
    macro_rules! built {
        ($builder:ty, $url:expr) => {{
            let mut builder = <$builder>::new()
                .with_url($url)
                .with_client_options(client)
                .with_retry(retry);
            for (key, value) in options.iter().filter(|(key, _)| !is_ours(key)) {
                builder = builder.with_config(key.parse()?, value);
            }
            Arc::new(builder.build()?)
        }};
    }
    match url.scheme() {
        "file" => Ok(Arc::new(LocalFileSystem::new())),
        "memory" => Ok(Arc::new(InMemory::new())),
        "s3" | "s3a" => Ok(built!(AmazonS3Builder, url.as_str())),
        "az" | "azure" | "adl" | "abfs" | "abfss" => {
            Ok(built!(MicrosoftAzureBuilder, url.as_str()))
        }
        "gs" => Ok(built!(GoogleCloudStorageBuilder, url.as_str())),
        scheme => {
            let server = url[..Position::BeforePath].strip_prefix(WEB);
            let server = server.ok_or_else(|| object_store::Error::Generic {
                store: "URL",
                source: format!("{scheme}:// names no kind of store").into(),
            })?;
            Ok(Arc::new(WebStore::new(built!(HttpBuilder, server))))
        }
    }
}

// Options that deltalake has beside those of object_store.
const MAX_RETRIES: &str = "max_retries";
const RETRY_TIMEOUT: &str = "retry_timeout";
const CERTIFICATE: &str = "certificate_path";
const MAX_CONCURRENCY: &str = "max_concurrency";

fn is_ours(key: &str) -> bool {
    [MAX_RETRIES, RETRY_TIMEOUT, CERTIFICATE, MAX_CONCURRENCY].contains(&key)
}

fn refused(key: &str, value: &str) -> object_store::Error {
    object_store::Error::Generic {
        store: "options",
        source: format!("{key} can't be {value:?}").into(),
    }
}

/// With the root certificates of a PEM file, beside those of the machine.
fn client(options: &HashMap<String, String>) -> object_store::Result<ClientOptions> {
    let client = ClientOptions::new();
    let Some(path) = options.get(CERTIFICATE) else {
        return Ok(client);
    };
    let pem = std::fs::read(path).map_err(|_| refused(CERTIFICATE, path))?;
    let roots = Certificate::from_pem_bundle(&pem)?;
    if roots.is_empty() {
        return Err(refused(CERTIFICATE, path));
    }
    Ok(roots
        .into_iter()
        .fold(client, ClientOptions::with_root_certificate))
}

fn retry(options: &HashMap<String, String>) -> object_store::Result<RetryConfig> {
    let mut retry = RetryConfig::default();
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
