//! What a script does as soon as it is loaded, told from its words. It is a hint for people, not a proof.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::tcl_script::{Command, Word, commands};

/// Facts that are kept.
const MOST_FACTS: usize = 50;

/// How deep we look into blocks and brackets.
const DEEPEST: usize = 16;

/// Commands that are looked at; a script with more is data.
const MOST_COMMANDS: usize = 1_000_000;

/// What a fact is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoadKind {
    /// Starts a program: `exec`, `open |…`.
    Exec,
    /// Opens a connection: `socket`, `http::geturl`.
    Socket,
    /// Evaluates text that it decoded or unpacked before.
    EvalDecoded,
}

/// Something that happens at load time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadFact {
    /// In which file of an archive; `None` in a module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// On which line, from 1.
    pub line: u32,
    /// What it is.
    pub kind: LoadKind,
    /// The command: printable, on one line, at most 120 characters.
    pub excerpt: String,
}

/// Commands whose braces hold scripts that run right away, or conditions with such in brackets.
const BLOCKS: [&str; 18] = [
    "if",
    "while",
    "for",
    "foreach",
    "lmap",
    "catch",
    "try",
    "switch",
    "eval",
    "uplevel",
    "time",
    "after",
    "apply",
    "expr",
    "namespace",
    "dict",
    "package",
    "interp",
];

/// Commands that evaluate what they are given.
const EVALUATORS: [&str; 7] = ["eval", "uplevel", "subst", "namespace", "apply", "interp", "after"];

/// What makes text of something that does not look like it.
const DECODERS: [&str; 10] = [
    "base64",
    "binary decode",
    "binary format",
    "zlib ",
    "convertfrom",
    "uuencode",
    "uudecode",
    "yencode",
    "ascii85",
    "string map",
];

/// Reads a script: what happens at load time, in the order of its lines. The bodies of procedures count where the script itself
/// calls them.
pub fn load_time_facts(script: &str) -> Vec<LoadFact> {
    let mut reading = Reading::default();
    reading.script(script, 1, 0);
    reading.facts.sort_by_key(|fact| fact.line);
    reading.facts
}

#[derive(Default)]
struct Reading<'a> {
    facts: Vec<LoadFact>,
    commands: usize,
    /// Bodies of procedures that were not called yet, by the last part of their names.
    procedures: HashMap<String, (u32, &'a str)>,
    /// Variables that hold decoded text.
    decoded: HashSet<String>,
}

impl<'a> Reading<'a> {
    fn script(&mut self, script: &'a str, line: u32, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        for command in commands(script, line) {
            self.commands += 1;
            if self.commands > MOST_COMMANDS || self.facts.len() >= MOST_FACTS {
                return;
            }
            for word in &command.words {
                for (line, inner) in &word.inner {
                    self.script(inner, *line, depth + 1);
                }
            }
            self.command(&command, depth);
        }
    }

    fn command(&mut self, command: &Command<'a>, depth: usize) {
        let Some(full_name) = command.value(0) else { return };
        let full_name = full_name.trim_start_matches(':');
        let name = full_name.rsplit("::").next().unwrap_or(full_name);
        match (full_name, name) {
            ("exec", _) => self.note(command, LoadKind::Exec),
            ("open", _) if command.words.get(1).is_some_and(|word| word.text.trim_start().starts_with('|')) => {
                self.note(command, LoadKind::Exec);
            }
            ("socket" | "http::geturl", _) | (_, "udp_open") => self.note(command, LoadKind::Socket),
            ("proc", _) => {
                if let (Some(name), Some(body)) = (command.value(1), command.words.get(3)) {
                    let name = name.rsplit("::").next().unwrap_or(name).to_owned();
                    self.procedures.insert(name, (body.line, body.text));
                }
                return;
            }
            ("set" | "append" | "variable", _) => {
                if let Some(variable) = command.value(1)
                    && command.words.iter().skip(2).any(|word| self.is_decoded(word))
                {
                    self.decoded.insert(variable.trim_start_matches(':').to_owned());
                }
            }
            _ => {}
        }
        if EVALUATORS.contains(&name) && command.words.iter().skip(1).any(|word| self.evaluates_decoded(word)) {
            self.note(command, LoadKind::EvalDecoded);
        }
        if BLOCKS.contains(&name) {
            for word in command.words.iter().skip(1).filter(|word| word.braced) {
                self.script(word.text, word.line, depth + 1);
            }
        }
        if let Some((line, body)) = self.procedures.remove(name) {
            self.script(body, line, depth + 1);
        }
    }

    /// A block in braces is read as a script of its own; what is left is text put together.
    fn evaluates_decoded(&self, word: &Word<'_>) -> bool {
        !word.braced && self.is_decoded(word)
    }

    fn is_decoded(&self, word: &Word<'_>) -> bool {
        let text = word.text;
        word.value.is_none()
            && (DECODERS.iter().any(|decoder| text.contains(decoder))
                || variables_in(text).any(|variable| self.decoded.contains(variable)))
    }

    fn note(&mut self, command: &Command<'_>, kind: LoadKind) {
        let fact = LoadFact { file: None, line: command.line, kind, excerpt: command.excerpt() };
        if self.facts.len() < MOST_FACTS && !self.facts.contains(&fact) {
            self.facts.push(fact);
        }
    }
}

