//! Verdicts in one sentence that a developer reads in a terminal: plain ASCII, under 100 characters.

use super::decide::SecurityFix;
use crate::domain::{Finding, Timestamp, moment};

/// Longest sentence.
const LONGEST: usize = 99;

/// Nothing speaks against it, it is only new.
pub(super) fn held(until: Timestamp) -> String {
    format!("new upload, held until {}", moment(until))
}

/// A finding asks for a longer hold.
pub(super) fn held_because(finding: &Finding, until: Timestamp) -> String {
    sentence(&finding.summary, &format!(", held until {}", moment(until)))
}

/// Only a person may let it in.
pub(super) fn waits(finding: &Finding) -> String {
    sentence(&finding.summary, ", waits for a reviewer")
}

/// A security fix that nothing speaks against.
pub(super) fn fix_held(fix: &SecurityFix, until: Timestamp) -> String {
    sentence(&fix.summary, &format!(", held only until {}", moment(until)))
}

/// A security fix that a person should look at before its usual time.
pub(super) fn fix_waits(fix: &SecurityFix, until: Timestamp) -> String {
    sentence(&fix.summary, &format!(", asks a person, else held until {}", moment(until)))
}

/// A security fix whose short hold is over.
pub(super) fn fix_released(fix: &SecurityFix) -> String {
    sentence(&fix.summary, ", and nothing speaks against it")
}

/// A finding that breaks a hard rule.
pub(super) fn rejected(finding: &Finding) -> String {
    sentence(&finding.summary, "")
}

/// A person has blocked the name.
pub(super) fn blocked(reason: &str) -> String {
    sentence(&format!("blocked: {reason}"), "")
}

/// What our own workflow has signed.
pub(super) fn ours() -> String {
    "ours, as its attestation proves, and nothing speaks against it".to_owned()
}

/// The hold is over.
pub(super) fn released() -> String {
    "old enough, and nothing speaks against it".to_owned()
}

/// The hold is over, although something was seen.
pub(super) fn released_although(finding: &Finding) -> String {
    sentence(&finding.summary, ", but nothing more was found in time")
}

/// What was seen, as the beginning of a sentence, and how that ends. What was seen may come from upstream: it is made
/// printable and cut first.
fn sentence(seen: &str, end: &str) -> String {
    let mut text = String::new();
    for letter in seen.chars().take(4 * LONGEST) {
        match letter {
            letter if letter.is_ascii_graphic() => text.push(letter),
            letter if letter.is_whitespace() || letter.is_control() => {
                if !text.ends_with(' ') {
                    text.push(' ');
                }
            }
            _ => text.push('?'),
        }
    }
    let mut text = text.trim().trim_end_matches('.').to_owned();
    // `The name` becomes `the name`; `METADATA differs` and a project's own spelling stay.
    if text.as_bytes().get(1).is_some_and(|second| second.is_ascii_lowercase() || *second == b' ')
        && let Some(first) = text.get_mut(..1)
    {
        first.make_ascii_lowercase();
    }
    let room = LONGEST.saturating_sub(end.len());
    if text.len() > room {
        text.truncate(room.saturating_sub(3));
        text.truncate(text.trim_end().len());
        text.push_str("...");
    }
    text + end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sentences_begin_small_and_end_once() {
        assert_eq!(sentence("The name resembles six.", ", waits"), "the name resembles six, waits");
        assert_eq!(sentence("PKG-INFO differs", ""), "PKG-INFO differs");
        assert_eq!(sentence("caf\u{e9}\r\nSet-Cookie: x", ""), "caf? Set-Cookie: x");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_was_seen_the_sentence_is_short_and_plain(seen in "\\PC{0,300}|(?s).{0,50}") {
            let text = sentence(&seen, ", waits for a reviewer");
            prop_assert!(text.len() < 100 && text.ends_with("reviewer"));
            prop_assert!(text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
        }
    }
}
