//! What was signed: an [in-toto statement](https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md) about one
//! file.

use serde::{Deserialize, Serialize};

use super::Doubt;
use super::bounded::Bounded;
use super::distribution::Distribution;
use crate::domain::{FileName, Sha256};

const STATEMENT: &str = "https://in-toto.io/Statement/v1";

/// Most subjects that are read to say that there are too many.
const MOST_SUBJECTS: usize = 100;

/// What an attestation says about its file. The two that PEP 740 indexes take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Predicate {
    /// It was published by this publisher.
    Publish,
    /// It was built like this: [SLSA provenance](https://slsa.dev/spec/v1.0/provenance). What it says in detail is not read.
    SlsaProvenance,
}

impl Predicate {
    /// By its type, which is a name and no address to ask.
    fn of(predicate_type: &str) -> Option<Self> {
        match predicate_type {
            "https://docs.pypi.org/attestations/publish/v1" => Some(Self::Publish),
            "https://slsa.dev/provenance/v1" => Some(Self::SlsaProvenance),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Bounded<Subject, MOST_SUBJECTS>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    name: String,
    digest: Digests,
}

#[derive(Deserialize)]
struct Digests {
    #[serde(default)]
    sha256: String,
}

/// What the statement says of this file. It must be about this file and no other.
pub(super) fn predicate(statement: &[u8], filename: &FileName, sha256: Sha256) -> Result<Predicate, Doubt> {
    let malformed = |why: String| Doubt::Malformed { why };
    let statement: Statement =
        serde_json::from_slice(statement).map_err(|error| malformed(format!("the statement: {error}")))?;
    if statement.kind != STATEMENT {
        return Err(malformed(format!("the statement is of type {:?}", Doubt::short(&statement.kind))));
    }
    let [subject] = statement.subject.0.as_slice() else {
        return Err(Doubt::Subjects { number: statement.subject.0.len() });
    };
    if subject.digest.sha256.parse() != Ok(sha256) {
        return Err(Doubt::OtherDigest { named: Doubt::short(&subject.digest.sha256) });
    }
    let named = Distribution::parse(&subject.name);
    if named.is_none() || named != Distribution::parse(filename.base()) {
        return Err(Doubt::OtherFile { named: Doubt::short(&subject.name) });
    }
    Predicate::of(&statement.predicate_type)
        .ok_or_else(|| Doubt::UnknownPredicate { predicate: Doubt::short(&statement.predicate_type) })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn about(change: impl FnOnce(&mut Value)) -> Result<Predicate, Doubt> {
        let mut statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "name": "A.B-1.0.tar.gz", "digest": { "sha256": Sha256::of(b"a") } }],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": { "anything": [1, 2] },
        });
        change(&mut statement);
        predicate(statement.to_string().as_bytes(), &FileName::parse("a_b-1.0.tar.gz").unwrap(), Sha256::of(b"a"))
    }

    #[test]
    fn a_statement_is_about_one_file() {
        assert_eq!(about(|_| {}), Ok(Predicate::SlsaProvenance));
        let second = |statement: &mut Value| {
            let subject = statement["subject"][0].clone();
            statement["subject"].as_array_mut().unwrap().push(subject);
        };
        assert_eq!(about(second), Err(Doubt::Subjects { number: 2 }));
        assert_eq!(about(|it| it["subject"] = json!([])), Err(Doubt::Subjects { number: 0 }));
        let many = |it: &mut Value| it["subject"] = vec![it["subject"][0].clone(); MOST_SUBJECTS + 1].into();
        assert!(matches!(about(many), Err(Doubt::Malformed { why }) if why.contains("more than 100 items")));
    }

    #[test]
    fn a_statement_about_something_else_is_told_apart() {
        let digest = |it: &mut Value| it["subject"][0]["digest"] = json!({ "sha256": Sha256::of(b"b") });
        assert_eq!(about(digest), Err(Doubt::OtherDigest { named: Sha256::of(b"b").to_string() }));
        let digest = |it: &mut Value| it["subject"][0]["digest"] = json!({ "sha512": "00" });
        assert_eq!(about(digest), Err(Doubt::OtherDigest { named: String::new() }));
        let name = |it: &mut Value| it["subject"][0]["name"] = json!("b-1.0.tar.gz");
        assert_eq!(about(name), Err(Doubt::OtherFile { named: "b-1.0.tar.gz".into() }));
        let nameless = |it: &mut Value| {
            it["subject"][0].as_object_mut().unwrap().remove("name");
        };
        assert_eq!(about(nameless), Err(Doubt::OtherFile { named: String::new() }));
        let predicate = |it: &mut Value| it["predicateType"] = json!("https://example.test/v1");
        assert_eq!(about(predicate), Err(Doubt::UnknownPredicate { predicate: "https://example.test/v1".into() }));
        let kind = |it: &mut Value| it["_type"] = json!("https://in-toto.io/Statement/v0.1");
        assert!(matches!(about(kind), Err(Doubt::Malformed { why }) if why.contains("Statement/v0.1")));
    }

    #[test]
    fn a_file_that_is_no_distribution_is_never_vouched_for() {
        let statement = json!({
            "_type": STATEMENT,
            "subject": [{ "name": "a.txt", "digest": { "sha256": Sha256::of(b"a") } }],
            "predicateType": "https://slsa.dev/provenance/v1",
        });
        let told = predicate(statement.to_string().as_bytes(), &FileName::parse("a.txt").unwrap(), Sha256::of(b"a"));
        assert_eq!(told, Err(Doubt::OtherFile { named: "a.txt".into() }));
    }

    #[test]
    fn a_name_given_twice_is_refused() {
        let twice = r#"{"_type":"https://in-toto.io/Statement/v1","subject":[],"subject":[],"predicateType":"x"}"#;
        let told = predicate(twice.as_bytes(), &FileName::parse("a-1.zip").unwrap(), Sha256::of(b"a"));
        assert!(matches!(told, Err(Doubt::Malformed { why }) if why.contains("duplicate field")));
    }
}
