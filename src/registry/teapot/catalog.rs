//! Everything that an upstream's index lists, checked row by row.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::{Instance, Kind, Signature, tcl_list};
use crate::domain::Sha256;

/// Longest key of metadata.
const LONGEST_KEY: usize = 200;

/// Keys that the repository itself writes, whatever the file says.
pub(super) const RESERVED: [&str; 4] = ["entity", "name", "platform", "version"];

/// One instance with what the index says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which instance.
    pub instance: Instance,
    /// Which bytes.
    pub signature: Signature,
    /// Its metadata, ordered by key; the values are Tcl lists.
    pub meta: Vec<(Arc<str>, Arc<str>)>,
}

impl Entry {
    /// The value of a key, as written.
    pub fn value(&self, key: &str) -> Option<&str> {
        let at = self.meta.binary_search_by(|(found, _)| (**found).cmp(key)).ok()?;
        Some(&*self.meta[at].1)
    }

    /// Who wrote it, by its own account; see [`super::authors`].
    pub fn authors(&self) -> Option<BTreeSet<String>> {
        super::authors(self.value("as::author"), self.value("author"))
    }
}

/// All instances of one index, in its order.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    entries: Vec<Entry>,
    by_instance: HashMap<Instance, usize>,
    skipped: usize,
}

impl Catalog {
    /// The instances, in the order of the index.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// One of them.
    pub fn get(&self, instance: &Instance) -> Option<&Entry> {
        self.by_instance.get(instance).map(|at| &self.entries[*at])
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many rows could not be used: invalid, or there twice.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// A digest of what is listed: instances and signatures, in whichever order.
    pub fn digest(&self) -> Sha256 {
        let mut lines: Vec<String> =
            self.entries.iter().map(|entry| format!("{} {}\n", entry.instance, entry.signature)).collect();
        lines.sort_unstable();
        Sha256::of(lines.concat().as_bytes())
    }
}

/// A catalog in the making. Rows are offered as they come; what is wrong with one is its own fault and is counted.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    catalog: Catalog,
    by_signature: HashMap<Signature, usize>,
    keys: HashSet<Arc<str>>,
}

impl Gathering {
    /// A row of `instances`. Columns that are not text come as `None`.
    pub(super) fn instance(&mut self, words: [Option<&str>; 4], is_profile: bool, file: Option<&str>) {
        if self.try_instance(words, is_profile, file).is_none() {
            self.catalog.skipped += 1;
        }
    }

    fn try_instance(&mut self, words: [Option<&str>; 4], is_profile: bool, file: Option<&str>) -> Option<()> {
        let [kind, name, version, platform] = words;
        let kind = match Kind::from_word(kind?)? {
            // How profiles were written once; the original server answers them as profiles too.
            Kind::Package if is_profile => Kind::Profile,
            kind => kind,
        };
        let instance = Instance::new(kind, name?, version?, platform?).ok()?;
        let signature: Signature = file?.parse().ok()?;
        if self.catalog.by_instance.contains_key(&instance) || self.by_signature.contains_key(&signature) {
            return None;
        }
        let at = self.catalog.entries.len();
        self.catalog.by_instance.insert(instance.clone(), at);
        self.by_signature.insert(signature, at);
        self.catalog.entries.push(Entry { instance, signature, meta: Vec::new() });
        Some(())
    }

    /// A row of `meta`; all instances are known by then.
    pub(super) fn meta(&mut self, file: Option<&str>, key: Option<&str>, value: Option<&str>) {
        if self.try_meta(file, key, value).is_none() {
            self.catalog.skipped += 1;
        }
    }

    fn try_meta(&mut self, file: Option<&str>, key: Option<&str>, value: Option<&str>) -> Option<()> {
        let at = *self.by_signature.get(&file?.parse().ok()?)?;
        let (key, value) = (key?, value?);
        let key_is_fine = !key.is_empty() && key.len() <= LONGEST_KEY && !key.chars().any(char::is_control);
        if !key_is_fine || value.contains('\0') {
            return None;
        }
        if RESERVED.contains(&key) {
            // Written anew from the instance.
            return Some(());
        }
        // A client would stop with an error at a value that is no list.
        if !tcl_list::is_list(value) {
            return None;
        }
        let key: Arc<str> = key.to_lowercase().into();
        if !self.keys.contains(&key) {
            self.keys.insert(key.clone());
        }
        let key = self.keys.get(&key)?.clone();
        self.catalog.entries[at].meta.push((key, value.into()));
        Some(())
    }

