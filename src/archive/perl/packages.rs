//! Which packages a Perl file declares, as PAUSE's indexer sees them, and which it hides from it.

use std::collections::HashMap;

use super::tokens::{Kind, Token};

/// Longest package name and longest version that are kept.
const LONGEST: usize = 200;

/// A package statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) package: String,
    pub(super) version: Option<String>,
    /// `package` and the name are on different lines: PAUSE reads line by line and does not see it.
    pub(super) hidden: bool,
}

/// The packages that a file declares, each once.
pub(super) fn declared(tokens: &[Token<'_>]) -> Vec<Declared> {
    let mut found: Vec<Declared> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut current = None;
    for (at, token) in tokens.iter().enumerate() {
        let rest = tokens.get(at..).unwrap_or_default();
        match token.kind {
            Kind::Word("package") if starts_statement(tokens, at) => {
                let Some(declared) = package(rest) else { continue };
                let place = *places.entry(declared.package.clone()).or_insert(found.len());
                if place == found.len() {
                    found.push(declared);
                }
                current = Some(place);
            }
            Kind::Variable('$', name) if name == "VERSION" || name.ends_with("::VERSION") => {
                let Some(version) = assigned(rest) else { continue };
                let place = match name.strip_suffix("::VERSION") {
                    None => current,
                    Some(package) => places.get(package).copied(),
                };
                if let Some(declared) = place.and_then(|place| found.get_mut(place)) {
                    declared.version.get_or_insert(version);
                }
            }
            _ => {}
        }
    }
    found
}

fn starts_statement(tokens: &[Token<'_>], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| tokens.get(before));
    before.is_none_or(|token| matches!(token.kind, Kind::Sign(';' | '{' | '}')))
}

/// `package Foo::Bar;`, `package Foo::Bar 1.0;` or the same with a block.
fn package(tokens: &[Token<'_>]) -> Option<Declared> {
    let [start, name, rest @ ..] = tokens else { return None };
    let Kind::Word(written) = name.kind else { return None };
    let package = written.replace('\'', "::");
    // What belongs to Perl itself is nobody's.
    if !is_package_name(&package) || matches!(package.as_str(), "main" | "DB") {
        return None;
    }
    let version = match rest.first()?.kind {
        Kind::Sign(';' | '{') => None,
        Kind::Number(number) => plain(number),
        _ => return None,
    };
    Some(Declared { package, version, hidden: name.line != start.line })
}

fn is_package_name(name: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
    name.len() <= LONGEST && !name.starts_with(|first: char| first.is_ascii_digit()) && name.split("::").all(part)
}

/// The literal on the right of `$VERSION = ..`, be it inside of `qv(..)` or `version->declare(..)`.
fn assigned(tokens: &[Token<'_>]) -> Option<String> {
    let [_, equals, value @ ..] = tokens else { return None };
    if equals.kind != Kind::Sign('=') || value.first().is_some_and(|next| next.kind == Kind::Sign('=')) {
        return None;
    }
    value.iter().take(8).take_while(|token| token.kind != Kind::Sign(';')).find_map(|token| match token.kind {
        Kind::Text(text, _) | Kind::Number(text) => plain(text),
        _ => None,
    })
}

fn plain(text: &str) -> Option<String> {
    let digits = text.strip_prefix('v').unwrap_or(text);
    let is_version = digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && text.len() <= LONGEST
        && text.bytes().all(|byte| matches!(byte, b'.' | b'_' | b'-') || byte.is_ascii_alphanumeric());
    is_version.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tokens;
    use super::*;

    fn seen(source: &str) -> Vec<String> {
        let show = |one: Declared| {
            let mark = if one.hidden { "hidden " } else { "" };
            format!("{mark}{} {}", one.package, one.version.as_deref().unwrap_or("-"))
        };
        declared(&tokens(source)).into_iter().map(show).collect()
    }

    #[test]
    fn packages_and_their_versions_are_read_in_all_usual_forms() {
        for (source, expected) in [
            ("package Foo::Bar;\nour $VERSION = '1.02';\n", "Foo::Bar 1.02"),
            ("package Foo 1.5;", "Foo 1.5"),
            ("package Foo v1.2.3 { sub x { 1 } }", "Foo v1.2.3"),
            ("use strict; package Foo; use vars '$VERSION'; $VERSION = \"0.1_02\";", "Foo 0.1_02"),
            ("package Foo;\n$Foo::VERSION = 3;", "Foo 3"),
            ("package Foo; use version; our $VERSION = version->declare('v0.1.2');", "Foo v0.1.2"),
            ("package Foo; our $VERSION = qv('1.2');", "Foo 1.2"),
            ("package Foo; our $VERSION = $Other::VERSION;", "Foo -"),
            ("package Foo; $VERSION == 1;", "Foo -"),
            ("package Old'Style;", "Old::Style -"),
        ] {
            assert_eq!(seen(source), [expected], "{source}");
        }
    }

    #[test]
    fn what_is_not_code_declares_nothing() {
        for source in [
            "=head1 X\n\npackage Foo;\n\n=cut\n",
            "1;\n__END__\npackage Foo;",
            "# package Foo;",
            "print <<'EOT';\npackage Foo;\nEOT\n",
            "my $x = q{\npackage Foo;\n};",
            "print \"package Foo;\";",
            "my %h = (package => 'Foo'); $h{package}; $x->package;",
            "package main; package DB;",
            "package 1Foo; package Foo::; package $x;",
        ] {
            assert_eq!(seen(source), Vec::<String>::new(), "{source}");
        }
    }

    #[test]
    fn packages_hidden_from_pause_are_told_apart() {
        let source = "package Mine; package # hide from PAUSE\n  Somebody::Elses;\nour $VERSION = 9;";
        assert_eq!(seen(source), ["Mine -", "hidden Somebody::Elses 9"]);
    }
}
