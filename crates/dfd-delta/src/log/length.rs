//! How much of a log has to be read to open a table.

use dfd_runtime::Location;

use crate::error::Error;
use crate::log::listing::LogListing;

/// The commits since the last checkpoint, all of which are read where a table is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLength {
    /// The version of the last checkpoint; None where there is none.
    pub checkpoint: Option<u64>,
    /// How many commits came since.
    pub commits: u64,
    /// What they take in the store.
    pub bytes: u64,
}

/// Lists a log.
///
/// # Errors
/// The store fails.
pub async fn log_length(location: &Location) -> Result<LogLength, Error> {
    let listing = LogListing::read(location).await?;
    let checkpoint = listing.checkpoints.keys().next_back().copied();
    let since = checkpoint.map_or(0, |checkpoint| checkpoint + 1);
    let commits = listing.commits.range(since..);
    Ok(LogLength {
        checkpoint,
        commits: commits.clone().count() as u64,
        bytes: commits.map(|(_, file)| file.size).sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_tables::{Add, TestTable, field, run};
    use deltalake_core::protocol::checkpoints::create_checkpoint;

    #[test]
    fn commits_are_counted_since_the_last_checkpoint() {
        let table = TestTable::new(&[field("id", "long")], &[]);
        let bytes = |versions: std::ops::RangeInclusive<u64>| {
            let sizes = versions.map(|version| {
                let found = std::fs::metadata(table.commit_path(version)).unwrap();
                found.len()
            });
            sizes.sum::<u64>()
        };
        for version in 1..=3 {
            table.commit(version, &[Add::new("a", 100).action()]);
        }
        let length = || run(log_length(&table.location())).unwrap();
        let whole = LogLength {
            checkpoint: None,
            commits: 4,
            bytes: bytes(0..=3),
        };
        assert_eq!(length(), whole);
        run(create_checkpoint(table.open().table(), None)).unwrap();
        table.commit(4, &[Add::new("b", 100).action()]);
        let since = LogLength {
            checkpoint: Some(3),
            commits: 1,
            bytes: bytes(4..=4),
        };
        assert_eq!(length(), since);
    }
}
