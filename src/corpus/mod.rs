//! Names that are worth imitating, and which of them a new name could be mistaken for; found by look-ups, never by a scan.

mod index;
mod neighbour;

use std::collections::HashSet;
use std::fmt;

use sha2::Digest as _;

use self::index::Index;
pub use self::neighbour::{Confusion, Neighbour};
use crate::domain::{ProjectName, Sha256};

/// Popular names of PyPI as shipped, one a line in order of rank.
const PYPI: &str = include_str!("../../policies/names/pypi.txt");

/// At most so many neighbours are told; the most popular ones.
const MOST_NEIGHBOURS: usize = 8;

/// Popular and internal names of PyPI. Immutable, cheap to share in an `Arc`, a few megabytes.
pub struct Corpus {
    /// Internal names first, then popular ones, by rank.
    names: Vec<Known>,
    /// Finds names at one edit's distance.
    edits: Index,
    /// Finds names that differ in separators only.
    compact: Index,
    digest: Sha256,
}

/// A name of the corpus.
struct Known {
    name: Box<str>,
    rank: u32,
    internal: bool,
}

impl fmt::Debug for Corpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Corpus({} names)", self.names.len())
    }
}

impl Corpus {
    /// The shipped list alone.
    pub fn embedded() -> Self {
        Self::build(shipped(), &[])
    }

    /// The shipped list and these internal names.
    pub fn with_internal(internal: &[String]) -> Self {
        Self::build(shipped(), internal)
    }

    /// A corpus of popular names in order of rank, and of internal names, which count as rank 1.
    ///
    /// Names are normalised. What is no name (an empty line, a pattern such as `acme-*`) is left out; of a name that is given
    /// twice the first counts, an internal one before a popular one.
    pub fn build<'a>(popular: impl IntoIterator<Item = &'a str>, internal: &[String]) -> Self {
        let internal = internal.iter().map(|name| (name.as_str(), 1, true));
        let popular = (1..).zip(popular).map(|(rank, name)| (name, rank, false));
        let mut seen = HashSet::new();
        let mut names = Vec::new();
        for (name, rank, internal) in internal.chain(popular) {
            let Ok(name) = ProjectName::pypi(name.trim()) else { continue };
            if seen.insert(name.clone()) {
                names.push(Known { name: name.as_str().into(), rank, internal });
            }
        }
        Self {
            edits: Index::of(names.iter().map(|known| index::edits(&known.name))),
            compact: Index::of(names.iter().map(|known| std::iter::once(index::compact(&known.name)))),
            digest: digest_of(&names),
            names,
        }
    }

    /// SHA-256 of the names, their order and which are internal: evidence says with it what was compared.
    pub fn digest(&self) -> Sha256 {
        self.digest
    }

    /// The name's place in the list, from 1.
    pub fn rank(&self, name: &ProjectName) -> Option<u32> {
        // The name itself is one of its forms without an edit.
        let whole = self.edits.find(index::whole(name.as_str()));
        whole.filter_map(|id| self.known(id)).find(|known| *known.name == *name.as_str()).map(|known| known.rank)
    }

    /// The names that this one could be mistaken for, at most eight, most popular first; never the name itself.
    pub fn neighbours(&self, name: &ProjectName) -> Vec<Neighbour> {
        let name = name.as_str();
        let mut ids: Vec<u32> = self.compact.find(index::compact(name)).collect();
        ids.extend(index::edits(name).flat_map(|form| self.edits.find(form)));
        ids.sort_unstable();
        ids.dedup();
        // Ids are in order of rank, but for the internal names, which come first and have the first rank.
        let known = ids.into_iter().filter_map(|id| self.known(id));
        let confused = known.filter_map(|known| Some((known, Confusion::between(name, &known.name)?)));
        confused
            .take(MOST_NEIGHBOURS)
            .map(|(known, kind)| Neighbour {
                target: known.name.to_string(),
                rank: known.rank,
                internal: known.internal,
                kind,
                similarity: strsim::normalized_damerau_levenshtein(name, &known.name),
            })
            .collect()
    }

    fn known(&self, id: u32) -> Option<&Known> {
        self.names.get(usize::try_from(id).ok()?)
    }
}

