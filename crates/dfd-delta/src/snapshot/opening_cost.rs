//! What it takes to open a table.

use std::time::{Duration, Instant};

use dfd_runtime::{Location, request_counts};

use crate::error::Error;
use crate::snapshot::table_snapshot::TableSnapshot;

/// What it takes to open the newest version of a table that nobody has read before.
#[derive(Debug, Clone, Copy)]
pub struct OpeningCost {
    /// Time.
    pub time: Duration,
    /// Requests to the store; those too that others in this process made meanwhile.
    pub requests: u64,
}

/// Opens the newest version, whatever is kept of it, and keeps nothing.
///
/// # Errors
/// There is no such table, or its log can't be read or understood.
pub async fn opening_cost(location: Location) -> Result<OpeningCost, Error> {
    let asked = || request_counts().map(|(_, count)| count).sum::<u64>();
    let (before, began) = (asked(), Instant::now());
    TableSnapshot::read_anew(location).await?;
    Ok(OpeningCost {
        time: began.elapsed(),
        requests: asked() - before,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::cache;
    use crate::test_tables::{TestTable, cache_of_ones_own, field, run};

    #[test]
    fn nothing_that_is_kept_is_used_and_nothing_is_kept() {
        let _alone = cache_of_ones_own();
        let table = TestTable::new(&[field("id", "long")], &[]);
        let cost = run(opening_cost(table.location())).unwrap();
        assert!(cost.requests > 0);
        assert!(cache::find(&table.location(), None).is_none());
        table.open();
        assert!(run(opening_cost(table.location())).unwrap().requests > 0);
        table.clear();
        assert!(run(opening_cost(table.location())).is_err());
    }
}
