//! What can go wrong with a command, and the exit code for it.

use std::path::PathBuf;

use crate::config::ConfigError;
use crate::corpus::CorpusError;
use crate::seal::SealError;
use crate::store::StoreError;
use crate::transfer::TransferError;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command line says something that we do not understand; the text is ready to print.
    #[error("{0}")]
    Usage(String),
    /// The configuration has mistakes.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No lazaret is running here.
    #[error(
        "no running lazaret is known: {} is not there; start `lazaret serve` in this directory, name its configuration \
         with --config, or set LAZARET_URL and LAZARET_TOKEN",
        .0.display()
    )]
    NoAddress(PathBuf),
    /// A file that `serve` writes cannot be used.
    #[error("{}: {problem}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What to do.
        problem: String,
    },
    /// A variable cannot be used.
    #[error("{name}: {problem}")]
    Variable {
        /// Which.
        name: &'static str,
        /// What to write instead.
        problem: String,
    },
    /// The admin listener could not be asked.
    #[error("{address} does not answer: {problem}; is `lazaret serve` running?")]
    Unreachable {
        /// Its address.
        address: String,
        /// Why.
        problem: String,
    },
    /// The answer is not one of lazaret's.
    #[error("{address} answered what lazaret does not: {problem}; is this the admin listener's address?")]
    BadAnswer {
        /// Whom we asked.
        address: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The proxy said no, and why.
    #[error("{0}")]
    Refused(String),
    /// The ledger is not what it was.
    #[error("{0}")]
    Broken(String),
    /// A list of names or a table of weights is wrong.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// An export is not what it should be.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// A key or a signature is wrong.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The proxy stopped with an error.
    #[error("{0}")]
    Serve(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The output could not be written.
    #[error("the output could not be written: {0}")]
    Output(#[from] std::io::Error),
}

impl CliError {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            // `lazaret queue | head` is not a failure.
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => 0,
            _ => 1,
        }
    }
}
