//! What is published, ordered for every way of asking.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::reference::Reference;
use super::search::Query;
use super::version::TclVersion;
use super::{Entry, Instance, Scope, Within, pages, tcl_list};

/// One published instance, with what is said of it again and again.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) entry: Entry,
    pub(super) version: TclVersion,
    /// `{package acme::greet 1.0 tcl 0}`, ready to stand in a list.
    pub(super) element: Box<str>,
    /// Its row in tables for people.
    pub(super) row: Box<str>,
    /// Its place among all where people read them.
    pub(super) rank: usize,
}

/// All of them. Where nothing else is said they come in the order of the upstream's index.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    items: Vec<Item>,
    by_name: HashMap<Arc<str>, Vec<usize>>,
    by_instance: HashMap<Instance, usize>,
    /// By kind, name, version and platform as texts, the order of the original's primary key.
    by_key: Vec<usize>,
}

impl Shelf {
    pub(super) fn new(entries: Vec<Entry>) -> Self {
        let mut shelf = Self::default();
        for entry in entries {
            // A catalog holds only versions that can be read.
            let Some(version) = entry.instance.tcl_version() else { continue };
            let mut element = String::new();
            tcl_list::push(&mut element, &entry.instance.extended());
            let at = shelf.items.len();
            shelf.by_name.entry(entry.instance.name.clone()).or_default().push(at);
            shelf.by_instance.insert(entry.instance.clone(), at);
            let row = pages::row(&entry.instance).into();
            shelf.items.push(Item { entry, version, element: element.into(), row, rank: 0 });
        }
        let items = &mut shelf.items;
        let mut order: Vec<usize> = (0..items.len()).collect();
        let names: Vec<String> = items.iter().map(|item| item.entry.instance.name.to_lowercase()).collect();
        let key = |at: &usize| (&names[*at], &items[*at].version, &items[*at].entry.instance.platform);
        order.sort_by(|one, two| key(one).cmp(&key(two)));
        for (rank, at) in order.into_iter().enumerate() {
            items[at].rank = rank;
        }
        shelf.by_key = (0..items.len()).collect();
        shelf.by_key.sort_unstable_by(|one, two| items[*one].entry.instance.cmp(&items[*two].entry.instance));
        shelf
    }

    pub(super) fn get(&self, instance: &Instance) -> Option<&Item> {
        self.by_instance.get(instance).map(|at| &self.items[*at])
    }

    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    /// What a scope takes in: by its key where a kind is asked for, as the original answers.
    pub(super) fn select(&self, scope: &Scope) -> Vec<&Item> {
        let fits = |item: &&Item| {
            let instance = &item.entry.instance;
            scope.kind.is_none_or(|kind| kind == instance.kind)
                && match &scope.within {
                    Within::Everything | Within::Name(_) => true,
                    Within::Version(_, version) => is_version(item, version, TclVersion::parse(version).as_ref()),
                    Within::Platform(_, version, platform) => {
                        *instance.version == **version && *instance.platform == **platform
                    }
                }
        };
        let name = scope.words().first().copied();
        match (name, scope.kind) {
            (None, None) => self.items.iter().collect(),
            (None, Some(_)) => self.by_key.iter().map(|at| &self.items[*at]).filter(fits).collect(),
            (Some(name), kind) => {
                let mut found: Vec<&Item> = self.named(name).filter(fits).collect();
                if kind.is_some() {
                    found.sort_unstable_by(|one, two| one.entry.instance.cmp(&two.entry.instance));
                }
                found
            }
        }
    }

    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &Item> {
        self.by_name.get(name).into_iter().flatten().map(|at| &self.items[*at])
    }

    /// The names, by kind.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        let names = self.by_key.iter().map(|at| &*self.items[*at].entry.instance.name);
        names.filter(|name| seen.insert(*name)).collect()
    }

    /// What a reference accepts on these platforms (best first), ascending: the last is the best.
    pub(super) fn find(&self, reference: &Reference, platforms: &[String]) -> Vec<&Item> {
        let preference: HashMap<&str, usize> =
            platforms.iter().enumerate().rev().map(|(place, platform)| (platform.as_str(), place)).collect();
        let place = |item: &Item| preference.get(&*item.entry.instance.platform).copied();
        let mut found: Vec<&Item> = self
            .named(&reference.name)
            .filter(|item| place(item).is_some() && reference.accepts(&item.entry.instance, &item.version))
            .collect();
        found.sort_by(|one, two| {
            let worse_platform_first = || place(two).cmp(&place(one));
            one.version.cmp(&two.version).then_with(worse_platform_first).then_with(|| one.rank.cmp(&two.rank))
        });
        found
    }

    pub(super) fn search(&self, query: &Query) -> Vec<&Item> {
        self.items.iter().filter(|item| query.accepts(&item.entry)).collect()
    }

    /// All platforms, ordered; a hundred of them at most.
    pub(super) fn platforms(&self) -> Vec<&str> {
        let platforms: BTreeSet<&str> = self.items.iter().map(|item| &*item.entry.instance.platform).collect();
        platforms.into_iter().take(100).collect()
    }
}

/// Whether the item is of this version, in any spelling.
pub(super) fn is_version(item: &Item, written: &str, version: Option<&TclVersion>) -> bool {
    version.map_or(*item.entry.instance.version == *written, |version| item.version == *version)
}

/// The keys of some items, ordered.
pub(super) fn keys<'a>(items: &[&'a Item]) -> BTreeSet<&'a str> {
    let mut last: Option<&[(Arc<str>, Arc<str>)]> = None;
    let mut found = BTreeSet::new();
    for item in items {
        let meta = &*item.entry.meta;
        // Neighbours mostly have the same keys; those are told apart by their pointers alone.
        let same = last.is_some_and(|last| {
            last.len() == meta.len() && last.iter().zip(meta).all(|(one, two)| Arc::ptr_eq(&one.0, &two.0))
        });
        if !same {
            found.extend(meta.iter().map(|(key, _)| &**key));
            last = Some(meta);
        }
    }
    found
}

/// Every key over some items: one value as it is, different ones as one list of all their elements.
pub(super) fn merged<'a>(items: &[&'a Item]) -> BTreeMap<&'a str, Vec<String>> {
    let mut values: BTreeMap<&str, Merging<'_>> = BTreeMap::new();
    for (key, value) in items.iter().flat_map(|item| &item.entry.meta) {
        values.entry(key).or_default().add(value);
    }
    values.into_iter().map(|(key, merging)| (key, merging.elements)).collect()
}

/// One key over some items.
pub(super) fn merged_value(items: &[&Item], key: &str) -> Vec<String> {
    let mut merging = Merging::default();
    for value in items.iter().filter_map(|item| item.entry.value(key)) {
        merging.add(value);
    }
    merging.elements
}

#[derive(Default)]
struct Merging<'a> {
    seen: HashSet<&'a str>,
    elements: Vec<String>,
}

impl<'a> Merging<'a> {
    fn add(&mut self, value: &'a str) {
        if self.seen.insert(value) {
            // Reserved values are plain words, and need not be lists.
            self.elements.extend(tcl_list::read(value).unwrap_or_else(|_| vec![value.to_owned()]));
        }
    }
}
