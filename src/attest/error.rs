//! What can be wrong with provenance and trusted roots before anything is verified.

use std::path::PathBuf;

/// Why there is nothing to verify, or nothing to verify it with.
#[derive(Debug, thiserror::Error)]
pub enum AttestError {
    /// More than any honest file needs.
    #[error("{what} exceeds the limit of {limit} bytes: ask whoever runs the index; no honest file needs that much")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// Not JSON, or not of the expected shape.
    #[error("this is not a PEP 740 provenance object ({0}): open its address, it may be an error page")]
    Json(#[from] serde_json::Error),
    /// A later generation of the format.
    #[error("{what} is of version {version}, this lazaret reads version 1: use a newer lazaret")]
    Version {
        /// What says so.
        what: &'static str,
        /// What it says.
        version: u64,
    },
    /// A list that must have something in it has nothing.
    #[error("the provenance has no {0}: it vouches for nothing, ask whoever runs the index")]
    Empty(&'static str),
    /// The file of a trusted root cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not a trusted root that attestations can be verified with.
    #[error("{name} is not a Sigstore trusted root ({why}): take trusted_root.json as Sigstore publishes it")]
    NotATrustRoot {
        /// Which file, or the one that is shipped.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}
