//! A key on its travels: encrypted under a passphrase, so that an export may lie where the key must not.

use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::pbkdf2::{PBKDF2_HMAC_SHA256, derive};
use data_encoding::HEXLOWER;
use rand::RngCore as _;
use serde::{Deserialize, Serialize};

use super::SealError;
use super::key::{PublicKey, SigningKey};

/// As long as a few words.
pub(super) const SHORTEST_PASSPHRASE: usize = 12;
/// What OWASP names for PBKDF2 with SHA-256.
const ROUNDS: u32 = 600_000;
/// A hostile export must not keep a processor busy for long.
const MOST_ROUNDS: u32 = 5_000_000;

/// What protects a key. It is never printed.
#[derive(Clone)]
pub struct Passphrase(String);

impl Passphrase {
    /// A passphrase, without the line end that editors leave.
    pub fn new(text: &str) -> Result<Self, SealError> {
        let text = text.trim_end_matches(['\r', '\n']);
        if text.chars().count() < SHORTEST_PASSPHRASE {
            return Err(SealError::TooShort);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// A private key, encrypted with AES-256-GCM under a key derived from a passphrase by PBKDF2 with HMAC-SHA256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedKey {
    /// Its public half.
    pub public: PublicKey,
    /// How often the derivation goes round.
    rounds: u32,
    salt: String,
    nonce: String,
    sealed: String,
}

impl LockedKey {
    /// Encrypts a key. Takes a good part of a second.
    pub fn lock(key: &SigningKey, passphrase: &Passphrase) -> Result<Self, SealError> {
        let mut salt = [0; 16];
        rand::rng().fill_bytes(&mut salt);
        let mut sealed = key.seed().to_vec();
        let public = key.public();
        let nonce = cipher(passphrase, &salt, ROUNDS)?
            .seal_in_place_append_tag(associated(&public), &mut sealed)
            .map_err(|_| SealError::Closed)?;
        Ok(Self {
            public,
            rounds: ROUNDS,
            salt: HEXLOWER.encode(&salt),
            nonce: HEXLOWER.encode(nonce.as_ref()),
            sealed: HEXLOWER.encode(&sealed),
        })
    }

    /// Decrypts the key; that it is the one with this public half is checked.
    pub fn unlock(&self, passphrase: &Passphrase) -> Result<SigningKey, SealError> {
        let malformed = || SealError::Malformed("encrypted key");
        if self.rounds > MOST_ROUNDS {
            return Err(malformed());
        }
        let bytes = |hex: &str| HEXLOWER.decode(hex.as_bytes()).map_err(|_| malformed());
        let nonce = <[u8; 12]>::try_from(bytes(&self.nonce)?).map_err(|_| malformed())?;
        let mut sealed = bytes(&self.sealed)?;
        let opened = cipher(passphrase, &bytes(&self.salt)?, self.rounds)?
            .open_in_place(Nonce::assume_unique_for_key(nonce), associated(&self.public), &mut sealed)
            .map_err(|_| SealError::Closed)?;
        let key = SigningKey::from_seed((&*opened).try_into().map_err(|_| malformed())?)?;
        if key.public() == self.public { Ok(key) } else { Err(SealError::Closed) }
    }
}

fn associated(public: &PublicKey) -> Aad<String> {
    Aad::from(format!("lazaret key 1 {public}"))
}

fn cipher(passphrase: &Passphrase, salt: &[u8], rounds: u32) -> Result<RandomizedNonceKey, SealError> {
    let rounds = NonZeroU32::new(rounds).ok_or(SealError::Malformed("encrypted key"))?;
    let mut key = [0; 32];
    derive(PBKDF2_HMAC_SHA256, rounds, salt, passphrase.0.as_bytes(), &mut key);
    RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| SealError::Closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_opens_what_it_closed_and_nothing_else() {
        let passphrase = Passphrase::new("correct horse battery\n").unwrap();
        let key = SigningKey::generate().unwrap();
        let locked = LockedKey::lock(&key, &passphrase).unwrap();
        let text = serde_json::to_string(&locked).unwrap();
        assert!(!text.contains(&HEXLOWER.encode(key.seed())));
        let read: LockedKey = serde_json::from_str(&text).unwrap();
        assert_eq!(read.unlock(&passphrase).unwrap().public(), key.public());
        assert!(matches!(read.unlock(&Passphrase::new("correct horse batterY").unwrap()), Err(SealError::Closed)));
        let other = SigningKey::generate().unwrap();
        let forged = LockedKey { public: other.public(), ..read.clone() };
        assert!(matches!(forged.unlock(&passphrase), Err(SealError::Closed)), "the public half belongs to it");
        for hostile in [
            LockedKey { rounds: u32::MAX, ..read.clone() },
            LockedKey { rounds: 0, ..read.clone() },
            LockedKey { nonce: "00".into(), ..read.clone() },
            LockedKey { sealed: String::new(), rounds: 1, ..read.clone() },
            LockedKey { salt: "not hex".into(), ..read },
        ] {
            assert!(hostile.unlock(&passphrase).is_err());
        }
        assert!(matches!(Passphrase::new("short"), Err(SealError::TooShort)));
    }
}
