//! Where the public index has a file, as it lists it: what `lazaret lock rewrite` writes, and never guesses.

use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::locked::{ABREAST, Listed, Mismatch, Wanted};
use super::{Quarantine, QuarantineError, printable};
use crate::domain::{Origin, Sha256};

/// The longest reason told, in characters.
const LONGEST_REASON: usize = 300;

/// Where a file is, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileAddress {
    /// As the public index lists it.
    pub url: String,
    /// Under which it is served here.
    pub sha256: Sha256,
}

impl Quarantine {
    /// The public index, without user and password.
    pub fn public_index(&self) -> Option<String> {
        let mut base = self.indexes.public.as_ref()?.base.clone();
        // An address that has no user cannot be given one; then there is none to take away.
        let _ = (base.set_username(""), base.set_password(None));
        Some(base.into())
    }

    /// Where the public index has the first file of each entry, or why nobody can say.
    pub async fn addresses(
        self: &Arc<Self>,
        asked: Vec<Wanted>,
    ) -> Result<Vec<Result<FileAddress, String>>, QuarantineError> {
        let each = |wanted: Wanted| {
            let house = self.clone();
            async move { house.address_of(&wanted).await }
        };
        stream::iter(asked).map(each).buffered(ABREAST).try_collect().await
    }

    async fn address_of(self: &Arc<Self>, wanted: &Wanted) -> Result<Result<FileAddress, String>, QuarantineError> {
        let no = |why: &str| Ok(Err(printable(why, LONGEST_REASON)));
        let view = match self.view_of(wanted).await {
            Ok(view) => view,
            Err(QuarantineError::NotFound(_)) => return no(&Mismatch::Unlisted(wanted.display()).to_string()),
            Err(error @ (QuarantineError::Store(_) | QuarantineError::Blob(_))) => return Err(error),
            Err(error) => return no(&error.to_string()),
        };
        match view.known.as_ref().map(|known| &known.origin) {
            Some(Origin::Public) => {}
            Some(Origin::Private(_)) => return no("it comes from a private index"),
            None => return no("it is an internal name here and on no public index"),
        }
        let Some(file) = wanted.files.first() else { return no(&Mismatch::Nameless.to_string()) };
        let entry = match Listed::of(&view).find(wanted, file) {
            Ok(entry) => entry,
            Err(mismatch) => return no(&mismatch.to_string()),
        };
        if entry.file.vanished.is_some() {
            return no("the public index does not list it any more");
        }
        if entry.file.disputed.is_some() {
            return no("the public index promises other bytes than when it was first seen");
        }
        match entry.sha256() {
            Some(sha256) => Ok(Ok(FileAddress { url: entry.file.file.url.to_string(), sha256 })),
            None => no(&Mismatch::Unhashed.to_string()),
        }
    }
}
