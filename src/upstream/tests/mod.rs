//! The whole client against servers on loopback, friendly and otherwise.

mod pages;
mod places;
mod server;
mod streams;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

use super::resolver::{Lookup, system_lookup};
use super::{AllowedHosts, ClientSettings, PageAnswer, PageRequest, Upstream, UpstreamError};

/// A client without proxies.
fn client() -> Upstream {
    Upstream::with(ClientSettings::default(), system_lookup(), Matcher::builder().build()).unwrap()
}

/// A client that loses patience soon.
fn impatient() -> Upstream {
    let soon = Duration::from_millis(250);
    let settings = ClientSettings { first_byte_timeout: soon, idle_timeout: soon, ..ClientSettings::default() };
    Upstream::with(settings, system_lookup(), Matcher::builder().build()).unwrap()
}

/// Names that exist in one test only.
fn names(table: &[(&str, &str)]) -> Lookup {
    let table: HashMap<String, IpAddr> =
        table.iter().map(|(name, address)| ((*name).to_owned(), address.parse().unwrap())).collect();
    Arc::new(move |name| {
        let found = table.get(&name).map(|address| vec![*address]);
        std::future::ready(found.ok_or_else(|| io::Error::other("no such name"))).boxed()
    })
}

fn hosts(index: &Url) -> AllowedHosts {
    AllowedHosts::for_index(index, &[])
}

fn request<'a>(url: &'a Url, hosts: &'a AllowedHosts) -> PageRequest<'a> {
    PageRequest {
        url,
        accept: "application/vnd.pypi.simple.v1+json",
        validators: None,
        max_bytes: 1 << 20,
        deadline: Duration::from_secs(10),
        hosts,
        credentials: None,
        close: false,
    }
}

async fn page(client: &Upstream, url: &Url) -> Result<PageAnswer, UpstreamError> {
    client.page(request(url, &hosts(url))).await
}

fn body(answer: PageAnswer) -> Vec<u8> {
    match answer {
        PageAnswer::Fresh(page) => page.body.to_vec(),
        other => panic!("no page: {other:?}"),
    }
}
