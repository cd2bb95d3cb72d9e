//! What the upstream has, found by name and by file.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::corpus::{Confusion, Corpus, Neighbour, OwnNames, Weights};
use crate::domain::{
    Digest, DigestAlgorithm, Ecosystem, FileName, ListedFile, Project, ProjectName, Sha256, Timestamp, Version,
};
use crate::registry::teapot::{Catalog, Entry, IndexStatus, Instance, Kind, Signature};

/// An upstream's index as it was read last.
#[derive(Debug)]
pub struct Stock {
    /// Its instances.
    pub catalog: Catalog,
    /// What its status said.
    pub status: IndexStatus,
    read_at: AtomicI64,
    by_name: HashMap<ProjectName, Vec<usize>>,
    /// By place in the catalog: whose it is, and its file. `None` for what is left out.
    labels: Vec<Option<(Project, FileName)>>,
    by_file: HashMap<FileName, usize>,
    /// Its own names, to find those that look alike.
    names: OnceLock<Corpus>,
}

/// Names of one family often differ in a letter: that alone sends nobody to a person.
const MOST_FOR_A_LETTER: f64 = 0.6;

impl Stock {
    /// Sorts an index by names. What has no name that we could keep is left out, and so never shown.
    pub fn of(catalog: Catalog, status: IndexStatus, read_at: Timestamp) -> Self {
        let mut by_name: HashMap<ProjectName, Vec<usize>> = HashMap::new();
        let mut by_file = HashMap::with_capacity(catalog.len());
        let label = |entry: &Entry| {
            // A redirect leads clients around us, whatever the quarantine would say of it.
            let wanted = entry.instance.kind != Kind::Redirect;
            project_of(&entry.instance).zip(file_of(entry)).filter(|_| wanted)
        };
        let labels: Vec<Option<(Project, FileName)>> = catalog.entries().iter().map(label).collect();
        for (place, (project, file)) in
            labels.iter().enumerate().filter_map(|(place, label)| Some((place, label.as_ref()?)))
        {
            by_name.entry(project.name.clone()).or_default().push(place);
            by_file.insert(file.clone(), place);
        }
        let read_at = AtomicI64::new(read_at.unix_timestamp());
        Self { catalog, status, read_at, by_name, labels, by_file, names: OnceLock::new() }
    }

    /// When it was read, or confirmed to be the present one; whole seconds.
    pub fn read_at(&self) -> Timestamp {
        Timestamp::from_unix_timestamp(self.read_at.load(Ordering::Relaxed)).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The upstream said that this is still its index.
    pub fn confirm(&self, at: Timestamp) {
        self.read_at.fetch_max(at.unix_timestamp(), Ordering::Relaxed);
    }

    /// The instances of a name.
    pub fn of_name(&self, project: &Project) -> impl Iterator<Item = &Entry> {
        let places = self.by_name.get(&project.name);
        places.into_iter().flatten().filter_map(|place| self.catalog.entries().get(*place))
    }

    /// Whose the instance at this place of the catalog is, and its file; `None` for what is left out.
    pub fn label(&self, place: usize) -> Option<&(Project, FileName)> {
        self.labels.get(place)?.as_ref()
    }

    /// Whether the upstream has this name.
    pub fn has(&self, project: &Project) -> bool {
        self.by_name.contains_key(&project.name)
    }

    /// The names of all there is.
    pub fn projects(&self) -> impl Iterator<Item = Project> + '_ {
        self.by_name.keys().map(|name| Project { ecosystem: Ecosystem::Teapot, name: name.clone() })
    }

    /// Names of the repository that this one could be mistaken for. The first time it takes a while.
    pub fn look_alikes(&self, project: &Project) -> Vec<Neighbour> {
        let names = self.names.get_or_init(|| {
            let mut names: Vec<String> = self.by_name.keys().map(ToString::to_string).collect();
            names.sort_unstable();
            own_corpus(names)
        });
        looking_like(names, &project.name)
    }

    /// The instance that a file is of.
    pub fn entry(&self, file: &FileName) -> Option<&Entry> {
        self.catalog.entries().get(*self.by_file.get(file)?)
    }

    /// Names of which the two differ in an instance or its bytes.
    pub fn changed_since<'a>(&'a self, before: &'a Self) -> HashSet<Project> {
        let appeared = self.by_file.iter().filter(|(file, _)| !before.by_file.contains_key(*file));
        let gone = before.by_file.iter().filter(|(file, _)| !self.by_file.contains_key(*file));
        let appeared = appeared.filter_map(|(_, place)| self.catalog.entries().get(*place));
        let gone = gone.filter_map(|(_, place)| before.catalog.entries().get(*place));
        appeared.chain(gone).filter_map(|entry| project_of(&entry.instance)).collect()
    }

    /// Instances whose bytes the upstream has replaced.
    pub fn replaced_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = (&'a Entry, Signature)> {
        self.catalog.entries().iter().filter_map(|entry| {
            let old = before.catalog.get(&entry.instance)?;
            (old.signature != entry.signature).then_some((entry, old.signature))
        })
    }
}

fn own_corpus(names: Vec<String>) -> Corpus {
    let own = OwnNames { internal: Vec::new(), used: names };
    Corpus::with_own(Ecosystem::Teapot, [], &own, Weights::default())
}

