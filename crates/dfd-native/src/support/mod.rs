//! What the classes and functions of the module have in common.

pub(crate) mod abi_check;
pub(crate) mod allocator;
pub(crate) mod arrow_export;
pub(crate) mod arrow_import;
pub(crate) mod build_info;
mod c_data;
pub(crate) mod calling;
mod digest;
pub(crate) mod errors;
pub(crate) mod foreign_session;
pub(crate) mod interrupt;
pub(crate) mod location;
pub(crate) mod polling;
