//! Bytes as text, its lines, and what of it may be shown.

use std::borrow::Cow;

use super::{LONGEST_LINE, LockFileError};

/// Characters of a foreign text that a message repeats.
const MOST_SHOWN: usize = 200;

/// The text of a file: UTF-8, or UTF-16 with a byte order mark, because that is what `pip freeze > FILE` makes in an older
/// PowerShell, and pip reads it.
pub(super) fn decode<'a>(bytes: &'a [u8], file: &str) -> Result<Cow<'a, str>, LockFileError> {
    let not_text = |before: &[u8]| LockFileError::NotText {
        file: file.to_owned(),
        line: before.split(|byte| *byte == b'\n').count(),
    };
    let units = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let text = char::decode_utf16(pairs.iter().copied().map(unit)).collect::<Result<String, _>>();
        text.ok().filter(|_| rest.is_empty()).map(Cow::Owned).ok_or_else(|| not_text(&[]))
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => units(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => units(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => {
            let text = std::str::from_utf8(rest);
            text.map(Cow::Borrowed).map_err(|error| not_text(rest.get(..error.valid_up_to()).unwrap_or_default()))
        }
    }
}

/// Refuses a line that no tool writes, before anything looks at it.
pub(super) fn check_lines(text: &str, file: &str) -> Result<(), LockFileError> {
    match (1..).zip(text.split('\n')).find(|(_, line)| line.len() > LONGEST_LINE) {
        Some((line, _)) => Err(LockFileError::LongLine { file: file.to_owned(), line }),
        None => Ok(()),
    }
}

/// Where lines begin.
#[derive(Debug)]
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect())
    }

    /// The line of a byte, from 1.
    pub(super) fn line_of(&self, at: usize) -> usize {
        1 + self.0.partition_point(|end| *end < at)
    }
}

/// The beginning of a foreign text, for a message: what is not printable is escaped.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MOST_SHOWN).flat_map(char::escape_debug).collect();
    // Quotes need no escape here.
    shown = shown.replace("\\'", "'").replace("\\\"", "\"");
    if text.chars().nth(MOST_SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}

/// A foreign text that may be kept as it is: on one line, and not too long.
pub(super) fn kept(text: &str, longest: usize) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty() && text.len() <= longest && !text.chars().any(is_disturbing)).then_some(text)
}

/// Whether a character could end a line, or turn the order in which a person reads it
/// ([Trojan Source](https://trojansource.codes/)).
pub(super) fn is_disturbing(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_may_come_from_a_powershell() {
        let text = "six==1.16.0\r\n";
        let little: Vec<u8> = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
        for bytes in [little.as_slice(), &big, b"six==1.16.0\r\n", b"\xef\xbb\xbfsix==1.16.0\r\n"] {
            assert_eq!(decode(bytes, "a.txt").unwrap(), text);
        }
        for (bytes, line) in [(b"a\nb\n\xff".as_slice(), 3), (b"\xff\xfea", 1), (b"\xff\xfe\x00\xd8", 1)] {
            assert_eq!(decode(bytes, "a.txt"), Err(LockFileError::NotText { file: "a.txt".into(), line }));
        }
    }

    #[test]
    fn a_byte_has_a_line() {
        let lines = Lines::of("ab\nc\n\nd");
        let found: Vec<usize> = (0..8).map(|at| lines.line_of(at)).collect();
        assert_eq!(found, [1, 1, 1, 2, 2, 3, 4, 4]);
    }

    #[test]
    fn what_is_kept_stays_on_its_line() {
        assert_eq!(kept(" a b ", 3), Some("a b"));
        for text in ["", "  ", "abcd", "a\nb", "a\u{2028}b", "a\u{202e}", "a\u{1b}b", "a\0"] {
            assert_eq!(kept(text, 3), None, "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_shown_is_one_short_line(text in any::<String>()) {
            let shown = shown(&text);
            prop_assert!(!shown.chars().any(is_disturbing));
            prop_assert!(shown.chars().count() <= MOST_SHOWN * 10 + 3);
        }
    }
}
