//! Wire formats of package registries: bytes in, values out; no fetching, no time.

pub mod cpan;
pub mod pypi;
pub mod teapot;

/// Why something from an upstream cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// More than any honest index sends.
    #[error("{what} exceeds the limit of {limit}: ask whoever runs the index; no honest project needs that much")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit, in the unit that `what` names.
        limit: usize,
    },
    /// Not JSON, or not of the expected shape.
    #[error("the index did not answer with the expected JSON ({0}): open the address, it may be an error page")]
    Json(#[source] serde_json::Error),
    /// A later generation of the protocol.
    #[error("the index speaks Simple API version {0:?}, this lazaret reads 1.x: use a newer lazaret")]
    ApiVersion(String),
    /// Something else in the page's place.
    #[error("the index did not answer with an index page: open the address, it may be a login or error page")]
    NotAnIndexPage,
    /// A page of another project.
    #[error("the page is about {0:?}, another project: check the address of the index")]
    OtherProject(String),
    /// A METADATA file without one of its mandatory fields, or with two different ones.
    #[error("METADATA does not have exactly one {0}: the file is broken, do not install it")]
    Field(&'static str),
    /// The stream failed before its end, or whoever takes the names wants no more.
    #[error("reading stopped before the end ({0}): try again")]
    Stopped(#[source] std::io::Error),
}

impl From<serde_json::Error> for ReadError {
    /// A failed stream stays an input error, so that callers can tell it from a broken document.
    fn from(error: serde_json::Error) -> Self {
        if error.is_io() { Self::Stopped(error.into()) } else { Self::Json(error) }
    }
}
