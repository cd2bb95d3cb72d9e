//! The command line: one file a command, all through [`run`].

mod address;
mod api_client;
mod audit;
mod baseline;
mod block;
mod break_glass;
mod check;
mod check_config;
mod check_report;
mod client_setup;
mod decide;
mod doctor;
mod error;
mod export;
mod gc;
mod import;
mod init;
mod lock;
mod lock_file;
mod names;
mod noted_head;
mod perl_setup;
mod policy;
mod queue;
mod remedy;
mod report;
mod score;
mod serve;
mod shell;
mod show;
mod text;
mod token;
mod upload;
mod why;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use async_trait::async_trait;
use clap::{Parser, Subcommand, ValueEnum};

pub use error::CliError;
pub use import::Import;
use shell::Shell;

use crate::config::Loaded;
use crate::store::{Ledger, StoreError};

/// What the commands need from rooms that only the program as a whole can build.
#[async_trait]
pub trait Doors: Sync {
    /// Runs the proxy until it is told to stop.
    async fn serve(&self, loaded: Loaded) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
    /// Opens the ledger in a data folder that no running proxy uses.
    async fn open_ledger(&self, data_dir: &Path) -> Result<Box<dyn Ledger>, StoreError>;
    /// Makes the store in a data folder that no running proxy uses of an export, and says what was done.
    async fn import(
        &self,
        data_dir: &Path,
        import: Import,
    ) -> Result<serde_json::Value, Box<dyn std::error::Error + Send + Sync>>;
}

/// A quarantining package registry proxy.
#[derive(Debug, Parser)]
#[command(name = "lazaret", version, about, max_term_width = 100)]
struct Arguments {
    /// The configuration; without it ./lazaret.toml, if that is there.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the proxy.
    Serve,
    /// Write a first configuration from what this machine's clients are set to use; it observes for two weeks.
    Init(init::Arguments),
    /// Print the configuration in force and where each value comes from.
    CheckConfig(check_config::Arguments),
    /// Print how to point a client here, and what would still bypass us. Changes nothing.
    ClientSetup(client_setup::Arguments),
    /// List what waits.
    Queue(queue::Arguments),
    /// Show one upload and why it is where it is.
    Show(show::Arguments),
    /// Let an upload in.
    Approve(decide::Approve),
    /// Keep an upload out for good.
    Reject(decide::Refuse),
    /// Stop serving an upload that was let in.
    Recall(decide::Refuse),
    /// Undo a rejection or a recall; the upload is held again. For admins.
    Reopen(decide::Refuse),
    /// Say what is served of a project now, what is not, why and until when.
    Why(why::Arguments),
    /// Reject a project or version before it is ever seen.
    Block(block::Arguments),
    /// Take a block back.
    Unblock(block::Arguments),
    /// Score names on standard input: how likely each is meant to be mistaken for a known one.
    Score(score::Arguments),
    /// Replace the lists of popular names.
    #[command(subcommand)]
    Names(names::Command),
    /// Try a policy on what is stored.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Let in what lock files, SBOMs or `pip freeze --all` name, as one decision. For admins.
    Baseline(baseline::Arguments),
    /// Say of each entry of a lock or requirements file whether it would be served; exit 1 if not all would be.
    Check(check::Arguments),
    /// Change the addresses in a lock file.
    #[command(subcommand)]
    Lock(lock::Command),
    /// Turn a lock or requirements file into constraints that leave vulnerable versions for fixed, released ones.
    Remedy(remedy::Arguments),
    /// Look at all that a house needs, or with --via at the way to it; exit 1 if something fails.
    Doctor(doctor::Arguments),
    /// Say what was refused each day, and what would have been while the policy only observes.
    Report(report::Arguments),
    /// Read or verify the ledger.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Let everything out that is not known to be bad, for a few hours: two admins together.
    #[command(subcommand)]
    BreakGlass(break_glass::Command),
    /// Write everything that must survive into a file, while the proxy runs. For admins.
    Export(export::Arguments),
    /// Make a store of an export. The proxy must not be running.
    Import(import::Arguments),
    /// Throw away cached bytes and evidence that nothing refers to. For admins.
    Gc(gc::Arguments),
    /// Make, list or revoke access tokens.
    #[command(subcommand)]
    Token(token::Command),
}

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// As the API answers.
    Json,
}

/// Shared by every command that prints data.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Printing {
    /// For people or for programs.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs one command and says how it went: 0 done, 1 refused or not found (why is on stderr), 2 wrongly called.
pub async fn run(arguments: impl IntoIterator<Item = OsString>, doors: &dyn Doors) -> ExitCode {
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let mut shell = Shell::of_process(&mut out, &mut err);
    ExitCode::from(run_in(&mut shell, arguments, doors).await)
}

async fn run_in(shell: &mut Shell<'_>, arguments: impl IntoIterator<Item = OsString>, doors: &dyn Doors) -> u8 {
    let result = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => dispatch(shell, arguments, doors).await,
        Err(error) if error.use_stderr() => Err(CliError::Usage(error.render().to_string())),
        Err(help) => shell.print(&help.render().to_string()),
    };
    match result {
        Ok(()) => 0,
        Err(error) => {
            shell.complain(&error);
            error.exit_code()
        }
    }
}

async fn dispatch(shell: &mut Shell<'_>, arguments: Arguments, doors: &dyn Doors) -> Result<(), CliError> {
    let config = arguments.config.as_deref();
    match arguments.command {
        Command::Serve => serve::run(shell, config, doors).await,
        Command::Init(arguments) => Box::pin(init::run(shell, config, &arguments)).await,
        Command::CheckConfig(arguments) => check_config::run(shell, config, &arguments).await,
        Command::ClientSetup(arguments) => client_setup::run(shell, config, &arguments).await,
        Command::Queue(arguments) => queue::run(shell, config, &arguments).await,
        Command::Show(arguments) => show::run(shell, config, &arguments).await,
        Command::Approve(arguments) => decide::approve(shell, config, &arguments).await,
        Command::Reject(arguments) => decide::refuse(shell, config, "reject", &arguments).await,
        Command::Recall(arguments) => decide::refuse(shell, config, "recall", &arguments).await,
        Command::Reopen(arguments) => decide::refuse(shell, config, "reopen", &arguments).await,
        Command::Why(arguments) => why::run(shell, config, &arguments).await,
        Command::Block(arguments) => block::block(shell, config, &arguments).await,
        Command::Unblock(arguments) => block::unblock(shell, config, &arguments).await,
        Command::Score(arguments) => score::run(shell, config, &arguments),
        Command::Names(command) => names::run(shell, config, &command).await,
        Command::Policy(command) => policy::run(shell, config, &command).await,
        Command::Baseline(arguments) => baseline::run(shell, config, &arguments).await,
        Command::Check(arguments) => check::run(shell, config, &arguments).await,
        Command::Lock(command) => lock::run(shell, config, &command).await,
        Command::Remedy(arguments) => remedy::run(shell, config, &arguments).await,
        Command::Doctor(arguments) => Box::pin(doctor::run(shell, config, &arguments)).await,
        Command::Report(arguments) => report::run(shell, config, &arguments).await,
        Command::Audit(command) => audit::run(shell, config, &command, doors).await,
        Command::BreakGlass(command) => break_glass::run(shell, config, &command).await,
        Command::Export(arguments) => export::run(shell, config, &arguments).await,
        Command::Import(arguments) => import::run(shell, config, &arguments, doors).await,
        Command::Gc(arguments) => gc::run(shell, config, &arguments).await,
        Command::Token(command) => token::run(shell, config, &command).await,
    }
}

#[cfg(test)]
mod tests;
