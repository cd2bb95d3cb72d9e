//! The `lazaret` program.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use lazaret::cli::{self, Doors, Import};
use lazaret::config::{Loaded, Source, discover};
use lazaret::domain::{Clock as _, SystemClock};
use lazaret::house::{Addresses, House};
use lazaret::restore::Restore;
use lazaret::store::sled::SledStore;
use lazaret::store::{Ledger, StoreError};
use lazaret::telemetry::logs::{self, LogSettings};
use tokio::signal::unix::{Signal, SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let started = LogSettings::from_environment().and_then(|settings| logs::init(&settings));
    if let Err(error) = started {
        let _ = writeln!(std::io::stderr(), "lazaret: {error}");
        return ExitCode::from(2);
    }
    cli::run(std::env::args_os(), &Program).await
}

/// What the command line needs from the house.
struct Program;

#[async_trait]
impl Doors for Program {
    async fn serve(&self, mut loaded: Loaded) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut told = Signals::listen()?;
        let mut notes = Vec::new();
        if loaded.config.pypi.upstream.is_none() {
            // Without an index for PyPI the rest of the house still runs, and says what is missing.
            match discover::pypi(&loaded.config.listen, None).await {
                Ok(found) => loaded.adopt(found)?,
                Err(error) => notes.push(format!("PyPI: {error}")),
            }
        }
        let upstreams = upstreams(&loaded);
        let house = House::start(loaded.config, Arc::new(SystemClock::new())).await?;
        let addresses = house.addresses().clone();
        let lines: Vec<String> = upstreams.into_iter().chain(notes).collect();
        greet(&lines, &addresses)?;
        loop {
            match told.next().await {
                Told::Stop => break,
                Told::Reload => {
                    if let Err(error) = house.reload_policy().await {
                        tracing::error!("the policy in force stays: {error:#}");
                    }
                    if let Err(error) = house.reload_certificates() {
                        tracing::error!("the certificates in force stay: {error:#}");
                    }
                }
            }
        }
        house.stop().await;
        Ok(())
    }

    async fn open_ledger(&self, data_dir: &Path) -> Result<Box<dyn Ledger>, StoreError> {
        let path = data_dir.join("store");
        let opened = tokio::task::spawn_blocking(move || SledStore::open(&path)).await;
        let store = opened.map_err(|panic| StoreError::Refused(panic.to_string()))??;
        Ok(Box::new(store))
    }

    async fn import(&self, data_dir: &Path, import: Import) -> Result<serde_json::Value, Box<dyn Error + Send + Sync>> {
        let Import { file, replace, passphrase } = import;
        let restored = Restore { file, replace, passphrase }.run(data_dir, SystemClock::new().now()).await?;
        Ok(serde_json::to_value(restored)?)
    }
}

/// Where packages come from, one line a client to point it here, and the line that says that all is up.
fn greet(lines: &[String], addresses: &Addresses) -> std::io::Result<()> {
    let Addresses { packages, teapot, admin } = addresses;
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "pip     pip config set global.index-url {packages}/pypi/simple/")?;
    writeln!(out, "uv      export UV_DEFAULT_INDEX={packages}/pypi/simple/")?;
    writeln!(out, "poetry  poetry source add --priority=primary lazaret {packages}/pypi/simple/")?;
    writeln!(out, "cpanm   export PERL_CPANM_OPT=\"--from {packages}/cpan\"")?;
    writeln!(
        out,
        "cpan    printf '%s\\n' 'o conf pushy_https 0' 'o conf urllist {packages}/cpan' 'o conf commit' 'reload index' | PERL_MM_USE_DEFAULT=1 cpan"
    )?;
    writeln!(
        out,
        "cpm     cpm install --no-default-resolvers --resolver metadb,{packages}/cpan/v1.0/,{packages}/cpan MODULE"
    )?;
    writeln!(out, "carton  export PERL_CARTON_MIRROR={packages}/cpan")?;
    writeln!(out, "teacup  teacup archive add {teapot}")?;
    writeln!(out, "ready packages={packages} teapot={teapot} admin={admin}")?;
    out.flush()
}

/// Each upstream, and where its address came from.
fn upstreams(loaded: &Loaded) -> Vec<String> {
    let source = |key: &str| match loaded.sources.get(key) {
        Some(Source::File { path, line }) => format!("{}:{line}", path.display()),
        Some(Source::Environment { name }) => name.clone(),
        Some(Source::Discovered { from }) => from.clone(),
        Some(Source::Default) | None => "default".to_owned(),
    };
    let mut lines = Vec::new();
    for index in &loaded.config.pypi.private {
        lines.push(format!("PyPI    {} (private index {}, asked first)", index.index, index.name));
    }
    if let Some(upstream) = &loaded.config.pypi.upstream {
        lines.push(format!("PyPI    {upstream} (from {})", source("pypi.upstream")));
    }
    for mirror in &loaded.config.cpan.private {
        lines.push(format!("CPAN    {} (private mirror {}, asked first)", mirror.index, mirror.name));
    }
    if let Some(upstream) = &loaded.config.cpan.upstream {
        lines.push(format!("CPAN    {upstream} (from {})", source("cpan.upstream")));
    }
    if let Some(upstream) = &loaded.config.teapot.upstream {
        lines.push(format!("teapot  {upstream} (from {})", source("teapot.upstream")));
    }
    lines
}

/// What the program is told from outside.
enum Told {
    /// SIGTERM, or Ctrl-C: finish and end.
    Stop,
    /// SIGHUP: read the policy and the certificates again.
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.hang_up.recv() => Told::Reload,
        }
    }
}
