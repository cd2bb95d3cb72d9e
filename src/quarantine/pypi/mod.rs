//! Where PyPI differs from the other sides: records beside its pages, read behind a client's back and kept over time.

mod collect;
mod contents;
pub mod proofs;
pub mod records;
pub mod says;

pub use collect::COLLECT;
pub use proofs::proof_of;
pub use records::{AccountRecord, ProjectRecords};
