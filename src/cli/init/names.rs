//! Which names an index lists: the lists themselves are asked for, never a name. A private name asked of a public index would
//! have left the building.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::time::Duration;

use url::Url;

use crate::config::Discovered;
use crate::domain::ProjectName;
use crate::registry::pypi::root::read_names;
use crate::upstream::{
    AllowedHosts, ClientSettings, Credentials, PageAnswer, PageRequest, Secret, Upstream, UpstreamError,
};

/// The largest list there is has 40 MB.
const LONGEST_LIST: u64 = 128 << 20;
/// For a whole list, attempts included.
const DEADLINE: Duration = Duration::from_mins(1);
/// An index with more names is a mirror of another.
const MOST_NAMES: usize = 200_000;
const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01";

/// What a further index lists, compared with the public one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Names that the public index does not have.
    OnlyOwn,
    /// Its own names, and those that the public index has too: a vendor's index.
    Both {
        /// Which it alone has.
        own: BTreeSet<ProjectName>,
        /// Which both have.
        both: BTreeSet<ProjectName>,
    },
    /// Nobody knows, and why.
    Unknown(String),
}

/// Asks for lists of names.
#[derive(Debug)]
pub(super) struct Lists {
    upstream: Upstream,
}

impl Lists {
    /// With what this machine trusts, and this file.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, UpstreamError> {
        // A second provider is not wanted; if there is one already, it is this one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let ca_file = ca_file.map(Path::to_path_buf);
        Ok(Self { upstream: Upstream::new(ClientSettings { ca_file, ..ClientSettings::default() })? })
    }

    /// Compares the lists of all further indexes with the public one's, which is asked only if there is something to compare.
    pub(super) async fn compare(&self, public: Option<&Discovered>, extra: &[Discovered]) -> Vec<Shown> {
        let lists = futures_util::future::join_all(extra.iter().map(|index| self.names(index))).await;
        let mut asked: HashSet<ProjectName> = HashSet::new();
        for names in lists.iter().flatten() {
            asked.extend(names.iter().cloned());
        }
        let public = match public {
            _ if asked.is_empty() => Ok(HashSet::new()),
            None => Err("no public index is known".to_owned()),
            Some(public) => self.known_to(public, &asked).await.map_err(|why| format!("the public index: {why}")),
        };
        lists.into_iter().map(|names| shown(names, public.as_ref())).collect()
    }

    async fn names(&self, index: &Discovered) -> Result<BTreeSet<ProjectName>, String> {
        let mut names = BTreeSet::new();
        self.read(index, |name| {
            names.insert(name);
            if names.len() > MOST_NAMES {
                Err("it lists more names than an index of one's own".to_owned())
            } else {
                Ok(())
            }
        })
        .await?;
        Ok(names)
    }

    /// Those of these names that an index lists.
    async fn known_to(&self, index: &Discovered, asked: &HashSet<ProjectName>) -> Result<HashSet<ProjectName>, String> {
        let mut known = HashSet::new();
        self.read(index, |name| {
            if asked.contains(&name) {
                known.insert(name);
            }
            Ok(())
        })
        .await?;
        Ok(known)
    }

    async fn read(
        &self,
        index: &Discovered,
        mut take: impl FnMut(ProjectName) -> Result<(), String>,
    ) -> Result<(), String> {
        let hosts = AllowedHosts::for_index(&index.url, &[]);
        let credentials = credentials(&index.url, index);
        let request = PageRequest {
            url: &index.url,
            accept: ACCEPT,
            validators: None,
            max_bytes: LONGEST_LIST,
            deadline: DEADLINE,
            hosts: &hosts,
            credentials: credentials.as_ref(),
            close: false,
        };
        let page = match self.upstream.page(request).await.map_err(|error| error.short())? {
            PageAnswer::Fresh(page) => page,
            PageAnswer::NotModified { .. } | PageAnswer::Missing { .. } => {
                return Err("it has no list of names".to_owned());
            }
        };
        let mut refused = None;
        let read = read_names(&page.content_type, &page.body[..], &mut |name| {
            let Ok(name) = ProjectName::pypi(name) else { return Ok(()) };
            take(name).map_err(|why| {
                refused = Some(why);
                std::io::Error::other("enough")
            })
        });
        match (refused, read) {
            (Some(why), _) => Err(why),
            (None, Err(_)) => Err("what it has in the place of a list of names cannot be read as one".to_owned()),
            (None, Ok(_)) => Ok(()),
        }
    }
}

/// What the index is asked with.
fn credentials(base: &Url, index: &Discovered) -> Option<Credentials> {
    let secret = index.password.as_ref().map(|password| password.expose().to_owned());
    if index.username.is_empty() && secret.is_none() {
        return None;
    }
    Some(Credentials::for_index(base, &index.username, &Secret::new(secret.unwrap_or_default())))
}

fn shown(names: Result<BTreeSet<ProjectName>, String>, public: Result<&HashSet<ProjectName>, &String>) -> Shown {
    let names = match names {
        Ok(names) => names,
        Err(why) => return Shown::Unknown(format!("it could not be read: {why}")),
    };
    // Nothing to compare: what it will list is its own.
    if names.is_empty() {
        return Shown::OnlyOwn;
    }
    match public {
        Err(why) => Shown::Unknown(why.clone()),
        Ok(public) => {
            let (both, own): (BTreeSet<_>, BTreeSet<_>) = names.into_iter().partition(|name| public.contains(name));
            if both.is_empty() { Shown::OnlyOwn } else { Shown::Both { own, both } }
        }
    }
}
