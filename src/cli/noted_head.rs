//! Heads of the ledger that somebody kept: written on the command line, or in a file of signed ones.

use std::collections::BTreeMap;
use std::io::Read as _;

use super::CliError;
use super::shell::Shell;
use super::text;
use crate::domain::Sha256;
use crate::domain::audit::Head;
use crate::seal::SignedHead;

/// Eighty years of a line an hour.
const LONGEST_FILE: u64 = 256 << 20;

/// What was kept: the hashes of some events, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Noted {
    heads: BTreeMap<u64, Sha256>,
}

impl Noted {
    /// Reads NUMBER:HASH, a signed head, or a file of either, a line each. Signatures are verified.
    pub(super) fn read(shell: &mut Shell<'_>, argument: &str) -> Result<Self, CliError> {
        let mut noted = Self::default();
        if noted.take(argument.trim())? {
            return Ok(noted);
        }
        let path = shell.directory.join(argument);
        let name = text::line(argument);
        let file = std::fs::File::open(&path).map_err(|error| {
            CliError::Usage(format!(
                "--from: {name} is neither NUMBER:HASH, nor a signed head, nor a file that can be read ({error})\n"
            ))
        })?;
        let mut lines = String::new();
        file.take(LONGEST_FILE)
            .read_to_string(&mut lines)
            .map_err(|error| CliError::File { path: path.clone(), problem: error.to_string() })?;
        let ends_well = lines.ends_with('\n');
        let count = lines.lines().count();
        for (place, line) in lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            if noted.take(line.trim())? {
                continue;
            }
            // A crash cuts the last line off; a copy that was made meanwhile, too.
            if place + 1 == count && !ends_well {
                shell.note(&format!("{name}: the last line is cut off and left out"));
                continue;
            }
            // The house itself goes on behind half a line.
            shell.note(&format!("{name}:{}: no head, left out", place + 1));
        }
        if noted.heads.is_empty() {
            return Err(CliError::File { path, problem: "there is no head in it".to_owned() });
        }
        Ok(noted)
    }

    /// Takes one in; says whether it was one.
    fn take(&mut self, line: &str) -> Result<bool, CliError> {
        let head = if let Ok(head) = line.parse::<Head>() {
            head
        } else if let Ok(signed) = line.parse::<SignedHead>() {
            signed.verify().map_err(|error| CliError::Broken(format!("head {}: {error}", signed.head)))?;
            signed.head
        } else {
            return Ok(false);
        };
        match self.heads.insert(head.sequence, head.hash) {
            Some(other) if other != head.hash => Err(CliError::Broken(format!(
                "two of these heads disagree about event {}: the ledger was written anew between them, or they are of two \
                 ledgers",
                head.sequence
            ))),
            _ => Ok(true),
        }
    }

    /// The one with the highest number.
    pub(super) fn last(&self) -> Option<Head> {
        self.heads.last_key_value().map(|(sequence, hash)| Head { sequence: *sequence, hash: *hash })
    }

    /// The others, of events.
    pub(super) fn earlier(&self) -> impl Iterator<Item = Head> {
        let last = self.last().map_or(0, |last| last.sequence);
        let heads = self.heads.iter().filter(move |(sequence, _)| **sequence > 0 && **sequence < last);
        heads.map(|(sequence, hash)| Head { sequence: *sequence, hash: *hash })
    }
}
