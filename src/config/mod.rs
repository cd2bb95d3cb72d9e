//! The configuration: one TOML file, one struct a section, environment variables over it, and where each value came from.

mod advisories;
pub mod clients;
mod cpan;
pub mod discover;
mod environment;
mod error;
mod limits;
mod listen;
mod policy;
mod pypi;
mod reader;
mod secret;
mod sources;
mod store;
mod teapot;
mod tls;
mod tree;
mod upstream;
mod validate;
mod values;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use advisories::{AdvisorySettings, AdvisorySource};
pub use cpan::{Cpan, DarkPan};
pub use discover::{DiscoverError, Discovered};
pub use error::{ConfigError, Mistake};
pub use limits::Limits;
pub use listen::Listen;
pub use policy::PolicySettings;
pub use pypi::{PrivateIndex, Pypi};
pub use secret::{Password, Secret};
pub use sources::{Setting, Source};
pub use store::StoreSettings;
pub use teapot::Teapot;
pub use tls::Tls;
pub use upstream::UpstreamSettings;

/// The file that is read from the working directory when none is named.
pub const DEFAULT_FILE: &str = "lazaret.toml";

/// All settings, checked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where we listen.
    pub listen: Listen,
    /// Certificates of the packages and admin listeners.
    pub tls: Tls,
    /// Where facts and bytes are kept.
    pub store: StoreSettings,
    /// How upstreams are reached.
    pub upstream: UpstreamSettings,
    /// Python packages.
    pub pypi: Pypi,
    /// Perl distributions.
    pub cpan: Cpan,
    /// teapot packages.
    pub teapot: Teapot,
    /// Known malware and vulnerabilities.
    pub advisories: AdvisorySettings,
    /// Which policy decides.
    pub policy: PolicySettings,
    /// What one client may ask for.
    pub limits: Limits,
}

/// What the first complete read of an index without dates means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Baseline {
    /// Files without a date are new.
    #[default]
    Hold,
    /// Files without a date were there before us.
    Trust,
}

/// A configuration and its history.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What is in force.
    pub config: Config,
    /// Where each value comes from, by its key: `pypi.upstream`, `pypi.private[0].index`.
    pub sources: BTreeMap<String, Source>,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

impl Loaded {
    /// Every setting as text with its source, in order of their keys; secrets are masked.
    pub fn settings(&self) -> Vec<Setting> {
        sources::settings(&self.config, &self.sources)
    }

    /// Takes what was discovered for the public index. Refused if that is one of the private ones: their names would be
    /// asked of it as public ones.
    pub fn adopt(&mut self, found: Discovered) -> Result<(), DiscoverError> {
        let pypi = &mut self.config.pypi;
        if let Some(private) = pypi.private.iter().find(|private| private.index == found.url) {
            return Err(DiscoverError::Private { from: found.from, name: private.name.clone() });
        }
        let mut note = |key: &str| {
            self.sources.insert(format!("pypi.{key}"), Source::Discovered { from: found.from.clone() });
        };
        note("upstream");
        pypi.upstream = Some(found.url);
        if found.password.is_some() || !found.username.is_empty() {
            note("username");
            note("password");
            pypi.username = found.username;
            pypi.password = found.password.map(Password::Known);
        }
        Ok(())
    }
}

/// Reads the named file, or `./lazaret.toml` if it is there, and lays `LAZARET__SECTION__KEY` variables over it.
#[expect(clippy::disallowed_methods, reason = "this is the door through which the environment comes in")]
pub fn load(path: Option<&Path>) -> Result<Loaded, ConfigError> {
    load_with(path, Path::new(""), std::env::vars_os())
}

/// [`load`] from this directory (empty: the working directory) and these variables.
pub fn load_with(
    path: Option<&Path>,
    directory: &Path,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Loaded, ConfigError> {
    let found = tree::read(path, directory)?;
    let file = found.as_ref().map(|(file, _)| file.clone());
    let mut tree = found.map_or_else(tree::Node::empty, |(_, node)| node);
    for (name, value) in environment::settings(environment) {
        environment::lay_over(&mut tree, &name, &value)?;
    }
    let config = Config::deserialize(tree.clone()).map_err(|error| error.into_mistake(&tree.source))?;
    let sources = sources::sources(&config, &tree);
    let mistakes = validate::mistakes(&config, &sources);
    if mistakes.is_empty() { Ok(Loaded { config, sources, file }) } else { Err(ConfigError::Mistakes(mistakes)) }
}

#[cfg(test)]
mod tests;
