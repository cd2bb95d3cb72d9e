//! What the review desk reads: uploads, history, the ledger, bytes by their digest, tokens.

use rand::RngCore as _;
use serde_json::json;

use super::desk::Target;
use super::{Quarantine, QuarantineError};
use crate::domain::audit::Head;
use crate::domain::{
    Actor, Event, EventDraft, EventKind, Mode, Role, Sha256, StandingRule, Timestamp, Upload, UploadId,
};
use crate::store::verify::{Verification, verify};
use crate::store::{Change, Download, Token, UploadQuery};

/// The shortest beginning of an id that is looked for.
const SHORTEST_PREFIX: usize = 8;

/// All that is known of some bytes.
#[derive(Debug)]
pub struct Artifact {
    /// How many there are, if they are in the cellar.
    pub size: Option<u64>,
    /// Under which names they came.
    pub uploads: Vec<Upload>,
    /// Who fetched them.
    pub downloads: Vec<Download>,
}

impl Quarantine {
    /// A page of uploads.
    pub async fn uploads(&self, query: &UploadQuery) -> Result<Vec<Upload>, QuarantineError> {
        Ok(self.store.list(query).await?)
    }

    /// The upload whose id starts with this.
    pub async fn find_by_prefix(&self, prefix: &str) -> Result<Upload, QuarantineError> {
        let missing = || QuarantineError::NoSuch("upload with this id".to_owned());
        if let Ok(id) = prefix.parse::<UploadId>() {
            return self.store.get(&id).await?.ok_or_else(missing);
        }
        if prefix.len() < SHORTEST_PREFIX || prefix.len() > 26 {
            return Err(missing());
        }
        // `2` is the first digit of base32: padded with it, the beginning sorts before every id that has it.
        let before: UploadId = format!("{prefix:2<26}").parse().map_err(|_| missing())?;
        let query = UploadQuery { limit: 2, cursor: Some(before), ..UploadQuery::default() };
        let mut found = self.store.list(&query).await?;
        found.retain(|upload| upload.id.as_str().starts_with(prefix));
        match found.len() {
            1 => Ok(found.remove(0)),
            _ => Err(missing()),
        }
    }

    /// What a person wrote, as a target: an id or its beginning, a version, a project or a file name.
    pub async fn target(&self, text: &str) -> Result<Target, QuarantineError> {
        if let Ok(upload) = self.find_by_prefix(text).await {
            return Ok(Target::Upload(upload.id));
        }
        text.parse()
    }

    /// The one upload that a person means; of a version the one that waits longest.
    pub async fn find(&self, text: &str) -> Result<Upload, QuarantineError> {
        let uploads = match self.target(text).await? {
            Target::Upload(id) => self.store.get(&id).await?.into_iter().collect(),
            Target::File(name) => self.store.named(&name).await?,
            Target::Project(project) => self.store.of(&project).await?,
            Target::Version(project, version) => {
                let uploads = self.store.of(&project).await?;
                uploads.into_iter().filter(|upload| upload.version.is_same_release(&version)).collect()
            }
        };
        let longest = |upload: &Upload| (upload.state == crate::domain::State::Held, upload.hold_until);
        uploads.into_iter().max_by_key(longest).ok_or_else(|| {
            QuarantineError::NoSuch(format!(
                "row for {}; `lazaret why` says what is known",
                super::printable(text, 100)
            ))
        })
    }

    /// The other files of its version.
    pub async fn siblings(&self, upload: &Upload) -> Result<Vec<Upload>, QuarantineError> {
        let mut uploads = self.store.of(&upload.project).await?;
        uploads.retain(|other| other.version.is_same_release(&upload.version) && other.id != upload.id);
        Ok(uploads)
    }

    /// What happened to an upload.
    pub async fn history(&self, id: &UploadId) -> Result<Vec<Event>, QuarantineError> {
        Ok(self.store.events_of(id).await?)
    }

    /// Events after this number.
    pub async fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, QuarantineError> {
        Ok(self.store.events(after, limit).await?)
    }

