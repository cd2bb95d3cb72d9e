//! What each value alone cannot show: settings that do not go together.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use url::{Host, Url};

use super::{AdvisorySource, Config, Mistake, Password, Source};
use crate::domain::{Ecosystem, NamePattern};

/// Everything that is wrong, from the top of the file to its end.
pub(super) fn mistakes(config: &Config, sources: &BTreeMap<String, Source>) -> Vec<Mistake> {
    let mut check = Check { sources, mistakes: Vec::new() };
    check.listeners(config);
    check.tls(config);
    check.public_index(config);
    check.private_indexes(config);
    check.dark_pans(config);
    check.advisories(config);
    check.times_and_limits(config);
    check.mistakes.sort_by_key(|mistake| match mistake.source {
        Source::File { line, .. } => line,
        _ => usize::MAX,
    });
    check.mistakes
}

struct Check<'a> {
    sources: &'a BTreeMap<String, Source>,
    mistakes: Vec<Mistake>,
}

impl Check<'_> {
    fn wrong(&mut self, key: impl Into<String>, message: impl Into<String>) {
        let key = key.into();
        let source = self.sources.get(&key).cloned().unwrap_or(Source::Default);
        self.mistakes.push(Mistake { key, source, message: message.into() });
    }

    fn listeners(&mut self, config: &Config) {
        let listen = &config.listen;
        let all = [("packages", listen.packages), ("admin", listen.admin), ("teapot", listen.teapot)];
        for (place, (name, address)) in all.iter().enumerate() {
            if let Some((other, _)) = all.iter().take(place).find(|(_, other)| collide(*other, *address)) {
                // Blame the one that somebody wrote.
                let key = match self.sources.get(&format!("listen.{name}")) {
                    Some(Source::Default) | None => other,
                    Some(_) => name,
                };
                let message =
                    format!("{other} and {name} would both listen on port {}; each needs its own", address.port());
                self.wrong(format!("listen.{key}"), message);
            }
        }
    }

    fn tls(&mut self, config: &Config) {
        let tls = &config.tls;
        match (&tls.certificate, &tls.key) {
            (Some(_), None) => self.wrong("tls.certificate", "a certificate needs its key; set tls.key too"),
            (None, Some(_)) => self.wrong("tls.key", "a key needs its certificate; set tls.certificate too"),
            (None, None) if tls.client_ca.is_some() => {
                self.wrong("tls.client_ca", "client certificates need TLS; set tls.certificate and tls.key too");
            }
            _ => {}
        }
    }

    fn public_index(&mut self, config: &Config) {
        let pypi = &config.pypi;
        if let Some(upstream) = &pypi.upstream {
            self.not_ourselves("pypi.upstream", upstream, config);
        }
        self.sign_in("pypi", &pypi.username, pypi.password.as_ref());
        self.certificate("pypi", pypi.upstream.as_ref(), pypi.client_certificate.is_some(), pypi.client_key.is_some());
        for host in &pypi.file_hosts {
            if !is_host(host) {
                let message = format!("{host:?} is not a host; write only its name, like \"files.example.test\"");
                self.wrong("pypi.file_hosts", message);
            }
        }
    }

    fn private_indexes(&mut self, config: &Config) {
        let mut names = BTreeSet::new();
        for (place, private) in config.pypi.private.iter().enumerate() {
            let section = format!("pypi.private[{place}]");
            self.name(&section, &private.name, &mut names);
            if config.pypi.upstream.as_ref() == Some(&private.index) {
                let message = "this is the public index (pypi.upstream); a private index is another one, so correct one \
                               of them or remove this section";
                self.wrong(format!("{section}.index"), message);
            }
            self.not_ourselves(&format!("{section}.index"), &private.index, config);
            self.sign_in(&section, &private.username, private.password.as_ref());
            let (certificate, key) = (private.client_certificate.is_some(), private.client_key.is_some());
            self.certificate(&section, Some(&private.index), certificate, key);
            self.patterns(&format!("{section}.names"), Ecosystem::Pypi, &private.names);
            self.patterns(&format!("{section}.volatile"), Ecosystem::Pypi, &private.volatile);
        }
    }

    fn dark_pans(&mut self, config: &Config) {
        let mut names = BTreeSet::new();
        for (place, private) in config.cpan.private.iter().enumerate() {
            let section = format!("cpan.private[{place}]");
            self.name(&section, &private.name, &mut names);
            if config.cpan.upstream.as_ref() == Some(&private.index) {
                self.wrong(
                    format!("{section}.index"),
                    "this is the public mirror (cpan.upstream); correct one of them",
                );
            }
            self.sign_in(&section, &private.username, private.password.as_ref());
            let (certificate, key) = (private.client_certificate.is_some(), private.client_key.is_some());
            self.certificate(&section, Some(&private.index), certificate, key);
            self.patterns(&format!("{section}.prefixes"), Ecosystem::Cpan, &private.prefixes);
        }
    }

    fn advisories(&mut self, config: &Config) {
        if let Some(AdvisorySource::Url(url)) = &config.advisories.source
            && config.listen.is_own(url)
        {
            self.wrong("advisories.source", "this is lazaret's own address; write where the records are published");
        }
    }

    fn times_and_limits(&mut self, config: &Config) {
        let shortest = Duration::from_secs(1);
        let times = [
            ("pypi.reread", config.pypi.reread),
            ("cpan.poll", config.cpan.poll),
            ("teapot.poll", config.teapot.poll),
            ("advisories.refresh", config.advisories.refresh),
        ];
        for (key, time) in times {
            if time < shortest {
                self.wrong(key, "this would ask the upstream without a pause; write at least \"1s\"");
            }
        }
        let limits = [
            ("limits.cold_misses_per_minute", config.limits.cold_misses_per_minute),
            ("limits.failed_sign_ins_per_minute", config.limits.failed_sign_ins_per_minute),
        ];
        for (key, limit) in limits {
            if limit == 0 {
                self.wrong(key, "nobody would get anything; write at least 1");
            }
        }
        if !(1..=366).contains(&config.store.report_days) {
            self.wrong("store.report_days", "write a number of days from 1 to 366");
        }
        if !(1..=3_660).contains(&config.store.download_days) {
            self.wrong("store.download_days", "write a number of days from 1 to 3660");
        } else if config.store.keep_downloaded > Duration::from_hours(24 * u64::from(config.store.download_days)) {
            self.wrong(
                "store.download_days",
                "write at least as many days as store.keep_downloaded has: it goes by this log",
            );
        }
        if config.store.data_dir.as_os_str().is_empty() {
            self.wrong("store.data_dir", "name a folder, like \"lazaret-data\"");
        }
    }

    /// The store remembers a private index by its name, so it is one plain word, used once.
    fn name<'a>(&mut self, section: &str, name: &'a str, names: &mut BTreeSet<&'a str>) {
        let key = format!("{section}.name");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || name.len() > 40 || !name.bytes().all(plain) {
            self.wrong(key, "name it with 1 to 40 letters, digits, '-', '_' and '.', like \"corp\"");
        } else if !names.insert(name) {
            self.wrong(key, format!("there are two private indexes called {name:?}; give each its own name"));
        }
    }

    fn not_ourselves(&mut self, key: &str, url: &Url, config: &Config) {
        if config.listen.is_own(url) {
            self.wrong(key, "this is lazaret's own address; write the address of the index behind it");
        }
    }

    /// Without a name a command's token is sent as Bearer, and a netrc has names of its own.
    fn sign_in(&mut self, section: &str, username: &str, password: Option<&Password>) {
        match password {
            Some(Password::Known(_)) if username.is_empty() => {
                self.wrong(
                    format!("{section}.password"),
                    format!("a password needs a user; set {section}.username too"),
                );
            }
            Some(Password::Netrc(_)) if !username.is_empty() => {
                let message = "the netrc file names the user; leave this away, or write the password elsewhere";
                self.wrong(format!("{section}.username"), message);
            }
            _ => {}
        }
    }

    fn certificate(&mut self, section: &str, index: Option<&Url>, certificate: bool, key: bool) {
        if key && !certificate {
            let message = format!("a key needs its certificate; set {section}.client_certificate too");
            self.wrong(format!("{section}.client_key"), message);
        }
        if certificate && index.is_some_and(|index| index.scheme() != "https") {
            let message = "a certificate is shown over TLS only; write an https address, or leave this away";
            self.wrong(format!("{section}.client_certificate"), message);
        }
    }

    fn patterns(&mut self, key: &str, ecosystem: Ecosystem, patterns: &[String]) {
        let example = if ecosystem == Ecosystem::Pypi { "\"acme\" or \"acme-*\"" } else { "\"Acme::Corp::*\"" };
        for pattern in patterns {
            if let Err(error) = NamePattern::parse(ecosystem, pattern) {
                self.wrong(key, format!("{pattern:?}: {error}; write names like {example}"));
            }
        }
    }
}

fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() != 0
        && one.port() == other.port()
        && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}

/// A host, perhaps with a port.
fn is_host(text: &str) -> bool {
    let host = match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        _ => text,
    };
    !host.is_empty() && Host::parse(host).is_ok()
}
