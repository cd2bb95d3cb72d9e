//! The part of YAML that the tools of CPAN write: block maps, block lists and scalars. Anything else is an error.
//!
//! Scalars stay text, so that version `1.10` does not become the number `1.1`.

use serde_json::{Map, Value};

use super::CatalogError;

/// Deepest nesting; META.yml has four levels.
const DEEPEST: usize = 16;

/// Most lines.
const MOST_LINES: usize = 500_000;

/// Reads one document.
pub(super) fn read(text: &str, document: &'static str) -> Result<Value, CatalogError> {
    let mut lines = Vec::new();
    for (at, raw) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        if at == MOST_LINES {
            return Err(CatalogError::TooLarge { what: "lines of YAML", limit: MOST_LINES });
        }
        let raw = raw.trim_end();
        let content = raw.trim_start_matches(' ');
        if raw.starts_with("---") && lines.iter().any(|line: &Line<'_>| !line.is_blank()) || raw == "..." {
            break;
        }
        if raw.starts_with("---") || raw.starts_with("%YAML") {
            let rest = raw.trim_start_matches('-').trim();
            if !(rest.is_empty() || rest.starts_with(['#', '%'])) {
                return Err(CatalogError::Syntax { document, line: at + 1, why: "something stands behind `---`" });
            }
            continue;
        }
        lines.push(Line { number: at + 1, indent: raw.len() - content.len(), content });
    }
    let mut reader = Reader { lines, at: 0, document };
    let value = match reader.peek() {
        Some(line) => reader.block(line.indent, 0)?,
        None => Value::Null,
    };
    match reader.peek() {
        None => Ok(value),
        Some(line) => Err(reader.wrong(line, "the indentation fits nothing above")),
    }
}

/// Reads a scalar that stands in one line; `None` for anything else.
pub(super) fn scalar(text: &str) -> Option<String> {
    match plain_or_quoted(text)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    number: usize,
    indent: usize,
    content: &'a str,
}

impl Line<'_> {
    fn is_blank(&self) -> bool {
        self.content.is_empty() || self.content.starts_with('#')
    }
}

struct Reader<'a> {
    lines: Vec<Line<'a>>,
    at: usize,
    document: &'static str,
}

