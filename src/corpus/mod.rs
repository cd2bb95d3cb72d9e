//! Names that are worth imitating, and which of them a new name could be mistaken for; found by look-ups, never by a scan.

mod corpora;
mod edits;
mod error;
mod evidence;
mod fold;
mod index;
mod lists;
mod neighbour;
mod runs;
mod sign;
mod weights;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use sha2::Digest as _;

pub use self::corpora::Corpora;
pub use self::error::CorpusError;
use self::evidence::{Around, Asked};
use self::fold::{folded, letters, looks, sorted_words, stripped};
use self::index::{Form, Index, Pieces, hash};
pub use self::lists::{
    FEWEST_NAMES, LONGEST_LIST, MOST_NAMES, NameSources, OwnNames, read_list, shipped as shipped_list,
};
pub use self::neighbour::{Confusion, Neighbour, Renown};
use self::runs::Runs;
pub use self::sign::{Sign, Signs, Speaks};
pub use self::weights::Weights;
use crate::domain::{Ecosystem, ProjectName, Sha256};

/// At most so many neighbours are told; the likeliest ones.
const MOST_NEIGHBOURS: usize = 3;

/// A neighbour that is less likely than this is none.
const LEAST_SCORE: f64 = 0.001;

/// Two edits are looked for in names of so many letters, and only among the first names of the list.
const TWO_EDITS: [(usize, u32); 2] = [(6, 5_000), (5, 500)];

/// Two edits are looked for in names of at most so many letters: their forms grow with the square.
const LONGEST_FOR_TWO: usize = 32;

/// A known name of at least so many letters is seen in a longer name without separators.
const SHORTEST_GLUED: usize = 5;

/// A known name of at least so many letters is seen among other words.
const SHORTEST_WORD: usize = 4;

/// What is left of a name without its affixes has at least so many letters.
const SHORTEST_CORE: usize = 3;

/// So many words and letters of a name are searched for known names.
const MOST_WORDS: usize = 12;
const MOST_LETTERS: usize = 64;

/// What comes with the language, and what is known elsewhere, counts like a popular name of this rank.
const RANK_OF_LIBRARY: u32 = 1_000;
const RANK_ELSEWHERE: u32 = 2_000;

/// Popular and internal names of one ecosystem. Immutable, cheap to share in an `Arc`, a few megabytes.
pub struct Corpus {
    ecosystem: Ecosystem,
    /// Internal names first, then those that are used here, then popular ones by rank, then what is known otherwise.
    names: Vec<Known>,
    index: Index,
    /// In how many known names a word is, and how many begin with it; by the hash of its letters.
    words: HashMap<u32, Word>,
    runs: Runs,
    weights: Weights,
    digest: Sha256,
}

/// A name of the corpus.
#[derive(Debug)]
struct Known {
    /// Folded: what is compared.
    name: Box<str>,
    /// As it is written, if that is something else: what people are told.
    spelling: Option<Box<str>>,
    /// Without separators, a byte each.
    letters: Box<[u8]>,
    rank: u32,
    renown: Renown,
    /// How many other known names contain it as a word.
    within: u32,
}

/// A word of known names.
#[derive(Debug, Clone, Copy, Default)]
struct Word {
    names: u32,
    first: u32,
}

impl fmt::Debug for Corpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Corpus({} names of {})", self.names.len(), self.ecosystem)
    }
}

impl Corpus {
    /// The shipped list alone.
    pub fn embedded(ecosystem: Ecosystem) -> Self {
        Self::with_internal(ecosystem, &[])
    }

    /// The shipped list and these internal names.
    pub fn with_internal(ecosystem: Ecosystem, internal: &[String]) -> Self {
        Self::build(ecosystem, lists::shipped(ecosystem), internal)
    }

