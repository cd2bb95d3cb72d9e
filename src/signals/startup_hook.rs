//! `startup-hook`: the wheel puts a file where Python runs it at every start, without anybody importing anything: a `.pth`, a
//! `sitecustomize`. The way of litellm, elementary-data and Hades.

use serde_json::json;

use super::{About, Dossier, Signal, SignalMeta, finding};
use crate::archive::{Entry, EntryKind};
use crate::domain::{Confidence, Ecosystem, Family, FileKind, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct StartupHook;

static META: SignalMeta = SignalMeta {
    id: "startup-hook",
    question: "Does the wheel run code at every start of Python, which the release before did not?",
    family: Family::Content,
    about: About::File,
};

/// Whether installing this entry makes Python run it at every start.
pub fn is_hook(entry: &Entry) -> bool {
    let path = entry.path.to_ascii_lowercase();
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
    // Only what lands in site-packages itself is read at a start.
    let at_the_top = folder.is_empty() || folder.ends_with(".data/purelib") || folder.ends_with(".data/platlib");
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    let is_hook = ending == Some("pth") || matches!(name, "sitecustomize.py" | "usercustomize.py");
    entry.kind == EntryKind::File && at_the_top && is_hook
}

impl Signal for StartupHook {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        if dossier.kind != FileKind::Wheel || dossier.project.project.ecosystem != Ecosystem::Pypi {
            return Vec::new();
        }
        let Some(walk) = &dossier.archive else { return Vec::new() };
        let hooks: Vec<&Entry> = walk.noted.iter().filter(|entry| is_hook(entry)).collect();
        let before = dossier.pypi.as_ref().and_then(|pypi| pypi.hooks_before.as_ref());
        let is_new = |hook: &&&Entry| before.is_some_and(|before| !before.contains(&hook.path));
        let evidence = json!({ "hooks": hooks, "before": before });
        if let Some(new) = hooks.iter().find(is_new) {
            let weight = (Severity::High, Confidence::High, 80);
            let summary = format!("{} runs at every start of Python; the release before had no such file.", new.path);
            return vec![finding(&META, weight, summary, evidence)];
        }
        let Some(first) = hooks.first() else { return Vec::new() };
        let (weight, end) = match before {
            Some(_) => ((Severity::Info, Confidence::High, 2), ", as in the release before"),
            // A few tools live of it. Of a release that nobody looked into before this is all that is known.
            None => ((Severity::Medium, Confidence::Medium, 36), ""),
        };
        vec![finding(&META, weight, format!("{} runs at every start of Python{end}.", first.path), evidence)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::pypi;
    use super::*;
    use crate::archive::Walk;

    #[test]
    fn a_new_hook_needs_a_person() {
        let points = |path: &str, before: Option<&[&str]>| {
            let mut dossier = pypi();
            dossier.kind = FileKind::Wheel;
            let entry = Entry { path: path.into(), size: 9, kind: EntryKind::File };
            dossier.archive = Some(Walk { noted: vec![entry], ..Walk::default() });
            dossier.pypi.as_mut().unwrap().hooks_before =
                before.map(|paths| paths.iter().map(ToString::to_string).collect());
            StartupHook.examine(&dossier).first().map(|finding| (finding.severity, finding.points))
        };
        assert_eq!(points("litellm_init.pth", Some(&[])), Some((Severity::High, 80)));
        assert_eq!(points("acme-1.0.data/purelib/a.pth", Some(&["b.pth"])), Some((Severity::High, 80)));
        assert_eq!(points("a.pth", Some(&["a.pth"])), Some((Severity::Info, 2)));
        assert_eq!(points("a.pth", None), Some((Severity::Medium, 36)));
        assert_eq!(points("model/weights.pth", Some(&[])), None, "a model, not a hook");
        assert_eq!(points("acme/__init__.py", Some(&[])), None);
    }
}
