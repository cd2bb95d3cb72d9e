//! The plan: what the configuration says, in the words of the rooms that are built by it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use url::Url;

use crate::attest::TrustRoot;
use crate::config::{Baseline, Config, PrivateIndex};
use crate::domain::{Ecosystem, NamePattern, Origin, Timestamp};
use crate::http::package;
use crate::http::porter::HouseRules;
use crate::http::tls::{Certificates, TlsFiles};
use crate::quarantine::{
    AdvisorySettings, AdvisorySource, CellarSettings, Cpan, CpanSettings, Index, Indexes, Teapot, TeapotSettings,
};
use crate::sign_in::{credentials, identities};
use crate::upstream::{AllowedHosts, ClientSettings, Upstream};

/// The way out to all indexes.
pub(super) fn way_out(config: &Config, via: &str) -> anyhow::Result<Upstream> {
    Ok(Upstream::new(ClientSettings {
        ca_file: config.upstream.ca_file.clone(),
        identities: identities(config),
        via: via.to_owned(),
        user_agent: concat!("lazaret/", env!("CARGO_PKG_VERSION")).to_owned(),
        ..ClientSettings::default()
    })?)
}

/// Where advisories are read, if anywhere.
pub(super) fn advisories(config: &Config) -> Option<AdvisorySettings> {
    let source = match config.advisories.source.as_ref()? {
        crate::config::AdvisorySource::Path(path) => AdvisorySource::Path(path.clone()),
        crate::config::AdvisorySource::Url(url) => AdvisorySource::Address(url.clone()),
    };
    Some(AdvisorySettings { source, refresh: config.advisories.refresh })
}

/// With what attestations are verified. One that is named and cannot be read is an error; the embedded one cannot fail.
pub(super) fn trusted_root(config: &Config) -> anyhow::Result<Option<TrustRoot>> {
    match &config.pypi.trusted_root {
        Some(file) => TrustRoot::load(file).map(Some).context("pypi.trusted_root"),
        None => {
            Ok(TrustRoot::embedded().inspect_err(|error| tracing::warn!(%error, "attestations are not verified")).ok())
        }
    }
}

/// The certificates of the packages and admin listeners, if they have any.
pub(super) fn certificates(config: &Config, now: Timestamp) -> anyhow::Result<Option<Arc<Certificates>>> {
    let tls = &config.tls;
    let (Some(certificate), Some(key)) = (tls.certificate.clone(), tls.key.clone()) else {
        anyhow::ensure!(
            tls.certificate.is_none() && tls.key.is_none() && tls.client_ca.is_none(),
            "tls: set both tls.certificate and tls.key, or nothing of this section"
        );
        return Ok(None);
    };
    let files = TlsFiles { certificate, key, client_ca: tls.client_ca.clone() };
    Certificates::open(files, now).map(Some).context("tls")
}

/// Who may come in, and how often.
pub(super) fn house_rules(config: &Config) -> HouseRules {
    HouseRules {
        trusted_proxies: config.listen.trusted_proxies.clone(),
        require_token: config.listen.require_token,
        cold_misses_per_minute: config.limits.cold_misses_per_minute,
        failed_sign_ins_per_minute: config.limits.failed_sign_ins_per_minute,
    }
}

/// How much the cellar may hold.
pub(super) fn cellar_settings(config: &Config) -> CellarSettings {
    CellarSettings { max_bytes: config.store.max_bytes.as_u64(), keep_downloaded: config.store.keep_downloaded }
}

pub(super) fn indexes(config: &Config) -> anyhow::Result<Indexes> {
    let pypi = &config.pypi;
    let public = pypi.upstream.as_ref().map(|base| Index {
        hosts: AllowedHosts::for_index(base, &pypi.file_hosts).into(),
        credentials: credentials(base, &pypi.username, pypi.password.as_ref()),
        trusted: pypi.baseline == Baseline::Trust,
        ..public_index(base)
    });
    let private = pypi.private.iter().map(private_index).collect::<anyhow::Result<_>>()?;
    Ok(Indexes::new(public, private))
}

/// A public index of which nothing else is said.
fn public_index(base: &Url) -> Index {
    Index {
        origin: Origin::Public,
        base: base.clone(),
        hosts: AllowedHosts::for_index(base, &[]).into(),
        credentials: None,
        names: Vec::new(),
        hold: None,
        volatile: Vec::new(),
        trusted: false,
        closes: false,
    }
}

