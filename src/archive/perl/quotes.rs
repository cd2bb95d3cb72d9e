//! Perl's quotes: any sign can be one, brackets nest, and some have two parts.

use super::tokens::{Kind, Reader};

/// Code inside of text inside of code is followed so far.
const DEEPEST: u32 = 4;

/// A quoted text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quote<'s> {
    /// `q`, `qq`, `qw`, `qx`, `m`, `qr`, `s`, `tr` or `y`.
    pub(super) word: &'static str,
    /// The contents, or the first part.
    pub(super) body: &'s str,
    /// The second part of `s`, `tr` and `y`.
    pub(super) replacement: &'s str,
    /// How often the replacement is evaluated: the number of `e` flags.
    pub(super) evaluated: usize,
    /// Where it ends in the source.
    pub(super) end: usize,
    /// Whether it ends before the source does.
    pub(super) closed: bool,
}

const WORDS: [&str; 9] = ["q", "qq", "qw", "qx", "m", "qr", "s", "tr", "y"];

/// Reads the quote that this word, which ends here, starts. `None`: it is an ordinary word.
pub(super) fn read<'s>(source: &'s str, start: usize, word: &str, end: usize) -> Option<Quote<'s>> {
    let word = *WORDS.iter().find(|known| **known == word)?;
    let bytes = source.as_bytes();
    let mut at = end;
    let mut spaced = false;
    while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
        spaced = true;
    }
    // After a space `#` is a comment; without one, a letter would belong to the word.
    let open = *bytes.get(at)?;
    let usable = if open == b'#' { !spaced } else { spaced || !open.is_ascii_alphanumeric() };
    if !usable || !open.is_ascii() || (start < end && is_word_here(bytes, at)) {
        return None;
    }
    let (body, mut at, mut closed) = part(source, at);
    let mut replacement = "";
    if matches!(word, "s" | "tr" | "y") && closed {
        if closing(open) == open {
            // The end of the first part starts the second.
            (replacement, at, closed) = part(source, at - 1);
        } else {
            while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
                at += 1;
            }
            (replacement, at, closed) = part(source, at);
        }
    }
    let mut evaluated = 0;
    if matches!(word, "m" | "qr" | "s" | "tr" | "y") {
        while let Some(flag) = bytes.get(at).filter(|byte| byte.is_ascii_alphabetic()) {
            evaluated += usize::from(word == "s" && *flag == b'e');
            at += 1;
        }
    }
    Some(Quote { word, body, replacement, evaluated, end: at, closed })
}

/// `s => 1`, `(y, q)` and `q;`: no quotes in any program that people write, and `=>` none for Perl either.
fn is_word_here(bytes: &[u8], at: usize) -> bool {
    bytes.get(at) == Some(&b'=') && matches!(bytes.get(at + 1), Some(b'>'))
}

const fn closing(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'[' => b']',
        b'{' => b'}',
        b'<' => b'>',
        other => other,
    }
}

/// From an opening sign to its end: the contents, where it ends, and whether the end was there.
fn part(source: &str, from: usize) -> (&str, usize, bool) {
    let bytes = source.as_bytes();
    let Some(open) = bytes.get(from).copied() else { return ("", source.len(), false) };
    let close = closing(open);
    let mut nesting = 0_usize;
    let mut at = from + 1;
    while let Some(byte) = bytes.get(at) {
        if *byte == b'\\' && close != b'\\' {
            at += 2;
            continue;
        }
        if *byte == close {
            if nesting == 0 {
                return (source.get(from + 1..at).unwrap_or_default(), at + 1, true);
            }
            nesting -= 1;
        } else if *byte == open {
            nesting += 1;
        }
        at += 1;
    }
    (source.get(from + 1..).unwrap_or_default(), source.len(), false)
}

impl<'s> Reader<'s, '_> {
    pub(super) fn quote(&mut self, mark: u8) {
        let word = match mark {
            b'"' => "qq",
            b'`' => "qx",
            _ => "q",
        };
        match read(self.source, self.at, word, self.at) {
            Some(quote) => self.quoted(quote),
            None => self.at += 1,
        }
    }

    pub(super) fn quoted(&mut self, quote: Quote<'s>) {
        let line = self.line;
        let kind = match quote.word {
            "qx" => Kind::Command(quote.body),
            "tr" | "y" => Kind::Transliteration,
            "m" | "qr" | "s" => Kind::Pattern(quote.body, quote.evaluated > 1),
            word => Kind::Text(quote.body, word == "qq"),
        };
        self.push(kind);
        if quote.evaluated > 0 {
            self.nested(quote.replacement, line + count_lines(quote.body));
        }
        if matches!(quote.word, "qq" | "qx" | "m" | "qr" | "s") {
            self.interpolated(quote.body, line);
        }
        self.line += count_lines(self.slice(self.at, quote.end));
        self.at = quote.end;
        // Here-documents that wait would begin inside of the quote; Perl looks for them there, nobody writes it.
    }

    /// Code in a text: `@{[ .. ]}`, `${\ .. }`, and `(?{ .. })` in a pattern.
    pub(super) fn interpolated(&mut self, body: &'s str, line: u32) {
        let (mut from, mut line) = (0, line);
        while let Some(rest) = body.get(from..) {
            let Some(brace) = rest.find('{') else { return };
            from += brace + 1;
            line += count_lines(rest.get(..brace).unwrap_or_default());
            let before = rest.get(..brace).unwrap_or_default();
            let inside = rest.get(brace + 1..).unwrap_or_default();
            // `@{name}` and `${name}` are variables.
            let starts = before.ends_with(['@', '$', '?']) && !inside.trim_start().starts_with(is_name_start);
            if starts {
                let read = self.nested(inside, line);
                line += count_lines(inside.get(..read).unwrap_or_default());
                from += read;
            }
        }
    }

    /// Reads code in a text up to the brace that ends it, and tells how far that was.
    fn nested(&mut self, code: &'s str, line: u32) -> usize {
        if self.depth >= DEEPEST {
            return 0;
        }
        let mut reader = Reader::new(code, line, self.depth + 1, self.tokens);
        reader.run();
        let read = reader.at;
        // Braces that it left open are none of the code around it.
        for subscript in std::mem::take(&mut reader.braces) {
            reader.push(if subscript { Kind::Subscript('}') } else { Kind::Sign('}') });
        }
        // Its last token is not what the next one follows.
        self.push(Kind::Number(""));
        read
    }

    /// A slash divides, or starts a pattern that ends on its line.
    pub(super) fn slash(&mut self) {
        if self.after_operand() || self.at < self.slashes_divide_until {
            self.push(Kind::Sign('/'));
            self.at += 1;
            return;
        }
        let line = self.rest_of_line(self.at);
        match read(line, 0, "m", 0) {
            Some(quote) if quote.closed => {
                let end = self.at + quote.end;
                self.quoted(Quote { end, ..quote });
            }
            _ => {
                self.slashes_divide_until = self.at + line.len();
                self.push(Kind::Sign('/'));
                self.at += 1;
            }
        }
    }
}

fn is_name_start(letter: char) -> bool {
    letter == '_' || letter == '^' || letter == ':' || letter.is_ascii_alphabetic()
}

fn count_lines(text: &str) -> u32 {
    u32::try_from(text.bytes().filter(|byte| *byte == b'\n').count()).unwrap_or(u32::MAX)
}
