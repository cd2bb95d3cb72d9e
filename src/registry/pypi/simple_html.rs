//! The HTML form of a project's page: [PEP 503](https://peps.python.org/pep-0503/) and what later ones added to its anchors.

use url::Url;

use crate::domain::{CoreMetadata, Listing, ProjectName, Yanked};
use crate::registry::ReadError;

use super::file_name::has_known_ending;
use super::html::{Part, Tag, last_segment, read_parts};
use super::listing::{Collector, RawFile, check_api_version, fact, promise};

/// Whether a tag belongs to a login or error page: such a page must not look like a project that lost all its files. A bare
/// form is not enough, devpi has one on its pages.
pub(super) fn is_foreign(tag: &Tag) -> bool {
    match tag.name() {
        "script" | "iframe" => true,
        "input" => matches!(tag.attribute("type"), Some("password" | "hidden")),
        _ => false,
    }
}

pub(super) fn read(body: &[u8], page: &Url, project: &ProjectName) -> Result<Listing, ReadError> {
    let mut collector = Collector::new(project, page);
    let mut has_base = false;
    let mut says_version = false;
    let mut looks_foreign = false;
    read_parts(body, |part| {
        let tag = match part {
            Part::Tag(tag) => tag,
            Part::Comment(comment) => {
                read_serial(comment, &mut collector.listing);
                return Ok(());
            }
        };
        match tag.name() {
            "a" => return tag.attribute("href").map_or(Ok(()), |href| read_anchor(tag, href, &mut collector)),
            // Only the first one with an address counts.
            "base" if !has_base => {
                if let Some(href) = tag.attribute("href") {
                    collector.set_base(href);
                    has_base = true;
                }
            }
            "meta" => says_version |= read_meta(tag, &mut collector.listing)?,
            _ => looks_foreign |= is_foreign(tag),
        }
        Ok(())
    })?;
    let listing = collector.listing;
    if looks_foreign && !says_version && listing.files.is_empty() {
        return Err(ReadError::NotAnIndexPage);
    }
    Ok(listing)
}

/// PyPI ends its pages with `<!--SERIAL 123-->`.
fn read_serial(comment: &str, listing: &mut Listing) {
    if let Some(serial) = comment.trim().strip_prefix("SERIAL ")
        && serial.parse::<u64>().is_ok()
    {
        listing.serial = fact(serial);
    }
}

/// True if this is the tag that says that the page is an index page.
fn read_meta(tag: &Tag, listing: &mut Listing) -> Result<bool, ReadError> {
    let (Some(name), Some(content)) = (tag.attribute("name"), tag.attribute("content")) else { return Ok(false) };
    match name {
        "pypi:repository-version" => {
            check_api_version(content)?;
            return Ok(true);
        }
        "pypi:project-status" => listing.status.status = fact(content).unwrap_or_default(),
        "pypi:project-status-reason" => listing.status.reason = fact(content),
        "pypi:tracks" => push_fact(&mut listing.tracks, content),
        "pypi:alternate-locations" => push_fact(&mut listing.alternate_locations, content),
        _ => {}
    }
    Ok(false)
}

fn push_fact(facts: &mut Vec<Box<str>>, content: &str) {
    if facts.len() < 1_000 {
        facts.extend(fact(content));
    }
}

/// Links to something else than a package file (parent folders, home pages) are not the page's files. The address names
/// the file, as for pip and uv: some servers shorten the text.
fn read_anchor(tag: &Tag, href: &str, collector: &mut Collector<'_>) -> Result<(), ReadError> {
    let href = href.trim_ascii();
    let filename = last_segment(href);
    if !has_known_ending(&filename) {
        return Ok(());
    }
    let fragment = href.split_once('#').map_or("", |(_, fragment)| fragment);
    collector.add(RawFile {
        filename: filename.into(),
        url: href.into(),
        promise: promise(fragment.split('&').filter_map(|pair| pair.split_once('='))),
        requires_python: tag.attribute("data-requires-python").map(Into::into),
        yanked: match tag.attribute("data-yanked") {
            None => Yanked::No,
            Some("") => Yanked::Yes,
            Some(reason) => Yanked::Because(reason.into()),
        },
        core_metadata: read_core_metadata(tag.any_attribute(&["data-core-metadata", "data-dist-info-metadata"])),
        gpg_signature: match tag.attribute("data-gpg-sig") {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        },
        provenance: tag.attribute("data-provenance").map(Into::into),
        ..RawFile::default()
    })
}

/// `true`, or `sha256=..`.
fn read_core_metadata(value: Option<&str>) -> CoreMetadata {
    match value {
        None | Some("" | "false") => CoreMetadata::No,
        Some(text) => text
            .strip_prefix("sha256=")
            .and_then(|hex| hex.parse().ok())
            .map_or(CoreMetadata::Yes, CoreMetadata::Digest),
    }
}
