//! JSON objects that keep the order of their fields.

use serde::{Serialize, Serializer};

/// An object whose fields keep their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields<V>(pub Vec<(String, V)>);

impl<V> Default for Fields<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V: Serialize> Serialize for Fields<V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
