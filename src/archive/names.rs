//! Paths inside an archive: which ones stay in their folder on every system, and how they are shown.

use super::{Limits, Objection};

/// Longest text shown of a path, in characters.
const SHOWN: usize = 300;

/// A path from an archive, fit for a terminal, a log and a page: no control or direction characters, bounded.
pub(super) fn shown(raw: &[u8]) -> String {
    let raw = &raw[..raw.len().min(SHOWN * 4)];
    let text = String::from_utf8_lossy(raw);
    let mut shown: String = text.chars().take(SHOWN).map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// Characters that change what a reader sees without being seen.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Splits a path into its parts, or says why no archive should have it. `./` and doubled slashes are dropped, as all
/// unpackers do; `..` is refused even where it stays inside, since no builder writes it.
pub(super) fn parts<'a>(raw: &'a [u8], limits: &Limits) -> Result<Vec<&'a [u8]>, Objection> {
    if raw.len() > limits.path_length {
        return Err(Objection::PathTooLong { path: shown(raw) });
    }
    if raw.contains(&0) {
        let why = "has a zero byte: some readers end it there".to_owned();
        return Err(Objection::BadName { path: shown(raw), why });
    }
    if is_absolute(raw) {
        return Err(Objection::AbsolutePath { path: shown(raw) });
    }
    if climbs(raw) {
        return Err(Objection::PathTraversal { path: shown(raw) });
    }
    let parts: Vec<_> = raw.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
    if parts.len() > limits.depth {
        return Err(Objection::PathTooLong { path: shown(raw) });
    }
    Ok(parts)
}

/// Starts at the root, at a Windows root or on a Windows drive.
pub(super) fn is_absolute(raw: &[u8]) -> bool {
    matches!(raw, [b'/' | b'\\', ..]) || matches!(raw, [drive, b':', ..] if drive.is_ascii_alphabetic())
}

/// Has `..` between separators of any system.
fn climbs(raw: &[u8]) -> bool {
    raw.split(|byte| matches!(byte, b'/' | b'\\')).any(|part| part == b"..")
}

/// Whether a symbolic link in a folder `depth` levels deep stays in the archive: it may climb at its beginning only, since
/// `folder/..` is somewhere else when `folder` is a link too.
pub(super) fn stays_inside(target: &[u8], depth: usize, limits: &Limits) -> bool {
    if target.is_empty() || target.len() > limits.path_length || is_absolute(target) {
        return false;
    }
    if target.iter().any(|byte| byte.is_ascii_control() || *byte == b'\\') {
        return false;
    }
    let mut steps = target.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")).peekable();
    let mut climbed = 0;
    while steps.next_if(|part| *part == b"..").is_some() {
        climbed += 1;
    }
    climbed <= depth && steps.all(|part| part != b"..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_their_folder_on_any_system_are_refused() {
        let limits = Limits::default();
        for raw in ["../x", "a/../../x", "a/..", "a\\..\\x", "a/../b"] {
            assert!(matches!(parts(raw.as_bytes(), &limits), Err(Objection::PathTraversal { .. })), "{raw}");
        }
        for raw in ["/etc/passwd", "\\windows", "C:\\x", "c:x"] {
            assert!(matches!(parts(raw.as_bytes(), &limits), Err(Objection::AbsolutePath { .. })), "{raw}");
        }
        assert!(matches!(parts(b"a.py\0.txt", &limits), Err(Objection::BadName { .. })));
        assert_eq!(parts(b"./a//b/./c", &limits).unwrap(), [b"a", b"b", b"c"]);
        assert_eq!(parts(b"a/..b/c..", &limits).unwrap().len(), 3);
        assert!(parts("x/".repeat(100).as_bytes(), &limits).is_err());
        assert!(parts("x".repeat(2000).as_bytes(), &limits).is_err());
    }

    #[test]
    fn links_may_climb_as_far_as_they_are_deep_and_only_at_first() {
        let limits = Limits::default();
        assert!(stays_inside(b"../b/c", 1, &limits));
        assert!(stays_inside(b"b", 0, &limits));
        assert!(!stays_inside(b"../../b", 1, &limits));
        assert!(!stays_inside(b"b/../../c", 5, &limits));
        assert!(!stays_inside(b"/etc", 5, &limits));
        assert!(!stays_inside(b"", 5, &limits));
    }

    #[test]
    fn shown_paths_cannot_play_tricks() {
        assert_eq!(shown(b"a\x1b[31mb"), "a\u{fffd}[31mb");
        assert_eq!(shown("exe.\u{202e}txt".as_bytes()), "exe.\u{fffd}txt");
        assert_eq!(shown(b"\xff"), "\u{fffd}");
        assert!(shown("ä".repeat(5000).as_bytes()).chars().count() <= SHOWN + 1);
    }
}