impl<'a> Reader<'a> {
    /// The next line that says something.
    fn peek(&mut self) -> Option<Line<'a>> {
        while self.lines.get(self.at).is_some_and(Line::is_blank) {
            self.at += 1;
        }
        self.lines.get(self.at).copied()
    }

    fn block(&mut self, indent: usize, depth: usize) -> Result<Value, CatalogError> {
        let Some(line) = self.peek() else { return Ok(Value::Null) };
        if depth == DEEPEST {
            return Err(self.wrong(line, "it is nested too deep"));
        }
        if is_item(line.content) {
            self.list(indent, depth)
        } else if split_key(line.content).is_some() {
            self.map(indent, depth)
        } else {
            self.at += 1;
            self.scalar(line, line.content, indent)
        }
    }

    fn list(&mut self, indent: usize, depth: usize) -> Result<Value, CatalogError> {
        let mut items = Vec::new();
        while let Some(line) = self.peek().filter(|line| line.indent == indent && is_item(line.content)) {
            let rest = line.content[1..].trim_start_matches(' ');
            let inner = indent + line.content.len() - rest.len();
            let rest_is_block = is_item(rest) || split_key(rest).is_some();
            if rest_is_block {
                // `- key: value`: the item is a block that begins in this line.
                self.lines[self.at] = Line { indent: inner, content: rest, ..line };
                items.push(self.block(inner, depth + 1)?);
            } else {
                self.at += 1;
                items.push(self.value(line, rest, indent, depth)?);
            }
        }
        Ok(Value::Array(items))
    }

    fn map(&mut self, indent: usize, depth: usize) -> Result<Value, CatalogError> {
        let mut map = Map::new();
        while let Some(line) = self.peek().filter(|line| line.indent == indent && !is_item(line.content)) {
            let Some((key, rest)) = split_key(line.content) else {
                return Err(self.wrong(line, "`key: value` is missing"));
            };
            let key = match plain_or_quoted(key) {
                Some(Value::String(key)) => key,
                Some(Value::Null) => key.to_owned(),
                _ => return Err(self.wrong(line, "this is no key that the tools of CPAN write")),
            };
            self.at += 1;
            // A list may stand as deep as its key.
            let is_list_here = is_comment_or_empty(rest)
                && self.peek().is_some_and(|next| next.indent == indent && is_item(next.content));
            let value =
                if is_list_here { self.block(indent, depth + 1)? } else { self.value(line, rest, indent, depth)? };
            if map.insert(key, value).is_some() {
                return Err(self.wrong(line, "a key stands twice"));
            }
        }
        Ok(Value::Object(map))
    }

    /// What stands behind `key:` or `-`, in the line or indented below it.
    fn value(&mut self, line: Line<'a>, rest: &'a str, indent: usize, depth: usize) -> Result<Value, CatalogError> {
        if !is_comment_or_empty(rest) {
            return self.scalar(line, rest, indent);
        }
        match self.peek().filter(|next| next.indent > indent) {
            Some(next) => self.block(next.indent, depth + 1),
            None => Ok(Value::Null),
        }
    }

    /// A scalar that begins with `rest` and may go on in deeper lines.
    fn scalar(&mut self, line: Line<'a>, rest: &'a str, indent: usize) -> Result<Value, CatalogError> {
        if let Some(style) = rest.strip_prefix(['|', '>']) {
            return self.block_scalar(line, rest.starts_with('|'), style, indent);
        }
        let mut text = rest.to_owned();
        let quote = rest.chars().next().filter(|first| matches!(first, '\'' | '"'));
        loop {
            let is_whole = quote.is_none_or(|quote| end_of_quoted(&text, quote).is_some());
            let more = if quote.is_some() { self.lines.get(self.at).copied() } else { self.peek() };
            match more.filter(|next| next.indent > indent || (quote.is_some() && next.content.is_empty())) {
                Some(next) if !is_whole || quote.is_none() => {
                    if text.ends_with('\\') && quote == Some('"') {
                        text.pop();
                    } else {
                        text.push(' ');
                    }
                    text.push_str(next.content);
                    self.at += 1;
                }
                _ if is_whole => break,
                _ => return Err(self.wrong(line, "a quoted text is not closed")),
            }
        }
        plain_or_quoted(&text).ok_or_else(|| self.wrong(line, "this is no scalar that the tools of CPAN write"))
    }

    /// `|` keeps the lines below, `>` makes one of them.
    fn block_scalar(&mut self, line: Line<'a>, keeps: bool, style: &str, indent: usize) -> Result<Value, CatalogError> {
        if !style.chars().all(|letter| matches!(letter, '-' | '+' | '0'..='9')) {
            return Err(self.wrong(line, "this is no block of text"));
        }
        let mut text = String::new();
        while let Some(next) =
            self.lines.get(self.at).copied().filter(|next| next.indent > indent || next.content.is_empty())
        {
            text.push_str(next.content);
            text.push(if keeps { '\n' } else { ' ' });
            self.at += 1;
        }
        Ok(Value::String(text.trim_end().to_owned()))
    }

    fn wrong(&self, line: Line<'_>, why: &'static str) -> CatalogError {
        CatalogError::Syntax { document: self.document, line: line.number, why }
    }
}

fn is_item(content: &str) -> bool {
    content == "-" || content.starts_with("- ")
}

fn is_comment_or_empty(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('#')
}

/// `key: rest` or `key:`; the key may be quoted.
fn split_key(content: &str) -> Option<(&str, &str)> {
    let from = match content.chars().next()? {
        quote @ ('\'' | '"') => end_of_quoted(content, quote)?,
        '{' | '[' | '|' | '>' | '&' | '*' | '!' | '%' | '@' | '`' | '\t' => return None,
        _ => 0,
    };
    let rest = content.get(from..)?;
    let colon = rest.match_indices(':').map(|(at, _)| at).find(|at| {
        let after = rest.as_bytes().get(at + 1);
        after.is_none() || after == Some(&b' ') || after == Some(&b'\t')
    })?;
    let (key, value) = (content.get(..from + colon)?.trim_end(), rest.get(colon + 1..)?.trim_start());
    let is_sound = !key.is_empty() && (from == 0 || key.len() == from);
    is_sound.then_some((key, value))
}

/// The length of a quoted text at the beginning, with its quotes.
fn end_of_quoted(text: &str, quote: char) -> Option<usize> {
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' if quote == '"' => {
                letters.next();
            }
            _ if letter != quote => {}
            '\'' if letters.peek().is_some_and(|(_, next)| *next == '\'') => {
                letters.next();
            }
            _ => return Some(at + 1),
        }
    }
    None
}

fn plain_or_quoted(text: &str) -> Option<Value> {
    let text = text.trim();
    match text.chars().next() {
        None => Some(Value::Null),
        Some(quote @ ('\'' | '"')) => {
            let end = end_of_quoted(text, quote)?;
            let inner = text.get(1..end - 1)?;
            if !is_comment_or_empty(text.get(end..)?.trim_start()) {
                return None;
            }
            let inner = if quote == '"' { unescape(inner)? } else { inner.replace("''", "'") };
            Some(Value::String(inner))
        }
        Some('{') => is_empty_flow(text, "{}").then(|| Value::Object(Map::new())),
        Some('[') => is_empty_flow(text, "[]").then(|| Value::Array(Vec::new())),
        Some('&' | '*' | '!' | '|' | '>' | '%' | '@' | '`' | '}' | ']' | ',') => None,
        Some('?') if text.starts_with("? ") => None,
        Some(_) => {
            let plain = text.split_once(" #").map_or(text, |(plain, _)| plain).trim_end();
            Some(if matches!(plain, "~" | "null") { Value::Null } else { Value::String(plain.to_owned()) })
        }
    }
}

