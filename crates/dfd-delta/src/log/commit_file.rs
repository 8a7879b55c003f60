//! A version's file in the log.

use object_store::PutMode;
use object_store::path::Path;

use crate::error::Error;
use dfd_runtime::Location;

/// Where the table is.
pub(crate) fn table_path(location: &Location) -> Result<Path, Error> {
    let table = Path::from_url_path(location.url().path());
    let table = table.map_err(|error| dfd_runtime::Error::Location {
        uri: location.url().to_string(),
        reason: error.to_string(),
    })?;
    Ok(table)
}

/// Where the log is.
pub(crate) fn log_path(location: &Location) -> Result<Path, Error> {
    Ok(table_path(location)?.join("_delta_log"))
}

/// Where the commit of a version is.
pub(crate) fn commit_path(location: &Location, version: u64) -> Result<Path, Error> {
    Ok(log_path(location)?.join(format!("{version:020}.json")))
}

/// Put the commit of `version` as it is, in one step; false where there is one already.
///
/// # Errors
/// The store fails; whether the commit is there isn't known then.
pub async fn put_commit(
    location: &Location,
    version: u64,
    actions: Vec<u8>,
) -> Result<bool, Error> {
    let path = commit_path(location, version)?;
    let put = location
        .store()
        .put_opts(&path, actions.into(), PutMode::Create.into());
    match put.await {
        Ok(_) => Ok(true),
        Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
        Err(source) => Err(Error::Commit {
            uri: location.url().to_string(),
            version,
            source: Box::new(source),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_tables::{TestTable, run};

    #[test]
    fn a_version_is_put_once() {
        let table = TestTable::named("a b é%", &[]);
        let put = |version, text: &str| {
            run(put_commit(
                &table.location(),
                version,
                text.as_bytes().to_vec(),
            ))
            .unwrap()
        };
        assert!(put(1, "first"));
        assert!(!put(1, "second"));
        assert!(put(u64::MAX, "last"));
        let content = |version| std::fs::read_to_string(table.commit_path(version)).unwrap();
        assert_eq!(content(1), "first");
        assert_eq!(content(u64::MAX), "last");
        // One that somebody else wrote is taken too.
        assert!(!put(0, "other"));
        assert_eq!(content(0), "");
    }

    #[test]
    fn of_writers_at_once_one_wins() {
        let table = TestTable::named("t", &[]);
        let location = table.location();
        let puts = (0..8).map(|writer: u8| put_commit(&location, 1, vec![writer; 3]));
        let won: Vec<bool> = run(futures::future::try_join_all(puts)).unwrap();
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
        let winner = u8::try_from(won.iter().position(|won| *won).unwrap()).unwrap();
        assert_eq!(std::fs::read(table.commit_path(1)).unwrap(), [winner; 3]);
    }

    #[test]
    fn a_commit_is_in_the_log_of_the_table() {
        let of = |uri: &str, version| {
            let location = Location::try_new(uri, &Default::default(), None).unwrap();
            commit_path(&location, version).unwrap().to_string()
        };
        let name = "_delta_log/00000000000000000012.json";
        assert_eq!(of("memory:///a%20b/t", 12), format!("a b/t/{name}"));
        assert_eq!(of("s3://bucket/", 12), name);
        assert_eq!(
            of("s3://bucket/t", u64::MAX),
            "t/_delta_log/18446744073709551615.json"
        );
    }

    #[test]
    fn a_store_that_fails_leaves_it_open_what_is_there() {
        let table = TestTable::named("t", &[]);
        table.clear();
        std::fs::create_dir(table.path("")).unwrap();
        std::fs::write(table.path("_delta_log"), "no folder").unwrap();
        let error = run(put_commit(&table.location(), 3, Vec::new())).unwrap_err();
        assert!(matches!(error, Error::Commit { version: 3, .. }));
        let expected = format!(
            "version 3 of the Delta table at {} can't be put; whether it is there isn't known: ",
            table.url()
        );
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}
