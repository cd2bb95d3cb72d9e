//! Evaluated text as many scripts have it: to load a module that may be missing, or to ask for its version.

use super::tokens::{Kind, Token};
use super::words;

/// The names of the variables that a text fills in.
pub(super) fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.split('$').skip(1).map(|after| {
        let after = after.trim_start_matches('{');
        let end = after.find(|letter: char| !(letter == '_' || letter == ':' || letter.is_alphanumeric()));
        after.get(..end.unwrap_or(after.len())).unwrap_or_default()
    })
}

/// `eval $VERSION` makes a number of `1.02_03`: PAUSE itself recommends it.
pub(super) fn is_version(expression: &[(usize, Kind<'_>)]) -> bool {
    let named = |kind: &Kind<'_>| match kind {
        Kind::Variable('$', name) => Some(name.ends_with("VERSION") || name.ends_with("version")),
        Kind::Sign('(' | ')') => None,
        _ => Some(false),
    };
    let mut all = expression.iter().filter_map(|(_, kind)| named(kind)).peekable();
    all.peek().is_some() && all.all(|named| named)
}

/// Code that only loads modules, asks for their versions or compares values.
pub(super) fn is_ordinary(code: &[Token<'_>], interpolates: bool) -> bool {
    code.split(|token| token.kind == Kind::Sign(';')).all(|statement| is_ordinary_statement(statement, interpolates))
}

fn is_ordinary_statement(statement: &[Token<'_>], interpolates: bool) -> bool {
    let loads = |kind| matches!(kind, Kind::Word("use" | "no" | "require" | "package"));
    let loading = statement.first().is_some_and(|token| loads(token.kind));
    statement.iter().enumerate().all(|(at, token)| match token.kind {
        Kind::Number(_) | Kind::Text(..) | Kind::Sign(_) | Kind::Arrow => true,
        Kind::Word(word) => {
            let before = at.checked_sub(1).and_then(|before| statement.get(before));
            let named = before.is_none_or(|before| loads(before.kind)) && loading;
            named || word.contains("::") || word.starts_with(char::is_uppercase) || words::COMPARES.contains(&word)
        }
        // Filled in, a variable is code; if not, only its value is asked.
        Kind::Variable(sigil, name) => {
            let special = !name.starts_with(|first: char| first == '_' || first.is_ascii_alphabetic());
            sigil != '&' && (loading || !interpolates || special || name.ends_with("VERSION"))
        }
        Kind::Subscript(_) => !interpolates,
        Kind::Command(_) | Kind::Pattern(..) | Kind::Transliteration => false,
    })
}
