//! Files of a log in the form that delta_kernel takes.
//!
//! For what other readers pass by it refuses the whole table: a decimal partition value of another scale than
//! its column, statistics that don't parse, metadata without the fields that are mostly empty. Here these get
//! the form that it takes, and all else stays as it is: what isn't a value of its type is none afterwards too.

mod checkpoint;
mod commit;
mod rules;
mod statistics;

pub(crate) use self::commit::with_whole_metadata;
pub(super) use self::rules::Rules;

use bytes::Bytes;

/// The file with what delta_kernel takes in place of what it doesn't; None where nothing is to be mended.
pub(super) fn mended(file: &Bytes, is_json: bool, rules: &Rules) -> Option<Bytes> {
    if is_json {
        return commit::mended(file, rules);
    }
    // What can't be read is told of by who looks for the fault.
    let mended = dfd_runtime::catching(|| checkpoint::mended(file.clone(), rules));
    mended.ok()?.ok()?
}