    /// Nothing more comes.
    pub(super) fn finish(mut self) -> Catalog {
        let [entity, name, platform, version] = RESERVED.map(Arc::<str>::from);
        for entry in &mut self.catalog.entries {
            let found = entry.meta.len();
            entry.meta.sort_by(|one, two| one.0.cmp(&two.0));
            entry.meta.dedup_by(|later, first| later.0 == first.0);
            self.catalog.skipped += found - entry.meta.len();
            let instance = &entry.instance;
            entry.meta.extend([
                (entity.clone(), instance.kind.as_str().into()),
                (name.clone(), instance.name.clone()),
                (platform.clone(), instance.platform.clone()),
                (version.clone(), instance.version.clone()),
            ]);
            entry.meta.sort_by(|one, two| one.0.cmp(&two.0));
        }
        self.catalog
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "bt0v0pkvrmi99v0h4qd25rnemk0000tv";
    const TWO: &str = "f1l13sg2udv2n8f4722g2628v40000tv";

    fn words<'a>(kind: &'a str, name: &'a str, version: &'a str, platform: &'a str) -> [Option<&'a str>; 4] {
        [kind, name, version, platform].map(Some)
    }

    #[test]
    fn reserved_keys_are_the_instances_own_and_keys_are_lower_case() {
        let mut gathering = Gathering::default();
        gathering.instance(words("package", "acme", "1.0", "tcl"), false, Some(ONE));
        gathering.meta(Some(ONE), Some("name"), Some("else"));
        gathering.meta(Some(ONE), Some("Summary"), Some("Says hello."));
        gathering.meta(Some(ONE), Some("summary"), Some("again"));
        let catalog = gathering.finish();
        let entry = &catalog.entries()[0];
        assert_eq!(entry.value("name"), Some("acme"));
        assert_eq!(entry.value("platform"), Some("tcl"));
        assert_eq!(entry.value("summary"), Some("Says hello."));
        assert_eq!(entry.value("license"), None);
        assert_eq!(catalog.skipped(), 1);
    }

    #[test]
    fn invalid_rows_are_skipped_and_counted() {
        let mut gathering = Gathering::default();
        gathering.instance(words("package", "acme", "1.0", "tcl"), false, Some(ONE));
        for row in [
            words("package", "acme", "1.0", "tcl"),
            words("package", "..", "1.0", "tcl"),
            words("package", "a\0b", "1.0", "tcl"),
            words("pirate", "acme", "1.0", "tcl"),
            words("package", "acme", "newest", "tcl"),
            [Some("package"), None, Some("1.0"), Some("tcl")],
        ] {
            gathering.instance(row, false, Some(TWO));
        }
        gathering.instance(words("package", "other", "1.0", "tcl"), false, Some(ONE));
        gathering.instance(words("package", "other", "1.0", "tcl"), false, Some("../../etc"));
        gathering.meta(Some(TWO), Some("summary"), Some("of nothing"));
        gathering.meta(Some(ONE), Some("summary"), Some("{unbalanced"));
        gathering.meta(Some(ONE), Some("summary"), Some("nul\0"));
        gathering.meta(Some(ONE), Some(""), Some("nothing"));
        gathering.meta(Some(ONE), None, Some("not text"));
        let catalog = gathering.finish();
        assert_eq!((catalog.len(), catalog.skipped()), (1, 13));
    }

    #[test]
    fn an_old_profile_is_a_profile() {
        let mut gathering = Gathering::default();
        gathering.instance(words("package", "acme-all", "1.0", "tcl"), true, Some(ONE));
        assert_eq!(gathering.finish().entries()[0].instance.extended(), "profile acme-all 1.0 tcl 1");
    }

    #[test]
    fn the_digest_knows_instances_and_signatures() {
        let of = |rows: &[(&str, &str)]| {
            let mut gathering = Gathering::default();
            for (name, file) in rows {
                gathering.instance(words("package", name, "1.0", "tcl"), false, Some(file));
            }
            gathering.finish().digest()
        };
        assert_eq!(of(&[("a", ONE), ("b", TWO)]), of(&[("b", TWO), ("a", ONE)]));
        assert_ne!(of(&[("a", ONE), ("b", TWO)]), of(&[("a", TWO), ("b", ONE)]));
    }
}
