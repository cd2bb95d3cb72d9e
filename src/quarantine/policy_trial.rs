//! Trying a policy: what it would have made of the facts that are stored here, without putting it into force.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::assess::{Bench, Evidence};
use super::{Quarantine, QuarantineError};
use crate::domain::{Examination, Finding, Outcome, Project, Sha256, StandingRule, State, Timestamp, Upload, Verdict};
use crate::policy::Policy;
use crate::signals::Dossier;
use crate::store::UploadQuery;

/// So many rows are judged at a time.
const AT_ONCE: usize = 500;
/// So many changes are told one by one.
const MOST_TOLD: usize = 500;

/// What a policy would change.
#[derive(Debug)]
pub struct Trial {
    /// Digest of the policy that was tried.
    pub policy: Sha256,
    /// Uploads that were judged under both policies.
    pub judged: u64,
    /// Uploads whose facts were not kept, because age alone let them in.
    pub without_facts: u64,
    /// Uploads that a person decided: no policy changes that.
    pub decided_by_people: u64,
    /// How many would go from one outcome to another.
    pub counts: BTreeMap<(Outcome, Outcome), u64>,
    /// The changes one by one, at most 500.
    pub changes: Vec<TrialChange>,
}

/// One upload that would be judged otherwise.
#[derive(Debug)]
pub struct TrialChange {
    /// Which one.
    pub upload: Upload,
    /// Under the policy in force.
    pub now: Verdict,
    /// Under the other one.
    pub then: Verdict,
}

/// One row with its facts and the rules of its project.
struct Case {
    upload: Upload,
    dossier: Dossier,
    rules: Arc<Vec<StandingRule>>,
    private_hold: Option<std::time::Duration>,
}

impl Quarantine {
    /// Judges everything that is stored under both policies. Changes nothing. `name` is what errors in the text call it.
    pub async fn try_policy(&self, text: &str, name: &str) -> Result<Trial, QuarantineError> {
        let other = Policy::parse(text, name).map_err(|error| QuarantineError::BadRequest(error.to_string()))?;
        let mut trial = Trial::of(other.digest);
        let policies = (self.policy(), Arc::new(other));
        let now = self.timekeeper.now();
        let mut rules: HashMap<Project, Arc<Vec<StandingRule>>> = HashMap::new();
        let mut query = UploadQuery { limit: AT_ONCE, ..UploadQuery::default() };
        loop {
            let uploads = self.store.list(&query).await?;
            let Some(last) = uploads.last() else { return Ok(trial) };
            query.cursor = Some(last.id.clone());
            let mut cases = Vec::new();
            for upload in uploads {
                if upload.decided_by_person() {
                    trial.decided_by_people += 1;
                } else if let Some(case) = self.case_of(upload, &mut rules).await? {
                    cases.push(case);
                } else {
                    trial.without_facts += 1;
                }
            }
            let (corpora, policies) = (self.corpus.load_full(), policies.clone());
            // Thousands of dossiers take a while: off the reactor.
            let work = move || {
                let corpora = &corpora;
                let judge = |case: &Case, policy: &Policy| {
                    judged(case, (policy, &policies.0), corpora.of(case.upload.project.ecosystem), now)
                };
                let both = |case: Case| (judge(&case, &policies.0), judge(&case, &policies.1), case.upload);
                cases.into_iter().map(both).collect::<Vec<_>>()
            };
            let judged = tokio::task::spawn_blocking(work).await;
            for (now, then, upload) in judged.map_err(|panic| QuarantineError::Fetch(panic.to_string()))? {
                trial.note(upload, now, then);
            }
        }
    }

    async fn case_of(
        &self,
        upload: Upload,
        rules: &mut HashMap<Project, Arc<Vec<StandingRule>>>,
    ) -> Result<Option<Case>, QuarantineError> {
        let Some(digest) = upload.dossier else { return Ok(None) };
        let Some(bytes) = self.store.fetch(&digest).await? else { return Ok(None) };
        let Ok(dossier) = serde_json::from_slice::<Dossier>(&bytes) else { return Ok(None) };
        if !rules.contains_key(&upload.project) {
            let of = self.store.rules_of(&upload.project).await?;
            rules.insert(upload.project.clone(), Arc::new(of));
        }
        let rules = rules.get(&upload.project).cloned().unwrap_or_default();
        let private_hold = self.index_of(&upload.project, &upload.origin).and_then(|index| index.hold);
        Ok(Some(Case { upload, dossier, rules, private_hold }))
    }
}

/// The verdict on stored facts under a policy. Which names are internal is the policy's word, not a fact; but that a package
/// inside is, whatever the name, is one.
fn judged(
    case: &Case,
    (policy, in_force): (&Policy, &Policy),
    corpus: &crate::corpus::Corpus,
    now: Timestamp,
) -> Verdict {
    let evidence = Evidence::default();
    let bench = Bench {
        policy,
        corpus,
        rules: &case.rules,
        private_hold: case.private_hold,
        namesake: None,
        evidence: &evidence,
        now,
    };
    let mut dossier = case.dossier.clone();
    let project = &dossier.project.project;
    let by_contents = dossier.project.internal && !in_force.is_internal(project);
    dossier.project.internal = policy.is_internal(project) || by_contents;
    let verdict = bench.judge(&dossier);
    match &case.upload.examination {
        // No policy lets in bytes that are not what they should be.
        Examination::Failed { why, .. } if verdict.outcome < Outcome::Review => {
            Verdict { outcome: Outcome::Review, until: None, reason: why.clone(), ..verdict }
        }
        _ => verdict,
    }
}

impl Trial {
    fn of(policy: Sha256) -> Self {
        Self { policy, judged: 0, without_facts: 0, decided_by_people: 0, counts: BTreeMap::new(), changes: Vec::new() }
    }

    fn note(&mut self, upload: Upload, now: Verdict, then: Verdict) {
        self.judged += 1;
        let ends = |verdict: &Verdict| verdict.until.filter(|_| upload.state == State::Held);
        if now.outcome == then.outcome && ends(&now) == ends(&then) {
            return;
        }
        *self.counts.entry((now.outcome, then.outcome)).or_default() += 1;
        if self.changes.len() < MOST_TOLD {
            self.changes.push(TrialChange { upload, now, then });
        }
    }
}

impl TrialChange {
    /// The findings that weigh in the other verdict.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.then.findings.iter().filter(|finding| finding.points > 0)
    }
}
