//! Why something of a teapot repository cannot be read.

/// What is wrong, and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum TeapotError {
    /// More than any honest repository sends.
    #[error("{what} exceeds the limit of {limit}: ask whoever runs the repository; no honest one needs that much")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit, in the unit that `what` names.
        limit: usize,
    },
    /// The text does not follow the rules of Tcl lists.
    #[error("not a Tcl list: {0}; look at the text for a brace or quote too many")]
    List(&'static str),
    /// The page does not carry a result.
    #[error(
        "the page carries no [[TPM[[ result ]]MPT]]: open the address, a proxy or login page may stand in its place"
    )]
    NoResult,
    /// `db/status` says something else than a status.
    #[error("db/status does not say {0}: check that the address is a teapot repository")]
    Status(&'static str),
    /// Size or digest is not what `db/status` promised.
    #[error(
        "{what} is {found}, db/status promised {promised}: the index changed while it was read, or on its way; read both again"
    )]
    Integrity {
        /// What was compared.
        what: &'static str,
        /// What `db/status` says.
        promised: String,
        /// What came.
        found: String,
    },
    /// `db/index` is not one whole zlib stream.
    #[error("db/index is not a whole zlib stream ({0}): read it again, or ask whoever runs the repository")]
    Zlib(#[source] std::io::Error),
    /// SQLite cannot read or write the index.
    #[error("the index is not a readable SQLite file ({0}): read it again, or ask whoever runs the repository")]
    Sqlite(#[from] rusqlite::Error),
    /// A SQLite file with other tables.
    #[error("the index is not of version TEAPOT 0.2: {0}; this lazaret reads no other")]
    Schema(&'static str),
    /// A file does not have the signature by which the index lists it.
    #[error("the file has signature {found}, the index lists {listed}: it was changed or broken, do not use it")]
    Signature {
        /// What the index says.
        listed: super::Signature,
        /// What the bytes have.
        found: super::Signature,
    },
    /// The archive around `teapot.txt` cannot be read.
    #[error("the zip archive cannot be read: {0}; do not install it")]
    Zip(&'static str),
    /// A reference that is not one.
    #[error("Bad reference {0:?}: {1}")]
    Reference(String, &'static str),
    /// A query that is not one; worded as the original server words it.
    #[error("Bad query {0:?}: {1}")]
    Query(String, String),
}
