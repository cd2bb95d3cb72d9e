//! What people do not tell apart in a name, taken out of it: the forms in which names are compared, for every ecosystem.

use std::borrow::Cow;

use unicode_security::confusable_detection::skeleton;

use crate::domain::Ecosystem;

/// Stands for a character that looks like no letter of ours.
const FOREIGN: u8 = 0xff;

/// Words at either end that say nothing: `python-foo`, `foo-py` and `foo` are sought by the same people.
fn affixes(ecosystem: Ecosystem) -> &'static [&'static str] {
    match ecosystem {
        Ecosystem::Pypi => &[
            "python", "python2", "python3", "py", "py2", "py3", "lib", "pip", "pypi", "package", "pkg", "module", "new",
        ],
        Ecosystem::Cpan => &["simple", "tiny", "xs", "pp", "lite", "perl", "app", "net"],
        Ecosystem::Teapot => &["tcl", "tk", "lib", "package"],
    }
}

/// Syllables at either end that say nothing even if they are grown together with the name: `pyfoo`.
fn grown(ecosystem: Ecosystem) -> &'static [&'static str] {
    match ecosystem {
        Ecosystem::Pypi => &["python", "py", "lib"],
        Ecosystem::Cpan => &["perl"],
        Ecosystem::Teapot => &["tcl", "lib"],
    }
}

/// Whether the first word of a folded name begins with such a syllable and goes on.
pub(super) fn begins_grown(ecosystem: Ecosystem, folded: &str) -> bool {
    let first = folded.split('-').next().unwrap_or(folded);
    !affixes(ecosystem).contains(&first) && grown(ecosystem).iter().any(|syllable| first.starts_with(syllable))
}

/// The form in which names are compared, words parted by `-`.
///
/// PyPI's names come normalised. In CPAN's and Tcl's, upper and lower case and the separators are the same, so that the
/// distribution `Try-Tiny` and the package `Try::Tiny` are one name; CPAN's old `'` is `::`.
pub(super) fn folded(ecosystem: Ecosystem, name: &str) -> Cow<'_, str> {
    let separators: &[char] = match ecosystem {
        Ecosystem::Pypi => return Cow::Borrowed(name),
        Ecosystem::Cpan => &[':', '-', '_', '\''],
        Ecosystem::Teapot => &[':', '-', '_'],
    };
    let words = name.split(separators).filter(|word| !word.is_empty());
    let mut folded = String::with_capacity(name.len());
    for word in words {
        if !folded.is_empty() {
            folded.push('-');
        }
        folded.extend(word.chars().flat_map(char::to_lowercase));
    }
    Cow::Owned(folded)
}

/// The letters of a folded name without its separators, a byte each.
pub(super) fn letters(folded: &str) -> Vec<u8> {
    let letters = folded.chars().filter(|letter| *letter != '-');
    letters.map(|letter| u8::try_from(letter).ok().filter(u8::is_ascii).unwrap_or_else(|| resembled(letter))).collect()
}

/// The ASCII letter that a foreign one looks like.
fn resembled(letter: char) -> u8 {
    let mut bytes = [0; 4];
    let mut looks = skeleton(letter.encode_utf8(&mut bytes));
    let first = looks.next().and_then(|letter| u8::try_from(letter).ok()).filter(u8::is_ascii);
    first.filter(|_| looks.next().is_none()).map_or(FOREIGN, |letter| letter.to_ascii_lowercase())
}

/// What a folded name looks like ([UTS 39](https://www.unicode.org/reports/tr39/#Confusable_Detection)): two names with the
/// same skeleton are the same to the eye.
pub(super) fn looks(folded: &str) -> String {
    // The skeleton of `0` is a capital O.
    skeleton(folded).filter(|letter| *letter != '-').flat_map(char::to_lowercase).collect()
}

/// A folded name's words in order of the alphabet.
pub(super) fn sorted_words(folded: &str) -> String {
    let mut words: Vec<&str> = folded.split('-').collect();
    words.sort_unstable();
    words.join("-")
}

/// The letters of a folded name without the affixes that say nothing.
pub(super) fn stripped(ecosystem: Ecosystem, folded: &str) -> String {
    let empty = |word: &str| affixes(ecosystem).contains(&word) || word.bytes().all(|byte| byte.is_ascii_digit());
    let mut words: Vec<&str> = folded.split('-').collect();
    while words.len() > 1 && words.first().is_some_and(|word| empty(word)) {
        words.remove(0);
    }
    while words.len() > 1 && words.last().is_some_and(|word| empty(word)) {
        words.pop();
    }
    let whole = words.concat();
    if empty(&whole) {
        return whole;
    }
    let mut name = whole.as_str();
    let core = |name: &str, syllable: &str| name.len() >= syllable.len() + 4;
    if let Some(syllable) = grown(ecosystem).iter().find(|it| core(name, it) && name.starts_with(*it)) {
        name = name.strip_prefix(syllable).unwrap_or(name);
    }
    if let Some(syllable) = grown(ecosystem).iter().find(|it| core(name, it) && name.ends_with(*it)) {
        name = name.strip_suffix(syllable).unwrap_or(name);
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_and_its_package_are_one_name() {
        for name in ["Try-Tiny", "Try::Tiny", "TRY_TINY", "Try'Tiny", "::try::tiny"] {
            assert_eq!(folded(Ecosystem::Cpan, name), "try-tiny");
        }
        assert_eq!(folded(Ecosystem::Teapot, "struct::list"), folded(Ecosystem::Teapot, "Struct-List"));
        assert_eq!(folded(Ecosystem::Pypi, "python-dateutil"), "python-dateutil");
    }

    #[test]
    fn affixes_that_say_nothing_fall_off_both_ends() {
        let pypi = |name| stripped(Ecosystem::Pypi, name);
        assert_eq!(pypi("python-dateutil"), "dateutil");
        assert_eq!(pypi("dateutil-py3"), "dateutil");
        assert_eq!(pypi("pydateutil"), "dateutil");
        assert_eq!(pypi("python"), "python");
        assert_eq!(pypi("py"), "py");
        assert_eq!(stripped(Ecosystem::Cpan, "json-xs"), "json");
        assert_eq!(stripped(Ecosystem::Teapot, "tcljson"), "json");
    }

    #[test]
    fn a_syllable_grown_together_is_no_word_of_its_own() {
        let grown = |name| begins_grown(Ecosystem::Pypi, name);
        assert!(grown("pydateutil") && grown("libfoo-bar"));
        assert!(!grown("py-dateutil") && !grown("python3-dateutil") && !grown("dateutilpy") && !grown(""));
        assert!(begins_grown(Ecosystem::Teapot, "tcljson") && !begins_grown(Ecosystem::Cpan, "pyjson"));
    }

    #[test]
    fn what_looks_the_same_has_one_skeleton() {
        assert_eq!(looks("paypa1"), looks("paypal"));
        assert_eq!(looks("c0lorama"), looks("colorama"));
        assert_eq!(looks("nurnpy"), looks("numpy"));
        assert_eq!(letters("r\u{435}quests"), b"requests", "a Cyrillic letter is what it looks like");
        assert_eq!(letters("日-a"), [FOREIGN, b'a']);
    }
}