/// The variables that a text puts in: `$name`, `$::name`, `${name}`.
fn variables_in(text: &str) -> impl Iterator<Item = &str> {
    text.split('$').skip(1).map(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest).trim_start_matches(':');
        let end = rest.find(|symbol: char| !(symbol.is_alphanumeric() || matches!(symbol, '_' | ':')));
        &rest[..end.unwrap_or(rest.len())]
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(script: &str) -> Vec<(u32, LoadKind)> {
        load_time_facts(script).into_iter().map(|fact| (fact.line, fact.kind)).collect()
    }

    #[test]
    fn an_ordinary_module_does_nothing_when_loaded() {
        let script = "package require Tcl 8.5\npackage provide acme::greet 1.0\nnamespace eval ::acme::greet {\n    variable x 1\n}\n\
            proc ::acme::greet::hello {who} {\n    exec echo $who\n}\n# exec rm\nputs {exec in a text}\nputs \"no exec here\"\n";
        assert_eq!(found(script), []);
    }

    #[test]
    fn what_runs_at_load_time_is_told_with_its_line() {
        use LoadKind::{EvalDecoded, Exec, Socket};
        assert_eq!(found("a\nexec uname -a"), [(2, Exec)]);
        assert_eq!(found("set os [exec uname]"), [(1, Exec)]);
        assert_eq!(
            found("if {[catch {exec uname} os]} {\n  set s [socket host.example.test 80]\n}"),
            [(1, Exec), (2, Socket)]
        );
        assert_eq!(found("namespace eval ::a {\n ::exec id\n}"), [(2, Exec)]);
        assert_eq!(found("set p [open |sh r+]"), [(1, Exec)]);
        assert_eq!(found("set p [open \"|$cmd\" r]"), [(1, Exec)]);
        assert_eq!(found("set p [open plain.txt r]"), []);
        assert_eq!(found("package ifneeded a 1 {\n exec x\n}"), [(2, Exec)]);
        assert_eq!(found("set t [::http::geturl $url]"), [(1, Socket)]);
        assert_eq!(found("eval [binary decode base64 ZXhlYw==]"), [(1, EvalDecoded)]);
        assert_eq!(found("set code [base64::decode $x]\n\nuplevel #0 $code"), [(3, EvalDecoded)]);
        assert_eq!(found("set codes [base64::decode $x]\neval $code"), []);
        assert_eq!(found("eval [list puts hello]"), []);
        assert_eq!(found("proc go {} {\n exec id\n}\ngo"), [(2, Exec)]);
    }

    #[test]
    fn facts_are_bounded_and_printable() {
        let facts = load_time_facts(&"exec a\n".repeat(1000));
        assert_eq!(facts.len(), MOST_FACTS);
        let fact = &load_time_facts(&format!("exec \x1b[31m\t{}", "x".repeat(1000)))[0];
        assert!(fact.excerpt.len() <= 120 && !fact.excerpt.contains('\x1b'), "{fact:?}");
        // Neither many variables nor many braces cost more than their number.
        let many: String =
            (0..50_000).fold(String::new(), |script, at| script + &format!("set v{at} [base64::decode $v{at}x]\n"));
        assert_eq!(found(&many), []);
        let braces = format!("{}x{}x", "{a ".repeat(100_000), "}".repeat(100_000));
        assert_eq!(found(&braces), []);
        let deep = format!("{}exec a{}", "if 1 {".repeat(1000), "}".repeat(1000));
        assert_eq!(found(&deep), []);
        let brackets = format!("a {}", "[b ".repeat(100_000));
        assert_eq!(found(&brackets), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_panics(script in r#"((exec|eval|set|if|proc|namespace) |[a-c{}\[\]"$;\\ \n]{0,6}){0,20}"#) {
            load_time_facts(&script);
        }
    }
}
