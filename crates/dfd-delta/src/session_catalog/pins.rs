//! Tables that are pinned to a version, and how far they are behind the newest.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::future::try_join_all;

use crate::error::Error;
use crate::snapshot::{FollowedTable, TableSnapshot};

/// The newest versions of some tables; all logs are looked at at once, and two names of one table have one version.
///
/// # Errors
/// A log can't be read or understood.
async fn newest_of(tables: &[Arc<FollowedTable>]) -> Result<Vec<Arc<TableSnapshot>>, Error> {
    let found = try_join_all(tables.iter().map(|table| table.look())).await?;
    let newest = found.iter().map(|snapshot| {
        let same = found.iter();
        let same = same.filter(|other| other.location().is(snapshot.location()));
        let newest = same.max_by_key(|other| other.version());
        Arc::clone(newest.unwrap_or(snapshot))
    });
    Ok(newest.collect())
}

/// Pins tables to their newest versions; those that are pinned stay as they are.
///
/// # Errors
/// A log can't be read or understood; nothing is pinned then.
pub async fn pin(tables: &[Arc<FollowedTable>]) -> Result<(), Error> {
    let followed = tables.iter().filter(|table| table.pinned().is_none());
    let followed: Vec<_> = followed.cloned().collect();
    for (table, newest) in followed.iter().zip(newest_of(&followed).await?) {
        table.pin(Some(newest));
    }
    Ok(())
}

/// Looks for the newest versions of tables, and pins those to them that are pinned.
///
/// # Errors
/// A log can't be read or understood; all stay as they are then.
pub async fn refresh(tables: &[Arc<FollowedTable>]) -> Result<(), Error> {
    for (table, newest) in tables.iter().zip(newest_of(tables).await?) {
        if table.pinned().is_some() {
            table.pin(Some(newest));
        }
    }
    Ok(())
}

/// How far the version that is read is behind the newest.
#[derive(Debug, Clone, Copy)]
pub struct Staleness {
    /// The version that is read.
    pub version: u64,
    /// The newest version.
    pub newest: u64,
    /// When the first version was committed that isn't read, by the time of its file; None where the newest is read, or
    /// the log no longer has that commit.
    pub since: Option<DateTime<Utc>>,
}

/// Looks how far a table is behind.
///
/// # Errors
/// The log can't be read or understood.
pub async fn staleness(table: &FollowedTable) -> Result<Staleness, Error> {
    let newest = table.look().await?;
    let read = table.pinned().unwrap_or_else(|| Arc::clone(&newest));
    let since = match read.version() < newest.version() {
        true => newest.committed_at(read.version() + 1).await?,
        false => None,
    };
    Ok(Staleness {
        version: read.version(),
        newest: newest.version(),
        since,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Freshness;
    use crate::test_tables::{TestTable, field, longs, rows, run};
    use std::time::Duration;

    /// A table in version 0, and what follows it.
    fn table(freshness: Duration) -> (TestTable, Arc<FollowedTable>) {
        let table = TestTable::new(&[field("id", "long")], &[]);
        let allowed = Arc::new(Freshness::default());
        allowed.set(freshness);
        let followed = Arc::new(FollowedTable::new(table.open(), allowed));
        (table, followed)
    }

    fn grow(table: &TestTable, version: u64) {
        let name = format!("{version}.parquet");
        let added = table.write(&name, &rows([("id", longs([1]))])).action();
        table.commit(version, &[added]);
    }

    fn versions(tables: &[Arc<FollowedTable>]) -> Vec<u64> {
        let read = tables
            .iter()
            .map(|table| run(table.read()).unwrap().version());
        read.collect()
    }

    #[test]
    fn a_pin_never_moves_but_by_a_refresh() {
        let ((one, first), (other, second)) = (table(Duration::ZERO), table(Duration::ZERO));
        grow(&one, 1);
        let tables = [first, second];
        run(pin(&tables)).unwrap();
        grow(&one, 2);
        grow(&other, 1);
        assert_eq!(versions(&tables), [1, 0]);
        // Who pins it again finds it pinned.
        run(pin(&tables)).unwrap();
        assert_eq!(versions(&tables), [1, 0]);
        let stale = run(staleness(&tables[0])).unwrap();
        assert_eq!((stale.version, stale.newest), (1, 2));
        assert!(stale.since.unwrap() <= Utc::now());
        run(refresh(&tables[..1])).unwrap();
        assert_eq!(versions(&tables), [2, 0]);
        assert!(run(staleness(&tables[0])).unwrap().since.is_none());
        tables[1].pin(None);
        assert_eq!(versions(&tables), [2, 1]);
    }

    #[test]
    fn two_names_of_a_table_are_pinned_to_one_version() {
        let (one, first) = table(Duration::ZERO);
        let second = FollowedTable::new(first.seen(), Arc::default());
        grow(&one, 1);
        let tables = [first, Arc::new(second)];
        run(pin(&tables)).unwrap();
        let [first, second] = tables.each_ref().map(|table| table.pinned().unwrap());
        assert_eq!((first.version(), second.version()), (1, 1));
    }

    #[test]
    fn a_log_that_can_t_be_read_leaves_all_as_they_are() {
        let ((one, first), (other, second)) = (table(Duration::ZERO), table(Duration::ZERO));
        grow(&one, 1);
        other.clear();
        let tables = [first, second];
        assert!(run(pin(&tables)).is_err());
        assert!(tables.iter().all(|table| table.pinned().is_none()));
    }

    #[test]
    fn a_look_is_believed_for_as_long_as_it_may_be_old() {
        let (one, followed) = table(Duration::from_secs(3600));
        grow(&one, 1);
        assert_eq!(run(followed.read()).unwrap().version(), 0);
        followed.outdate();
        assert_eq!(run(followed.read()).unwrap().version(), 1);
        grow(&one, 2);
        assert_eq!(run(followed.read()).unwrap().version(), 1);
        assert_eq!(run(followed.look()).unwrap().version(), 2);
    }
}
