//! What was learned of a project from PyPI's records over time, kept because it cannot be asked again: who owned it last
//! month, what its releases said of themselves, how they were proved. Pure: what is read goes in, facts about a release come out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::Duration;

use super::proofs::ProvedFile;
use crate::domain::{FileName, ProjectName, Sha256, Timestamp, Version};
use crate::registry::pypi::json_api::Vulnerability;
use crate::signals::pypi_facts::Source;
use crate::signals::{
    Account, Attestation, Companion, FailedReading, History, NewRequirement, OwnerChange, PypiFacts, ReleaseSays,
    Resembled,
};

/// So many different sets of accounts are remembered.
const MOST_SNAPSHOTS: usize = 20;
/// So many releases are remembered; the newest ones by their reading.
const MOST_RELEASES: usize = 60;

/// Changes of accounts within this time are looked at as one.
const CHANGES_TOGETHER: Duration = Duration::days(30);

/// What could not be read is tried again after this.
const TRY_AGAIN: Duration = Duration::minutes(10);

/// The accounts of a project as they were seen for some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSnapshot {
    /// Sorted.
    pub accounts: Vec<Account>,
    /// When they were seen first.
    #[serde(with = "time::serde::rfc3339")]
    pub since: Timestamp,
    /// When they were seen last.
    #[serde(with = "time::serde::rfc3339")]
    pub until: Timestamp,
}

/// What was learned of one release.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReleaseRecord {
    /// What it says of itself.
    pub says: Option<ReleaseSays>,
    /// How it is proved who built it.
    pub attestation: Option<Attestation>,
    /// Of our own packages: how it is proved who built each file.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub proofs: BTreeMap<FileName, ProvedFile>,
    /// Hooks that its examined wheel installs.
    pub hooks: Option<Vec<String>>,
    /// What it requires and the release before did not.
    pub new_requirements: Vec<NewRequirement>,
    /// Other projects of its owners on the same day.
    pub together: Vec<Companion>,
    /// Whether they came on one day before.
    pub usually_together: bool,
    /// What is known to be wrong with it.
    pub vulnerabilities: Vec<Vulnerability>,
    /// What could not be read.
    pub failed: Vec<FailedReading>,
    /// When all that there is was looked for.
    #[serde(with = "time::serde::rfc3339::option")]
    pub collected: Option<Timestamp>,
    /// Rises with each release that is remembered.
    pub order: u64,
}

/// What was learned of one project.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectRecords {
    /// Oldest first; each differs from the one before.
    pub accounts: Vec<AccountSnapshot>,
    /// When the JSON document was last read.
    #[serde(with = "time::serde::rfc3339::option")]
    pub document_read: Option<Timestamp>,
    /// By version.
    pub releases: BTreeMap<Version, ReleaseRecord>,
    /// What the project says of itself whose name this one's resembles.
    pub resembled: Option<Resembled>,
}

