//! What a Perl distribution's archive says about itself: the packages it ships and what its scripts do by themselves.

use serde::{Deserialize, Serialize};

/// A package that the archive ships.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ShippedPackage {
    /// Its name, `Foo::Bar`.
    pub package: String,
    /// Its version, where the source says it as a plain literal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The file that declares it, without the archive's top folder.
    pub file: String,
}

/// When code runs without being called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunsAt {
    /// While the distribution is configured or built, as the installing user.
    InstallTime,
    /// As soon as a module is loaded; tests do that too.
    LoadTime,
}

/// What a script does that most do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScriptFactKind {
    /// Evaluates text that it decodes first: `eval unpack(..)`, `eval decode_base64(..)`.
    EvalDecoded,
    /// Reads keys, passwords or the whole environment.
    ReadsSecrets,
    /// Talks to the network, by a module or a command.
    Network,
    /// Writes what runs later: a shell's start-up file, cron, systemd.
    WritesHome,
    /// Is written so that nobody can read it.
    Obfuscated,
    /// Starts programs.
    Exec,
    /// Evaluates text.
    EvalString,
}

impl ScriptFactKind {
    /// In words, for a sentence about a script.
    pub const fn words(self) -> &'static str {
        match self {
            Self::EvalDecoded => "runs text that it decodes first",
            Self::ReadsSecrets => "reads keys, passwords or the whole environment",
            Self::Network => "talks to the network",
            Self::WritesHome => "writes a start-up file or a timer",
            Self::Obfuscated => "cannot be read by people",
            Self::Exec => "starts programs",
            Self::EvalString => "runs text",
        }
    }
}

/// One thing that one line of a script does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptFact {
    /// The file, without the archive's top folder.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// When it happens.
    pub at: RunsAt,
    /// What it does.
    pub kind: ScriptFactKind,
    /// The line, fit for display, at most 120 characters.
    pub excerpt: String,
}

/// Everything noted of a Perl distribution; bounded, as part of stored evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and no two exclude each other")]
pub struct PerlFacts {
    /// Packages that an installation puts into the library; at most 2,000.
    pub packages: Vec<ShippedPackage>,
    /// Packages written so that PAUSE does not see them (`package # hide`); at most 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<ShippedPackage>,
    /// How many packages these lists had no room for.
    #[serde(default)]
    pub left_out: u32,
    /// There is a META.json.
    pub meta_json: bool,
    /// There is a META.yml.
    pub meta_yml: bool,
    /// What its scripts do that most do not, heaviest first; at most 50.
    pub script_facts: Vec<ScriptFact>,
    /// Has code in C.
    pub xs: bool,
    /// Brings its own build tools along, in `inc/`.
    pub inc: bool,
    /// Loads a source filter: what Perl runs is not what the files say.
    pub source_filter: bool,
    /// Folders and files at the top of the archive; one is usual.
    pub tops: u32,
    /// Perl files that are too large, or too many, to have been examined whole.
    #[serde(default)]
    pub unexamined: u32,
}