/// The names of the shipped list.
fn shipped() -> impl Iterator<Item = &'static str> {
    PYPI.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn digest_of(names: &[Known]) -> Sha256 {
    let mut hasher = sha2::Sha256::new();
    for known in names {
        hasher.update(known.name.as_bytes());
        hasher.update(if known.internal { b" internal\n".as_slice() } else { b"\n" });
    }
    Sha256::from_bytes(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(raw: &str) -> ProjectName {
        ProjectName::pypi(raw).unwrap()
    }

    fn targets(corpus: &Corpus, raw: &str) -> Vec<(String, Confusion)> {
        corpus.neighbours(&name(raw)).into_iter().map(|neighbour| (neighbour.target, neighbour.kind)).collect()
    }

    #[test]
    fn the_shipped_list_is_a_list_of_normalised_names_without_repetition() {
        let corpus = Corpus::embedded();
        assert!(corpus.names.len() > 14_000);
        assert_eq!(corpus.names.len(), shipped().count());
        assert!(corpus.names.iter().zip(shipped()).all(|(known, line)| *known.name == *line));
        assert_eq!(corpus.rank(&name("boto3")), Some(1));
        assert_eq!(corpus.rank(&name("no-such-project-anywhere")), None);
        assert_eq!(corpus.digest(), Corpus::embedded().digest());
    }

    #[test]
    fn each_kind_of_confusion_is_told_apart() {
        let corpus = Corpus::embedded();
        let expected = |target: &str, kind| (target.to_owned(), kind);
        assert!(targets(&corpus, "reqeusts").contains(&expected("requests", Confusion::Transposition)));
        assert!(targets(&corpus, "pythondateutil").contains(&expected("python-dateutil", Confusion::Compact)));
        assert!(targets(&corpus, "p-y-t-h-o-n-dateutil").contains(&expected("python-dateutil", Confusion::Compact)));
        for edited in ["request5", "requestss", "equests", "re-quests"] {
            let kind = if edited.contains('-') { Confusion::Compact } else { Confusion::Edit };
            assert!(targets(&corpus, edited).contains(&expected("requests", kind)), "{edited}");
        }
    }

    #[test]
    fn a_name_is_not_its_own_neighbour_and_two_edits_are_too_many() {
        let corpus = Corpus::build(["requests", "urllib3"], &[]);
        assert_eq!(targets(&corpus, "requests"), []);
        assert_eq!(targets(&corpus, "Requests"), []);
        assert_eq!(targets(&corpus, "rekwests"), []);
        assert_eq!(targets(&corpus, "eqeusts"), []);
    }

    #[test]
    fn internal_names_count_as_the_most_popular() {
        let internal = ["Acme_Billing".to_owned(), "acme-*".to_owned(), "six".to_owned()];
        let corpus = Corpus::build(["boto3", "six", "acme-billings"], &internal);
        assert_eq!(corpus.rank(&name("six")), Some(1));
        let neighbours = corpus.neighbours(&name("acmebilling"));
        assert_eq!(neighbours.len(), 1);
        assert!(neighbours[0].internal);
        assert_eq!((neighbours[0].rank, neighbours[0].kind), (1, Confusion::Compact));
        let both: Vec<_> = corpus.neighbours(&name("acme-billingz")).into_iter().map(|found| found.rank).collect();
        assert_eq!(both, [1, 3], "the internal one first");
        assert_ne!(corpus.digest(), Corpus::build(["boto3", "six", "acme-billings"], &[]).digest());
    }

    #[test]
    fn neighbours_are_few_and_the_most_popular_first() {
        let many: Vec<String> = ('a'..='z').map(|letter| format!("pack{letter}")).collect();
        let corpus = Corpus::build(many.iter().map(String::as_str), &[]);
        let neighbours = corpus.neighbours(&name("pack0"));
        let ranks: Vec<_> = neighbours.iter().map(|neighbour| neighbour.rank).collect();
        assert_eq!(ranks, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(neighbours.iter().all(|neighbour| (0.0..1.0).contains(&neighbour.similarity)));
    }

    #[test]
    fn twenty_thousand_look_ups_stay_bounded() {
        let corpus = Corpus::embedded();
        let mut seed = 1_u64;
        let mut random = move |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).unwrap() % below
        };
        for turn in 0..20_000 {
            let alphabet = b"abcdefghijklmnopqrstuvwxyz0123456789";
            // Every hundredth is as long as a name may be.
            let length = if turn % 100 == 0 { 200 } else { 1 + random(20) };
            let text: String = (0..length).map(|_| char::from(alphabet[random(alphabet.len())])).collect();
            let text = name(&text);
            let neighbours = corpus.neighbours(&text);
            assert!(neighbours.len() <= MOST_NEIGHBOURS);
            assert!(neighbours.iter().all(|neighbour| neighbour.target != text.as_str()));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_index_finds_what_a_scan_would(
            popular in proptest::collection::vec("[ab]{1,5}(-[ab]{1,3})?", 1..20), asked in "[ab]{1,5}(-[ab]{1,3})?"
        ) {
            let corpus = Corpus::build(popular.iter().map(String::as_str), &[]);
            let mut scanned: Vec<&str> = corpus.names.iter().map(|known| &*known.name)
                .filter(|known| *known != asked)
                .filter(|known| strsim::osa_distance(known, &asked) == 1 || known.replace('-', "") == asked.replace('-', ""))
                .collect();
            scanned.truncate(MOST_NEIGHBOURS);
            let found = targets(&corpus, &asked);
            let found: Vec<&str> = found.iter().map(|(target, _)| target.as_str()).collect();
            prop_assert_eq!(found, scanned);
        }
    }
}
