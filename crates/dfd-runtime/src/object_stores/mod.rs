//! Object stores: which one leads to a location, and how often it is asked.

mod builder;
mod counting_store;
mod local_store;
mod location;
mod registry;
mod web_store;

pub use self::counting_store::{CountingStore, Verb, request_counts};
pub use self::location::{Location, table_root};
pub use self::registry::stores;
