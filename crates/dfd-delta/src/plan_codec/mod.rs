//! Tables, scans and filters in serialized plans.

pub(crate) mod codec;
pub(crate) mod filter_codec;
pub(crate) mod registry;
