//! What CPAN publishes: a tree of static files, read as values. Nothing here fetches, and nothing is ever evaluated, though
//! several of these files are Perl.

pub mod author_path;
pub mod checksums;
mod clear_signed;
pub mod dist_name;
mod error;
pub mod find_ls;
mod gzip;
mod hash_index;
pub mod mailrc;
pub mod meta;
pub mod packages;
pub mod perms;
pub mod recent;
pub mod signature;
mod table;
mod write;
mod yaml;

pub use author_path::AuthorPath;
pub use checksums::{Checksum, Checksums};
pub use clear_signed::SignedText;
pub use dist_name::{DistName, dist_of, main_package};
pub use error::CatalogError;
pub use find_ls::{FindLs, Precision};
pub use mailrc::MailRc;
pub use meta::DistMeta;
pub use packages::{Head, PackageIndex, Row, RowChange, RowText};
pub use perms::{Permission, PermissionChange, Permissions};
pub use recent::{Recent, RecentEntry, RecentKind};
pub use signature::{Keyring, SignatureVerdict};
