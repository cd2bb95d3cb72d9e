//! References: what somebody looks for, or needs. `acme::util -is package -require 1.0`.

use std::cmp::Ordering;
use std::str::FromStr;

use super::version::{Requirement, TclVersion};
use super::{Instance, Kind, TeapotError, tcl_list};

/// More requirements than any reference has.
const MOST_REQUIREMENTS: usize = 100;

/// A name and the conditions on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The name.
    pub name: String,
    /// `-is`: only of this kind.
    pub kind: Option<Kind>,
    /// Which versions; any one of these will do. None: any version.
    pub requirements: Vec<Requirement>,
    /// `-platform`: a guard that clients look at.
    pub platform: Option<String>,
    /// `-archglob`: a guard that clients look at.
    pub archglob: Option<String>,
    /// The requirements as texts, for the normal form.
    written: Vec<Vec<String>>,
}

impl Reference {
    /// Whether the instance is one that is looked for. The guards are the client's to look at.
    pub fn accepts(&self, instance: &Instance, version: &TclVersion) -> bool {
        *instance.name == *self.name
            && self.kind.is_none_or(|kind| kind == instance.kind)
            && (self.requirements.is_empty()
                || self.requirements.iter().any(|requirement| requirement.accepts(version)))
    }

    /// The normal form, as indexes hold it: `acme::greet -require {1.0 2}` for `acme::greet 1.0-2`.
    pub fn normal_form(&self) -> String {
        let mut words = vec![self.name.clone()];
        let mut option = |name: &str, value: Option<&str>| {
            words.extend(value.into_iter().flat_map(|value| [name.to_owned(), value.to_owned()]));
        };
        option("-is", self.kind.map(Kind::as_str));
        option("-archglob", self.archglob.as_deref());
        option("-platform", self.platform.as_deref());
        let is_redundant = |one: &Requirement| self.requirements.iter().any(|other| one.is_part_of(other));
        let needed = self.requirements.iter().zip(&self.written).filter(|(one, _)| !is_redundant(one));
        let mut needed: Vec<String> = needed.map(|(_, written)| tcl_list::write(written)).collect();
        needed.sort_by(|one, two| dictionary_order(one, two));
        needed.dedup();
        for requirement in &needed {
            option("-require", Some(requirement));
        }
        tcl_list::write(words)
    }

    fn require(&mut self, written: Vec<String>) -> Result<(), &'static str> {
        const NO_VERSION: &str = "a requirement is not a version, A-B or A-";
        if self.requirements.len() == MOST_REQUIREMENTS {
            return Err("too many requirements");
        }
        let version = |text: &str| TclVersion::parse(text).ok_or(NO_VERSION);
        self.requirements.push(match &*written {
            [least] => Requirement::Compatible(version(least)?),
            [least, end] if end.is_empty() => Requirement::AtLeast(version(least)?),
            [least, end] => Requirement::Between(version(least)?, version(end)?),
            _ => return Err(NO_VERSION),
        });
        self.written.push(written);
        Ok(())
    }

    fn read(text: &str) -> Result<Self, &'static str> {
        let list = |text: &str| tcl_list::read(text).map_err(|_| "it is not a Tcl list");
        // `1.0-2`, `1.0-`, `1.0` and, in normal form, `1.0 2`.
        let requirement = |text: &str| match text.split_once('-') {
            Some((least, end)) => Ok(vec![least.to_owned(), end.to_owned()]),
            None => list(text),
        };
        let words = list(text)?;
        let (name, mut rest) = words.split_first().ok_or("it is empty")?;
        let mut reference = Self {
            name: name.clone(),
            kind: None,
            requirements: Vec::new(),
            platform: None,
            archglob: None,
            written: Vec::new(),
        };
        while let Some((word, after)) = rest.split_first().filter(|(word, _)| !word.starts_with('-')) {
            reference.require(requirement(word)?)?;
            rest = after;
        }
        let (mut version, mut exact) = (None, None);
        for option in rest.chunks(2) {
            let [option, value] = option else { return Err("its last option has no value") };
            match &**option {
                "-require" => reference.require(requirement(value)?)?,
                "-is" => reference.kind = Some(Kind::from_word(&value.to_lowercase()).ok_or("-is names no kind")?),
                "-platform" => reference.platform = Some(value.clone()),
                "-archglob" => reference.archglob = Some(value.clone()),
                "-version" => version = Some(value.clone()),
                "-exact" => exact = Some(boolean(value).ok_or("-exact is neither true nor false")?),
                _ => return Err("it has an unknown option"),
            }
        }
        match version {
            None if exact.is_some() => return Err("it is -exact without a -version"),
            None => {}
            Some(_) if !reference.requirements.is_empty() => return Err("it mixes old and new requirements"),
            Some(version) if exact == Some(true) => reference.require(vec![version.clone(), version])?,
            Some(version) => {
                let end = TclVersion::parse(&version).and_then(|version| version.next_major_text());
                reference.require(std::iter::once(version).chain(end).collect())?;
            }
        }
        Ok(reference)
    }
}

