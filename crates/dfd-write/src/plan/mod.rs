//! From a stream to several writers.

pub mod memory;
pub mod pipeline;
pub mod shared_stream;
pub mod z_order;
