//! `[listen]`: the three listeners.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::values;
use crate::domain::Network;

/// Where we listen and what clients call us.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// For pip, uv, poetry and CPAN clients; port 0 takes a free one.
    #[serde(deserialize_with = "values::address")]
    pub packages: SocketAddr,
    /// For teacup, which caches by host and port only and so needs its own; never TLS.
    #[serde(deserialize_with = "values::address")]
    pub teapot: SocketAddr,
    /// For reviewers, scripts and metrics.
    #[serde(deserialize_with = "values::address")]
    pub admin: SocketAddr,
    /// What messages link to; without it the bound address, never the Host header.
    #[serde(deserialize_with = "values::optional_base_url")]
    pub public_url: Option<Url>,
    /// Whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<Network>,
    /// Packages only for known tokens.
    pub require_token: bool,
}

impl Default for Listen {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            packages: loopback(8080),
            teapot: loopback(8082),
            admin: loopback(8081),
            public_url: None,
            trusted_proxies: Vec::new(),
            require_token: false,
        }
    }
}

impl Listen {
    /// Whether this is the address of our own packages listener: asking it for packages would be asking ourselves.
    pub fn is_own(&self, url: &Url) -> bool {
        let port = url.port_or_known_default();
        if let Some(public) = &self.public_url
            && public.host() == url.host()
            && public.port_or_known_default() == port
            && url.path().starts_with(public.path())
        {
            return true;
        }
        if port != Some(self.packages.port()) {
            return false;
        }
        let ours = self.packages.ip();
        let reaches = |address: IpAddr| address == ours || (ours.is_unspecified() && address.is_loopback());
        match url.host() {
            Some(Host::Domain(name)) => {
                name.eq_ignore_ascii_case("localhost") && (ours.is_loopback() || ours.is_unspecified())
            }
            Some(Host::Ipv4(address)) => reaches(address.into()),
            Some(Host::Ipv6(address)) => reaches(IpAddr::V6(address).to_canonical()),
            None => false,
        }
    }
}