impl ProjectRecords {
    /// Out of a stored row; one that cannot be read is as good as none: what is in it is learned again.
    pub fn read(bytes: Option<Vec<u8>>) -> Self {
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Identifies everything that facts are made of, so that a change judges again; when it was read is not part of it.
    pub fn digest(&self) -> Sha256 {
        let mut told = self.clone();
        told.document_read = None;
        for record in told.releases.values_mut() {
            record.collected = None;
        }
        for snapshot in &mut told.accounts {
            // Only how long the ones before the last were seen decides anything.
            snapshot.until = snapshot.since;
        }
        let ends: Vec<Timestamp> = self.accounts.iter().rev().skip(1).map(|snapshot| snapshot.until).collect();
        Sha256::of(
            &serde_json::to_vec(&(told, ends.iter().map(|end| end.unix_timestamp()).collect::<Vec<_>>()))
                .unwrap_or_default(),
        )
    }

    /// Notes the accounts that the index shows now. An empty list is unknown and changes nothing.
    pub fn note_accounts(&mut self, mut accounts: Vec<Account>, now: Timestamp) {
        if accounts.is_empty() {
            return;
        }
        accounts.sort();
        accounts.dedup();
        match self.accounts.last_mut() {
            Some(last) if last.accounts == accounts => last.until = last.until.max(now),
            _ => self.accounts.push(AccountSnapshot { accounts, since: now, until: now }),
        }
        while self.accounts.len() > MOST_SNAPSHOTS {
            // The briefest goes: who changes the accounts back and forth does not push out whose the project was for years.
            let settled = self.accounts.len() - 1;
            let lengths = self.accounts.iter().take(settled).map(|snapshot| snapshot.until - snapshot.since);
            let Some((briefest, _)) = lengths.enumerate().min_by_key(|(_, length)| *length) else { return };
            self.accounts.remove(briefest);
        }
    }

    /// This, with what was learned meanwhile from it. What examining bytes showed since is kept.
    #[must_use]
    pub fn joined_with(self, mut learned: Self) -> Self {
        for (version, stored) in self.releases {
            if let Some(record) = learned.releases.get_mut(&version) {
                record.hooks = record.hooks.take().or(stored.hooks);
                record.says = record.says.take().or(stored.says);
            } else if learned.releases.len() < MOST_RELEASES {
                learned.releases.insert(version, stored);
            }
        }
        learned
    }

    /// The accounts as they were seen last.
    pub fn accounts_now(&self) -> &[Account] {
        self.accounts.last().map_or(&[], |snapshot| &snapshot.accounts)
    }

    /// Accounts that the project had not before the changes of the last month.
    pub fn newcomers(&self) -> Vec<&str> {
        let Some((before, now)) = self.sides() else { return Vec::new() };
        let known = |account: &&Account| before.accounts.iter().any(|old| old.user == account.user);
        now.accounts.iter().filter(|account| !known(account)).map(|account| account.user.as_str()).collect()
    }

    /// What is known of a release; a place for it if nothing is.
    pub fn release_mut(&mut self, version: &Version) -> &mut ReleaseRecord {
        if !self.releases.contains_key(version) {
            if self.releases.len() >= MOST_RELEASES
                && let Some(oldest) =
                    self.releases.iter().min_by_key(|(_, record)| record.order).map(|(version, _)| version.clone())
            {
                self.releases.remove(&oldest);
            }
            let order = self.releases.values().map(|record| record.order).max().map_or(0, |last| last + 1);
            self.releases.insert(version.clone(), ReleaseRecord { order, ..ReleaseRecord::default() });
        }
        self.releases.entry(version.clone()).or_default()
    }

    /// Whether all that there is was looked for of this release, and found, or failed a short while ago.
    pub fn is_collected(&self, version: &Version, now: Timestamp) -> bool {
        let Some(record) = self.releases.get(version) else { return false };
        record.collected.is_some_and(|at| record.failed.is_empty() || (Duration::ZERO..TRY_AGAIN).contains(&(now - at)))
    }

    /// What is known of a release, beside what it is compared with; `None` if nobody looked for anything yet.
    pub fn facts(&self, version: &Version, history: Option<&History>) -> Option<PypiFacts> {
        let record = self.releases.get(version);
        if record.is_none() && self.accounts.is_empty() && self.resembled.is_none() {
            return None;
        }
        let record = record.cloned().unwrap_or_default();
        let before = || {
            let earlier = history.into_iter().flat_map(History::accepted);
            earlier.filter_map(|release| self.releases.get(&release.version))
        };
        Some(PypiFacts {
            says: record.says,
            said: before().find_map(|earlier| earlier.says.clone()),
            owners: self.last_change(),
            attestation: record.attestation,
            proof: None,
            attestation_before: before().find_map(|earlier| earlier.attestation.clone()),
            new_requirements: record.new_requirements,
            together: record.together,
            usually_together: record.usually_together,
            resembled: self.resembled.clone(),
            hooks_before: before().find_map(|earlier| earlier.hooks.clone()),
            failed: record.failed,
        })
    }

    /// The names that the release requires, of those that one before it does not.
    pub fn newly_required(&self, version: &Version, history: Option<&History>) -> Vec<crate::signals::Requirement> {
        let Some(says) = self.releases.get(version).and_then(|record| record.says.as_ref()) else { return Vec::new() };
        let earlier = history.into_iter().flat_map(History::accepted);
        let mut earlier = earlier.filter_map(|release| self.releases.get(&release.version)?.says.as_ref());
        let Some(said) = earlier.next() else { return Vec::new() };
        let known = |name: &ProjectName| said.requires.iter().any(|before| before.project == *name);
        let mut new: Vec<_> =
            says.requires.iter().filter(|requirement| !known(&requirement.project)).cloned().collect();
        new.dedup_by(|one, two| one.project == two.project);
        new
    }

    /// The accounts as they were seen last, and those of a month before the change to them: two small changes, of which each
    /// looks harmless beside the other, are one large one.
    fn sides(&self) -> Option<(&AccountSnapshot, &AccountSnapshot)> {
        let (now, earlier) = self.accounts.split_last()?;
        let settled = earlier.iter().rev().find(|snapshot| now.since - snapshot.since >= CHANGES_TOGETHER);
        let before = settled.or(earlier.first()).filter(|before| before.accounts != now.accounts);
        // Who came and went again was there all the same.
        Some((before.or(earlier.last())?, now))
    }

    fn last_change(&self) -> Option<OwnerChange> {
        let (before, now) = self.sides()?;
        Some(OwnerChange {
            before: before.accounts.clone(),
            now: now.accounts.clone(),
            seen_before: before.until,
            seen: now.since,
        })
    }
}

impl ReleaseRecord {
    /// Notes that something could not be read.
    pub fn fail(&mut self, source: Source, why: String) {
        self.failed.retain(|failed| failed.source != source);
        self.failed.push(FailedReading { source, why });
    }
}

/// When the projects of an account were released, for the question whether they are released together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountRecord {
    /// Unix seconds of the last releases, oldest first, by project.
    pub releases: BTreeMap<ProjectName, Vec<i64>>,
}

