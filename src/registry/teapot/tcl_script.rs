//! Tcl scripts as commands and words ([the rules](https://www.tcl-lang.org/man/tcl8.6/TclCmd/Tcl.htm)), read and never evaluated.

use super::tcl_list::{closing_brace, is_space, unescape};

/// Words of one command that are kept; what honest scripts write has a few.
const MOST_WORDS: usize = 10_000;

/// Characters of an excerpt.
const LONGEST_EXCERPT: usize = 120;

/// One command.
#[derive(Debug)]
pub(super) struct Command<'a> {
    /// Counted from the first line that the script was said to have.
    pub(super) line: u32,
    /// As written.
    pub(super) text: &'a str,
    pub(super) words: Vec<Word<'a>>,
}

/// One word of a command.
#[derive(Debug)]
pub(super) struct Word<'a> {
    pub(super) line: u32,
    /// As written, without what delimits it.
    pub(super) text: &'a str,
    pub(super) braced: bool,
    /// Its value; `None` where Tcl would put in a variable or the result of a command.
    pub(super) value: Option<String>,
    /// The commands in its brackets, with their lines.
    pub(super) inner: Vec<(u32, &'a str)>,
}

impl Command<'_> {
    /// What a person is shown: one line, printable, short.
    pub(super) fn excerpt(&self) -> String {
        let words = self.text.split(|symbol: char| symbol.is_whitespace() || symbol.is_control());
        let mut excerpt = String::new();
        for word in words.filter(|word| !word.is_empty()) {
            if !excerpt.is_empty() {
                excerpt.push(' ');
            }
            excerpt.extend(word.chars().take(LONGEST_EXCERPT));
            if excerpt.len() > LONGEST_EXCERPT {
                break;
            }
        }
        excerpt.chars().take(LONGEST_EXCERPT).collect()
    }

    /// The value of a word, where it is known without evaluating anything.
    pub(super) fn value(&self, word: usize) -> Option<&str> {
        self.words.get(word)?.value.as_deref()
    }
}

/// The commands of a script, one after the other. What Tcl would refuse is read as well as it goes.
pub(super) fn commands(script: &str, first_line: u32) -> impl Iterator<Item = Command<'_>> {
    let mut reader = Reader { rest: script, line: first_line };
    std::iter::from_fn(move || reader.command())
}

struct Reader<'a> {
    rest: &'a str,
    line: u32,
}

impl<'a> Reader<'a> {
    fn skip(&mut self, bytes: usize) -> &'a str {
        let (skipped, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        self.line = self.line.saturating_add(lines_in(skipped));
        skipped
    }

    fn command(&mut self) -> Option<Command<'a>> {
        loop {
            self.skip_blanks(true);
            if !self.rest.starts_with('#') {
                break;
            }
            self.skip(end_of_comment(self.rest));
        }
        let (line, start) = (self.line, self.rest);
        let mut words = Vec::new();
        while !self.rest.is_empty() && !self.rest.starts_with(['\n', ';']) {
            let word = self.word();
            if words.len() < MOST_WORDS {
                words.push(word);
            }
            self.skip_blanks(false);
        }
        let text = &start[..start.len() - self.rest.len()];
        (!words.is_empty()).then_some(Command { line, text, words })
    }

    /// Skips white space, and between commands also what ends one.
    fn skip_blanks(&mut self, between_commands: bool) {
        loop {
            let blanks = self.rest.bytes().take_while(|byte| match byte {
                b' ' | b'\t' | b'\r' | b'\x0b' | b'\x0c' => true,
                b'\n' | b';' => between_commands,
                _ => false,
            });
            match blanks.count() {
                0 if self.rest.starts_with("\\\n") => self.skip(2),
                0 => return,
                blanks => self.skip(blanks),
            };
        }
    }

    fn word(&mut self) -> Word<'a> {
        // The mark that makes several words of one.
        if self.rest.len() > 3 && self.rest.starts_with("{*}") && !ends_word(&self.rest[3..]) {
            self.skip(3);
        }
        let line = self.line;
        if let Some(inner) = self.rest.strip_prefix('{') {
            let end = closing_brace(inner).unwrap_or(inner.len());
            let (text, after) = (&inner[..end], inner.get(end + 1..).unwrap_or_default());
            if ends_word(after) {
                self.skip(self.rest.len() - after.len());
                return Word { line, text, braced: true, value: Some(text.replace("\\\n", " ")), inner: Vec::new() };
            }
            // Tcl stops here; whatever follows the brace belongs to a word that nobody understands.
            let junk = after.find(|symbol| is_space(symbol) || symbol == ';').unwrap_or(after.len());
            let text = self.skip(self.rest.len() - after.len() + junk);
            return Word { line, text, braced: false, value: None, inner: Vec::new() };
        }
        let quoted = self.rest.starts_with('"');
        if quoted {
            self.skip(1);
        }
        let start = self.rest;
        let (mut value, mut inner) = (Some(String::new()), Vec::new());
        while let Some(symbol) = self.rest.chars().next() {
            match symbol {
                '"' if quoted => break,
                '\n' | ';' | ' ' | '\t' | '\r' | '\x0b' | '\x0c' if !quoted => break,
                '\\' => {
                    // A backslash at a line's end ends a bare word.
                    if !quoted && self.rest.starts_with("\\\n") {
                        break;
                    }
                    let mut replaced = String::new();
                    let after = unescape(self.rest, &mut replaced);
                    self.skip(self.rest.len() - after.len());
                    if let Some(value) = &mut value {
                        value.push_str(&replaced);
                    }
                }
                '[' => {
                    self.skip(1);
                    let end = closing_bracket(self.rest);
                    let line = self.line;
                    inner.push((line, self.skip(end)));
                    self.skip(usize::from(!self.rest.is_empty()));
                    value = None;
                }
                '$' if starts_variable(&self.rest[1..]) => {
                    self.skip(1);
                    value = None;
                }
                plain => {
                    self.skip(plain.len_utf8());
                    if let Some(value) = &mut value {
                        value.push(plain);
                    }
                }
            }
        }
        let text = &start[..start.len() - self.rest.len()];
        if quoted && !self.rest.is_empty() {
            self.skip(1);
        }
        Word { line, text, braced: false, value, inner }
    }
}

