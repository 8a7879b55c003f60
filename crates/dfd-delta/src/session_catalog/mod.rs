//! The catalogs of a session of another library, with Delta tables of dfd's in them.
//!
//! ```text
//!   session -> CatalogList -> CatalogOverlay -> SchemaOverlay -> a provider for each planning
//!                  └────────────────┴─────────────────┴──────> the session's own catalogs
//! ```
//!
//! A name is given to another table in one step, which no planning sees the middle of. Whatever isn't
//! dfd's is left to the session's own catalogs, which are all there is where no table was registered.

mod named_tables;
pub mod pins;
mod providers;
mod session_tables;

pub use self::providers::CatalogList;
pub use self::session_tables::RegisteredTable;