fn is_empty_flow(text: &str, flow: &str) -> bool {
    text.strip_prefix(flow).is_some_and(|rest| is_comment_or_empty(rest.trim_start()))
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            plain.push(letter);
            continue;
        }
        let digits = match letters.next()? {
            'n' => {
                plain.push('\n');
                continue;
            }
            't' => {
                plain.push('\t');
                continue;
            }
            'r' => {
                plain.push('\r');
                continue;
            }
            '0' => {
                plain.push('\0');
                continue;
            }
            'a' => {
                plain.push('\u{7}');
                continue;
            }
            'b' => {
                plain.push('\u{8}');
                continue;
            }
            'e' => {
                plain.push('\u{1b}');
                continue;
            }
            'f' => {
                plain.push('\u{c}');
                continue;
            }
            'v' => {
                plain.push('\u{b}');
                continue;
            }
            'x' => 2,
            'u' => 4,
            'U' => 8,
            same @ ('"' | '\\' | '/' | ' ' | '\'' | '@' | '$') => {
                plain.push(same);
                continue;
            }
            _ => return None,
        };
        let code: String = letters.by_ref().take(digits).collect();
        plain.push(char::from_u32(u32::from_str_radix(&code, 16).ok().filter(|_| code.len() == digits)?)?);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn yaml(text: &str) -> Result<Value, CatalogError> {
        read(text, "META")
    }

    #[test]
    fn maps_lists_and_scalars_are_read() {
        let text = "--- #YAML:1.0\nname:   Foo # the name\n'quoted': 'it''s'\nescaped: \"a\\tb \\u00e9\\\\\"\nversion: 1.10\nempty:\nnothing: ~\nnone: {}\nno_list: []\nauthor:\n  - Ada <ada@example.test>\n  - 'Bob: second'\nlist_at_key:\n- one\n-\n  deep: 1\n- a: 1\n  b: 2\nrequires:\n    Foo::Bar:  0\n    perl: 5.006\nlong: one\n  two\nfolded: \"one\n  two\"\ntext: |\n  first\n  second\n\nurl: http://example.test/x#y\n";
        let expected = json!({
            "name": "Foo", "quoted": "it's", "escaped": "a\tb \u{e9}\\", "version": "1.10", "empty": null, "nothing": null,
            "none": {}, "no_list": [], "author": ["Ada <ada@example.test>", "Bob: second"],
            "list_at_key": ["one", {"deep": "1"}, {"a": "1", "b": "2"}],
            "requires": {"Foo::Bar": "0", "perl": "5.006"}, "long": "one two", "folded": "one two", "text": "first\nsecond",
            "url": "http://example.test/x#y",
        });
        assert_eq!(yaml(text).unwrap(), expected);
        assert_eq!(yaml(&text.replace('\n', "\r\n")).unwrap(), expected);
        assert_eq!(yaml("").unwrap(), Value::Null);
        assert_eq!(yaml("a: 1\n---\nb: 2\n").unwrap(), json!({"a": "1"}), "only the first document is read");
    }

    #[test]
    fn what_the_tools_do_not_write_is_an_error() {
        let deep = (0..40).map(|depth| " ".repeat(depth) + "a:\n").collect::<Vec<_>>().concat();
        let wrong = [
            "a: &anchor 1",
            "a: *anchor",
            "a: !!perl/code x",
            "a: {b: 1}",
            "a: [1]",
            "a: 'open",
            "a: \"\\q\"",
            "a: 'x' y",
            "a: 1\n b: 2\nc",
            "a: 1\na: 2",
            "a:\n  b: 1\n c: 2",
            "? a",
            "- a\nb: 1",
            "--- {a: 1}",
            "a: |x\n  y",
            &deep,
            "{a: 1}",
            "a: %x",
            "\ta: 1\nb: 2",
        ];
        for text in wrong {
            assert!(yaml(text).is_err(), "should be refused: {text} {:?}", yaml(text));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_text_can_be_read(text in "([-a: \n'\"|>#~{}\\[\\]\\\\\u{e9}]|- |: |\n  ){0,40}") {
            let _ = yaml(&text);
            let _ = scalar(&text);
        }
    }
}