fn private_index(index: &PrivateIndex) -> anyhow::Result<Index> {
    let patterns = |key: &str, names: &[String]| -> anyhow::Result<Vec<NamePattern>> {
        names
            .iter()
            .map(|name| {
                NamePattern::parse(Ecosystem::Pypi, name)
                    .with_context(|| format!("pypi.private {}: {key}: {name:?}", index.name))
            })
            .collect()
    };
    Ok(Index {
        origin: Origin::Private(index.name.as_str().into()),
        base: index.index.clone(),
        hosts: AllowedHosts::for_index(&index.index, &[]).into(),
        credentials: credentials(&index.index, &index.username, index.password.as_ref()),
        names: patterns("names", &index.names)?,
        hold: Some(index.hold),
        volatile: patterns("volatile", &index.volatile)?,
        trusted: true,
        closes: false,
    })
}

/// What the CPAN side is told.
pub(super) fn cpan_settings(config: &Config, data_dir: &Path) -> anyhow::Result<CpanSettings> {
    let cpan = &config.cpan;
    let mut keys = Vec::new();
    for file in &cpan.keys {
        keys.push(std::fs::read(file).with_context(|| format!("cpan.keys: {} cannot be read", file.display()))?);
    }
    let is_default = cpan.upstream == crate::config::Cpan::default().upstream;
    Ok(CpanSettings {
        poll: cpan.poll,
        folder: data_dir.join("cpan"),
        configured: !is_default || !cpan.private.is_empty(),
        keyring: Cpan::keyring(&keys).context("cpan.keys")?,
    })
}

/// The teapot side, where a repository is configured.
pub(super) fn teapot(config: &Config, data_dir: &Path) -> Option<Teapot> {
    let teapot = &config.teapot;
    let base = teapot.upstream.as_ref()?;
    let settings = TeapotSettings {
        poll: teapot.poll,
        folder: data_dir.join("teapot"),
        configured: teapot.upstream != crate::config::Teapot::default().upstream,
    };
    let index = Index {
        trusted: teapot.baseline == Baseline::Trust,
        // The original server waits on a connection that it has answered, and says no length.
        closes: true,
        ..public_index(base)
    };
    Some(Teapot::new(settings, index))
}

pub(super) fn cpan_public(config: &Config) -> Option<Index> {
    config.cpan.upstream.as_ref().map(public_index)
}

pub(super) fn cpan_private(config: &Config) -> anyhow::Result<Vec<Index>> {
    let index = |dark: &crate::config::DarkPan| {
        let pattern = |prefix: &String| {
            NamePattern::parse(Ecosystem::Cpan, prefix)
                .with_context(|| format!("cpan.private {}: prefixes: {prefix:?}", dark.name))
        };
        Ok(Index {
            origin: Origin::Private(dark.name.as_str().into()),
            base: dark.index.clone(),
            hosts: AllowedHosts::for_index(&dark.index, &[]).into(),
            credentials: credentials(&dark.index, &dark.username, dark.password.as_ref()),
            names: dark.prefixes.iter().map(pattern).collect::<anyhow::Result<_>>()?,
            hold: Some(std::time::Duration::ZERO),
            volatile: Vec::new(),
            trusted: true,
            closes: false,
        })
    };
    config.cpan.private.iter().map(index).collect()
}

/// Whether we answer as a proxy, and under which names we are ourselves.
pub(super) fn forwarding(
    config: &Config,
    packages: &TcpListener,
    public_url: &str,
) -> anyhow::Result<package::Forwarding> {
    let address = packages.local_addr()?;
    let mut own = vec![address.to_string(), format!("localhost:{}", address.port())];
    own.push(format!("127.0.0.1:{}", address.port()));
    own.extend(Url::parse(public_url).ok().map(|url| url.authority().to_owned()));
    Ok(package::Forwarding { on: config.cpan.forward_proxy, upstream: config.cpan.upstream.clone(), own })
}

/// Under which names the desk may be addressed: the bound address, this machine, and the public name.
pub(super) fn admin_hosts(config: &Config, listener: &TcpListener) -> anyhow::Result<Vec<String>> {
    let address = listener.local_addr()?;
    let bound = match address.ip() {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let mut hosts = vec![bound, "localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
    hosts.extend(config.listen.public_url.as_ref().and_then(Url::host_str).map(str::to_owned));
    Ok(hosts)
}
