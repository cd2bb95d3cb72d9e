//! One requirement: name, extras, versions or address, condition, as
//! [PEP 508](https://packaging.python.org/en/latest/specifications/dependency-specifiers/) writes them.
//!
//! Read by hand and from left to right: `pep508_rs` 0.9 panics on hostile names.

use std::str::FromStr;

use pep440_rs::{Operator, VersionSpecifier};

use super::text::{self, is_disturbing, shown};
use crate::domain::{ProjectName, Version};

/// Longest requirement read, in bytes.
const LONGEST_REQUIREMENT: usize = 16 << 10;

/// Most versions that one requirement is compared with, and most extras.
const MOST_PARTS: usize = 100;

/// What is required of one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    name: ProjectName,
    extras: Vec<String>,
    specifier: Option<String>,
    version: Option<Version>,
    url: Option<String>,
    marker: Option<String>,
}

/// Why a text is no requirement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequirement {
    /// Longer than any real one.
    #[error("a requirement has at most {} KiB", LONGEST_REQUIREMENT >> 10)]
    TooLong,
    /// Something that could end a line or turn its order.
    #[error("a character in it is not printable")]
    NotPrintable,
    /// It does not begin with a name.
    #[error("it does not begin with the name of a project: write NAME==VERSION")]
    Name,
    /// The extras are not closed, or no names.
    #[error("the extras are not written as [one,two]")]
    Extras,
    /// Something that is no version specifier.
    #[error("{} is no version specifier: write ==1.0 or >=1,<2", shown(.0))]
    Specifier(String),
    /// An `@` without an address.
    #[error("no address after the @")]
    Address,
    /// A `;` without a condition.
    #[error("no condition after the ;")]
    Marker,
}

impl Requirement {
    /// Reads one requirement, without comment and options.
    pub fn parse(text: &str) -> Result<Self, InvalidRequirement> {
        if text.len() > LONGEST_REQUIREMENT {
            return Err(InvalidRequirement::TooLong);
        }
        let text = text.trim();
        if text.chars().any(|letter| is_disturbing(letter) && letter != '\t') {
            return Err(InvalidRequirement::NotPrintable);
        }
        let (name, rest) = split_name(text);
        let name = ProjectName::pypi(name).map_err(|_| InvalidRequirement::Name)?;
        let (extras, rest) = split_extras(rest.trim_start())?;
        let rest = rest.trim_start();
        let mut requirement = Self { name, extras, specifier: None, version: None, url: None, marker: None };
        let marker = if let Some(rest) = rest.strip_prefix('@') {
            let rest = rest.trim_start();
            // An address may have a `;` of its own, so that only a blank ends it.
            let (url, rest) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
            if url.is_empty() || url.starts_with(';') {
                return Err(InvalidRequirement::Address);
            }
            requirement.url = Some(url.to_owned());
            match rest.trim_start() {
                "" => None,
                rest => Some(rest.strip_prefix(';').ok_or(InvalidRequirement::Address)?),
            }
        } else {
            let (versions, marker) = rest.split_once(';').map_or((rest, None), |(one, two)| (one, Some(two)));
            requirement.take_versions(versions.trim())?;
            marker
        };
        if let Some(marker) = marker.map(str::trim) {
            if marker.is_empty() {
                return Err(InvalidRequirement::Marker);
            }
            requirement.marker = Some(marker.to_owned());
        }
        Ok(requirement)
    }

    fn take_versions(&mut self, text: &str) -> Result<(), InvalidRequirement> {
        let wrong = |what: &str| InvalidRequirement::Specifier(what.to_owned());
        let inner = match text.strip_prefix('(') {
            Some(inner) => inner.strip_suffix(')').ok_or_else(|| wrong(text))?.trim(),
            None => text,
        };
        if inner.is_empty() {
            return Ok(());
        }
        // A comma at the end is common, and pip minds it no more than we do.
        let inner = inner.strip_suffix(',').unwrap_or(inner);
        if inner.split(',').count() > MOST_PARTS {
            return Err(wrong("a list of more than a hundred versions"));
        }
        let mut exact: Vec<Version> = Vec::new();
        for part in inner.split(',').map(str::trim) {
            let specifier = VersionSpecifier::from_str(part).map_err(|_| wrong(part))?;
            if matches!(specifier.operator(), Operator::Equal | Operator::ExactEqual) {
                exact.push(Version::pypi(&specifier.version().to_string()).map_err(|_| wrong(part))?);
            }
        }
        self.specifier = Some(inner.to_owned());
        // Two different ones can never be had.
        let agree = exact.windows(2).all(|two| matches!(two, [one, other] if one.is_same_release(other)));
        self.version = exact.into_iter().next().filter(|_| agree);
        Ok(())
    }

    /// Of which project.
    pub fn name(&self) -> &ProjectName {
        &self.name
    }

    /// With which extras, as written.
    pub fn extras(&self) -> &[String] {
        &self.extras
    }

    /// The versions that may be, as written.
    pub fn specifier(&self) -> Option<&str> {
        self.specifier.as_deref()
    }

