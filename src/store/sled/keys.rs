//! Keys that sort as they are read: every question to the store is a range of one tree.

use crate::domain::{Ecosystem, FileName, Project, Sha256, State, Timestamp, UploadId};

/// Ends a name inside a key; no name contains it.
const END: u8 = 0;

/// Greater than every byte of an id or of any UTF-8 text.
const PAST_ANY_TEXT: u8 = 0xff;

/// Stands for "in any state" in [`by_state`].
const ANY_STATE: u8 = 0;

/// The byte of an ecosystem: part of the stored format, so never renumbered.
fn ecosystem_byte(ecosystem: Ecosystem) -> u8 {
    match ecosystem {
        Ecosystem::Pypi => b'p',
        Ecosystem::Cpan => b'c',
        Ecosystem::Teapot => b't',
    }
}

/// The ecosystem of a project's key.
pub(super) fn ecosystem_of(key: &[u8]) -> Option<Ecosystem> {
    ECOSYSTEMS.into_iter().find(|ecosystem| key.first() == Some(&ecosystem_byte(*ecosystem)))
}

/// The byte of a state: part of the stored format, so never renumbered.
pub(super) fn state_byte(state: State) -> u8 {
    match state {
        State::Held => b'h',
        State::Released => b'r',
        State::Rejected => b'x',
        State::Recalled => b'c',
    }
}

/// All ecosystems, in the order of their names.
pub(super) const ECOSYSTEMS: [Ecosystem; 3] = [Ecosystem::Cpan, Ecosystem::Pypi, Ecosystem::Teapot];

/// The beginning of all keys of an ecosystem's projects.
pub(super) fn ecosystem(ecosystem: Ecosystem) -> Vec<u8> {
    vec![ecosystem_byte(ecosystem)]
}

/// A project; sorts by name within its ecosystem.
pub(super) fn project(project: &Project) -> Vec<u8> {
    [&[ecosystem_byte(project.ecosystem)], project.name.as_str().as_bytes()].concat()
}

/// The beginning of all keys of things that belong to a project.
pub(super) fn of_project(owner: &Project) -> Vec<u8> {
    [&project(owner)[..], &[END]].concat()
}

/// The beginning of all keys of uploads with this file name.
pub(super) fn of_filename(filename: &FileName) -> Vec<u8> {
    [filename.base().as_bytes(), &[END]].concat()
}

/// The beginning of all keys of uploads in this state (`None`: any) and ecosystem.
pub(super) fn by_state(state: Option<State>, ecosystem: Ecosystem) -> Vec<u8> {
    vec![state.map_or(ANY_STATE, state_byte), ecosystem_byte(ecosystem)]
}

/// A beginning followed by an upload's id.
pub(super) fn with_id(mut prefix: Vec<u8>, id: &UploadId) -> Vec<u8> {
    prefix.extend_from_slice(id.as_str().as_bytes());
    prefix
}

/// Something that happens at a time: sorts by the time, then by its own name.
pub(super) fn at(when: Timestamp, what: &str) -> Vec<u8> {
    [&time(when)[..], what.as_bytes()].concat()
}

/// Just after everything that happens at this time.
pub(super) fn past(when: Timestamp) -> Vec<u8> {
    [&time(when)[..], &[PAST_ANY_TEXT]].concat()
}

/// The name of something that happens at a time.
pub(super) fn what(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.get(TIME_LENGTH..)?).ok()
}

/// The id at the end of an index key.
pub(super) fn trailing_id(key: &[u8]) -> Option<UploadId> {
    let start = key.len().checked_sub(ID_LENGTH)?;
    std::str::from_utf8(key.get(start..)?).ok()?.parse().ok()
}

/// Who fetched these bytes, on which day: sorts by bytes, day and actor.
pub(super) fn download(digest: &Sha256, day: &str, actor: &str) -> Vec<u8> {
    [&digest.as_bytes()[..], day.as_bytes(), &[END], actor.as_bytes()].concat()
}

/// The day in the key of a download.
pub(super) fn day_of_download(key: &[u8]) -> Option<&[u8]> {
    const DIGEST: usize = 32;
    let day = key.get(DIGEST..)?.split(|byte| *byte == END).next()?;
    (day.len() == "2026-11-22".len()).then_some(day)
}

/// Length of an [`UploadId`].
const ID_LENGTH: usize = 26;

/// Length of a [`time`].
const TIME_LENGTH: usize = 12;

/// A time in bytes that sort as time runs, also before 1970.
fn time(at: Timestamp) -> [u8; TIME_LENGTH] {
    let mut bytes = [0; TIME_LENGTH];
    let seconds = at.unix_timestamp().cast_unsigned() ^ (1 << 63);
    bytes[..8].copy_from_slice(&seconds.to_be_bytes());
    bytes[8..].copy_from_slice(&at.nanosecond().to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn keys_sort_as_times_do(one in -9_000_000_000_000_000_000_i128..9_000_000_000_000_000_000,
                                 two in -9_000_000_000_000_000_000_i128..9_000_000_000_000_000_000) {
            let [first, second] = [one, two].map(|nanos| Timestamp::from_unix_timestamp_nanos(nanos).unwrap());
            prop_assert_eq!(at(first, "x").cmp(&at(second, "x")), first.cmp(&second));
            let last = char::MAX.to_string();
            prop_assert!(past(first) > at(first, &last));
        }
    }

    #[test]
    fn a_projects_keys_are_not_those_of_a_longer_name() {
        let [six, sixer] = ["pypi:six", "pypi:sixer"].map(|name| name.parse::<Project>().unwrap());
        assert!(!of_project(&sixer).starts_with(&of_project(&six)));
    }
}
