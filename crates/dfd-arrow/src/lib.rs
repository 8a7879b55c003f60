//! Arrow data put into shape: exact casts, and streams that are adapted as they flow.
//!
//! A stream that crosses libraries arrives with other batch sizes, other column orders and
//! nearly the same types, and some readers yield rows again after an error. [`AdaptedReader`] is
//! the one adapter between such a source and whoever consumes it:
//!
//! ```text
//! source -> fuse -> align and cast -> join or cut -> (a thread ahead) -> count -> consumer
//! ```
//!
//! It pulls one batch at a time and holds at most the rows of one outgoing batch beside it, and as
//! many batches more as it is told to read ahead. [`exact_cast`] is good on its own too.
#![warn(missing_docs, unreachable_pub, rustdoc::broken_intra_doc_links)]

mod adapt;
mod batch_bytes;
mod cast;
mod panic_message;

pub use adapt::{
    AdaptedReader, AlignError, Counters, Shape, Source, align, alignable, stop_prefetching,
};
pub use batch_bytes::BatchBytes;
pub use cast::{Inexact, castable, exact_cast, widens};
pub use panic_message::panic_message;
