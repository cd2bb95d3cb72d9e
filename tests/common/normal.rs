//! Takes out of a text what differs from run to run, so that it can be compared with a snapshot.

/// Replaces the given texts, then ports, ids, digests and sizes of time.
pub(crate) fn text(text: &str, known: &[(&str, &str)]) -> String {
    let mut text = text.replace("\r\n", "\n").replace('\r', "\n");
    for (from, to) in known.iter().filter(|(from, _)| !from.is_empty()) {
        text = text.replace(from, to);
    }
    words(&uuids(&ports(&text)))
}

/// `127.0.0.1:43210` becomes `127.0.0.1:PORT`.
fn ports(text: &str) -> String {
    let mut parts = text.split("127.0.0.1:");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        clean.push_str("127.0.0.1:PORT");
        clean.push_str(part.trim_start_matches(|letter: char| letter.is_ascii_digit()));
    }
    clean
}

/// `01a20527-4328-77bb-89ed-34f2ef1f9926` becomes `UUID`.
fn uuids(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let candidate = rest.get(..36).filter(|part| part.as_bytes()[8] == b'-');
        let (part, length) = match candidate.and_then(|part| uuid::Uuid::parse_str(part).ok()) {
            Some(_) => ("UUID", 36),
            None => (&rest[..letter.len_utf8()], letter.len_utf8()),
        };
        clean.push_str(part);
        rest = &rest[length..];
    }
    clean
}

/// Upload ids (whole or their first 12 characters in links) become `ID`, long hexadecimal digests `DIGEST`.
fn words(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut word = String::new();
    let mut after_uploads = false;
    for letter in text.chars().chain(['\n']) {
        if letter.is_ascii_alphanumeric() {
            word.push(letter);
            continue;
        }
        let base32 = !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
        let hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
        if base32 && (word.len() == 26 || (after_uploads && word.len() >= 12)) {
            clean.push_str("ID");
        } else if hex && word.len() >= 32 {
            clean.push_str("DIGEST");
        } else {
            clean.push_str(&word);
        }
        after_uploads = word == "uploads" && letter == '/';
        word.clear();
        clean.push(letter);
    }
    clean.pop();
    clean
}

#[test]
fn what_differs_from_run_to_run_is_taken_out() {
    let digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let line = format!("see http://127.0.0.1:43210/uploads/abcdefghij23 and {digest} in /tmp/x, version 2.0");
    assert_eq!(
        text(&line, &[("/tmp/x", "[folder]")]),
        "see http://127.0.0.1:PORT/uploads/ID and DIGEST in [folder], version 2.0"
    );
}

/// `12ms`, `1.25s` become `TIME`: what uv prints about itself.
pub(crate) fn durations(text: &str) -> String {
    let is_duration = |word: &str| {
        let number = word.strip_suffix("ms").or_else(|| word.strip_suffix('s'));
        number.is_some_and(|number| {
            number.starts_with(|letter: char| letter.is_ascii_digit()) && number.parse::<f64>().is_ok()
        })
    };
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').map(|word| if is_duration(word) { "TIME" } else { word }).collect();
        words.join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}
