//! What stands on this machine: policy, certificates, keys, disk, store and clock.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use http::Method;
use serde_json::Value as Json;
use url::Url;

use super::super::address;
use super::super::api_client;
use super::super::shell::Shell;
use super::super::text;
use super::Lines;
use super::upstreams::Told;
use crate::attest::TrustRoot;
use crate::config::{AdvisorySource, Config};
use crate::domain::{Ecosystem, Timestamp};
use crate::http::tls::{self, TlsFiles};
use crate::policy::Policy;

/// Clocks that differ by more release nothing.
const TOLERANCE: time::Duration = time::Duration::minutes(10);
/// Below this nothing can be fetched any more, and below that soon.
const TOO_LITTLE: u64 = 256 << 20;
const LITTLE: u64 = 4 << 30;
/// A certificate that is over sooner should have been renewed.
const RENEW: time::Duration = time::Duration::days(21);
/// A health answer is short and quick.
const LONGEST_ANSWER: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn policy(lines: &mut Lines, shell: &Shell<'_>, config: &Config, now: Timestamp) {
    let loaded = match &config.policy.file {
        None => Ok(Policy::built_in()),
        Some(file) => Policy::load(&shell.directory.join(file)),
    };
    match loaded {
        Ok(policy) => {
            let modes = Ecosystem::ALL.map(|ecosystem| format!("{ecosystem} {}", policy.mode_at(ecosystem, now)));
            lines.ok("policy", format!("{}, mode {}", policy.source, modes.join(", ")));
        }
        Err(error) => lines.fail("policy", error.to_string(), "correct it: serve refuses to start with it"),
    }
}

pub(super) fn certificates(lines: &mut Lines, config: &Config, now: Timestamp) {
    let tls = &config.tls;
    let (Some(certificate), Some(key)) = (tls.certificate.clone(), tls.key.clone()) else {
        let addresses = [config.listen.packages, config.listen.admin];
        if addresses.iter().all(|address| address.ip().is_loopback()) {
            lines.ok("certificates", "none: the doors are on loopback");
        } else {
            lines.warn("certificates", "none, and the doors are open to the network", "set [tls], or put TLS in front");
        }
        return;
    };
    let files = TlsFiles { certificate, key, client_ca: tls.client_ca.clone() };
    match tls::inspect(&files, now) {
        Err(error) => lines.fail("certificates", error.to_string(), "put a pair that fits in its place"),
        Ok(None) => {
            lines.warn("certificates", "usable, but it does not say until when", "look at it with openssl x509");
        }
        Ok(Some(until)) => {
            let days = (until - now).whole_days();
            let what = format!("the pair fits, good until {} ({days} days)", text::moment(until));
            if until - now < RENEW {
                lines.warn("certificates", what, "renew it; it is read again by itself");
            } else {
                lines.ok("certificates", what);
            }
        }
    }
}

pub(super) fn trust(lines: &mut Lines, config: &Config, now: Timestamp) {
    let (root, whose) = match &config.pypi.trusted_root {
        Some(file) => (TrustRoot::load(file), file.display().to_string()),
        None => (TrustRoot::embedded(), "built in".to_owned()),
    };
    match root {
        Ok(root) => match root.until().filter(|until| *until < now) {
            None => lines.ok("trust roots", format!("Sigstore's, {whose}")),
            Some(until) => lines.warn(
                "trust roots",
                format!("Sigstore's, {whose}: its newest keys ended on {}", text::moment(until)),
                "set pypi.trusted_root to a newer trusted_root.json",
            ),
        },
        Err(error) if config.pypi.trusted_root.is_none() => {
            lines.warn("trust roots", error.to_string(), "attestations are not verified: set pypi.trusted_root");
        }
        Err(error) => lines.fail("trust roots", error.to_string(), "correct pypi.trusted_root"),
    }
}

/// Files that the configuration names and that are read later, or not at every start.
pub(super) fn named_files(lines: &mut Lines, shell: &Shell<'_>, config: &Config) {
    let advisories = match &config.advisories.source {
        Some(AdvisorySource::Path(path)) => Some(("advisories.source", path)),
        Some(AdvisorySource::Url(_)) | None => None,
    };
    let keys = config.cpan.keys.iter().map(|path| ("cpan.keys", path));
    for (key, path) in advisories.into_iter().chain(keys) {
        match std::fs::metadata(shell.directory.join(path)) {
            Ok(_) => lines.ok(key, format!("{} is there", path.display())),
            Err(error) => {
                let what = format!("{} cannot be read: {error}", path.display());
                lines.fail(key, what, "correct the path; it counts from the folder that lazaret is started in");
            }
        }
    }
}

