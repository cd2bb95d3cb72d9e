//! `serve`: runs the proxy.

use std::path::Path;

use super::shell::Shell;
use super::{CliError, Doors};

pub(super) async fn run(shell: &Shell<'_>, config: Option<&Path>, doors: &dyn Doors) -> Result<(), CliError> {
    doors.serve(shell.load(config)?).await.map_err(CliError::Serve)
}
