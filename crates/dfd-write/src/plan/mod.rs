//! From a stream to several writers: sorting, and what may be held meanwhile.

pub(crate) mod batch_size;
pub(crate) mod memory;
pub(crate) mod pipeline;
pub(crate) mod shared_stream;
pub(crate) mod sort_order;
pub(crate) mod stream_partition;
pub(crate) mod z_order;
