//! Whom a certificate must name. Sigstore's authority writes into it what the service's identity token said
//! ([Fulcio's extensions](https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md)).
//!
//! For a workflow neither its branch nor its commit is known before, and the certificate's *subject* may be a reusable
//! workflow of another repository. So the issuer is required of the certificate, and of its claims the source repository and
//! the build configuration, which is the workflow that was started, at the very reference or commit that the certificate
//! names itself: nothing is matched by pattern.

use sigstore_verify::VerificationPolicy;
use sigstore_verify::crypto::CertificateInfo;
use sigstore_verify::{IdentityMatcher, SubjectAltName};

use crate::attest::{Doubt, Publisher};

const GITHUB: &str = "https://token.actions.githubusercontent.com";
const GITLAB: &str = "https://gitlab.com";
const GOOGLE: &str = "https://accounts.google.com";
const CIRCLECI: &str = "https://oidc.circleci.com";

/// What the certificate of a publisher says.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::attest) struct Identity {
    /// Which service vouched for the signer.
    issuer: &'static str,
    signer: Signer,
}

#[derive(Debug, PartialEq, Eq)]
enum Signer {
    /// The address of a repository, and of a file in it without `@` and its reference.
    Workflow { repository: String, config: String },
    /// An e-mail address.
    Account(String),
    /// The address of a pipeline's definition, and where it must have its sources from.
    Pipeline { definition: String, repository: Option<String>, reference: Option<String> },
}

impl Identity {
    /// What this publisher's certificate must say.
    pub(in crate::attest) fn of(publisher: &Publisher) -> Result<Self, Doubt> {
        let (issuer, signer) = match &*publisher.kind {
            "GitHub" => {
                let repository = path(publisher.repository.as_deref(), "repository", |parts| parts == 2)?;
                let workflow = path(publisher.workflow.as_deref(), "workflow", |parts| parts == 1)?;
                let repository = format!("https://github.com/{repository}");
                (GITHUB, Signer::Workflow { config: format!("{repository}/.github/workflows/{workflow}"), repository })
            }
            "GitLab" => {
                let repository = path(publisher.repository.as_deref(), "repository", |parts| parts >= 2)?;
                let workflow = path(publisher.workflow.as_deref(), "workflow", |parts| parts >= 1)?;
                let repository = format!("https://gitlab.com/{repository}");
                (GITLAB, Signer::Workflow { config: format!("{repository}//{workflow}"), repository })
            }
            "Google" => {
                let account = publisher.account.as_deref().filter(|account| account.contains('@'));
                (GOOGLE, Signer::Account(account.ok_or_else(|| missing("account"))?.to_owned()))
            }
            "CircleCI" => {
                let project = path(publisher.project.as_deref(), "project", |parts| parts == 1)?;
                let pipeline = path(publisher.pipeline.as_deref(), "pipeline", |parts| parts == 1)?;
                let definition =
                    format!("https://circleci.com/api/v2/projects/{project}/pipeline-definitions/{pipeline}");
                let owned = |fact: &Option<Box<str>>| fact.as_deref().map(ToOwned::to_owned);
                let (repository, reference) = (owned(&publisher.repository), owned(&publisher.reference));
                (CIRCLECI, Signer::Pipeline { definition, repository, reference })
            }
            kind => return Err(Doubt::UnknownKind { kind: Doubt::short(kind) }),
        };
        Ok(Self { issuer, signer })
    }

    /// What Sigstore's verifier is to require.
    pub(super) fn policy(&self) -> VerificationPolicy {
        match &self.signer {
            Signer::Account(account) => VerificationPolicy::new(IdentityMatcher::Email(account.clone()), self.issuer),
            // `names` requires more than a subject.
            Signer::Workflow { .. } | Signer::Pipeline { .. } => {
                VerificationPolicy::any_identity().require_issuer(self.issuer)
            }
        }
    }

    /// Whether a certificate that the verifier let pass is this publisher's.
    pub(super) fn names(&self, certificate: &CertificateInfo) -> Result<(), Doubt> {
        let claims = &certificate.ci_claims;
        let same = |expected: &str, found: Option<&str>| {
            let other = || Doubt::OtherSigner {
                expected: expected.to_owned(),
                found: Doubt::short(found.unwrap_or("nothing")),
            };
            if found == Some(expected) { Ok(()) } else { Err(other()) }
        };
        same(self.issuer, certificate.issuer.as_deref())?;
        match &self.signer {
            Signer::Workflow { repository, config } => {
                same(repository, claims.source_repository_uri.as_deref())?;
                let found = claims.build_config_uri.as_deref();
                let at = found.and_then(|found| found.strip_prefix(config.as_str())?.strip_prefix('@'));
                let own = [&claims.source_repository_ref, &claims.source_repository_digest];
                if at.is_some() && own.iter().any(|own| own.as_deref() == at) { Ok(()) } else { same(config, found) }
            }
            Signer::Account(account) => match &certificate.identity {
                Some(SubjectAltName::Email(email)) => same(account, Some(email)),
                other => same(account, other.as_ref().map(SubjectAltName::as_str)),
            },
            Signer::Pipeline { definition, repository, reference } => {
                same(definition, claims.build_signer_uri.as_deref())?;
                if let Some(repository) = repository {
                    same(repository, claims.source_repository_uri.as_deref())?;
                }
                reference.as_ref().map_or(Ok(()), |own| same(own, claims.source_repository_ref.as_deref()))
            }
        }
    }
}

/// A path of so many plain parts: what would lead elsewhere in an address, or to another reference, is none.
fn path<'a>(fact: Option<&'a str>, what: &str, fits: impl Fn(usize) -> bool) -> Result<&'a str, Doubt> {
    let plain =
        |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['@', '?', '#', '%', '\\']);
    let is_path = |fact: &&str| fits(fact.split('/').count()) && fact.split('/').all(plain);
    fact.filter(is_path).ok_or_else(|| missing(what))
}

fn missing(what: &str) -> Doubt {
    Doubt::Incomplete { missing: what.to_owned() }
}