    /// A corpus of popular names in order of rank, and of internal names, which count as rank 1.
    ///
    /// Names are folded: those that differ only in what people do not tell apart are one. What is no name (an empty line, a
    /// pattern such as `acme-*`) is left out; of a name that is given twice the first counts, an internal one before a
    /// popular one.
    pub fn build<'a>(ecosystem: Ecosystem, popular: impl IntoIterator<Item = &'a str>, internal: &[String]) -> Self {
        let own = OwnNames { internal: internal.to_vec(), used: Vec::new() };
        Self::with_own(ecosystem, popular, &own, Weights::default())
    }

    /// [`Corpus::build`] with all that a site has of its own.
    pub fn with_own<'a>(
        ecosystem: Ecosystem,
        popular: impl IntoIterator<Item = &'a str>,
        own: &OwnNames,
        weights: Weights,
    ) -> Self {
        let names = known_names(ecosystem, popular, own);
        let mut corpus = Self {
            ecosystem,
            index: index_of(ecosystem, &names),
            words: words_of(&names),
            runs: runs_of(&names),
            digest: digest_of(&names, &weights),
            weights,
            names,
        };
        corpus.count_families();
        corpus
    }

    /// How many known names contain each one among their words.
    fn count_families(&mut self) {
        let mut within = vec![0_u32; self.names.len()];
        for known in self.names.iter().filter(|known| known.is_package()) {
            let mut parts = self.parts_of(&known.name, &known.letters);
            parts.retain(|part| !part.glued && self.names[part.id].letters != known.letters);
            for part in parts {
                within[part.id] += 1;
            }
        }
        for (known, count) in self.names.iter_mut().zip(within) {
            known.within = count;
        }
    }

    /// Whose names these are.
    pub fn ecosystem(&self) -> Ecosystem {
        self.ecosystem
    }

    /// SHA-256 of the names, their order, which are internal, and the weights: evidence says with it what was compared.
    pub fn digest(&self) -> Sha256 {
        self.digest
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        let text =
            |known: &Known| known.name.len() + known.letters.len() + known.spelling.as_ref().map_or(0, |it| it.len());
        self.index.bytes()
            + size_of_val(self.names.as_slice())
            + self.names.iter().map(text).sum::<usize>()
            + self.runs.bytes()
            + self.words.capacity() * (size_of::<(u32, Word)>() + 1)
    }

    /// The name's place in the list, from 1.
    pub fn rank(&self, name: &ProjectName) -> Option<u32> {
        let name = folded(self.ecosystem, name.as_str());
        let found = self.index.find(hash(Form::Letters, &letters(&name)));
        let mut known = found.filter_map(|id| self.names.get(usize::try_from(id).ok()?));
        known.find(|known| known.is_package() && *known.name == *name).map(|known| known.rank)
    }

    /// The names that this one could be mistaken for, at most three, likeliest first; never the name itself.
    pub fn neighbours(&self, name: &ProjectName) -> Vec<Neighbour> {
        self.neighbours_above(name, u32::MAX)
    }

    /// The same, among the names above this rank only: what a popular name could be mistaken for.
    pub fn neighbours_above(&self, name: &ProjectName, rank: u32) -> Vec<Neighbour> {
        let name = folded(self.ecosystem, name.as_str());
        let letters = letters(&name);
        let asked = Asked { folded: &name, letters: &letters };
        let mut found = self.likenesses(&asked, rank);
        found.extend(self.combos(&asked, rank));
        found.retain(|(_, _, score)| *score >= LEAST_SCORE);
        // Likeliest first; then the better known, then as in the list.
        found.sort_by(|(one, _, score), (two, _, other)| {
            other.total_cmp(score).then_with(|| self.names[*one].rank.cmp(&self.names[*two].rank)).then(one.cmp(two))
        });
        let mut told = HashSet::new();
        found.retain(|(id, _, _)| told.insert(*id));
        found.truncate(MOST_NEIGHBOURS);
        found.into_iter().map(|(id, signs, score)| self.neighbour(&name, id, &signs, score)).collect()
    }

    fn neighbour(&self, name: &str, id: usize, signs: &Signs, score: f64) -> Neighbour {
        let known = &self.names[id];
        let mut parts = BTreeMap::new();
        for (sign, part) in self.weights.parts(signs) {
            *parts.entry(sign.to_owned()).or_insert(0.0) += part;
        }
        Neighbour {
            target: known.spelling.as_ref().unwrap_or(&known.name).to_string(),
            rank: known.rank,
            internal: known.renown == Renown::Internal,
            kind: signs.kind,
            similarity: strsim::normalized_damerau_levenshtein(name, &known.name),
            score,
            renown: known.renown.clone(),
            signs: parts,
        }
    }

    /// Known names that are the same but for a slip.
    fn likenesses(&self, asked: &Asked<'_>, above: u32) -> Vec<(usize, Signs, f64)> {
        let mut alike = self.same_forms(asked, above);
        for id in self.near(asked) {
            let known = &self.names[id];
            if known.rank < above
                && !alike.iter().any(|(found, _, _)| *found == id)
                && let Some(edits) = edits::between(&known.letters, asked.letters, known.most_edits())
                && let Some(kind) = kind_of(&edits)
            {
                alike.push((id, kind, edits));
            }
        }
        let crowd = alike.len();
        let judged = alike.into_iter().map(|(id, kind, edits)| {
            let known = &self.names[id];
            let around = Around {
                ecosystem: self.ecosystem,
                crowd,
                family: self.family_of(asked, known),
                unheard: self.runs.unheard(asked.letters, &edits),
            };
            let signs = evidence::of_likeness(asked, known, kind, &edits, around);
            let score = self.weights.score(&signs);
            (id, signs, score)
        });
        judged.collect()
    }

    /// Known names that have a form in common with this one.
    fn same_forms(&self, asked: &Asked<'_>, above: u32) -> Vec<(usize, Confusion, Vec<edits::Edit>)> {
        let mut alike: Vec<(usize, Confusion, Vec<edits::Edit>)> = Vec::new();
        let mut find = |form: Form, text: &[u8], kind: Confusion, same: &dyn Fn(&Known) -> bool| {
            for id in self.index.find(hash(form, text)).filter_map(|id| usize::try_from(id).ok()) {
                let known = &self.names[id];
                // A package is not mistaken for itself.
                let itself = known.is_package() && *known.name == *asked.folded;
                if known.rank < above && !itself && !alike.iter().any(|(found, _, _)| *found == id) && same(known) {
                    let kind = if *known.name == *asked.folded { Confusion::Namesake } else { kind };
                    alike.push((id, kind, Vec::new()));
                }
            }
        };
        find(Form::Letters, asked.letters, Confusion::Separator, &|known| *known.letters == *asked.letters);
        let looks_of_it = looks(asked.folded);
        find(Form::Looks, looks_of_it.as_bytes(), Confusion::Homoglyph, &|known| looks(&known.name) == looks_of_it);
        let words = sorted_words(asked.folded);
        find(Form::Words, words.as_bytes(), Confusion::WordOrder, &|known| sorted_words(&known.name) == words);
        let core = stripped(self.ecosystem, asked.folded);
        if core.len() >= SHORTEST_CORE {
            let same = |known: &Known| stripped(self.ecosystem, &known.name) == core;
            find(Form::Stripped, core.as_bytes(), Confusion::Affix, &same);
        }
        alike
    }

    /// The numbers of names that may be one or two edits away.
    fn near(&self, asked: &Asked<'_>) -> Vec<usize> {
        let mut ids: Vec<u32> = Vec::new();
        let twice = (TWO_EDITS[1].0 - 2..=LONGEST_FOR_TWO).contains(&asked.letters.len());
        Pieces::of(asked.letters).each_edited(twice, |form| ids.extend(self.index.find(form)));
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().filter_map(|id| usize::try_from(id).ok()).filter(|id| *id < self.names.len()).collect()
    }

    /// How many known names begin with the first word of both.
    fn family_of(&self, asked: &Asked<'_>, known: &Known) -> u32 {
        match (asked.folded.split_once('-'), known.name.split_once('-')) {
            (Some((one, _)), Some((two, _))) if one == two => self.word(one.as_bytes()).first,
            _ => 0,
        }
    }

    fn word(&self, letters: &[u8]) -> Word {
        self.words.get(&hash(Form::Words, letters)).copied().unwrap_or_default()
    }

    /// Known names that are a part of this one.
    fn combos(&self, asked: &Asked<'_>, above: u32) -> Vec<(usize, Signs, f64)> {
        let parts = self.parts_of(asked.folded, asked.letters);
        let words = words_at(asked.folded);
        let imitated = |known: &Known| known.rank < above && known.letters.len() >= SHORTEST_WORD;
        let judged = parts.iter().filter(|part| imitated(&self.names[part.id])).map(|part| {
            let known = &self.names[part.id];
            let outside = |start: usize, end: usize| end <= part.start || start >= part.end;
            // A piece grown together with the known name is a word too.
            let added = words.iter().filter(|(start, end)| outside(*start, *end)).count().max(1);
            let signs = evidence::of_combo(known, added);
            let score = self.weights.score(&signs);
            (part.id, signs, score)
        });
        judged.collect()
    }

    /// The known names among the words of a name, and at its beginning and end.
    fn parts_of(&self, folded: &str, letters: &[u8]) -> Vec<Part> {
        let mut parts = Vec::new();
        let pieces = Pieces::of(letters);
        let all = letters.len();
        let mut seek = |start: usize, end: usize, glued: bool| {
            if (start, end) == (0, all) {
                return;
            }
            let piece = &letters[start..end];
            for id in self.index.find(pieces.piece(Form::Letters, start, end)) {
                let Ok(id) = usize::try_from(id) else { continue };
                let is_piece = self.names.get(id).is_some_and(|known| *known.letters == *piece);
                if is_piece && !parts.iter().any(|part: &Part| part.id == id) {
                    parts.push(Part { id, start, end, glued });
                }
            }
        };
        let words = words_at(folded);
        for (first, (start, _)) in words.iter().enumerate() {
            for (_, end) in &words[first..] {
                seek(*start, *end, false);
            }
        }
        if all <= MOST_LETTERS {
            for length in SHORTEST_GLUED..all.saturating_sub(1) {
                seek(0, length, true);
                seek(all - length, all, true);
            }
        }
        parts
    }
}