    /// The version, if only one may be: `==1.0` and `===1.0`, not `==1.*`.
    pub fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    /// The address to take it from, as written.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The condition, as written.
    pub fn marker(&self) -> Option<&str> {
        self.marker.as_deref()
    }
}

/// The letters of a name at the start of a text, and what follows.
fn split_name(text: &str) -> (&str, &str) {
    let is_of_name = |each: char| each.is_ascii_alphanumeric() || matches!(each, '.' | '-' | '_');
    text.split_at(text.find(|each| !is_of_name(each)).unwrap_or(text.len()))
}

fn split_extras(text: &str) -> Result<(Vec<String>, &str), InvalidRequirement> {
    let Some(rest) = text.strip_prefix('[') else { return Ok((Vec::new(), text)) };
    let (inner, rest) = rest.split_once(']').ok_or(InvalidRequirement::Extras)?;
    if inner.trim().is_empty() {
        return Ok((Vec::new(), rest));
    }
    let extras: Vec<&str> = inner.split(',').map(str::trim).collect();
    if extras.len() > MOST_PARTS || !extras.iter().all(|extra| ProjectName::pypi(extra).is_ok()) {
        return Err(InvalidRequirement::Extras);
    }
    Ok((extras.into_iter().map(ToOwned::to_owned).collect(), rest))
}

/// Whether a condition is one by the grammar of PEP 508, written in printable ASCII, so that it may be printed into a
/// requirements file: comparisons of variables and quoted texts, `and`, `or`, brackets at most 50 deep.
pub fn is_plain_marker(marker: &str) -> bool {
    let is_plain = marker.len() <= LONGEST_REQUIREMENT
        && marker.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'\\' | b'#' | b'$' | b';'));
    is_plain && text::kept(marker, LONGEST_REQUIREMENT).is_some() && is_expression(marker)
}

/// Reads comparisons joined by `and` and `or`, left to right, counting brackets.
fn is_expression(marker: &str) -> bool {
    let mut depth = 0_u32;
    let mut rest = marker;
    loop {
        rest = rest.trim_start();
        while let Some(inner) = rest.strip_prefix('(') {
            depth += 1;
            rest = inner.trim_start();
        }
        let Some(after) = skip_value(rest).and_then(skip_operator).and_then(skip_value) else { return false };
        rest = after.trim_start();
        while let Some(outer) = rest.strip_prefix(')') {
            let Some(less) = depth.checked_sub(1) else { return false };
            depth = less;
            rest = outer.trim_start();
        }
        if rest.is_empty() {
            return depth == 0;
        }
        let Some(after) = skip_word(rest, "and").or_else(|| skip_word(rest, "or")) else { return false };
        if depth > 50 {
            return false;
        }
        rest = after;
    }
}

fn skip_value(text: &str) -> Option<&str> {
    let text = text.trim_start();
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote) {
            return inner.split_once(quote).map(|(_, rest)| rest);
        }
    }
    let end =
        text.find(|each: char| !(each.is_ascii_alphanumeric() || matches!(each, '_' | '.'))).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let is_variable =
        word.starts_with(|first: char| first.is_ascii_alphabetic()) && !["and", "or", "not", "in"].contains(&word);
    is_variable.then_some(rest)
}

fn skip_operator(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let signs = ["===", "==", "~=", "!=", "<=", ">=", "<", ">"];
    if let Some(rest) = signs.into_iter().find_map(|sign| text.strip_prefix(sign)) {
        return Some(rest);
    }
    let text = skip_word(text, "not").map_or(text, str::trim_start);
    skip_word(text, "in")
}

