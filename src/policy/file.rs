//! The policy file: TOML in which every key is optional and none may be misspelt.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::compile::{HeldFiles, Missing};
use crate::domain::{Ecosystem, Mode};

/// Longest policy file read.
pub(super) const LONGEST_FILE: u64 = 1 << 20;

/// Why there is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("the policy file {} cannot be read: {source}; correct its path, or leave policy.file out for the policy that is built in", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is longer than any policy.
    #[error("the policy file {} is longer than {LONGEST_FILE} bytes: is it the right file?", path.display())]
    TooLong {
        /// Which one.
        path: PathBuf,
    },
    /// Something in it is wrong.
    #[error("{file}:{line}: {key}: {why}")]
    Invalid {
        /// Which file, or what the policy was read from.
        file: String,
        /// Line, from 1.
        line: usize,
        /// The key, as `hold.default`.
        key: String,
        /// What is wrong and what to write instead.
        why: String,
    },
}

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PolicyFile {
    pub mode: Option<Mode>,
    pub modes: ModeTable,
    pub enforce_from: Option<Spanned<toml::Value>>,
    pub held_files: Option<HeldFiles>,
    pub hold: HoldTable,
    pub namespaces: NamespaceTable,
    pub review: ReviewTable,
    pub thresholds: ThresholdTable,
    pub score: ScoreTable,
    pub security_fix: SecurityFixTable,
    pub signals: BTreeMap<Spanned<String>, SignalTable>,
    #[serde(rename = "override")]
    pub overrides: Vec<Spanned<OverrideTable>>,
    pub freeze: Option<Spanned<toml::Value>>,
    pub own: Vec<Spanned<OwnTable>>,
}

/// Who publishes some of our packages.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OwnTable {
    pub projects: Option<Spanned<Vec<Spanned<String>>>>,
    pub repository: Option<Spanned<String>>,
    pub workflow: Option<Spanned<String>>,
}

/// What is said otherwise about some projects.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OverrideTable {
    pub ecosystem: Option<Ecosystem>,
    pub projects: Option<Spanned<Vec<Spanned<String>>>>,
    pub reason: Option<Spanned<String>>,
    pub hold: Option<Spanned<String>>,
    pub medium: Option<Spanned<String>>,
    pub thresholds: ThresholdTable,
    pub two_person_above: Option<Spanned<f64>>,
    pub mode: Option<Mode>,
    pub signals: BTreeMap<Spanned<String>, SignalTable>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ModeTable {
    pub pypi: Option<Mode>,
    pub cpan: Option<Mode>,
    pub teapot: Option<Mode>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct HoldTable {
    pub default: Option<Spanned<String>>,
    pub medium: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct NamespaceTable {
    pub pypi: Option<Vec<Spanned<String>>>,
    pub cpan: Option<Vec<Spanned<String>>>,
    pub teapot: Option<Vec<Spanned<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ReviewTable {
    pub two_person_above: Option<Spanned<f64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ThresholdTable {
    pub medium: Option<Spanned<f64>>,
    pub high: Option<Spanned<f64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ScoreTable {
    pub base: Option<Spanned<f64>>,
    pub most: MostTable,
}

/// One key a [`Family`](crate::domain::Family).
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MostTable {
    pub name: Option<Spanned<f64>>,
    pub confusion: Option<Spanned<f64>>,
    pub identity: Option<Spanned<f64>>,
    pub behaviour: Option<Spanned<f64>>,
    pub content: Option<Spanned<f64>>,
    pub record: Option<Spanned<f64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SecurityFixTable {
    pub hold: Option<Spanned<String>>,
    pub most_score: Option<Spanned<f64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SignalTable {
    pub enabled: Option<Spanned<bool>>,
    pub points: Option<Spanned<i64>>,
    pub missing: Option<Missing>,
    pub review: Option<bool>,
    pub private: Option<Spanned<bool>>,
}

/// A policy's text and where it is from: makes errors that name file, line and key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub text: &'a str,
    pub name: &'a str,
}

impl Source<'_> {
    /// Reads the text.
    pub(super) fn read(self) -> Result<PolicyFile, PolicyError> {
        toml::from_str(self.text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            self.error(&self.key_at(span.start), span, error.message())
        })
    }

    /// The error for what is written here.
    pub(super) fn error(self, key: &str, span: Range<usize>, why: impl Into<String>) -> PolicyError {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = 1 + before.matches('\n').count();
        // A parser's message may have several lines; an error is one.
        let why = why.into().lines().collect::<Vec<_>>().join(", ");
        PolicyError::Invalid { file: self.name.to_owned(), line, key: key.to_owned(), why }
    }

    /// The place of a key within a table, as far as a search finds it: the text of a value does not know its own.
    pub(super) fn place_of(self, key: &str, table: Range<usize>) -> Range<usize> {
        let rest = self.text.get(table.start..).unwrap_or_default();
        let found = rest.match_indices(key).find(|(place, _)| {
            let before = rest.get(..*place).unwrap_or_default().chars().next_back();
            let after = rest.get(place + key.len()..).unwrap_or_default().trim_start();
            before.is_none_or(|letter| !letter.is_alphanumeric()) && after.starts_with('=')
        });
        let start = table.start + found.map_or(0, |(place, _)| place);
        start..start + key.len()
    }

    /// The key on the line of this place, with its table: good enough for a person to find it.
    fn key_at(self, place: usize) -> String {
        let before = self.text.get(..place).unwrap_or(self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default().trim();
        if let Some(table) = table_of(line) {
            return table.to_owned();
        }
        let key = line.split(['=', '#']).next().unwrap_or_default().trim();
        match before.get(..start).unwrap_or_default().lines().rev().find_map(|line| table_of(line.trim())) {
            Some(table) if key.is_empty() => table.to_owned(),
            Some(table) => format!("{table}.{key}"),
            None if key.is_empty() => "the file".to_owned(),
            None => key.to_owned(),
        }
    }
}

/// The table that a line opens.
fn table_of(line: &str) -> Option<&str> {
    line.strip_prefix('[')?.trim_start_matches('[').split(']').next().map(str::trim)
}
