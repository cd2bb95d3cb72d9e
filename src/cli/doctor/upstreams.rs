//! The upstreams: whether each answers, over TLS, as the kind of index that it should be, and what time it says.

use std::time::Duration;

use futures_util::StreamExt as _;
use url::{Host, Url};

use super::{Level, Lines};
use crate::config::{Config, Cpan, Password, Teapot};
use crate::domain::Timestamp;
use crate::registry::pypi::root::read_names;
use crate::registry::teapot::IndexStatus;
use crate::sign_in;
use crate::upstream::{AllowedHosts, ClientSettings, FileRequest, Upstream};

/// The beginning of an answer tells what it is.
const BEGINNING: usize = 256 << 10;
/// Longer lists there are none; only their beginning is read.
const LONGEST: u64 = 1 << 30;
/// For each of them.
const PATIENCE: Duration = Duration::from_secs(30);
const ACCEPT: &str =
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01, */*;q=0.001";

/// An upstream's clock against ours.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) who: String,
    pub(super) skew: time::Duration,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Pypi,
    Cpan,
    Teapot,
}

/// One to be asked.
struct Asked<'a> {
    kind: Kind,
    check: String,
    base: &'a Url,
    username: &'a str,
    password: Option<&'a Password>,
    /// What it means that it does not answer.
    without: Level,
}

pub(super) async fn look(lines: &mut Lines, config: &Config, now: Timestamp) -> Vec<Told> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let ca_file = config.upstream.ca_file.clone();
    let settings = ClientSettings { ca_file, identities: sign_in::identities(config), ..ClientSettings::default() };
    let upstream = match Upstream::new(settings) {
        Ok(upstream) => upstream,
        Err(error) => {
            lines.fail("upstreams", error.to_string(), "correct upstream.ca_file or the proxy's variables");
            return Vec::new();
        }
    };
    let asked = all(config);
    let answers = futures_util::future::join_all(asked.iter().map(|one| ask(&upstream, one, now))).await;
    let mut told = Vec::new();
    for (one, (found, skew)) in asked.iter().zip(answers) {
        let host = one.base.host_str().unwrap_or_default().to_owned();
        told.extend(skew.map(|skew| Told { who: host.clone(), skew }));
        match found {
            Err((what, next)) => lines.add(one.without, one.check.clone(), what, next),
            Ok(what) if !matches!(one.kind, Kind::Teapot) && is_open_to_others(one.base) => {
                lines.warn(one.check.clone(), format!("{what}, but without TLS"), "use its https address");
            }
            Ok(what) => lines.ok(one.check.clone(), what),
        }
    }
    told
}

fn all(config: &Config) -> Vec<Asked<'_>> {
    let mut asked = Vec::new();
    let pypi = &config.pypi;
    if let Some(base) = &pypi.upstream {
        let (username, password) = (pypi.username.as_str(), pypi.password.as_ref());
        let check = "upstream pypi".to_owned();
        asked.push(Asked { kind: Kind::Pypi, check, base, username, password, without: Level::Fail });
    }
    for index in &pypi.private {
        let (username, password) = (index.username.as_str(), index.password.as_ref());
        let check = format!("private index {}", index.name);
        asked.push(Asked { kind: Kind::Pypi, check, base: &index.index, username, password, without: Level::Fail });
    }
    // A default that nobody uses may be out of reach.
    let needed = |is_default: bool| if is_default { Level::Warn } else { Level::Fail };
    if let Some(base) = &config.cpan.upstream {
        let without = needed(config.cpan.upstream == Cpan::default().upstream);
        let check = "upstream cpan".to_owned();
        asked.push(Asked { kind: Kind::Cpan, check, base, username: "", password: None, without });
    }
    for mirror in &config.cpan.private {
        let check = format!("private mirror {}", mirror.name);
        let base = &mirror.index;
        let (username, password) = (mirror.username.as_str(), mirror.password.as_ref());
        asked.push(Asked { kind: Kind::Cpan, check, base, username, password, without: Level::Fail });
    }
    if let Some(base) = &config.teapot.upstream {
        let without = needed(config.teapot.upstream == Teapot::default().upstream);
        let check = "upstream teapot".to_owned();
        asked.push(Asked { kind: Kind::Teapot, check, base, username: "", password: None, without });
    }
    asked
}

type Found = Result<String, (String, &'static str)>;

async fn ask(upstream: &Upstream, asked: &Asked<'_>, now: Timestamp) -> (Found, Option<time::Duration>) {
    let path = match asked.kind {
        Kind::Pypi => "",
        Kind::Cpan => "modules/02packages.details.txt.gz",
        Kind::Teapot => "db/status",
    };
    let host = asked.base.origin().ascii_serialization();
    let Ok(url) = asked.base.join(path) else {
        return (Err((format!("{host} cannot be asked"), "correct its address")), None);
    };
    match tokio::time::timeout(PATIENCE, beginning(upstream, asked, &url)).await {
        Err(_) => (Err((format!("{host} did not answer in time"), "look at the network between")), None),
        Ok(Err(why)) => (Err((why, "look at its address, the network, proxy settings and certificates")), None),
        Ok(Ok((content_type, bytes, date))) => {
            let skew = date.map(|date| date - now);
            if is_of_kind(asked.kind, &content_type, &bytes) {
                (Ok(format!("{host} answers as it should")), skew)
            } else {
                let what = format!("{host} answers, but not as {}", name_of(asked.kind));
                (Err((what, "correct its address: something else is there")), skew)
            }
        }
    }
}

/// The first bytes of an answer, its type, and the time it says.
async fn beginning(
    upstream: &Upstream,
    asked: &Asked<'_>,
    url: &Url,
) -> Result<(String, Vec<u8>, Option<Timestamp>), String> {
    let hosts = AllowedHosts::for_index(asked.base, &[]);
    let credentials = sign_in::credentials(asked.base, asked.username, asked.password);
    let request = FileRequest {
        url,
        accept: ACCEPT,
        range: None,
        max_bytes: LONGEST,
        hosts: &hosts,
        credentials: credentials.as_ref(),
        close: matches!(asked.kind, Kind::Teapot),
    };
    let mut answer = upstream.file(request).await.map_err(|error| error.short())?;
    let mut bytes = Vec::new();
    while bytes.len() < BEGINNING {
        match answer.body.next().await {
            Some(Ok(chunk)) => bytes.extend_from_slice(&chunk),
            Some(Err(error)) => return Err(error.short()),
            None => break,
        }
    }
    Ok((answer.content_type, bytes, answer.date))
}

fn is_of_kind(kind: Kind, content_type: &str, bytes: &[u8]) -> bool {
    match kind {
        Kind::Pypi => {
            let mut names = 0_u64;
            // The beginning of a long list ends in the middle of a name: that some were read is enough.
            let read = read_names(content_type, bytes, &mut |_| {
                names += 1;
                Ok(())
            });
            read.is_ok() || names > 0
        }
        Kind::Cpan => bytes.starts_with(&[0x1f, 0x8b]),
        Kind::Teapot => IndexStatus::read(bytes).is_ok(),
    }
}

const fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Pypi => "a Python index does (a list of names)",
        Kind::Cpan => "a CPAN mirror does (modules/02packages.details.txt.gz)",
        Kind::Teapot => "a teapot repository does (db/status)",
    }
}

/// Whether others between here and there could answer in its place.
fn is_open_to_others(url: &Url) -> bool {
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && !here
}
