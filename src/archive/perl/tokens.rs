//! Perl source as tokens: comments, POD and what follows `__END__` are gone, and what is text is told from what is code.
//!
//! Only Perl can parse Perl. Where this reader must guess, it takes the guess that shows more as code: a slash that may divide
//! divides, `=head1` in the middle of a statement is an assignment. Time is linear in the length of the source.

use std::cell::Cell;

use super::here_documents::HereDocument;
use super::quotes;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'s> {
    /// A bareword, `CORE::` taken off.
    Word(&'s str),
    /// `$x`, `@x`, `%x`, `&x`: its sigil and its name.
    Variable(char, &'s str),
    /// The contents of quotes, of a here-document or of a word that `=>` quotes, as they are written. The flag: variables in
    /// it are filled in.
    Text(&'s str, bool),
    /// The contents of backticks or `qx`.
    Command(&'s str),
    /// A pattern. The flag: its replacement is evaluated twice, `s///ee`.
    Pattern(&'s str, bool),
    /// `tr/..//`.
    Transliteration,
    /// A number, or something else of which only the place matters.
    Number(&'s str),
    /// `->`.
    Arrow,
    /// `{` or `}` of a subscript, `$x{..}`.
    Subscript(char),
    /// Any other sign.
    Sign(char),
}

/// A token and the line it starts on, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'s> {
    pub(super) line: u32,
    pub(super) kind: Kind<'s>,
}

/// Words after which a term follows, so that a slash starts a pattern.
const BEFORE_TERM: [&str; 33] = [
    "and", "cmp", "die", "else", "elsif", "eq", "foreach", "ge", "grep", "gt", "if", "join", "le", "lt", "map", "ne",
    "not", "or", "print", "push", "ref", "return", "split", "unless", "unshift", "until", "warn", "when", "while", "x",
    "xor", "defined", "scalar",
];

/// Words that an apostrophe does not continue: `eq'a'` is an operator and a text, `isn't` is one word.
const NO_PREFIX: [&str; 14] =
    ["do", "eval", "exec", "local", "my", "no", "our", "package", "require", "say", "system", "use", "open", "unlink"];

/// Longest prototype of a subroutine.
const LONGEST_PROTOTYPE: usize = 80;

/// All tokens of a source.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    Reader::new(source, 1, 0, &mut tokens).run();
    tokens
}

/// Tokens of a text that is evaluated, whose first line is this.
pub(super) fn tokens_from(source: &str, line: u32) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    Reader::new(source, line, 1, &mut tokens).run();
    tokens
}

/// Reads a source, or code in a text of it.
pub(super) struct Reader<'s, 't> {
    pub(super) source: &'s str,
    pub(super) at: usize,
    pub(super) line: u32,
    pub(super) depth: u32,
    pub(super) tokens: &'t mut Vec<Token<'s>>,
    /// Tokens of an outer reader do not count as what came before.
    pub(super) first: usize,
    pub(super) braces: Vec<bool>,
    pub(super) waiting: Vec<HereDocument<'s>>,
    pub(super) endless: u32,
    /// No slash up to here starts a pattern: it would have no end.
    pub(super) slashes_divide_until: usize,
    ended: bool,
    /// From where to where the line goes that was asked for last: long ones are asked for often.
    known_line: Cell<(usize, usize)>,
}

impl<'s, 't> Reader<'s, 't> {
    pub(super) fn new(source: &'s str, line: u32, depth: u32, tokens: &'t mut Vec<Token<'s>>) -> Self {
        let first = tokens.len();
        Self {
            source,
            at: 0,
            line,
            depth,
            tokens,
            first,
            braces: Vec::new(),
            waiting: Vec::new(),
            endless: 0,
            slashes_divide_until: 0,
            ended: false,
            known_line: Cell::new((1, 0)),
        }
    }

    pub(super) fn run(&mut self) {
        self.skip_pod();
        while !self.ended {
            let Some(byte) = self.peek(0) else { break };
            self.step(byte);
        }
    }

    fn step(&mut self, byte: u8) {
        match byte {
            b'\n' => self.end_line(),
            b'#' => self.skip_line(),
            // Control-D and control-Z end a program.
            4 | 26 => self.ended = true,
            b'$' => self.scalar(),
            b'@' => self.sigil('@'),
            b'%' | b'&' if self.is_sigil(byte) => self.sigil(char::from(byte)),
            b'(' if self.skip_prototype() => {}
            // `*'` and its like are the globs of `$'` and its like.
            b'*' if matches!(self.peek(1), Some(b'"' | b'\'' | b'`')) && !self.after_operand() => {
                self.variable('*', self.at + 1, 1);
            }
            b'"' | b'\'' | b'`' => self.quote(byte),
            b'0'..=b'9' => self.number(),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => self.word(),
            b'/' => self.slash(),
            b'<' => self.angle(),
            b'-' if self.peek(1) == Some(b'>') => {
                self.push(Kind::Arrow);
                self.at += 2;
            }
            b'=' if matches!(self.peek(1), Some(b'>')) => {
                self.push(Kind::Sign(','));
                self.at += 2;
            }
            b'{' => {
                let subscript = self.opens_subscript();
                self.braces.push(subscript);
                self.push(if subscript { Kind::Subscript('{') } else { Kind::Sign('{') });
                self.at += 1;
            }
            b'}' => {
                let brace = self.braces.pop();
                if brace.is_none() && self.depth > 0 {
                    self.ended = true;
                    return;
                }
                let subscript = brace.unwrap_or(false);
                self.push(if subscript { Kind::Subscript('}') } else { Kind::Sign('}') });
                self.at += 1;
            }
            _ => {
                if !byte.is_ascii_whitespace() {
                    self.push(Kind::Sign(char::from(byte)));
                }
                self.at += 1;
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.source.as_bytes().get(self.at + ahead).copied()
    }

    pub(super) fn push(&mut self, kind: Kind<'s>) {
        self.tokens.push(Token { line: self.line, kind });
    }

    pub(super) fn last(&self, back: usize) -> Option<Kind<'s>> {
        let at = self.tokens.len().checked_sub(back + 1).filter(|at| *at >= self.first)?;
        self.tokens.get(at).map(|token| token.kind)
    }

    /// Whether what came before is a value, so that an operator follows.
    pub(super) fn after_operand(&self) -> bool {
        match self.last(0) {
            None | Some(Kind::Arrow | Kind::Subscript('{')) => false,
            Some(Kind::Word(word)) => self.last(1) == Some(Kind::Arrow) || !BEFORE_TERM.contains(&word),
            Some(Kind::Sign(sign)) => matches!(sign, ')' | ']'),
            Some(_) => true,
        }
    }

    fn opens_subscript(&self) -> bool {
        matches!(
            self.last(0),
            Some(Kind::Variable(..) | Kind::Arrow | Kind::Subscript('}') | Kind::Sign(']' | '$' | '@' | '%' | '&'))
        )
    }

    fn starts_statement(&self) -> bool {
        matches!(self.last(0), None | Some(Kind::Sign(';' | '{' | '}' | ':')))
    }

    // === lines ===

    pub(super) fn rest_of_line(&self, from: usize) -> &'s str {
        let (start, end) = self.known_line.get();
        let end = if (start..=end).contains(&from) {
            end
        } else {
            let rest = self.source.as_bytes().get(from..).unwrap_or_default();
            from + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
        };
        self.known_line.set((from, end));
        self.slice(from, end)
    }

    fn skip_line(&mut self) {
        self.at += self.rest_of_line(self.at).len();
    }

    /// Goes to the next line: here-documents first, then POD.
    fn end_line(&mut self) {
        self.at += 1;
        self.line += 1;
        for waiting in std::mem::take(&mut self.waiting) {
            self.here_document(&waiting);
        }
        self.skip_pod();
    }

    /// POD stands where a statement could begin; elsewhere `=` at the start of a line assigns.
    fn skip_pod(&mut self) {
        while self.peek(0) == Some(b'=')
            && self.peek(1).is_some_and(|byte| byte.is_ascii_alphabetic())
            && self.starts_statement()
        {
            loop {
                let line = self.rest_of_line(self.at);
                self.at += line.len();
                let ends = line.strip_prefix("=cut").is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
                if self.peek(0).is_none() {
                    return;
                }
                self.at += 1;
                self.line += 1;
                if ends {
                    break;
                }
            }
        }
    }

    // === names ===

    /// The length of a name from here, `::` and all.
    pub(super) fn name_length(&self, from: usize) -> usize {
        let bytes = self.source.as_bytes();
        let part = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric() || byte >= 0x80;
        let mut at = from;
        while let Some(byte) = bytes.get(at) {
            if part(*byte) {
                at += 1;
            } else if *byte == b':' && bytes.get(at + 1) == Some(&b':') && bytes.get(at + 2) != Some(&b':') {
                at += 2;
            } else {
                break;
            }
        }
        at - from
    }

    pub(super) fn slice(&self, from: usize, to: usize) -> &'s str {
        self.source.get(from..to).unwrap_or_default()
    }

    fn variable(&mut self, sigil: char, from: usize, length: usize) {
        self.push(Kind::Variable(sigil, self.slice(from, from + length)));
        self.at = from + length;
    }

    fn scalar(&mut self) {
        // `$#x` and `$#{..}`, then `$$x`.
        let mut from = self.at + 1;
        if self.peek(1) == Some(b'#') && matches!(self.peek(2), Some(b'{' | b'$' | b'_' | b'a'..=b'z' | b'A'..=b'Z')) {
            from += 1;
        }
        let bytes = self.source.as_bytes();
        while bytes.get(from) == Some(&b'$') && bytes.get(from + 1).is_some_and(|byte| *byte == b'$' || is_name(*byte))
        {
            from += 1;
        }
        let length = self.name_length(from);
        if length > 0 {
            return self.variable('$', from, length);
        }
        match bytes.get(from) {
            Some(b'{') => self.braced('$', from),
            // `$'`, `$"`, `$/`, `$$`, `$^W`: one sign, or two.
            Some(b'^') => self.variable('$', from, 2),
            Some(byte) if byte.is_ascii_graphic() => self.variable('$', from, 1),
            _ => {
                self.push(Kind::Sign('$'));
                self.at += 1;
            }
        }
    }

    /// `keys %x` and `defined &x` have a variable, `$x % $y` an operator.
    fn is_sigil(&self, byte: u8) -> bool {
        let named = self.peek(1).is_some_and(|next| is_name(next) || matches!(next, b'$' | b'{' | b':'));
        match self.last(0) {
            Some(Kind::Word(_)) => named,
            _ => !self.after_operand() && self.peek(1) != Some(byte),
        }
    }

    /// The prototype of `sub name($$;@)` has no variables.
    fn skip_prototype(&mut self) -> bool {
        let sub = Some(Kind::Word("sub"));
        let follows = self.last(0) == sub || (self.last(1) == sub && matches!(self.last(0), Some(Kind::Word(_))));
        if !follows {
            return false;
        }
        let rest = self.rest_of_line(self.at);
        let Some(end) = rest.bytes().take(LONGEST_PROTOTYPE).position(|byte| byte == b')') else { return false };
        let prototype = rest.bytes().take(end).skip(1).all(|byte| b"$@%&*;\\+_[] ".contains(&byte));
        if prototype {
            self.at += end + 1;
        }
        prototype
    }

    fn sigil(&mut self, sigil: char) {
        let from = self.at + 1;
        let bytes = self.source.as_bytes();
        let mut named = from;
        while bytes.get(named) == Some(&b'$') {
            named += 1;
        }
        let length = self.name_length(named);
        if length > 0 {
            return self.variable(sigil, named, length);
        }
        if bytes.get(from) == Some(&b'{') {
            return self.braced(sigil, from);
        }
        self.push(Kind::Sign(sigil));
        self.at += 1;
    }

    /// `${name}` is a variable, `${ code }` is code.
    fn braced(&mut self, sigil: char, brace: usize) {
        let inside = self.slice(brace + 1, self.source.len());
        let trimmed = inside.trim_start_matches([' ', '\t', '^']);
        let from = brace + 1 + (inside.len() - trimmed.len());
        let length = self.name_length(from);
        let after = trimmed.get(length..).unwrap_or_default().trim_start_matches([' ', '\t']);
        if length > 0 && after.starts_with('}') {
            self.variable(sigil, from, length);
            self.at = self.source.len() - after.len() + 1;
            return;
        }
        self.push(Kind::Sign(sigil));
        self.at = brace;
    }

    fn number(&mut self) {
        let rest = self.slice(self.at, self.source.len());
        let length = rest
            .bytes()
            .enumerate()
            .take_while(|(at, byte)| {
                byte.is_ascii_alphanumeric()
                    || *byte == b'_'
                    || *byte == b'.' && rest.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit)
            })
            .count();
        self.push(Kind::Number(self.slice(self.at, self.at + length)));
        self.at += length;
    }

    fn word(&mut self) {
        let mut length = self.name_length(self.at);
        let written = self.slice(self.at, self.at + length);
        let word = written.strip_prefix("CORE::GLOBAL::").or_else(|| written.strip_prefix("CORE::")).unwrap_or(written);
        let end = self.at + length;
        if self.is_quoted_word(end) {
            self.push(Kind::Text(written, false));
            self.at = end;
            return;
        }
        // `v1.2.3` is a version.
        if word
            .strip_prefix('v')
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
            && self.peek(length) == Some(b'.')
        {
            return self.number();
        }
        let is_name = matches!(self.last(0), Some(Kind::Arrow | Kind::Word("sub" | "package")));
        let is_file_test = word.len() == 1 && self.last(0) == Some(Kind::Sign('-'));
        if !is_name && !is_file_test {
            if let Some(quote) = quotes::read(self.source, self.at, word, end) {
                return self.quoted(quote);
            }
            if matches!(word, "__END__" | "__DATA__") {
                self.ended = true;
                return;
            }
        }
        if self.peek(length) == Some(b'\'')
            && self.peek(length + 1).is_some_and(|byte| byte == b'_' || byte.is_ascii_alphabetic())
            && !BEFORE_TERM.contains(&word)
            && !NO_PREFIX.contains(&word)
        {
            // The old way to write `::`.
            length += 1 + self.name_length(end + 1);
            self.push(Kind::Word(self.slice(self.at, self.at + length)));
            self.at += length;
            return;
        }
        let is_format = word == "format" && self.starts_statement();
        self.push(Kind::Word(word));
        self.at = end;
        if is_format {
            self.skip_format();
        }
    }

    /// `word =>` and `{word}` are texts.
    fn is_quoted_word(&self, end: usize) -> bool {
        let after = self.slice(end, self.source.len()).trim_start();
        after.starts_with("=>") || (self.last(0) == Some(Kind::Subscript('{')) && after.starts_with('}'))
    }

    /// The picture after `format NAME =` ends with a line that is one dot.
    fn skip_format(&mut self) {
        let head = self.rest_of_line(self.at).trim();
        let Some(name) = head.strip_suffix('=') else { return };
        if !name.trim().bytes().all(|byte| byte == b'_' || byte == b':' || byte.is_ascii_alphanumeric()) {
            return;
        }
        self.skip_line();
        while self.peek(0).is_some() {
            self.at += 1;
            self.line += 1;
            let line = self.rest_of_line(self.at);
            self.at += line.len();
            if line.trim_end() == "." {
                break;
            }
        }
        self.push(Kind::Sign(';'));
    }
}

pub(super) const fn is_name(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || byte >= 0x80
}
