//! SQL that changes and keeps Delta tables, taken apart: what a statement names, and the texts in it.
//!
//! ```text
//!   text ──> script: statements, split at semicolons
//!              ├─ those of Delta tables ──> parsed: names, expressions and queries, as texts
//!              └─ all others ──> left as they are, but for `t VERSION AS OF n` and delta.`uri`
//! ```
//!
//! The parser is the one of DataFusion (sqlparser), in its dialect; what it lacks (OPTIMIZE, VACUUM, RESTORE, DESCRIBE
//! HISTORY, MERGE's `*`, tables by URI) is read here from its tokens. Nothing is planned and nothing is run.
//!
//! ```
//! use std::collections::HashMap;
//! use dfd_sql::{Statement, script};
//!
//! let found = script("DELETE FROM orders WHERE id = 3; VACUUM orders", &HashMap::new())?;
//! assert_eq!(found.len(), 2);
//! assert!(matches!(&found[0].statement, Statement::Delete { .. }));
//! # Ok::<(), dfd_sql::SyntaxError>(())
//! ```

#![warn(missing_docs, unreachable_pub, rustdoc::broken_intra_doc_links)]

mod as_of;
mod changes;
mod cursor;
mod definitions;
mod error;
mod mentions;
mod script;
mod statement;
mod subqueries;
mod text;
mod types;
mod upkeep;

pub use error::SyntaxError;
pub use mentions::{Mention, Mentions, mentions};
pub use script::{Parsed, script};
pub use statement::{
    Alteration, Clause, ClauseAction, ClauseRows, Name, NewTable, PartitionValue, Statement,
    TableAt,
};
pub use subqueries::{Subquery, Value, subqueries, with_values};