/// A known name within a longer one.
#[derive(Debug)]
struct Part {
    id: usize,
    start: usize,
    end: usize,
    glued: bool,
}

impl Known {
    /// Whether it is a package's name, not only a word that is known.
    fn is_package(&self) -> bool {
        matches!(self.renown, Renown::Popular | Renown::Internal | Renown::Used)
    }

    /// How many edits away another name may be.
    fn most_edits(&self) -> usize {
        let two = TWO_EDITS.iter().any(|(letters, rank)| self.letters.len() >= *letters && self.rank <= *rank);
        1 + usize::from(two)
    }
}

/// What so many edits are called; none is not a slip.
fn kind_of(edits: &[edits::Edit]) -> Option<Confusion> {
    match edits {
        [] => None,
        [edits::Edit::Swapped(..)] => Some(Confusion::Transposition),
        [_] => Some(Confusion::Edit),
        _ => Some(Confusion::Edits),
    }
}

/// Where the words of a folded name are in its letters.
fn words_at(folded: &str) -> Vec<(usize, usize)> {
    let mut start = 0;
    let words = folded.split('-').take(MOST_WORDS).map(|word| {
        let end = start + word.chars().count();
        let place = (start, end);
        start = end;
        place
    });
    words.collect()
}

fn known_names<'a>(ecosystem: Ecosystem, popular: impl IntoIterator<Item = &'a str>, own: &OwnNames) -> Vec<Known> {
    let internal = own.internal.iter().map(|name| (name.as_str(), 1, Renown::Internal));
    let used = own.used.iter().map(|name| (name.as_str(), 1, Renown::Used));
    let popular = (1..).zip(popular).map(|(rank, name)| (name, rank, Renown::Popular));
    let mut ranks: HashMap<String, u32> = HashMap::new();
    let mut names: Vec<Known> = Vec::new();
    let mut add = |name: &str, rank: Option<u32>, renown: Renown| {
        let Ok(name) = ProjectName::parse(ecosystem, name.trim()) else { return };
        let folded = folded(ecosystem, name.as_str());
        if folded.is_empty() || folded.contains('*') || ranks.contains_key(&*folded) {
            return;
        }
        let rank = match (rank, &renown) {
            (Some(rank), _) => rank,
            (None, Renown::Import(package)) => ranks.get(package).copied().unwrap_or(RANK_ELSEWHERE),
            (None, Renown::Library) => RANK_OF_LIBRARY,
            (None, _) => RANK_ELSEWHERE,
        };
        ranks.insert(folded.to_string(), rank);
        names.push(Known {
            letters: letters(&folded).into(),
            spelling: (*folded != *name.as_str()).then(|| name.as_str().into()),
            name: folded.as_ref().into(),
            rank,
            renown,
            within: 0,
        });
    };
    for (name, rank, renown) in internal.chain(used).chain(popular) {
        add(name, Some(rank), renown);
    }
    for (name, renown) in lists::also_known(ecosystem) {
        add(name, None, renown);
    }
    names
}

