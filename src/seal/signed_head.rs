//! A head of the ledger that its house vouches for: one line, to be kept where the house cannot reach.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;

use super::SealError;
use super::key::{PublicKey, Signature, SigningKey};
use crate::domain::Timestamp;
use crate::domain::audit::Head;

/// A line is not longer.
pub(super) const LONGEST_LINE: usize = 4_096;

/// Where the ledger ended at a time, signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedHead {
    /// NUMBER:HASH.
    #[serde(with = "as_text")]
    pub head: Head,
    /// When it was signed.
    #[serde(with = "time::serde::rfc3339")]
    pub at: Timestamp,
    /// Which store it is of.
    pub instance: String,
    /// Whose signature it is.
    pub key: PublicKey,
    /// Over all of the above.
    pub signature: Signature,
}

impl SignedHead {
    /// Signs a head.
    pub fn new(key: &SigningKey, head: Head, at: Timestamp, instance: String) -> Result<Self, SealError> {
        // As it is written, so that it is read back the same.
        let at = at.replace_nanosecond(0).unwrap_or(at);
        let signature = key.sign(message(head, at, &instance).as_bytes())?;
        Ok(Self { head, at, instance, key: key.public(), signature })
    }

    /// Whether whoever has the key signed this.
    pub fn verify(&self) -> Result<(), SealError> {
        self.key.verify(message(self.head, self.at, &self.instance).as_bytes(), &self.signature)
    }
}

/// What is signed; the first line keeps it apart from whatever else the key signs.
fn message(head: Head, at: Timestamp, instance: &str) -> String {
    let at = at.format(&Rfc3339).unwrap_or_default();
    format!("lazaret head 1\n{head}\n{at}\n{instance}\n")
}

impl fmt::Display for SignedHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for SignedHead {
    type Err = SealError;

    /// Reads a line; whether it is genuine, [`SignedHead::verify`] says.
    fn from_str(line: &str) -> Result<Self, SealError> {
        let malformed = || SealError::Malformed("signed head");
        if line.len() > LONGEST_LINE {
            return Err(malformed());
        }
        serde_json::from_str(line.trim()).map_err(|_| malformed())
    }
}

mod as_text {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::domain::audit::Head;

    pub(super) fn serialize<S: Serializer>(head: &Head, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(head)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Head, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::domain::Sha256;

    #[test]
    fn a_line_is_read_back_and_a_changed_one_is_noticed() {
        let key = SigningKey::generate().unwrap();
        let head = Head { sequence: 12, hash: Sha256::of(b"twelve") };
        let signed = SignedHead::new(&key, head, datetime!(2026-11-22 12:00:00.5 UTC), "house".into()).unwrap();
        let line = signed.to_string();
        assert!(!line.contains('\n'));
        let read: SignedHead = line.parse().unwrap();
        assert_eq!(read, signed);
        read.verify().unwrap();
        for (from, to) in [("\"12:", "\"13:"), ("12:00:00Z", "12:00:01Z"), ("\"house\"", "\"shack\"")] {
            let forged: SignedHead = line.replace(from, to).parse().unwrap();
            assert_ne!(forged, signed, "{from}");
            assert!(matches!(forged.verify(), Err(SealError::Forged(_))), "{from}");
        }
        let long = format!("{line}{}", " ".repeat(LONGEST_LINE));
        for garbage in ["", "{}", "[[[[", "12:34", long.as_str()] {
            assert!(garbage.parse::<SignedHead>().is_err());
        }
    }
}
