//! Refusals in words: printable ASCII, short enough for a reason phrase, the same facts everywhere.

use super::Refusal;
use super::view::Entry;
use crate::domain::{Outcome, State, Upload, moment};

/// The longest reason phrase (rule 7).
const LONGEST_PHRASE: usize = 100;
/// So many characters of an id are unique in any store that will ever be (60 bits).
const SHORT_ID: usize = 12;

/// Printable ASCII only: what upstream wrote cannot leave the line it is shown in.
pub fn printable(text: &str, longest: usize) -> String {
    let mut clean: String =
        text.chars().map(|letter| if letter == ' ' || letter.is_ascii_graphic() { letter } else { '?' }).collect();
    if clean.len() > longest {
        clean.truncate(longest.saturating_sub(3));
        clean.push_str("...");
    }
    clean
}

/// Why an upload's bytes may not leave.
pub(super) fn refusal(upload: &Upload, what: String) -> Refusal {
    let decided = upload.decision.as_ref().map(|decision| decision.reason.as_str());
    let why = match upload.state {
        State::Held => match (upload.hold_until, upload.verdict.outcome) {
            (Some(until), _) => format!("held until {}", moment(until)),
            (None, Outcome::Review) => format!("held for review: {}", upload.verdict.reason),
            (None, _) => format!("held: {}", decided.unwrap_or(&upload.verdict.reason)),
        },
        State::Rejected => format!("rejected: {}", decided.unwrap_or(&upload.verdict.reason)),
        State::Recalled => format!("recalled: {}", decided.unwrap_or(&upload.verdict.reason)),
        State::Released => "released".to_owned(),
    };
    Refusal {
        id: Some(upload.id.clone()),
        what,
        state: upload.state,
        why,
        until: upload.hold_until.filter(|_| upload.state == State::Held),
        reasons: upload.verdict.findings.iter().map(|finding| printable(&finding.summary, 300)).collect(),
    }
}

impl Refusal {
    /// The public page that says more.
    pub fn link(&self, public_url: &str) -> Option<String> {
        let base = public_url.strip_suffix('/').unwrap_or(public_url);
        self.id.as_ref().map(|id| format!("{base}/uploads/{id}"))
    }

    /// The reason phrase: pip prints it word for word. The link is shortened (the status page takes the first characters of
    /// an id) or left out before the sentence is.
    pub fn phrase(&self, public_url: &str) -> String {
        let sentence = format!("{} {}", self.what, self.why);
        if let (Some(link), Some(id)) = (self.link(public_url), &self.id) {
            let shortened = link.replace(id.as_str(), &id.as_str()[..SHORT_ID]);
            for link in [link, shortened] {
                let whole = format!("{sentence}, see {link}");
                if whole.len() <= LONGEST_PHRASE {
                    return printable(&whole, LONGEST_PHRASE);
                }
            }
        }
        printable(&sentence, LONGEST_PHRASE)
    }

    /// A whole sentence for bodies and pages, as long as it needs to be.
    pub fn sentence(&self, public_url: &str) -> String {
        let why = self.why.strip_prefix("is ").unwrap_or(&self.why);
        let ask = match self.link(public_url) {
            Some(link) => format!("see {link}"),
            None => format!("ask whoever runs the lazaret at {public_url}"),
        };
        printable(&format!("{} is {why}; {ask}", self.what), 500)
    }
}

/// Our part of a yank reason: uv prints it when nothing else fits.
pub(super) fn yank_reason(entry: &Entry<'_>, public_url: &str) -> String {
    let Some(upload) = entry.row else { return "held by lazaret: not assessed yet".to_owned() };
    let refusal = refusal(upload, String::new());
    let link = refusal.link(public_url).map(|link| format!(", see {link}")).unwrap_or_default();
    printable(&format!("lazaret: {}{link}", refusal.why), 400)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(why: &str) -> Refusal {
        Refusal {
            id: "abcdefghijklmnopqrstuvwxyz".parse().ok(),
            what: "demo 2.0".into(),
            state: State::Held,
            why: why.into(),
            until: None,
            reasons: Vec::new(),
        }
    }

    #[test]
    fn rule_7_a_phrase_is_short_printable_ascii() {
        let long = refusal(&"held for review: näme\r\nSet-Cookie: x ".repeat(9));
        let phrase = long.phrase("http://127.0.0.1:8080");
        assert!(phrase.len() <= LONGEST_PHRASE, "{phrase}");
        assert!(phrase.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{phrase}");
        assert!(phrase.contains("demo 2.0"), "{phrase}");
    }

    #[test]
    fn a_short_phrase_carries_the_link() {
        insta::assert_snapshot!(
            refusal("held until 2026-11-28 14:00 UTC").phrase("http://127.0.0.1:8080"),
            @"demo 2.0 held until 2026-11-28 14:00 UTC, see http://127.0.0.1:8080/uploads/abcdefghijkl"
        );
    }
}
