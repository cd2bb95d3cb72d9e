//! How people write addresses, durations, sizes and paths, with a sentence for each when they write something else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use url::Url;

use super::{AdvisorySource, Password};

const DURATION: &str = "write a duration in quotes, like \"90s\", \"10m\", \"72h\" or \"7d\"";
const SIZE: &str = "write a size in quotes, like \"200MiB\" or \"50GiB\"";
const ADDRESS: &str = "write an IP address and a port in quotes, like \"127.0.0.1:8080\" or \"[::1]:8080\"";
const FEED: &str = "write a whole URL in quotes, like \"https://advisories.example.test/PyPI/all.zip\", or the path of a \
                    folder or a file";
const FEED_SIGN_IN: &str = "credentials do not belong into a URL; fetch the file yourself and write its path here";
const URL: &str = "write a whole URL in quotes, like \"https://packages.example.test/simple/\"";
const INDEX_SIGN_IN: &str = "credentials do not belong into a URL; write the user into `username` and the password into \
                             `password = { file = \"path\" }`, both beside this key";

/// A text; anything else is answered with the hint.
fn text<'de, D: Deserializer<'de>>(deserializer: D, hint: &str) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer).map_err(|_| D::Error::custom(hint))?;
    Ok(text.trim().to_owned())
}

fn parse<E: serde::de::Error, T: std::str::FromStr>(text: &str, what: &str, hint: &str) -> Result<T, E> {
    text.parse().map_err(|_| E::custom(format!("{text:?} is not {what}; {hint}")))
}

/// `"90s"`, `"72h"`, `"7d"`, `"0s"`.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = text(deserializer, DURATION)?;
    parse::<_, humantime::Duration>(&text, "a duration", DURATION).map(Into::into)
}

/// `"200MiB"`, `"50GiB"`.
pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    parse(&text(deserializer, SIZE)?, "a size", SIZE)
}

/// `"127.0.0.1:8080"`, `"[::1]:8080"`.
pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    parse(&text(deserializer, ADDRESS)?, "an address to listen on", ADDRESS)
}

/// The root of an index or of a site, which always ends in `/` so that relative links resolve below it.
pub(super) fn base_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    parse_base_url(&text(deserializer, URL)?).map_err(D::Error::custom)
}

/// [`base_url`], or nothing.
pub(super) fn optional_base_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let text = text(deserializer, URL)?;
    if text.is_empty() { Ok(None) } else { parse_base_url(&text).map(Some).map_err(D::Error::custom) }
}

/// A folder, a file, or the address of a file; or nothing.
pub(super) fn optional_advisory_source<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<AdvisorySource>, D::Error> {
    let text = text(deserializer, FEED)?;
    if text.is_empty() {
        Ok(None)
    } else if text.contains("://") {
        parse_url(&text, FEED, FEED_SIGN_IN).map(|url| Some(AdvisorySource::Url(url))).map_err(D::Error::custom)
    } else {
        Ok(Some(AdvisorySource::Path(PathBuf::from(text))))
    }
}

/// A file, or nothing.
pub(super) fn optional_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok((!text.is_empty()).then(|| PathBuf::from(text)))
}

/// A password, or nothing. Without this, an empty environment variable would be an empty password.
pub(super) fn optional_password<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Password>, D::Error> {
    let password = Password::deserialize(deserializer)?;
    Ok((!password.is_empty()).then_some(password))
}

/// Reads the address of an index.
fn parse_base_url(text: &str) -> Result<Url, String> {
    let mut url = parse_url(text, URL, INDEX_SIGN_IN)?;
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// Reads an address; `sign_in` says where credentials belong instead. What cannot be read is not repeated: there may be a
/// password in it.
fn parse_url(text: &str, hint: &str, sign_in: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| format!("this is not a URL; {hint}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("this is not an address on the web; {hint}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(sign_in.to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("this address may not have a part after ? or #".to_owned());
    }
    Ok(url)
}
