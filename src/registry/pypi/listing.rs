//! A project's page read into facts, whichever format it came in: every bound and every check stands here, once.

use std::borrow::Cow;
use std::collections::HashSet;

use url::Url;

use crate::domain::file::LONGEST_FILE_NAME;
use crate::domain::{
    CoreMetadata, Digest, DigestAlgorithm, FileName, HiddenFile, ListedFile, Listing, ProjectName, Yanked,
};
use crate::registry::ReadError;

use super::{WhyHidden, file_name, simple_html, simple_json};

/// More files than any project has; the largest known have about five thousand.
pub const MOST_FILES: usize = 50_000;

/// Longest address of a file.
const LONGEST_URL: usize = 2_000;

/// Longest `Requires-Python`, yank reason and the like.
const LONGEST_TEXT: usize = 2_000;

/// Longest upload time: RFC 3339 with nine digits of fraction and an offset.
const LONGEST_TIME: usize = 40;

/// Some servers on Windows start every text with it.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reads the page of a project. The format is the content type's, or what the page looks like where that says nothing.
pub fn read_listing(content_type: &str, body: &[u8], page: &Url, project: &ProjectName) -> Result<Listing, ReadError> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    match Markup::of(content_type, body)? {
        Markup::Json => simple_json::read(body, page, project),
        Markup::Html => simple_html::read(body, page, project),
    }
}

/// How a page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Markup {
    Json,
    Html,
}

impl Markup {
    /// Told by the content type, else by the first bytes.
    pub(super) fn of(content_type: &str, start: &[u8]) -> Result<Self, ReadError> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if let Some(format) = essence.strip_prefix("application/vnd.pypi.simple.") {
            return match format.split_once('+') {
                Some(("v1", "json")) => Ok(Self::Json),
                Some(("v1", "html")) => Ok(Self::Html),
                _ => Err(ReadError::ApiVersion(short(format))),
            };
        }
        match &*essence {
            "application/json" => Ok(Self::Json),
            "text/html" | "application/xhtml+xml" => Ok(Self::Html),
            _ => match start.trim_ascii_start().first() {
                Some(b'{') => Ok(Self::Json),
                Some(b'<') => Ok(Self::Html),
                _ => Err(ReadError::NotAnIndexPage),
            },
        }
    }
}

/// [Any 1.x can be read](https://packaging.python.org/en/latest/specifications/simple-repository-api/#versioning-pypi-s-simple-api);
/// another major version may mean anything.
pub(super) fn check_api_version(version: &str) -> Result<(), ReadError> {
    match version.split('.').next().map(str::parse::<u32>) {
        Some(Ok(0 | 1)) => Ok(()),
        _ => Err(ReadError::ApiVersion(short(version))),
    }
}

/// Enough of a text for a message.
pub(super) fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

/// A file as a page writes it, unchecked.
#[derive(Debug, Default)]
pub(super) struct RawFile<'a> {
    pub(super) filename: Cow<'a, str>,
    pub(super) url: Cow<'a, str>,
    pub(super) promise: Option<Digest>,
    pub(super) size: Option<u64>,
    pub(super) uploaded: Option<Cow<'a, str>>,
    pub(super) requires_python: Option<Cow<'a, str>>,
    pub(super) yanked: Yanked,
    pub(super) core_metadata: CoreMetadata,
    pub(super) gpg_signature: Option<bool>,
    pub(super) provenance: Option<Cow<'a, str>>,
}

/// SHA-256 where it is among the promises, since that is the name of the bytes here; else the strongest that we know.
pub(super) fn promise<'a>(digests: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Digest> {
    digests
        .filter_map(|(name, hex)| Digest::new(DigestAlgorithm::from_name(name)?, hex))
        .min_by_key(|digest| (digest.algorithm != DigestAlgorithm::Sha256, digest.algorithm))
}

/// Takes the files of one page, checks each, and keeps what was hidden and why.
#[derive(Debug)]
pub(super) struct Collector<'a> {
    project: &'a ProjectName,
    page: &'a Url,
    base: Cow<'a, Url>,
    /// Scheme, host and port of the base, and of the last address that was somewhere else, as a URL parser writes them.
    home: String,
    elsewhere: String,
    seen: HashSet<FileName>,
    pub(super) listing: Listing,
}

impl<'a> Collector<'a> {
    pub(super) fn new(project: &'a ProjectName, page: &'a Url) -> Self {
        Self {
            project,
            page,
            base: Cow::Borrowed(page),
            home: page.origin().ascii_serialization(),
            elsewhere: String::new(),
            seen: HashSet::new(),
            listing: Listing::default(),
        }
    }

    /// `<base href>`: where relative addresses start from now on.
    pub(super) fn set_base(&mut self, href: &str) {
        if let Ok(base) = self.page.join(href) {
            self.home = base.origin().ascii_serialization();
            self.base = Cow::Owned(base);
        }
    }

    /// Lists the file or hides it.
    pub(super) fn add(&mut self, raw: RawFile<'_>) -> Result<(), ReadError> {
        if self.listing.files.len() + self.listing.hidden.len() >= MOST_FILES {
            return Err(ReadError::TooLarge { what: "the number of files on a page", limit: MOST_FILES });
        }
        let written = raw.filename.clone();
        match self.check(raw) {
            Ok(file) => self.listing.files.push(file),
            Err(why) => self.listing.hidden.push(HiddenFile {
                name: without_controls(&written).chars().take(LONGEST_FILE_NAME).collect::<String>().into(),
                why: why.to_string().into(),
            }),
        }
        Ok(())
    }

