//! Makes the object store of a URL from the options of a storage profile, and from nothing else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::limit::LimitStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{Certificate, ClientOptions, ObjectStore, RetryConfig};
use url::{Position, Url};

use crate::object_stores::counting_store::CountingStore;
use crate::object_stores::registry::stores;
use crate::object_stores::web_store::WebStore;

/// What stands before `http` and `https`: deltalake-core keeps log stores by URLs of a scheme
/// alone, and `https://` is none.
pub(super) const WEB: &str = "web+";

/// The store that is registered under `store_url`, or a new one.
pub(super) fn registered_store(
    url: &Url,
    store_url: &ObjectStoreUrl,
    options: &HashMap<String, String>,
) -> object_store::Result<Arc<dyn ObjectStore>> {
    let stores = stores();
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
    let store: Arc<dyn ObjectStore> = Arc::new(CountingStore::of_process(store, !is_remote));
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