/// The hashes of a name's forms, but for the edited ones.
fn forms(ecosystem: Ecosystem, known: &Known) -> [u32; 4] {
    [
        hash(Form::Letters, &known.letters),
        hash(Form::Looks, looks(&known.name).as_bytes()),
        hash(Form::Words, sorted_words(&known.name).as_bytes()),
        hash(Form::Stripped, stripped(ecosystem, &known.name).as_bytes()),
    ]
}

fn index_of(ecosystem: Ecosystem, names: &[Known]) -> Index {
    let mut entries = Vec::new();
    for (id, known) in (0..).zip(names) {
        entries.extend(forms(ecosystem, known).map(|form| (form, id)));
        let twice = known.most_edits() == 2 && known.letters.len() <= LONGEST_FOR_TWO;
        Pieces::of(&known.letters).each_edited(twice, |form| entries.push((form, id)));
    }
    Index::of(entries)
}

fn words_of(names: &[Known]) -> HashMap<u32, Word> {
    let mut words: HashMap<u32, Word> = HashMap::new();
    for known in names.iter().filter(|known| known.is_package()) {
        for (place, (start, end)) in words_at(&known.name).into_iter().enumerate() {
            let word = words.entry(hash(Form::Words, &known.letters[start..end])).or_default();
            word.names += 1;
            word.first += u32::from(place == 0);
        }
    }
    words.retain(|_, word| word.names > 1);
    words.shrink_to_fit();
    words
}

fn runs_of(names: &[Known]) -> Runs {
    Runs::of(names.iter().filter(|known| known.is_package()).map(|known| &*known.letters))
}

fn digest_of(names: &[Known], weights: &Weights) -> Sha256 {
    let mut hasher = sha2::Sha256::new();
    hasher.update(weights.digest().to_string());
    for known in names {
        hasher.update(known.name.as_bytes());
        hasher.update(format!(" {:?}\n", known.renown));
    }
    Sha256::from_bytes(hasher.finalize().into())
}

#[cfg(test)]
mod tests;