impl FromStr for Reference {
    type Err = TeapotError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::read(text).map_err(|why| TeapotError::Reference(text.chars().take(60).collect(), why))
    }
}

/// The order of `lsort -dictionary`: numbers as numbers.
fn dictionary_order(one: &str, two: &str) -> Ordering {
    let (mut one_rest, mut two_rest) = (one, two);
    while let (Some(a), Some(b)) = (one_rest.chars().next(), two_rest.chars().next()) {
        let ordering = if a.is_ascii_digit() && b.is_ascii_digit() {
            let [a, b] = [&mut one_rest, &mut two_rest].map(|rest| {
                let end = rest.find(|symbol: char| !symbol.is_ascii_digit()).unwrap_or(rest.len());
                let (digits, after) = rest.split_at(end);
                *rest = after;
                let digits = digits.trim_start_matches('0');
                (digits.len(), digits)
            });
            a.cmp(&b)
        } else {
            (one_rest, two_rest) = (&one_rest[a.len_utf8()..], &two_rest[b.len_utf8()..]);
            a.cmp(&b)
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
    one_rest.len().cmp(&two_rest.len()).then_with(|| one.cmp(two))
}

/// What Tcl takes for a boolean.
fn boolean(text: &str) -> Option<bool> {
    match &*text.to_ascii_lowercase() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accepts(reference: &str, name: &str, version: &str) -> bool {
        let instance = Instance::new(Kind::Package, name, version, "tcl").unwrap();
        reference.parse::<Reference>().unwrap().accepts(&instance, &instance.tcl_version().unwrap())
    }

    #[test]
    fn requirements_in_every_form() {
        for (reference, good, bad) in [
            ("acme", &["0.1", "9"][..], &[][..]),
            ("acme 1.0", &["1.0", "1.9"], &["0.9", "2.0"]),
            ("acme -require 1.0", &["1.0", "1.9"], &["0.9", "2.0"]),
            ("acme -is package -require {1.0 2}", &["1.5"], &["2.0"]),
            ("acme -require {8.5 {}}", &["8.5", "9.1"], &["8.4"]),
            ("acme 8.5-", &["8.5", "9.1"], &["8.4"]),
            ("acme 1.0-1.2", &["1.1"], &["1.2"]),
            ("acme 1.1-1.1", &["1.1"], &["1.2", "1.1.1"]),
            ("acme 1.0 -require 3.0", &["1.4", "3.4"], &["2.0"]),
            ("acme -version 1.0", &["1.0", "1.9"], &["2.0"]),
            ("acme -version 1.0 -exact 1", &["1.0", "1.00"], &["1.1"]),
            ("acme -version 1.0 -exact false", &["1.1"], &["2.0"]),
        ] {
            assert!(good.iter().all(|version| accepts(reference, "acme", version)), "{reference}");
            assert!(!bad.iter().any(|version| accepts(reference, "acme", version)), "{reference}");
        }
        assert!(!accepts("acme", "Acme", "1.0"));
        assert!(!accepts("acme -is application", "acme", "1.0"));
    }

    #[test]
    fn the_normal_form_is_that_of_the_index() {
        for (written, normal) in [
            ("Tcl 8.5", "Tcl -require 8.5"),
            ("Tcl 8.5-", "Tcl -require {8.5 {}}"),
            ("acme::greet 1.0-2", "acme::greet -require {1.0 2}"),
            ("acme::util -require 1.0 -is Package", "acme::util -is package -require 1.0"),
            ("a -platform unix -archglob linux-* 1.0", ""),
            ("a -platform unix -archglob linux-*", "a -archglob linux-* -platform unix"),
            ("a 1.0 1.0", "a -require 1.0"),
            ("a -version 8.5", "a -require {8.5 9}"),
            ("a 10.0 9.0", "a -require 9.0 -require 10.0"),
            ("a 1.2 1.0-", "a -require {1.0 {}}"),
            ("a 1.0 1.2 1.1-1.1", "a -require 1.0"),
            ("{two words}", "{two words}"),
        ] {
            match written.parse::<Reference>() {
                Ok(reference) => {
                    assert_eq!(reference.normal_form(), normal);
                    assert_eq!(reference.normal_form().parse::<Reference>().unwrap().normal_form(), normal);
                }
                Err(_) => assert_eq!(normal, "", "{written}"),
            }
        }
    }

    #[test]
    fn what_is_no_reference_is_refused_in_words() {
        for text in [
            "",
            "{a",
            "a latest",
            "a -require",
            "a -is pirate",
            "a -exact 1",
            "a -what 1",
            "a 1.0 -version 2",
            "a 1-2-3",
            "a {1 2 3}",
            "a -exact maybe -version 1",
        ] {
            let error = text.parse::<Reference>().unwrap_err().to_string();
            assert!(error.starts_with("Bad reference"), "{error}");
        }
        assert!(["a", &" 1".repeat(101)].concat().parse::<Reference>().is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_panics(text in r"[a-c]( (-require|-is|-version|-exact|[0-9.ab-]{0,5}|\{[0-9 {}]{0,5}\})){0,5}|\PC{0,20}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert!(reference.normal_form().parse::<Reference>().is_ok());
            }
        }
    }
}