    /// Checks every link of the ledger's chain, and that it goes through a head that was noted earlier.
    pub async fn verify_ledger(&self, noted: Option<Head>) -> Result<Verification, QuarantineError> {
        Ok(verify(&*self.store, noted).await?)
    }

    /// All standing rules.
    pub async fn rules(&self) -> Result<Vec<StandingRule>, QuarantineError> {
        Ok(self.store.rules().await?)
    }

    /// All that is known of the bytes with this digest.
    pub async fn artifact(&self, digest: &Sha256) -> Result<Artifact, QuarantineError> {
        // Somebody may just have got them.
        self.put_away().await;
        let artifact = Artifact {
            size: self.blobs.size(digest).await?,
            uploads: self.store.with_digest(digest).await?,
            downloads: self.downloads_of(digest).await?,
        };
        if artifact.size.is_none() && artifact.uploads.is_empty() {
            return Err(QuarantineError::NoSuch(format!("artifact {digest}")));
        }
        Ok(artifact)
    }

    /// All tokens.
    pub async fn tokens(&self) -> Result<Vec<Token>, QuarantineError> {
        Ok(self.store.tokens().await?)
    }

    /// Makes a token and returns it with its secret, which is not kept.
    pub async fn create_token(
        &self,
        name: &str,
        role: Role,
        expires: Option<Timestamp>,
        by: &Actor,
    ) -> Result<(Token, String), QuarantineError> {
        self.create_token_in_mode(name, role, expires, None, by).await
    }

    /// Likewise; its client is served in this mode, whatever is in force for everybody else.
    pub async fn create_token_in_mode(
        &self,
        name: &str,
        role: Role,
        expires: Option<Timestamp>,
        mode: Option<Mode>,
        by: &Actor,
    ) -> Result<(Token, String), QuarantineError> {
        let well_named = !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte));
        if !well_named {
            return Err(QuarantineError::BadRequest("name: 1 to 64 letters, digits and any of -_.@".into()));
        }
        let now = self.timekeeper.wall();
        if expires.is_some_and(|expires| expires <= now) {
            return Err(QuarantineError::BadRequest("expires: this moment is past".into()));
        }
        let taken = |token: &Token| token.name == name && token.revoked.is_none();
        if self.store.tokens().await?.iter().any(taken) {
            return Err(QuarantineError::BadRequest(format!("name: there is a token {name} already; revoke it first")));
        }
        let (mut row, secret) = new_token(name, role, now, expires);
        row.mode = mode;
        let served = mode.map(|mode| format!(", served in mode {mode}")).unwrap_or_default();
        let mut event = EventDraft::new(
            now,
            by.clone(),
            EventKind::TokenCreated,
            format!("token {name} with the role {role}{served}"),
        );
        event.details = json!({ "name": name, "role": role, "mode": mode });
        self.store.commit(Change { tokens: vec![row.clone()], events: vec![event], ..Change::default() }).await?;
        Ok((row, secret))
    }

    /// Revokes a token.
    pub async fn revoke_token(&self, name: &str, by: &Actor) -> Result<Token, QuarantineError> {
        let tokens = self.store.tokens().await?;
        let Some(mut token) = tokens.into_iter().find(|token| token.name == name && token.revoked.is_none()) else {
            return Err(QuarantineError::NoSuch(format!("token named {}", super::printable(name, 64))));
        };
        let now = self.timekeeper.wall();
        let digest = token.digest;
        token.revoked = Some(now);
        let mut event = EventDraft::new(now, by.clone(), EventKind::TokenRevoked, format!("token {name} revoked"));
        event.details = json!({ "name": name });
        self.store.commit(Change { tokens: vec![token.clone()], events: vec![event], ..Change::default() }).await?;
        self.known_tokens.forget(&digest);
        Ok(token)
    }
}

/// A token of 256 random bits, and its secret.
pub fn new_token(name: &str, role: Role, created: Timestamp, expires: Option<Timestamp>) -> (Token, String) {
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    let secret = format!("lzr_{}", data_encoding::BASE64URL_NOPAD.encode(&bytes));
    let digest = Sha256::of(secret.as_bytes());
    (Token { name: name.to_owned(), role, digest, created, expires, revoked: None, mode: None }, secret)
}
