//! An upload as the API describes it, read leniently: an older command line may ask a newer proxy.

use bytesize::ByteSize;
use serde::Deserialize;
use serde_json::Value as Json;

use super::text;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Upload {
    pub(super) id: String,
    pub(super) ecosystem: String,
    pub(super) project: String,
    pub(super) version: String,
    pub(super) filename: String,
    /// What Tcl's users call a file.
    pub(super) instance: Option<String>,
    pub(super) path: Option<String>,
    pub(super) sha256: Option<String>,
    pub(super) size: Option<u64>,
    pub(super) state: String,
    pub(super) examination: Json,
    pub(super) published: Option<String>,
    pub(super) first_seen: Option<String>,
    pub(super) hold_until: Option<String>,
    pub(super) score: Option<f64>,
    pub(super) verdict: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) findings: Vec<Finding>,
    pub(super) decision: Option<Decision>,
    /// Who fetched it, the latest first.
    pub(super) downloads: Vec<Download>,
    /// The other files of its version.
    pub(super) siblings: Vec<Sibling>,
    /// When it left through the broken glass.
    pub(super) to_review: Option<String>,
}

/// Another file of its version.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sibling {
    pub(super) id: String,
    pub(super) filename: String,
    pub(super) state: String,
}

/// Who fetched it on one day.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Download {
    pub(super) actor: String,
    pub(super) day: String,
    pub(super) count: u64,
}

/// What brought it to its state.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Decision {
    pub(super) by: String,
    pub(super) reason: String,
    pub(super) at: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Finding {
    pub(super) signal: String,
    pub(super) family: String,
    pub(super) severity: String,
    pub(super) confidence: String,
    pub(super) points: u8,
    pub(super) summary: String,
    pub(super) evidence: Json,
}

impl Upload {
    /// Reads one; what is not an upload gives an empty one, which is still shown.
    pub(super) fn read(json: &Json) -> Self {
        Self::deserialize(json).unwrap_or_default()
    }

    /// Those in a list of the answer.
    pub(super) fn list(json: &Json, key: &str) -> Vec<Self> {
        json.get(key).and_then(Json::as_array).into_iter().flatten().map(Self::read).collect()
    }

    /// `pypi:boto3==1.44.5`, `teapot:acme::greet==1.0`.
    pub(super) fn title(&self) -> String {
        let separator = match self.ecosystem.as_str() {
            "cpan" => "@",
            _ => "==",
        };
        text::line(&format!("{}:{}{separator}{}", self.ecosystem, self.project, self.version))
    }

    /// The file as people know it: on teapot the instance, on CPAN with whose it is.
    pub(super) fn file(&self) -> String {
        self.instance.clone().unwrap_or_else(|| self.file_name())
    }

    /// Its name; on CPAN with whose it is, because two people may upload one file name.
    pub(super) fn file_name(&self) -> String {
        let short = self.path.as_deref().and_then(|path| path.splitn(3, '/').nth(2));
        short.unwrap_or(&self.filename).to_owned()
    }

    /// `held until 2026-11-28 14:00 UTC`, `held, waits for a reviewer`, `released`.
    pub(super) fn standing(&self) -> String {
        let standing = match (self.state.as_str(), &self.hold_until, self.verdict.as_deref()) {
            ("held", _, Some("review" | "reject")) => "held, waits for a reviewer".to_owned(),
            ("held", Some(until), _) => format!("held until {}", text::end(until)),
            (state, ..) => text::line(state),
        };
        if self.to_review.is_some() {
            format!("{standing}; went through the broken glass, review it")
        } else {
            standing
        }
    }

    /// Why it is in this state: what was decided, else what the policy said.
    pub(super) fn why(&self) -> String {
        match &self.decision {
            Some(decision) if self.state != "held" => format!("{}, by {}", decision.reason, decision.by),
            _ => self.reason.clone().unwrap_or_default(),
        }
    }

    pub(super) fn score(&self) -> String {
        self.score.map_or_else(|| "-".to_owned(), |score| format!("{score:.2}"))
    }

    pub(super) fn size(&self) -> String {
        self.size.map_or_else(|| "size unknown".to_owned(), |size| ByteSize::b(size).to_string())
    }

    /// The examination in a word, whether the API says it in one or with its facts.
    pub(super) fn examination(&self) -> String {
        match &self.examination {
            Json::String(word) => text::line(word),
            Json::Object(facts) => {
                let named = ["result", "status", "state", "outcome"].iter().find_map(|key| facts.get(*key)?.as_str());
                text::line(named.or_else(|| facts.keys().next().map(String::as_str)).unwrap_or("unknown"))
            }
            _ => "none".to_owned(),
        }
    }
}