pub(super) fn disk(lines: &mut Lines, shell: &Shell<'_>, config: &Config) {
    let folder = shell.directory.join(&config.store.data_dir);
    let name = folder.display().to_string();
    let Ok(metadata) = std::fs::metadata(&folder) else {
        lines.ok("disk", format!("{name} is not there yet; serve makes it"));
        return;
    };
    let sample = folder.join(".doctor");
    let written = std::fs::write(&sample, b"written by lazaret doctor").and_then(|()| std::fs::remove_file(&sample));
    if let Err(error) = written {
        lines.fail(
            "disk",
            format!("{name} cannot be written: {error}"),
            "run this as the user that runs lazaret, or free the disk",
        );
    }
    match rustix::fs::statvfs(&folder) {
        Err(error) => lines.warn("disk", format!("{name}: the space that is left is not known: {error}"), ""),
        Ok(left) => {
            let left = left.f_bavail.saturating_mul(left.f_frsize);
            let what = format!("{name} has {} left", bytesize::ByteSize::b(left));
            match left {
                left if left < TOO_LITTLE => {
                    lines.fail("disk", what, "free some: decisions are refused when it is full");
                }
                left if left < LITTLE => lines.warn("disk", what, "free some, or lower store.max_bytes"),
                _ => lines.ok("disk", what),
            }
        }
    }
    if metadata.permissions().mode() & 0o022 != 0 {
        lines.fail(
            "permissions",
            format!("others may write into {name}"),
            "chmod go-w it: whoever writes there decides",
        );
    }
    let token = folder.join("admin.token");
    match std::fs::metadata(&token) {
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
            lines.fail(
                "permissions",
                format!("others may read {}", token.display()),
                "chmod 600 it, and revoke the token",
            );
        }
        Ok(_) => lines.ok("permissions", "the admin token is its owner's"),
        Err(_) => lines.ok("permissions", "there is no admin token here"),
    }
}

/// The store is asked through the running proxy; where none runs, its marker says how far it had come. Returns what the proxy
/// says of its health.
pub(super) async fn store(lines: &mut Lines, shell: &Shell<'_>, config: &Config) -> Option<Json> {
    let folder = shell.directory.join(&config.store.data_dir);
    let known = shell.variable("LAZARET_URL").and_then(|url| Url::parse(url).ok());
    let admin = known.or_else(|| address::read_addresses(&folder).ok().flatten()?.admin);
    if let Some(admin) = admin
        && let Some(health) = health(&admin, config.upstream.ca_file.as_deref()).await
    {
        for part in ["store", "blobs"] {
            match health.get(part).and_then(Json::as_str) {
                Some("ok") => lines.ok(part, "the running proxy can use it"),
                other => {
                    let what = format!("the running proxy says: {}", other.unwrap_or("nothing"));
                    lines.fail(part, what, "look at its log and at the disk");
                }
            }
        }
        return Some(health);
    }
    let stored = folder.join("store").exists();
    let marker = folder.join("instance.json");
    let mark: Option<Json> = address::small_text(&marker).and_then(|text| serde_json::from_str(&text).ok());
    let events = mark.as_ref().and_then(|mark| mark.get("events")).and_then(Json::as_u64);
    match (stored, marker.exists(), events) {
        (false, false, _) => lines.ok("store", "nothing was ever stored here, and no proxy runs"),
        (true, _, Some(events)) => {
            lines.ok("store", format!("no proxy runs; its ledger had {}", text::count(events, "event")));
        }
        (true, false, None) => {
            lines.warn(
                "store",
                "no proxy runs, and its marker is gone",
                "start lazaret serve, which looks at the store itself",
            );
        }
        (true, true, None) => {
            lines.fail("store", format!("{} cannot be read", marker.display()), "put it back from a backup");
        }
        (false, true, _) => lines.fail(
            "store",
            "decisions were made here, and the store is gone",
            "put it back, or lazaret import a backup: serve refuses to start without it",
        ),
    }
    None
}

async fn health(admin: &Url, ca_file: Option<&Path>) -> Option<Json> {
    let client = api_client::build(ca_file).ok()?;
    let url = admin.join("/readyz").ok()?;
    let answer = api_client::fetch(&client, Method::GET, &url, &[], LONGEST_ANSWER, PATIENCE).await.ok()?;
    serde_json::from_slice::<Json>(&answer.body).ok().filter(|health| health.get("ready").is_some())
}

pub(super) fn clock(lines: &mut Lines, shell: &Shell<'_>, config: &Config, told: &[Told], running: Option<&Json>) {
    let next = "set the clock: nothing is released by time until they agree";
    let now = shell.now();
    let marker = shell.directory.join(&config.store.data_dir).join("instance.json");
    let seen = std::fs::metadata(marker).and_then(|metadata| metadata.modified()).ok().map(Timestamp::from);
    if let Some(ahead) = seen.map(|seen| seen - now).filter(|ahead| *ahead > TOLERANCE) {
        lines.fail("clock", format!("{} min behind what this store has seen", ahead.whole_minutes()), next);
    }
    if let Some(said) =
        running.and_then(|health| health.get("clock")).and_then(Json::as_str).filter(|said| *said != "ok")
    {
        lines.fail("clock", format!("the running proxy says: {said}"), next);
    }
    let off: Vec<&Told> = told.iter().filter(|told| told.skew.abs() > TOLERANCE).collect();
    for told in &off {
        lines.fail("clock", format!("{} min off what {} says", told.skew.whole_minutes(), told.who), next);
    }
    if off.is_empty() {
        match told.iter().map(|told| told.skew.abs()).max() {
            Some(most) => lines.ok("clock", format!("within {} s of what the upstreams say", most.whole_seconds() + 1)),
            None => lines.warn("clock", "no upstream told the time", "see the upstreams above"),
        }
    }
}