fn looking_like(names: &Corpus, name: &ProjectName) -> Vec<Neighbour> {
    let mut neighbours = names.neighbours(name);
    for neighbour in &mut neighbours {
        let deliberate =
            matches!(neighbour.kind, Confusion::Transposition | Confusion::Separator | Confusion::Homoglyph);
        if !deliberate {
            neighbour.score = neighbour.score.min(MOST_FOR_A_LETTER);
        }
    }
    neighbours
}

/// The project that an instance belongs to.
pub fn project_of(instance: &Instance) -> Option<Project> {
    let name = ProjectName::parse(Ecosystem::Teapot, &instance.name).ok()?;
    Some(Project { ecosystem: Ecosystem::Teapot, name })
}

/// Under which name an instance with its signature is known here: `package/acme_3a_3agreet/1.0/tcl/<signature>`.
pub fn file_of(entry: &Entry) -> Option<FileName> {
    let Instance { kind, name, version, platform } = &entry.instance;
    let whole =
        [kind.as_str(), &plain(name), &plain(version), &plain(platform), &entry.signature.to_string()].join("/");
    FileName::in_folders(&whole).ok().or_else(|| {
        // Too long: its digest is as good a name, if not as readable.
        let digest = Sha256::of(whole.as_bytes()).to_string();
        FileName::in_folders(&format!("{kind}/{digest}/{}", entry.signature)).ok()
    })
}

/// The instance in words, `package acme::greet 1.0 tcl`, from the name that [`file_of`] gave its file. `None` for one that was
/// too long, and for names of other ecosystems.
pub fn instance_named(file: &FileName) -> Option<String> {
    let [kind, words @ .., _signature] = &*file.as_str().split('/').collect::<Vec<_>>() else { return None };
    let [name, version, platform] = words else { return None };
    let kind = Kind::from_word(kind)?;
    Instance::new(kind, &read_plain(name)?, &read_plain(version)?, &read_plain(platform)?)
        .ok()
        .map(|instance| instance.to_string())
}

fn read_plain(word: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let [first, after @ ..] = rest {
        let code = match (first, after) {
            (b'_', [high, low, ..]) => data_encoding::HEXLOWER.decode(&[*high, *low]).ok()?.first().copied()?,
            (b'_', _) => return None,
            (plain, _) => *plain,
        };
        bytes.push(code);
        rest = if *first == b'_' { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok()
}

/// Letters, digits, `-` and inner dots stay; every other byte becomes `_` and two digits.
fn plain(word: &str) -> String {
    let mut text = String::with_capacity(word.len());
    for (place, byte) in word.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || (byte == b'.' && place > 0) {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "_{byte:02x}");
        }
    }
    text
}

/// An instance as a page lists a file.
pub(super) fn listed(entry: &Entry, base: &url::Url) -> Option<ListedFile> {
    let url = base.join(&format!("{}/file", entry.instance.address())).ok()?;
    let version = Version::parse(Ecosystem::Teapot, &entry.instance.version).ok()?;
    Some(ListedFile {
        promise: Digest::new(DigestAlgorithm::Md5, &entry.signature.md5_hex()),
        size: Some(u64::from(entry.signature.size())),
        ..ListedFile::at(file_of(entry)?, version, url.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_plain_and_tell_everything_apart() {
        assert_eq!(plain("acme::greet"), "acme_3a_3agreet");
        assert_eq!(plain(".hidden"), "_2ehidden");
        assert_eq!(plain("a_b"), "a_5fb");
        assert_eq!(plain("Zoë/x y"), "Zo_c3_ab_2fx_20y");
    }

    #[test]
    fn an_instance_is_read_back_from_the_name_of_its_file() {
        let named = |name: &str| instance_named(&FileName::in_folders(name).unwrap());
        let signature = "bt0v0pkvrmi99v0h4qd25rnemk0000tv";
        for name in ["acme::greet", "Zoë/x y", "a_b", ".hidden"] {
            let file = format!("package/{}/1.0/tcl/{signature}", plain(name));
            let instance = Instance::new(Kind::Package, name, "1.0", "tcl").unwrap();
            assert_eq!(named(&file), Some(instance.to_string()));
        }
        for other in [
            "WORDSMITH/Acme-Words-0.6.tar.gz",
            &format!("package/a_/1.0/tcl/{signature}"),
            &format!("pirate/a/1.0/tcl/{signature}"),
            &format!("package/{}/{signature}", "0".repeat(64)),
        ] {
            assert_eq!(named(other), None, "{other}");
        }
    }

    #[test]
    fn a_letter_more_or_less_is_no_proof_within_one_repository() {
        let names = ["quartermaster", "acme::package12"].map(str::to_owned).to_vec();
        let names = own_corpus(names);
        let heaviest = |name: &str| {
            let name = ProjectName::parse(Ecosystem::Teapot, name).unwrap();
            looking_like(&names, &name).into_iter().map(|neighbour| neighbour.score).fold(0.0, f64::max)
        };
        assert!(heaviest("acme::package13") <= MOST_FOR_A_LETTER);
        assert!(heaviest("quartermasters") <= MOST_FOR_A_LETTER);
        assert!(heaviest("quartermatser") > 0.9);
        assert!(heaviest("quartermaster") < 0.1);
    }
}
