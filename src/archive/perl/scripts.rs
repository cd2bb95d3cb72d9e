//! What a Perl script does by itself: an honest look at its tokens, never an evaluation.
//!
//! What most `Makefile.PL` do (`WriteMakefile`, asking for a module with `eval { require X }`) is no fact.

use std::collections::HashSet;

use super::facts::{RunsAt, ScriptFactKind};
use super::ordinary::{is_ordinary, is_version, variables};
use super::scope::Scope;
use super::tokens::{Kind, Token, tokens_from};
use super::words;

/// Facts kept of each kind in one file.
const PER_KIND: usize = 10;
/// So many tokens before and after a word are looked at.
const WINDOW: usize = 48;
/// So many numbers in a row are a text in disguise.
const MANY_NUMBERS: usize = 120;
/// Statements of one file that are looked at closely; real ones have a tenth.
const MOST_LOOKED_AT: usize = 4_000;
/// Evaluated text in evaluated text is followed so far.
const DEEPEST: u32 = 3;
/// A file of at least so many signs is one for readers or is not.
const LONG_ENOUGH_TO_JUDGE: usize = 400;

/// Something that a line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen<'s> {
    pub(super) line: u32,
    pub(super) kind: ScriptFactKind,
    /// A word of the line, to find the place in a long one.
    pub(super) word: &'s str,
}

/// What a file does.
#[derive(Debug, Default)]
pub(super) struct Script<'s> {
    pub(super) seen: Vec<Seen<'s>>,
    /// Paths that it loads code from, as they are written.
    pub(super) loads: Vec<&'s str>,
    /// It loads a source filter.
    pub(super) source_filter: bool,
}

/// Reads a file that runs at this time.
pub(super) fn read<'s>(source: &'s str, tokens: &[Token<'s>], at: RunsAt) -> Script<'s> {
    let mut script = Script::default();
    scan(tokens, at, 0, &mut script);
    if at == RunsAt::InstallTime && is_unreadable(source) {
        script.note(1, ScriptFactKind::Obfuscated, "");
    }
    script
}

impl<'s> Script<'s> {
    fn note(&mut self, line: u32, kind: ScriptFactKind, word: &'s str) {
        let seen = Seen { line, kind, word };
        let same_kind = self.seen.iter().filter(|seen| seen.kind == kind).count();
        if same_kind < PER_KIND && !self.seen.iter().any(|seen| (seen.line, seen.kind) == (line, kind)) {
            self.seen.push(seen);
        }
    }
}

/// A file with bytes that no text has, or with more signs than letters.
fn is_unreadable(source: &str) -> bool {
    let code = source.lines().filter(|line| !line.trim_start().starts_with('#'));
    let (mut all, mut signs) = (0, 0);
    for byte in code.flat_map(str::bytes).filter(|byte| !byte.is_ascii_whitespace()) {
        all += 1;
        signs += usize::from(byte.is_ascii_punctuation());
    }
    source.contains('\0') || (all >= LONG_ENOUGH_TO_JUDGE && signs * 10 > all * 6)
}

fn scan<'s>(tokens: &[Token<'s>], at: RunsAt, depth: u32, script: &mut Script<'s>) {
    let scope = Scope::of(tokens);
    let mut scan =
        Scan { tokens, at, depth, scope, decoded: HashSet::new(), numbers: 0, patience: MOST_LOOKED_AT, script };
    for (place, token) in tokens.iter().enumerate() {
        if scan.patience == 0 {
            // A crowd of evaluations is a place to hide one in.
            scan.script.note(token.line, ScriptFactKind::Obfuscated, "");
            break;
        }
        scan.look(place);
    }
}

struct Scan<'s, 't> {
    tokens: &'t [Token<'s>],
    at: RunsAt,
    depth: u32,
    scope: Scope<'s>,
    /// Variables that hold decoded text, and in which subroutine.
    decoded: HashSet<(u32, &'s str)>,
    /// Numbers in a row.
    numbers: usize,
    /// So many statements may still be looked at closely.
    patience: usize,
    script: &'t mut Script<'s>,
}

