//! What a [teapot repository](https://github.com/ActiveState/teapot) speaks: Tcl lists in pages, and one SQLite file as its index.
//!
//! The way through: the upstream's `db/status` and `db/index` become a [`Catalog`]; what of it may be seen becomes a [`Published`],
//! which answers every [`Request`] but those for files. Files are gated by others; [`teabag`] reads what is in them.

mod address;
mod answer;
mod authors;
mod catalog;
mod envelope;
mod error;
mod index;
mod instance;
mod load_time;
mod pages;
mod published;
pub mod reference;
pub mod search;
mod shelf;
mod signature;
mod status;
pub mod tcl_list;
mod tcl_script;
pub mod teabag;
pub mod version;
mod zip_member;

#[cfg(test)]
mod tests;

pub use address::{FileForm, Request, Scope, Within, encode_segment};
pub use answer::{Answer, content_type_of, xfile_head};
pub use authors::authors;
pub use catalog::{Catalog, Entry};
pub use error::TeapotError;
pub use index::{MOST_PACKED_BYTES, MOST_PLAIN_BYTES, read_index, unpack};
pub use instance::{Instance, Kind, WhyInvalid};
pub use load_time::{LoadFact, LoadKind, load_time_facts};
pub use published::{Published, Visibility};
pub use signature::Signature;
pub use status::{IndexStatus, Integrity};