fn skip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(word)?;
    rest.starts_with([' ', '\t', '(', '"', '\'']).then_some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Requirement {
        Requirement::parse(text).unwrap()
    }

    #[test]
    fn a_requirement_has_five_parts() {
        let all = parse("Sample_Project [fast, Slow] (>=1, <2) ; python_version < '3.9'");
        assert_eq!(all.name().as_str(), "sample-project");
        assert_eq!(all.extras(), ["fast", "Slow"]);
        assert_eq!(all.specifier(), Some(">=1, <2"));
        assert_eq!(all.marker(), Some("python_version < '3.9'"));
        assert_eq!((all.version(), all.url()), (None, None));
        let direct = parse("direct[a]@https://files.example.test/a;b/direct-1.0.zip#sha256=00 ; os_name == 'nt'");
        assert_eq!(direct.url(), Some("https://files.example.test/a;b/direct-1.0.zip#sha256=00"));
        assert_eq!(direct.marker(), Some("os_name == 'nt'"));
        assert_eq!(direct.specifier(), None);
        let bare = parse("a");
        assert_eq!((bare.name().as_str(), bare.specifier(), bare.marker()), ("a", None, None));
    }

    #[test]
    fn one_exact_version_is_a_pin() {
        let shapes = [
            ("a==1.0", Some("1.0")),
            ("a == 1.0.0-RC.1", Some("1.0.0rc1")),
            ("a===1.0", Some("1.0")),
            ("a(==2.0+local)", Some("2.0+local")),
            ("a>=1,==1.5,!=1.6", Some("1.5")),
            ("a==1.0,==1.0.0,", Some("1.0")),
            ("a==1.0,==2.0", None),
            ("a==1.*", None),
            ("a~=1.0", None),
            ("a>=1", None),
            ("a", None),
        ];
        for (text, version) in shapes {
            assert_eq!(parse(text).version().map(Version::as_str), version, "{text}");
        }
    }

    #[test]
    fn what_is_no_requirement_says_why() {
        let refused = |text: &str| Requirement::parse(text).unwrap_err();
        for text in ["", "==1", "-e .", "./a", "@ https://a.example.test/", "é==1", "_a", "[a]==1", "a-[b]==1"] {
            assert_eq!(refused(text), InvalidRequirement::Name, "{text}");
        }
        for text in ["a[b==1", "a[b,,c]", "a[../b]", "a[b] ]"] {
            assert!(matches!(refused(text), InvalidRequirement::Extras | InvalidRequirement::Specifier(_)), "{text}");
        }
        for text in
            ["a ==", "a == one", "a 1.0", "a=1.0", "a (==1", "a >=1 <2", "https://a.example.test/", "a==1,,", "a ]"]
        {
            assert!(matches!(refused(text), InvalidRequirement::Specifier(_)), "{text}");
        }
        for text in ["a @", "a @ ; b", "a @ https://a.example.test/ b"] {
            assert_eq!(refused(text), InvalidRequirement::Address, "{text}");
        }
        assert_eq!(refused("a==1;"), InvalidRequirement::Marker);
        for text in ["a==1\nb==2", "a\0", "a==1 ; \u{202e}x", "a\u{2028}b==1"] {
            assert_eq!(refused(text), InvalidRequirement::NotPrintable, "{text:?}");
        }
        assert_eq!(refused(&format!("a=={}", "1".repeat(LONGEST_REQUIREMENT))), InvalidRequirement::TooLong);
        assert!(refused(&format!("a=={}1", "1,==".repeat(MOST_PARTS))).to_string().contains("more than a hundred"));
    }

    #[test]
    fn a_marker_is_printed_again_only_if_it_is_one() {
        for marker in [
            "python_version < '3.9'",
            "python_full_version>=\"3.9\" and (sys_platform == 'win32' or extra == 'a-b')",
            "'linux' in sys_platform",
            "sys_platform not in 'a b'",
            "((os.name == 'nt'))",
            "(platform_machine == 'x86_64') or (python_version ~= '3.1')",
        ] {
            assert!(is_plain_marker(marker), "{marker}");
        }
        for marker in [
            "",
            "python_version",
            "python_version < ",
            "python_version < '3.9' and",
            "(python_version < '3.9'",
            "python_version < '3.9')",
            "a == 'b' # c",
            "a == 'b'\nevil==1",
            "a == 'b' --index-url https://evil.example.test/",
            "a == '${HOME}'",
            "a == 'b' \\",
            "a == 'b' or or c == 'd'",
            "and == 'b'",
            "a == 'b'and c == 'd",
            "a == 'ä'",
            "a == 'b' ; c == 'd'",
        ] {
            assert!(!is_plain_marker(marker), "{marker}");
        }
        let deep = |depth: usize| format!("{}a == 'b'{}", "(".repeat(depth), ")".repeat(depth));
        assert!(is_plain_marker(&deep(8_000)), "brackets are counted, not followed");
        assert!(!is_plain_marker(&deep(10_000)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_panics(text in ".{0,60}",
            near in r"[a-zA-Z._-]{1,4}(\[[a-z,]{0,3}\]?)? ?\(?[=<>~!]{0,3}[0-9a-z.*+!-]{0,6},?[=<>]{0,3}[0-9.*]{0,3}\)? ?@? ?;?.{0,5}",
            marker in r"(\(|\)|a|'b'|==|<| |and |or |in |not |os\.name){0,12}") {
            let _ = Requirement::parse(&text);
            let _ = is_plain_marker(&text);
            if is_plain_marker(&marker) {
                prop_assert_eq!(marker.matches('(').count(), marker.matches(')').count());
                let again = Requirement::parse(&format!("a==1 ; {marker}")).unwrap();
                prop_assert_eq!(again.marker(), Some(marker.trim()));
            }
            if let Ok(requirement) = Requirement::parse(&near) {
                prop_assert!(requirement.url().is_none() || requirement.specifier().is_none());
            }
        }

        #[test]
        fn what_was_put_together_is_found_again(name in "[a-z][a-z0-9]{0,8}", version in "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}",
            extra in "[a-z]{1,5}", blank in "[ \t]{0,2}") {
            let text = format!("{name}{blank}[{extra}]{blank}=={blank}{version}{blank};{blank}a == 'b'");
            let read = Requirement::parse(&text).unwrap();
            prop_assert_eq!(read.name().as_str(), &name);
            prop_assert_eq!(read.extras(), &[extra]);
            prop_assert_eq!(read.version(), Some(&Version::pypi(&version).unwrap()));
            prop_assert_eq!(read.marker(), Some("a == 'b'"));
        }
    }
}
