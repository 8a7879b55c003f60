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
use object_store::memory::InMemory;
use object_store::{Certificate, ClientOptions, ObjectStore, RetryConfig};
use url::{Position, Url};

use crate::object_stores::counting_store::CountingStore;
use crate::object_stores::local_store::LocalStore;
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
        "file" => Ok(Arc::new(LocalStore::new())),
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

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----
MIIBdjCCARugAwIBAgIUEoiWwK0bxQzoq5tuo7EMXzpCc2owCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMzAwNzI4MDVaGA8yMTI2MTEwNjA3Mjgw
NVowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMyU
zXfyVmi2yns4SDxGhqwQjUR2EwANs8u6ClPxWHrrTEUAlCC4surYJ7pqkFK2tYL4
FT/WX2UVB+i9VJPwM5ejUzBRMB0GA1UdDgQWBBTi3siKPaodtz8yA8T+R9s3N/+3
SjAfBgNVHSMEGDAWgBTi3siKPaodtz8yA8T+R9s3N/+3SjAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0kAMEYCIQC/YZlgT+YJSbPn1jjRRb26RTy68i9Pd+S/
uCfLy3HAUAIhAM0dOVxzPkJPe1A6bdKFDRX7VCbGNXUWqTsDjSy3/oMd
-----END CERTIFICATE-----
";

    fn options(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        let owned = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        owned.collect()
    }

    fn opened(uri: &str, pairs: &[(&str, &str)]) -> Result<String, String> {
        let store = open(&Url::parse(uri).unwrap(), &options(pairs));
        let store = store.map_err(|error| error.to_string())?;
        Ok(store.to_string())
    }

    #[test]
    fn every_scheme_has_its_store() {
        let of = |uri| opened(uri, &[("max_retries", "3")]).unwrap();
        assert_eq!(of("file:///t/"), "LocalFileSystem(file:///)");
        assert_eq!(of("memory:///t/"), "InMemory");
        for uri in ["s3://bucket/t/", "s3a://bucket/t/"] {
            assert_eq!(of(uri), "AmazonS3(bucket)");
        }
        assert_eq!(of("gs://bucket/t/"), "GoogleCloudStorage(bucket)");
        assert_eq!(
            of("abfss://box@account.dfs.core.windows.net/t/"),
            "MicrosoftAzure { account: account, container: box }"
        );
        assert_eq!(of("web+https://host:81/t/"), "HttpStore");
        let error = opened("ftp://host/t/", &[]).unwrap_err();
        assert!(error.ends_with("ftp:// names no kind of store"), "{error}");
    }

    #[test]
    fn an_unknown_option_is_refused_by_its_name_alone() {
        for uri in [
            "s3://bucket/t/",
            "gs://bucket/t/",
            "az://box/t/",
            "web+http://host/t/",
        ] {
            let error = opened(uri, &[("acess_key_id", "hush")]).unwrap_err();
            assert!(error.contains("'acess_key_id'"), "{error}");
            assert!(!error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn durations_have_a_unit() {
        let parsed = [
            ("500ms", Some(Duration::from_millis(500))),
            ("30s", Some(Duration::from_secs(30))),
            ("5m", Some(Duration::from_secs(300))),
            ("0s", Some(Duration::ZERO)),
            ("30", None),
            ("s", None),
            ("1.5s", None),
            ("-1s", None),
            ("1 s", None),
            ("1h", None),
            ("", None),
            ("18446744073709551615m", None),
        ];
        for (text, expected) in parsed {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }

    #[test]
    fn retries_are_as_the_options_say_and_else_the_stores_own() {
        let untouched = retry(&options(&[])).unwrap();
        assert_eq!(untouched.max_retries, RetryConfig::default().max_retries);
        assert_eq!(
            untouched.retry_timeout,
            RetryConfig::default().retry_timeout
        );
        let set = retry(&options(&[
            ("max_retries", "0"),
            ("retry_timeout", "1500ms"),
        ]))
        .unwrap();
        assert_eq!(set.max_retries, 0);
        assert_eq!(set.retry_timeout, Duration::from_millis(1500));
        for (key, value) in [("max_retries", "-1"), ("retry_timeout", "soon")] {
            let error = retry(&options(&[(key, value)])).unwrap_err().to_string();
            let expected = format!("{key} can't be {value:?}");
            assert!(error.ends_with(&expected), "{error}");
        }
    }

    #[test]
    fn a_certificate_is_a_file_that_has_one() {
        let folder = tempfile::tempdir().unwrap();
        let (good, empty) = (
            folder.path().join("ca.pem"),
            folder.path().join("empty.pem"),
        );
        std::fs::write(&good, PEM).unwrap();
        std::fs::write(&empty, "no certificate").unwrap();
        let with = |path: &str| opened("web+https://host/t/", &[("certificate_path", path)]);
        assert_eq!(with(good.to_str().unwrap()).as_deref(), Ok("HttpStore"));
        let missing = folder.path().join("missing.pem");
        for bad in [empty, missing] {
            let error = with(bad.to_str().unwrap()).unwrap_err();
            let expected = format!("certificate_path can't be {bad:?}");
            assert!(error.ends_with(&expected), "{error}");
        }
    }

    #[test]
    fn requests_at_a_time_are_limited_where_that_is_asked_for() {
        let store = |most: Option<&str>| {
            let pairs: Vec<_> = most
                .map(|most| ("max_concurrency", most))
                .into_iter()
                .collect();
            let url = Url::parse("memory:///limited/").unwrap();
            let name = ObjectStoreUrl::parse("dfd-limited://").unwrap();
            registered_store(&url, &name, &options(&pairs)).map(|store| store.to_string())
        };
        assert_eq!(store(None).unwrap(), "InMemory");
        assert_eq!(store(Some("7")).unwrap(), "LimitStore(7, InMemory)");
        for bad in ["0", "-1", "many"] {
            let error = store(Some(bad)).unwrap_err().to_string();
            let expected = format!("max_concurrency can't be {bad:?}");
            assert!(error.ends_with(&expected), "{error}");
        }
    }
}
