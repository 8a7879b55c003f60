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
        let url = table_root(uri)?;
        let store_url = store_url(&url, options)?;
        let store = registered_store(&url, &store_url, options)
            .map_err(|error| refused(uri, error.to_string()))?;
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

/// The root of the table at a canonical URI, with a slash at its end.
///
/// # Errors
/// The URI isn't one, or has a query or a fragment.
pub fn table_root(uri: &str) -> Result<Url, Error> {
    let mut url = Url::parse(uri).map_err(|error| refused(uri, error.to_string()))?;
    if ["http", "https"].contains(&url.scheme()) {
        let named = Url::parse(&format!("{WEB}{url}"));
        url = named.map_err(|error| refused(uri, error.to_string()))?;
    }
    if url.query().is_some() || url.fragment().is_some() {
        let reason = "a location has no query and no fragment: write %3F and %23 in a name";
        return Err(refused(uri, reason.to_owned()));
    }
    if url.scheme() == "file" {
        let reason = "it names no local folder".to_owned();
        url = local_url(&url).ok_or_else(|| refused(uri, reason))?;
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn refused(uri: &str, reason: String) -> Error {
    Error::Location {
        uri: uri.split('?').next().unwrap_or_default().to_owned(),
        reason,
    }
}

/// The URL of a local folder under its real path, by which deltalake-core names files.
fn local_url(url: &Url) -> Option<Url> {
    let path = url.to_file_path().ok()?;
    let mut found = Url::from_directory_path(path.canonicalize().unwrap_or(path)).ok()?;
    // deltalake-core makes a host's name of the path, in which these can't stand.
    let mut escaped = found.path().to_owned();
    for (odd, escape) in [("[", "%5B"), ("]", "%5D"), ("^", "%5E"), ("|", "%7C")] {
        escaped = escaped.replace(odd, escape);
    }
    found.set_path(&escaped);
    Some(found)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        let owned = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        owned.collect()
    }

    fn plain(uri: &str) -> Location {
        Location::try_new(uri, &HashMap::new(), None).unwrap()
    }

    const KEYS: [(&str, &str); 2] = [("access_key_id", "AKIA"), ("secret_access_key", "hush")];

    #[test]
    fn a_root_has_a_slash_at_its_end() {
        let forms = [
            ("s3://bucket/t", "s3://bucket/t/"),
            ("s3://bucket/t/", "s3://bucket/t/"),
            ("s3://bucket", "s3://bucket/"),
            ("gs://bucket/a%20b", "gs://bucket/a%20b/"),
            ("memory:///t", "memory:///t/"),
            ("http://host:81/t", "web+http://host:81/t/"),
            ("https://host/t", "web+https://host/t/"),
            ("web+https://host/t", "web+https://host/t/"),
            ("file:///is/not/there", "file:///is/not/there/"),
            ("file:///is/not%20/there//", "file:///is/not%20/there/"),
            ("file:///a%2520b/c%5Cd", "file:///a%2520b/c%5Cd/"),
            ("file:///[a]^%7Cb", "file:///%5Ba%5D%5E%7Cb/"),
        ];
        for (uri, url) in forms {
            let location = plain(uri);
            assert_eq!(location.url().as_str(), url);
            assert_eq!(location.is_local(), uri.starts_with("file"), "{uri}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_linked_directory_is_the_one_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap().join("real é");
        let link = folder.path().join("link");
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let linked = plain(Url::from_file_path(&link).unwrap().as_str());
        assert_eq!(linked.url(), &Url::from_directory_path(&real).unwrap());
        assert!(linked.url().as_str().ends_with("/real%20%C3%A9/"));
        assert!(linked.is(&plain(linked.url().as_str())));
    }

    #[test]
    fn what_is_no_location_is_refused_and_told_without_its_query() {
        let refused = |uri: &str, given: &[(&str, &str)]| {
            let error = Location::try_new(uri, &options(given), None).unwrap_err();
            let text = error.to_string();
            assert!(!text.contains("hush"), "{text}");
            let Error::Location { uri, reason } = error else {
                unreachable!("not of the location: {text}");
            };
            (uri, reason)
        };
        let (uri, reason) = refused("a/b?sig=hush", &[]);
        assert_eq!(uri, "a/b");
        assert_eq!(reason, "relative URL without a base");
        for uri in [
            "file:///a#b",
            "file:///a?b",
            "s3://bucket/t?sig=hush",
            "s3://bucket/#t",
        ] {
            let (_, reason) = refused(uri, &[]);
            assert!(reason.starts_with("a location has no query"), "{reason}");
        }
        let (_, reason) = refused("file://elsewhere/t", &[]);
        assert_eq!(reason, "it names no local folder");
        let (uri, reason) = refused("ftp://host/t", &[]);
        assert_eq!(uri, "ftp://host/t");
        assert!(
            reason.ends_with("ftp:// names no kind of store"),
            "{reason}"
        );
        let (_, reason) = refused("s3://bucket/t", &[KEYS[1], ("secret_acess_key", "hush")]);
        assert!(reason.contains("secret_acess_key"), "{reason}");
        let (_, reason) = refused("s3://bucket/t", &[KEYS[1], ("max_retries", "many")]);
        assert!(reason.contains("max_retries"), "{reason}");
    }

    #[test]
    fn options_show_nowhere() {
        let location = Location::try_new("s3://bucket/t", &options(&KEYS), Some("mine")).unwrap();
        assert_eq!(format!("{location:?}"), r#"Location("s3://bucket/t/")"#);
        let named = [location.profile(), location.store_url().as_str()].concat();
        assert!(
            !named.contains("hush") && !named.contains("AKIA"),
            "{named}"
        );
    }

    #[test]
    fn tables_of_one_profile_share_a_store_and_profiles_do_not() {
        let with = |table: &str, pairs: &[(&str, &str)]| {
            let uri = format!("s3://shared-bucket/{table}");
            Location::try_new(&uri, &options(pairs), Some("p")).unwrap()
        };
        let (one, other) = (with("a", &KEYS), with("b", &[KEYS[1], KEYS[0]]));
        assert!(Arc::ptr_eq(one.store(), other.store()));
        assert_eq!(one.store_url(), other.store_url());
        assert!(!one.is(&other));
        assert!(one.is(&with("a", &KEYS)));
        let elsewhere = with("a", &[KEYS[0], ("secret_access_key", "other")]);
        assert!(!Arc::ptr_eq(one.store(), elsewhere.store()));
        assert_ne!(one.store_url(), elsewhere.store_url());
        assert!(!one.is(&elsewhere));
        let another_bucket = Location::try_new("s3://another/a", &options(&KEYS), Some("p"));
        assert_ne!(one.store_url(), another_bucket.unwrap().store_url());
    }

    #[test]
    fn options_have_a_name_in_plans() {
        let named = |pairs: &[(&str, &str)], profile| {
            Location::try_new("s3://bucket/t", &options(pairs), profile).unwrap()
        };
        assert_eq!(named(&[], None).profile(), "");
        assert_eq!(named(&KEYS, Some("mine")).profile(), "mine");
        let nameless = named(&KEYS, None);
        assert_eq!(nameless.profile(), nameless.store_url().as_str());
        assert!(!nameless.is(&named(&KEYS, Some("mine"))));
    }
}
