//! Where an index may lead us: its own host, the hosts that its configuration names, and nothing inside the building unless
//! the index is there itself.

use std::net::IpAddr;

use url::{Host, Origin, Url};

use super::UpstreamError;
use super::address::Place;
use super::error::host_of;

/// The places that one index may send us to, by links or by redirects.
#[derive(Debug, Clone)]
pub struct AllowedHosts {
    home: Home,
    encrypted: bool,
    origins: Vec<Origin>,
}

/// Where the index itself is, as far as its address tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Home {
    /// Given by its address, or this machine by name.
    At(Place),
    /// Given by a name: only a look-up tells.
    Named(Box<str>),
}

impl AllowedHosts {
    /// The index's own host, and `file_hosts`: `files.example.test`, `files.example.test:8443`, or with `http://` in front where
    /// files come unencrypted although the index is encrypted. An entry that cannot be read is left out, with a warning.
    pub fn for_index(index: &Url, file_hosts: &[String]) -> Self {
        let mut allowed = Self { home: Home::of(index), encrypted: index.scheme() == "https", origins: Vec::new() };
        allowed.admit(index);
        if !allowed.encrypted && index.port().is_none() {
            // An index that is configured with http:// may send us to its encrypted self.
            allowed.admit_text(&format!("https://{}", index.host_str().unwrap_or_default()));
        }
        for entry in file_hosts {
            if entry.contains("://") {
                allowed.admit_text(entry);
            } else {
                allowed.admit_text(&format!("https://{entry}"));
                if !allowed.encrypted {
                    allowed.admit_text(&format!("http://{entry}"));
                }
            }
        }
        allowed
    }

    /// Also the host of this address; not an unencrypted one where the index is encrypted.
    #[must_use]
    pub fn with_host(mut self, url: &Url) -> Self {
        if !self.encrypted || url.scheme() == "https" {
            self.admit(url);
        }
        self
    }

    /// Whether this address may be asked. What its host name resolves to is checked again when we connect.
    pub fn check(&self, url: &Url) -> Result<(), UpstreamError> {
        let refuse = |why| Err(UpstreamError::HostNotAllowed { host: host_of(url), why });
        if !matches!(url.scheme(), "http" | "https") {
            return refuse("only http and https are spoken");
        }
        if !self.origins.contains(&url.origin()) {
            return refuse("it is neither the index's own host nor among its file_hosts");
        }
        match (Home::of(url), &self.home) {
            (Home::At(Place::Inside), Home::At(Place::Inside | Place::Special))
            | (Home::At(Place::Special), Home::At(Place::Special))
            | (Home::At(Place::Public) | Home::Named(_), _) => Ok(()),
            (Home::At(_), _) => {
                refuse("it is an inner address, and the index is not configured by an inner address itself")
            }
        }
    }

    /// Where the index itself is.
    pub(super) fn home(&self) -> &Home {
        &self.home
    }

    fn admit(&mut self, url: &Url) {
        let origin = url.origin();
        if origin.is_tuple() && !self.origins.contains(&origin) {
            self.origins.push(origin);
        }
    }

    fn admit_text(&mut self, text: &str) {
        match Url::parse(text) {
            Ok(url) => self.admit(&url),
            Err(error) => tracing::warn!(entry = text, %error, "this file host cannot be read and is left out"),
        }
    }
}

impl Home {
    fn of(url: &Url) -> Self {
        match url.host() {
            Some(Host::Ipv4(address)) => Self::At(Place::of(IpAddr::V4(address))),
            Some(Host::Ipv6(address)) => Self::At(Place::of(IpAddr::V6(address))),
            // RFC 6761: these names mean this machine, whatever a resolver says.
            Some(Host::Domain(name)) if is_localhost(name) => Self::At(Place::Inside),
            Some(Host::Domain(name)) => Self::Named(name.into()),
            None => Self::At(Place::Special),
        }
    }
}

/// Whether a name means this machine.
pub(super) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn allowed(index: &str, file_hosts: &[&str]) -> AllowedHosts {
        AllowedHosts::for_index(&url(index), &file_hosts.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    fn admits(hosts: &AllowedHosts, text: &str) -> bool {
        hosts.check(&url(text)).is_ok()
    }

    #[test]
    fn an_index_leads_to_itself_and_to_its_file_hosts_only() {
        let hosts = allowed("https://index.example.test/simple/", &["files.example.test", "other.example.test:8443"]);
        assert!(admits(&hosts, "https://index.example.test/simple/foo/"));
        assert!(admits(&hosts, "https://INDEX.example.test:443/x"));
        assert!(admits(&hosts, "https://files.example.test/f.whl"));
        assert!(admits(&hosts, "https://other.example.test:8443/f.whl"));
        for text in [
            "https://index.example.test:8443/",
            "https://other.example.test/",
            "https://evil.example.test/",
            "https://files.example.test.evil.test/",
            "https://files.example.test@evil.test/",
            "http://index.example.test/",
            "http://files.example.test/",
            "ftp://files.example.test/",
            "file:///etc/passwd",
        ] {
            assert!(!admits(&hosts, text), "{text}");
        }
        let hosts = hosts.with_host(&url("https://cdn.example.test/f")).with_host(&url("http://plain.example.test/f"));
        assert!(admits(&hosts, "https://cdn.example.test/g"));
        assert!(!admits(&hosts, "http://plain.example.test/f"), "no downgrade by what a page says");
    }

    #[test]
    fn an_unencrypted_index_may_lead_to_encrypted_hosts() {
        let hosts = allowed("http://index.example.test/simple/", &["files.example.test"]);
        for text in ["https://index.example.test/", "http://files.example.test/", "https://files.example.test/"] {
            assert!(admits(&hosts, text), "{text}");
        }
        assert!(admits(
            &allowed("https://index.example.test/", &["http://plain.example.test"]),
            "http://plain.example.test/"
        ));
    }

    #[test]
    fn only_an_inner_index_leads_inside() {
        let literals = [
            "127.0.0.1",
            "10.0.0.1",
            "[::1]",
            "[::ffff:10.0.0.1]",
            "169.254.169.254",
            "2130706433",
            "0x7f.1",
            "localhost",
        ];
        for literal in literals {
            let target = format!("https://{literal}/x");
            let outer = allowed("https://index.example.test/", &[]).with_host(&url(&target));
            assert!(!admits(&outer, &target), "{target} from a public index");
            let inner = allowed("https://127.0.0.1:8443/", &[]).with_host(&url(&target));
            assert_eq!(admits(&inner, &target), literal != "169.254.169.254", "{target} from an inner index");
        }
        assert!(admits(&allowed("http://localhost:3141/simple/", &[]), "http://localhost:3141/f.whl"));
        assert!(admits(&allowed("http://169.254.1.1/simple/", &[]), "http://169.254.1.1/f.whl"));
    }

    #[test]
    fn an_unreadable_entry_admits_nothing() {
        let hosts = allowed("https://index.example.test/", &["", "a b", "https://", "data://x"]);
        assert!(!admits(&hosts, "https://a/"));
        assert!(admits(&hosts, "https://index.example.test/"));
    }
}
