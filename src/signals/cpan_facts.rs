//! What CPAN's own records say of one release: who uploaded it, who may, and what the signed list of its folder promises.

use serde::{Deserialize, Serialize};

use crate::domain::Timestamp;

/// What CPAN's own records say of one release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CpanFacts {
    /// Who uploaded it, from its path: the only author that cannot be made up.
    pub pause_id: Box<str>,
    /// The package that the distribution is named after, `Foo::Bar`.
    pub main_package: Box<str>,
    /// Whether it was ever in 02packages.
    pub indexed: bool,
    /// Whether 06perms could be read.
    pub permissions_known: bool,
    /// The uploader's permission on the main package: `m`, `f` or `c`.
    pub permission: Option<Box<str>>,
    /// Every id with a permission on the main package.
    pub owners: Vec<Box<str>>,
    /// When we saw the uploader's permission appear; `None` is before our first reading.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub permission_since: Option<Timestamp>,
    /// If the first-come permission moved while we watched.
    pub ownership_moved: Option<OwnershipMove>,
    /// ADOPTME, HANDOFF or NEEDHELP holds or held a permission.
    pub adoption: Option<Box<str>>,
    /// Other known releases of the distribution, newest first, at most 20.
    pub earlier: Vec<EarlierRelease>,
    /// The uploader's name, from 01mailrc.
    pub uploader_name: Option<Box<str>>,
    /// The owners' names, from 01mailrc.
    pub owner_names: Vec<Box<str>>,
    /// Well-known names that look alike and on which the uploader has a permission too.
    pub holds_look_alike: Vec<Box<str>>,
    /// Packages in the archive that others may upload and the uploader may not, at most 20.
    pub foreign_packages: Vec<ForeignPackage>,
    /// What the CHECKSUMS file of its folder says.
    pub checksums: ChecksumsVerdict,
}

/// The first-come permission on the main package went from one id to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnershipMove {
    /// Who had it.
    pub from: Box<str>,
    /// Who has it.
    pub to: Box<str>,
    /// When we saw it.
    #[serde(with = "time::serde::rfc3339")]
    pub at: Timestamp,
}

/// Another release of the same distribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EarlierRelease {
    /// Who uploaded it.
    pub pause_id: Box<str>,
    /// Its version.
    pub version: Box<str>,
    /// When.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub published: Option<Timestamp>,
}

/// A package that belongs to somebody else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForeignPackage {
    /// Which.
    pub package: Box<str>,
    /// Who may upload it.
    pub owners: Vec<Box<str>>,
}

/// What the CHECKSUMS file says of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ChecksumsVerdict {
    /// It could not be read.
    NotRead {
        /// Why.
        why: String,
    },
    /// It does not list the file.
    NotListed,
    /// It promises the bytes that we have.
    Agrees {
        /// Who vouches for it.
        signature: SignatureState,
    },
    /// It promises other bytes than when the file was first seen; those are what is served, if anything is.
    PromisesOthers {
        /// Which.
        why: String,
    },
    /// It speaks of another place.
    Differs {
        /// How.
        why: String,
    },
}

/// The signature of a CHECKSUMS file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SignatureState {
    /// There is none.
    Unsigned,
    /// Made with a key that we trust.
    Good {
        /// Which.
        key: String,
    },
    /// Nothing can be said about it.
    CannotVerify {
        /// Why.
        why: String,
    },
    /// Not made over this text.
    Bad {
        /// How it fails.
        why: String,
    },
}