    fn check(&mut self, raw: RawFile<'_>) -> Result<ListedFile, WhyHidden> {
        let filename = FileName::parse(&raw.filename).map_err(|_| WhyHidden::NotAFileName)?;
        let (version, kind) = file_name::parse(self.project, &filename)?;
        if self.seen.contains(&filename) {
            return Err(WhyHidden::ListedTwice);
        }
        let url = self.resolve(&raw.url)?;
        let uploaded = bounded(raw.uploaded, "upload time")?.filter(|text| is_time(text));
        let requires_python = bounded(raw.requires_python, "Requires-Python")?;
        // A reason of several lines is no reason to lose the file, nor is a long one.
        let yanked = match raw.yanked {
            Yanked::Because(reason) if check_text(&reason, "", LONGEST_TEXT).is_err() => {
                fact(&one_line(&reason)).map_or(Yanked::Yes, Yanked::Because)
            }
            yanked => yanked,
        };
        let provenance = bounded(raw.provenance, "provenance address")?.filter(|text| self.is_trusted_address(text));
        self.seen.insert(filename.clone());
        Ok(ListedFile {
            filename,
            version,
            kind,
            url,
            promise: raw.promise,
            size: raw.size,
            uploaded,
            requires_python,
            yanked,
            core_metadata: raw.core_metadata,
            gpg_signature: raw.gpg_signature,
            provenance,
            provides: Vec::new(),
        })
    }

    /// The absolute address, without credentials (those of the page's own address would be inherited) and without fragment.
    fn resolve(&mut self, raw: &str) -> Result<Box<str>, WhyHidden> {
        let raw = raw.trim_ascii();
        if let Some(plain) = self.plain(raw) {
            return Ok(plain);
        }
        // Before parsing: a URL parser drops line breaks without a word.
        check_text(raw, "address", LONGEST_URL)?;
        let mut url = self.base.join(raw).map_err(|_| WhyHidden::Address)?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() || raw.is_empty() {
            return Err(WhyHidden::Address);
        }
        url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| WhyHidden::Address)?;
        url.set_fragment(None);
        check_text(url.as_str(), "address", LONGEST_URL)?;
        let origin = url.origin();
        if origin != self.base.origin() {
            self.elsewhere = origin.ascii_serialization();
        }
        Ok(url.as_str().into())
    }

    /// What a URL parser would make of an address that is at a known origin and has nothing in its path that means anything.
    /// Thousands of files stand at one origin, and parsing each address takes a third of the time that a page takes.
    fn plain(&self, raw: &str) -> Option<Box<str>> {
        let path = [&self.elsewhere, &self.home]
            .into_iter()
            .filter(|origin| !origin.is_empty())
            .find_map(|origin| raw.strip_prefix(origin.as_str()))
            .unwrap_or(raw);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.+".contains(&byte);
        let is_path =
            path.starts_with('/') && path.bytes().all(is_plain) && !path.contains("/.") && !path.contains("//");
        if !is_path || raw.len() > LONGEST_URL - self.home.len().min(LONGEST_URL) {
            return None;
        }
        Some(if path.len() == raw.len() { format!("{}{raw}", self.home).into() } else { raw.into() })
    }

    /// [PEP 740](https://peps.python.org/pep-0740/) wants https; an index that itself has none cannot do better than that.
    fn is_trusted_address(&self, text: &str) -> bool {
        Url::parse(text)
            .is_ok_and(|url| url.scheme() == "https" || (url.scheme() == "http" && self.page.scheme() == "http"))
    }
}

/// A text that may be passed on: `None` if it is absent or empty.
fn bounded(text: Option<Cow<'_, str>>, field: &'static str) -> Result<Option<Box<str>>, WhyHidden> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    check_text(&text, field, LONGEST_TEXT)?;
    Ok(Some(text.into()))
}

fn check_text(text: &str, field: &'static str, longest: usize) -> Result<(), WhyHidden> {
    if text.len() > longest {
        return Err(WhyHidden::TooLong(field));
    }
    if text.chars().any(char::is_control) {
        return Err(WhyHidden::ControlCharacter(field));
    }
    Ok(())
}

/// Whether the text is an upload time that clients can read. Looser parsers take any byte between date and time.
fn is_time(text: &str) -> bool {
    text.len() <= LONGEST_TIME
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"TZ:.+-".contains(&byte))
        && time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).is_ok()
}

/// The text with a space for each control character: fit for one line of a page, a terminal or a log.
pub(super) fn without_controls(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        text.chars().map(|each| if each.is_control() { ' ' } else { each }).collect::<String>().into()
    } else {
        text.into()
    }
}

/// The text with one space wherever it has white space or control characters.
fn one_line(text: &str) -> String {
    text.split(|letter: char| letter.is_control() || letter.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A short fact about the project, fit to be shown; `None` if it is empty.
pub(super) fn fact(text: &str) -> Option<Box<str>> {
    let text: String = without_controls(text.trim()).chars().take(LONGEST_TEXT).collect();
    (!text.is_empty()).then(|| text.into())
}