impl<'s> Scan<'s, '_> {
    fn kind(&self, place: usize) -> Option<Kind<'s>> {
        self.tokens.get(place).map(|token| token.kind)
    }

    fn before(&self, place: usize, back: usize) -> Option<Kind<'s>> {
        place.checked_sub(back).and_then(|place| self.kind(place))
    }

    /// The tokens after this one, to the end of its statement.
    fn rest(&self, place: usize) -> impl Iterator<Item = (usize, Kind<'s>)> + use<'s, '_> {
        let after = self.tokens.iter().enumerate().skip(place + 1).take(WINDOW);
        after.map(|(place, token)| (place, token.kind)).take_while(|(_, kind)| *kind != Kind::Sign(';'))
    }

    /// The tokens before this one, back to the start of its statement; nearest first.
    fn lead(&self, place: usize) -> impl Iterator<Item = (usize, Kind<'s>)> + use<'s, '_> {
        let from = place.saturating_sub(WINDOW);
        let before = self.tokens.get(from..place).unwrap_or_default().iter().enumerate().rev();
        before.map(move |(at, token)| (from + at, token.kind)).take_while(|(_, kind)| *kind != Kind::Sign(';'))
    }

    /// The number of the subroutine that this token is in; 0 is none.
    fn sub(&self, place: usize) -> u32 {
        self.scope.sub(place)
    }

    fn is_decoded(&self, place: usize, name: &'s str) -> bool {
        self.decoded.contains(&(self.sub(place), name)) || self.decoded.contains(&(0, name))
    }

    fn note(&mut self, place: usize, kind: ScriptFactKind, word: &'s str) {
        let Some(token) = self.tokens.get(place) else { return };
        // In a module, what a subroutine does happens when somebody asks for it. Text that is decoded and run never is usual.
        let called = self.sub(place) > 0;
        let counts = match kind {
            ScriptFactKind::EvalDecoded => true,
            ScriptFactKind::EvalString => self.at == RunsAt::InstallTime,
            _ => self.at == RunsAt::InstallTime || !called,
        };
        if counts {
            self.script.note(token.line, kind, word);
        }
    }

    fn look(&mut self, place: usize) {
        let Some(kind) = self.kind(place) else { return };
        match kind {
            Kind::Word(word) => self.word(place, word),
            Kind::Command(text) => {
                self.note(place, ScriptFactKind::Exec, text);
                self.command_text(place, text);
            }
            Kind::Text(text, _) => self.text(place, text),
            Kind::Variable('%', "ENV") => self.environment(place),
            Kind::Variable('$', name) => self.copies(place, name),
            Kind::Pattern(text, true) => self.note(place, ScriptFactKind::EvalString, text),
            Kind::Transliteration | Kind::Sign('^') => self.decodes(place),
            _ => {}
        }
        match kind {
            Kind::Number(_) => self.numbers += 1,
            Kind::Sign(',') => {}
            _ => self.numbers = 0,
        }
        if self.numbers == MANY_NUMBERS && self.at == RunsAt::InstallTime {
            self.note(place, ScriptFactKind::Obfuscated, "");
        }
    }

    fn word(&mut self, place: usize, word: &'s str) {
        let before = self.before(place, 1);
        if matches!(before, Some(Kind::Arrow | Kind::Word("sub" | "package"))) {
            return;
        }
        let loads = matches!(before, Some(Kind::Word("use" | "require")));
        match word {
            "eval" => self.eval(place),
            "system" | "exec" | "readpipe" => self.command(place, word),
            "open" => self.open(place),
            "do" | "require" | "lib" => self.loaded_path(place, word),
            "socket" | "gethostbyname" | "getaddrinfo" | "get_file"
                if self.kind(place + 1) == Some(Kind::Sign('(')) =>
            {
                self.note(place, ScriptFactKind::Network, word);
            }
            _ if loads && words::is_source_filter(word) => {
                self.script.source_filter = true;
                self.note(place, ScriptFactKind::Obfuscated, word);
            }
            _ if words::is_decoder(word) || self.scope.decodes(word) => self.decodes(place),
            _ if words::is_network(word) => self.network(place, word, loads),
            _ if loads && word.starts_with("IPC::") && self.at == RunsAt::InstallTime => {
                self.note(place, ScriptFactKind::Exec, word);
            }
            _ => {}
        }
    }

    // === network and programs ===

    fn network(&mut self, place: usize, word: &'s str, loads: bool) {
        let used = match self.kind(place + 1) {
            Some(Kind::Arrow) => match self.kind(place + 2) {
                Some(Kind::Word(method)) if self.at == RunsAt::LoadTime => words::CONNECTS.contains(&method),
                Some(Kind::Word(method)) => !matches!(method, "VERSION" | "import" | "can"),
                _ => true,
            },
            Some(Kind::Sign('(')) => !loads && words::is_request(word),
            _ => false,
        };
        // A module may name what it will use; an installation that loads it does so now. Asking whether it is there is usual.
        let loaded = loads && self.at == RunsAt::InstallTime && !self.is_tried(place);
        if used || loaded {
            self.note(place, ScriptFactKind::Network, word);
        }
    }

    /// Inside of `eval { .. }`, a few words after its brace.
    fn is_tried(&self, place: usize) -> bool {
        let from = place.saturating_sub(24);
        let recent = self.tokens.get(from..place).unwrap_or_default();
        let open = recent.windows(2).rposition(|pair| {
            matches!(pair, [Token { kind: Kind::Word("eval"), .. }, Token { kind: Kind::Sign('{'), .. }])
        });
        open.is_some_and(|open| {
            recent.get(open..).unwrap_or_default().iter().all(|token| token.kind != Kind::Sign('}'))
        })
    }

    fn command(&mut self, place: usize, word: &'s str) {
        self.note(place, ScriptFactKind::Exec, word);
        let texts: Vec<_> = self.operand(place, true).into_iter().filter_map(|(_, kind)| text_of(kind)).collect();
        for text in texts {
            self.command_text(place, text);
        }
    }

    fn command_text(&mut self, place: usize, text: &'s str) {
        if words::commands_network(text) {
            self.note(place, ScriptFactKind::Network, text);
        }
        if words::names_start_up(text) || words::names_timer(text) {
            self.note(place, ScriptFactKind::WritesHome, text);
        }
        if words::names_secret(text) {
            self.note(place, ScriptFactKind::ReadsSecrets, text);
        }
    }

    /// `open(my $out, '-|', ..)`, `open(F, "ls |")`.
    fn open(&mut self, place: usize) {
        let mut texts = self.operand(place, true).into_iter().filter_map(|(_, kind)| text_of(kind));
        let Some(mode) = texts.next().map(str::trim) else { return };
        if mode.starts_with('|') || mode.ends_with('|') {
            let rest: Vec<_> = texts.collect();
            self.note(place, ScriptFactKind::Exec, mode);
            for text in rest.into_iter().chain([mode]) {
                self.command_text(place, text);
            }
        }
    }

    /// `do './x.pl'`, `require 'x.pl'`, `use lib 'x'`.
    fn loaded_path(&mut self, place: usize, word: &str) {
        if word == "lib" && !matches!(self.before(place, 1), Some(Kind::Word("use"))) {
            return;
        }
        let paths = self.rest(place).take(if word == "lib" { WINDOW } else { 2 });
        let paths = paths.filter_map(|(_, kind)| text_of(kind)).flat_map(str::split_whitespace);
        let paths: Vec<_> = paths.filter(|path| path.len() <= 200).collect();
        let room = 100_usize.saturating_sub(self.script.loads.len());
        self.script.loads.extend(paths.into_iter().take(room));
    }

    // === text that runs ===

    fn eval(&mut self, place: usize) {
        if self.kind(place + 1) == Some(Kind::Sign('{')) {
            return;
        }
        let expression = self.operand(place, false);
        let texts = expression.iter().filter_map(|(at, kind)| match kind {
            Kind::Text(text, interpolates) => Some((*at, *text, *interpolates)),
            _ => None,
        });
        let texts: Vec<_> = texts.collect();
        let constant = expression.iter().all(|(_, kind)| matches!(kind, Kind::Text(..) | Kind::Sign(_)));
        let mut ordinary = is_version(&expression) || (constant && !texts.is_empty());
        for (at, text, interpolates) in texts {
            let code = tokens_from(text, self.tokens.get(at).map_or(1, |token| token.line));
            if is_ordinary(&code, interpolates) {
                continue;
            }
            ordinary = false;
            if self.depth < DEEPEST && (self.at == RunsAt::InstallTime || self.sub(place) == 0) {
                scan(&code, self.at, self.depth + 1, self.script);
            }
        }
        if ordinary {
            return;
        }
        let decodes = expression.iter().any(|(at, kind)| match kind {
            Kind::Word(word) => words::is_decoder(word) || self.scope.decodes(word),
            Kind::Variable(_, name) => self.is_decoded(*at, name),
            Kind::Text(text, true) => variables(text).any(|name| self.is_decoded(*at, name)),
            Kind::Sign('^') | Kind::Transliteration => true,
            _ => false,
        });
        let kind = if decodes { ScriptFactKind::EvalDecoded } else { ScriptFactKind::EvalString };
        self.note(place, kind, "eval");
    }

    /// What a function takes: up to the end of its parentheses, or to an operator that binds less. `list`: commas and
    /// comparisons belong to it.
    fn operand(&mut self, place: usize, list: bool) -> Vec<(usize, Kind<'s>)> {
        self.patience = self.patience.saturating_sub(1);
        let mut depth = 0_i32;
        let mut operand = Vec::new();
        for (at, kind) in self.rest(place) {
            let closes = match kind {
                Kind::Sign('(' | '[' | '{') | Kind::Subscript('{') => {
                    depth += 1;
                    false
                }
                Kind::Sign(')' | ']' | '}') | Kind::Subscript(_) => {
                    depth -= 1;
                    depth < 0
                }
                Kind::Word("or" | "and" | "xor" | "if" | "unless" | "for" | "foreach" | "while") => depth == 0,
                Kind::Word("eq" | "ne") | Kind::Sign('&' | '|' | '<' | '>' | '=' | '?' | ':' | ',' | '^') => {
                    !list && depth == 0
                }
                _ => false,
            };
            if closes {
                break;
            }
            operand.push((at, kind));
        }
        operand
    }

    /// The variable that this statement assigns to holds decoded text from now on.
    fn decodes(&mut self, place: usize) {
        let mut target = None;
        for (at, kind) in self.lead(place) {
            if let Kind::Variable('$' | '@', name) = kind
                && matches!(self.kind(at + 1), Some(Kind::Sign('=' | ')' | '.')))
            {
                target = Some((self.sub(place), name));
            }
            if matches!(kind, Kind::Sign('{' | '}')) {
                break;
            }
        }
        self.decoded.extend(target);
    }

    /// `$copy = $decoded`.
    fn copies(&mut self, place: usize, name: &'s str) {
        if self.is_decoded(place, name)
            && self.before(place, 1) == Some(Kind::Sign('='))
            && let Some(Kind::Variable(_, copy)) = self.before(place, 2)
        {
            self.decoded.insert((self.sub(place), copy));
        }
    }

    // === texts ===

    fn text(&mut self, place: usize, text: &'s str) {
        if words::is_prose(text) {
            return;
        }
        // A module may well know such a path; what counts there is that it opens it.
        let opens = self.at == RunsAt::InstallTime
            || self.lead(place).any(|(_, kind)| matches!(kind, Kind::Word(word) if words::OPENS.contains(&word)));
        if opens && words::names_secret(text) {
            self.note(place, ScriptFactKind::ReadsSecrets, text);
        }
        if opens && words::names_start_up(text) {
            self.note(place, ScriptFactKind::WritesHome, text);
        }
        if self.at == RunsAt::InstallTime && (words::is_dense(text) || words::is_escaped(text)) {
            self.note(place, ScriptFactKind::Obfuscated, text.get(..20).unwrap_or_default());
        }
        if words::is_network(text) && self.kind(place + 1) == Some(Kind::Arrow) {
            self.note(place, ScriptFactKind::Network, text);
        }
    }

    /// The environment as a whole is printed, packed or sent. To copy it with `local` is usual.
    fn environment(&mut self, place: usize) {
        self.patience = self.patience.saturating_sub(1);
        let statement = || self.lead(place).chain(self.rest(place)).map(|(_, kind)| kind);
        let spreads = statement().any(|kind| matches!(kind, Kind::Word(word) if words::SPREADS.contains(&word)));
        let usual = statement().any(|kind| matches!(kind, Kind::Word("local" | "delete" | "grep")));
        if spreads && !usual {
            self.note(place, ScriptFactKind::ReadsSecrets, "ENV");
        }
    }
}

const fn text_of(kind: Kind<'_>) -> Option<&str> {
    match kind {
        Kind::Text(text, _) => Some(text),
        _ => None,
    }
}
