//! Streams that are aligned, resized, read ahead and counted as they flow.

mod align;
mod counters;
mod prefetch;
mod reader;
mod resize;
mod shaped_source;

pub use align::{AlignError, align, check as alignable};
pub use counters::Counters;
pub use prefetch::stop_prefetching;
pub use reader::{AdaptedReader, Shape};
pub use shaped_source::Source;
