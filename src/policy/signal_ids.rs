//! Which signals a policy may speak of. The rooms that raise them are above this one; a test compares.

/// The ids of all signals, and of what rules raise beside them (`dependencies-held`, `vanished`), sorted.
pub const SIGNALS: &[&str] = &[
    "age",
    "archive",
    "author-changed",
    "author-set",
    "burst",
    "checksums",
    "contact-changed",
    "copied-identity",
    "dependencies-held",
    "digest-changed",
    "dormant-revival",
    "foreign-files",
    "foreign-packages",
    "huge-first-version",
    "install-script",
    "integrity",
    "internal-name",
    "load-time",
    "loose-dependency",
    "malware",
    "neighbours-withdrawn",
    "new-dependency",
    "owner-changed",
    "private-namesake",
    "provenance",
    "released-together",
    "replaced-instance",
    "repository-changed",
    "security-fix",
    "size-jump",
    "startup-hook",
    "typosquat",
    "upstream-status",
    "vanished",
    "version-jump",
    "vulnerability",
    "withdrawn",
    "young-project",
];

/// What is wrong with an id that no signal has, and which one may be meant.
pub(super) fn objection(id: &str) -> Option<String> {
    if SIGNALS.contains(&id) {
        return None;
    }
    let near = SIGNALS.iter().min_by_key(|known| strsim::damerau_levenshtein(known, id));
    let near = near.filter(|known| strsim::damerau_levenshtein(known, id) <= 3);
    let hint = near.map_or_else(String::new, |known| format!(" did you mean {known}?"));
    Some(format!("there is no such signal;{hint} known are: {}", SIGNALS.join(", ")))
}