fn lines_in(text: &str) -> u32 {
    text.bytes().filter(|byte| *byte == b'\n').count().try_into().unwrap_or(u32::MAX)
}

fn ends_word(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(['\n', ';', ' ', '\t', '\r', '\x0b', '\x0c']) || rest.starts_with("\\\n")
}

fn starts_variable(after: &str) -> bool {
    after.starts_with(|symbol: char| symbol.is_alphanumeric() || matches!(symbol, '_' | '{' | ':'))
}

/// A comment goes on after a backslash at its line's end.
fn end_of_comment(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'\n' if !escaped => return at,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Where the bracket closes that was opened just before the text; its end if it is never closed.
fn closing_bracket(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        at += match byte {
            b'\\' => 2,
            b'[' => {
                depth += 1;
                1
            }
            b']' => match depth.checked_sub(1) {
                Some(less) => {
                    depth = less;
                    1
                }
                None => return at,
            },
            b'{' => match closing_brace(&text[at + 1..]) {
                Some(end) => end + 2,
                None => return text.len(),
            },
            _ => 1,
        };
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(script: &str) -> Vec<Vec<String>> {
        let value = |word: Word<'_>| word.value.unwrap_or_else(|| format!("?{}", word.text));
        commands(script, 1).map(|command| command.words.into_iter().map(value).collect()).collect()
    }

    #[test]
    fn commands_end_at_lines_and_semicolons() {
        assert_eq!(
            read("a b;c\n\n# no; comment\\\n goes on\nd {e\nf} \"g h\"i"),
            [vec!["a", "b"], vec!["c"], vec!["d", "e\nf", "g h", "i"],]
        );
        assert_eq!(read("a \\\n b"), [["a", "b"]]);
        assert_eq!(read("a {*}{b c}"), [["a", "b c"]]);
    }

    #[test]
    fn what_would_be_put_in_is_not_known() {
        assert_eq!(read("set x $y"), [["set", "x", "?$y"]]);
        assert_eq!(read("set x a[exec ls {]}]b"), [["set", "x", "?a[exec ls {]}]b"]]);
        assert_eq!(read(r"set x \$y\[z\]"), [["set", "x", "$y[z]"]]);
        assert_eq!(read("costs 5$"), [["costs", "5$"]]);
        let found: Vec<_> = commands("a\nputs \"[b]\n[c [d]]\"", 1).collect();
        assert_eq!(found[1].words[1].inner, [(2, "b"), (3, "c [d]")]);
    }

    #[test]
    fn what_tcl_refuses_ends_somewhere() {
        for script in ["{", "a {b", "\"a", "a [b", "}", "]", "a {b}c", "[{", "a \\", "{*}", "# \\"] {
            assert!(commands(script, 1).count() <= 2, "{script}");
        }
    }

    #[test]
    fn lines_are_counted() {
        let lines: Vec<u32> = commands("a\nb {\n\n}\n\nc \\\n d\ne", 10).map(|command| command.line).collect();
        assert_eq!(lines, [10, 11, 15, 17]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_panics_and_nothing_is_lost(script in r#"[a-c{}\[\]"$;\\ \n#*é]{0,60}|\PC{0,40}"#) {
            for command in commands(&script, 1) {
                prop_assert!(command.excerpt().chars().count() <= LONGEST_EXCERPT);
                prop_assert!(script.contains(command.text));
            }
        }
    }
}