/// So many projects of an account are remembered, and so many releases of each.
const MOST_PROJECTS: usize = 200;
const MOST_TIMES: usize = 12;
/// Within this time releases of several projects came together.
const DAY: i64 = 24 * 60 * 60;
/// What came together less long ago than this is part of what is going on.
const HABIT_AGE: i64 = 7 * DAY;

impl AccountRecord {
    /// Out of a stored row.
    pub fn read(bytes: Option<Vec<u8>>) -> Self {
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Notes when a project was released; says whether that was news.
    pub fn note(&mut self, project: &ProjectName, times: impl IntoIterator<Item = Timestamp>) -> bool {
        let mut times: Vec<i64> = times.into_iter().map(Timestamp::unix_timestamp).collect();
        times.sort_unstable();
        times.dedup();
        times.drain(..times.len().saturating_sub(MOST_TIMES));
        if times.is_empty() || self.releases.get(project) == Some(&times) {
            return false;
        }
        if !self.releases.contains_key(project)
            && self.releases.len() >= MOST_PROJECTS
            && let Some(quietest) =
                self.releases.iter().min_by_key(|(_, times)| times.last()).map(|(name, _)| name.clone())
        {
            self.releases.remove(&quietest);
        }
        self.releases.insert(project.clone(), times);
        true
    }

    /// Other projects with a release within a day of this moment, and whether any of them came with this project before.
    pub fn together(&self, project: &ProjectName, owner: &str, when: Timestamp) -> (Vec<Companion>, bool) {
        let moment = when.unix_timestamp();
        let own = self.releases.get(project).map_or(&[][..], Vec::as_slice);
        let (mut companions, mut usual) = (Vec::new(), false);
        for (other, times) in self.releases.iter().filter(|(other, _)| *other != project) {
            let Some(near) = times.iter().find(|time| (*time - moment).abs() <= DAY) else { continue };
            let long_ago = |time: &&i64| moment - **time > HABIT_AGE;
            usual |= own
                .iter()
                .filter(long_ago)
                .any(|mine| times.iter().filter(long_ago).any(|theirs| (mine - theirs).abs() <= DAY));
            let published = Timestamp::from_unix_timestamp(*near).unwrap_or(when);
            companions.push(Companion { project: other.clone(), owner: owner.to_owned(), published });
        }
        (companions, usual)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOON: Timestamp = datetime!(2026-11-22 12:00 UTC);

    fn account(user: &str) -> Account {
        Account { role: "Owner".into(), user: user.into() }
    }

    fn name(text: &str) -> ProjectName {
        ProjectName::pypi(text).unwrap()
    }

    #[test]
    fn accounts_are_kept_over_time_and_empty_lists_are_unknown() {
        let mut records = ProjectRecords::default();
        records.note_accounts(vec![account("ada")], NOON);
        records.note_accounts(Vec::new(), NOON + Duration::DAY);
        records.note_accounts(vec![account("ada")], NOON + Duration::days(5));
        assert_eq!(records.facts(&Version::zero(), None).unwrap().owners, None);
        records.note_accounts(vec![account("eve")], NOON + Duration::days(6));
        let change = records.facts(&Version::zero(), None).unwrap().owners.unwrap();
        assert_eq!((change.before, change.now), (vec![account("ada")], vec![account("eve")]));
        assert_eq!((change.seen_before, change.seen), (NOON + Duration::days(5), NOON + Duration::days(6)));
        assert_eq!(records.newcomers(), ["eve"]);
    }

    #[test]
    fn the_digest_follows_what_is_learned_and_not_when_it_was_read() {
        let mut records = ProjectRecords::default();
        records.note_accounts(vec![account("ada")], NOON);
        let before = records.digest();
        records.note_accounts(vec![account("ada")], NOON + Duration::days(5));
        records.document_read = Some(NOON);
        assert_eq!(records.digest(), before);
        records.note_accounts(vec![account("eve")], NOON + Duration::days(6));
        assert_ne!(records.digest(), before);
    }

    #[test]
    fn what_failed_is_tried_again_and_what_was_found_is_not() {
        let mut records = ProjectRecords::default();
        let version = Version::pypi("1.0").unwrap();
        records.release_mut(&version).collected = Some(NOON);
        assert!(records.is_collected(&version, NOON + Duration::days(9)));
        records.release_mut(&version).fail(Source::Document, "503".into());
        assert!(records.is_collected(&version, NOON + Duration::MINUTE));
        assert!(!records.is_collected(&version, NOON + Duration::HOUR));
    }

    #[test]
    fn changes_of_one_month_are_one_change_however_many_they_are() {
        let mut records = ProjectRecords::default();
        let owners = |records: &ProjectRecords| {
            let change = records.facts(&Version::zero(), None).unwrap().owners.unwrap();
            (change.before, change.now)
        };
        records.note_accounts(vec![account("ada")], NOON);
        records.note_accounts(vec![account("ada")], NOON + Duration::days(300));
        for number in 0..60_i64 {
            let mut accounts = vec![account("eve")];
            accounts.extend((number % 2 == 0).then(|| account(&format!("user{number}"))));
            records.note_accounts(accounts, NOON + Duration::days(301) + Duration::hours(8 * number));
        }
        assert_eq!(owners(&records).0, [account("ada")], "whose it was for a year is not pushed out");
        assert!(records.newcomers().contains(&"eve"));
        // Eve came, and went again.
        let mut records = ProjectRecords::default();
        records.note_accounts(vec![account("ada")], NOON);
        records.note_accounts(vec![account("ada"), account("eve")], NOON + Duration::days(40));
        records.note_accounts(vec![account("ada")], NOON + Duration::days(41));
        assert_eq!(owners(&records), (vec![account("ada"), account("eve")], vec![account("ada")]));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut records = ProjectRecords::default();
        for number in 0..200 {
            records.release_mut(&Version::pypi(&format!("1.{number}")).unwrap()).collected = Some(NOON);
            records.note_accounts(vec![account(&format!("user{number}"))], NOON);
        }
        assert_eq!((records.releases.len(), records.accounts.len()), (MOST_RELEASES, MOST_SNAPSHOTS));
        assert!(
            records.is_collected(&Version::pypi("1.199").unwrap(), NOON)
                && !records.is_collected(&Version::zero(), NOON)
        );
        let mut account = AccountRecord::default();
        for number in 0..300_i64 {
            let times = (0..30).map(|hour| NOON + Duration::hours(number + hour));
            assert!(account.note(&name(&format!("p{number}")), times));
        }
        assert_eq!(account.releases.len(), MOST_PROJECTS);
        assert!(account.releases.values().all(|times| times.len() == MOST_TIMES));
    }

    #[test]
    fn projects_that_always_come_together_are_no_news() {
        let mut account = AccountRecord::default();
        let days = |days: &[i64]| days.iter().map(|day| NOON - Duration::days(*day)).collect::<Vec<_>>();
        account.note(&name("mine"), days(&[100, 0]));
        account.note(&name("other"), days(&[300, 0]));
        let (companions, usual) = account.together(&name("mine"), "ada", NOON);
        assert_eq!((companions.len(), usual), (1, false));
        account.note(&name("third"), days(&[100, 0]));
        let (companions, usual) = account.together(&name("mine"), "ada", NOON);
        assert_eq!((companions.len(), usual), (2, true));
        assert_eq!(account.together(&name("mine"), "ada", NOON - Duration::days(50)).0, []);
    }
}
