//! The one list of table features: which work honours what each asks for (protocol, "Valid Feature Names").
//!
//! A feature that isn't here is honoured by nothing. Of writers' features below writer version 7, which
//! lists none, all are here.

/// Work on a table that a feature may ask something of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A scan made of the snapshot's files; features of writers ask nothing of it.
    Scan,
    /// Data files of new rows, staged.
    Stage,
    /// Data files made of others, with the same rows.
    Rewrite,
    /// A commit that adds and removes files.
    Commit,
}

use Work::{Commit, Rewrite, Scan, Stage};

const READ_AND_WRITTEN: &[Work] = &[Scan, Stage, Rewrite, Commit];
const WRITTEN: &[Work] = &[Stage, Rewrite, Commit];
/// A commit would have to say more than it does.
const FILES_ALONE: &[Work] = &[Stage, Rewrite];

const FEATURES: &[(&str, &[Work])] = &[
    ("allowColumnDefaults", WRITTEN),
    ("appendOnly", WRITTEN),
    // Of appends and removed files, changes follow from the actions.
    ("changeDataFeed", WRITTEN),
    ("checkConstraints", WRITTEN),
    // Asks for something of whoever cleans up the log.
    ("checkpointProtection", WRITTEN),
    ("columnMapping", READ_AND_WRITTEN),
    ("deletionVectors", READ_AND_WRITTEN),
    ("domainMetadata", WRITTEN),
    ("generatedColumns", WRITTEN),
    // New rows of a table with such a column are refused by the column.
    ("identityColumns", WRITTEN),
    ("inCommitTimestamp", WRITTEN),
    ("inCommitTimestamp-preview", FILES_ALONE),
    ("invariants", WRITTEN),
    ("timestampNtz", READ_AND_WRITTEN),
    ("v2Checkpoint", READ_AND_WRITTEN),
    // Asks for something of vacuum alone.
    ("vacuumProtocolCheck", READ_AND_WRITTEN),
    // Files of a table with such a column are refused by the column.
    ("variantType", READ_AND_WRITTEN),
    ("variantType-preview", READ_AND_WRITTEN),
];

/// Every feature that any work honours, with that work.
pub fn table_features() -> &'static [(&'static str, &'static [Work])] {
    FEATURES
}

/// Those among `features` that `work` doesn't honour, in their order.
pub fn unsupported<F: AsRef<str>>(features: &[F], work: Work) -> Vec<&str> {
    let is_honoured = |name: &str| {
        let mut known = FEATURES.iter();
        known.any(|(feature, by)| *feature == name && by.contains(&work))
    };
    let names = features.iter().map(AsRef::as_ref);
    names.filter(|name| !is_honoured(name)).collect()
}

impl Work {
    /// Every work.
    pub const ALL: [Self; 4] = [Scan, Stage, Rewrite, Commit];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Scan => "scan",
            Stage => "stage",
            Rewrite => "rewrite",
            Commit => "commit",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_in_order_and_there_once() {
        assert!(FEATURES.is_sorted_by(|(one, _), (next, _)| one < next));
    }

    #[test]
    fn what_is_scanned_is_written_too() {
        for (feature, by) in FEATURES {
            assert!(!by.contains(&Scan) || by.contains(&Commit), "{feature}");
            assert!(!by.contains(&Commit) || by.contains(&Stage), "{feature}");
        }
    }

    #[test]
    fn what_nothing_honours_is_named() {
        let features = ["columnMapping", "rowTracking", "appendOnly", "someday"];
        assert_eq!(
            unsupported(&features, Scan),
            ["rowTracking", "appendOnly", "someday"]
        );
        assert_eq!(unsupported(&features, Commit), ["rowTracking", "someday"]);
        let preview = ["inCommitTimestamp-preview"];
        assert_eq!(unsupported(&preview, Stage), [""; 0]);
        assert_eq!(unsupported(&preview, Commit), preview);
    }
}
