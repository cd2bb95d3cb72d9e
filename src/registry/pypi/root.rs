//! The list of all projects, `/simple/`: PyPI's has 40 MB, so it is read and written name by name and never held whole.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, Read};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::domain::ProjectName;
use crate::registry::ReadError;

use super::html::{Part, last_segment, read_parts};
use super::listing::{BYTE_ORDER_MARK, Markup, check_api_version};
use super::negotiate::Format;
use super::render::{API_VERSION, quote};
use super::simple_html::is_foreign;
use super::value::Value;

/// Bytes without a name after which reading stops. A parser may hold what it has not finished, so this bounds memory.
const LONGEST_GAP: usize = 1024 * 1024;

/// Reads a list of projects and hands each name, as written, to `sink`; what is no valid name is left out. Returns how many
/// there were. What `sink` took before an error is incomplete.
pub fn read_names(
    content_type: &str,
    reader: impl BufRead,
    sink: &mut dyn FnMut(&str) -> io::Result<()>,
) -> Result<u64, ReadError> {
    let gap = Cell::new(0);
    let mut reader = Watched { inner: reader, gap: &gap };
    let start = reader.inner.fill_buf().map_err(ReadError::Stopped)?;
    let markup = Markup::of(content_type, start.strip_prefix(BYTE_ORDER_MARK).unwrap_or(start))?;
    if start.starts_with(BYTE_ORDER_MARK) {
        reader.inner.consume(BYTE_ORDER_MARK.len());
    }
    let mut names = Names { sink, gap: &gap, count: 0, refusal: None };
    match markup {
        Markup::Json => read_json(reader, &mut names)?,
        Markup::Html => read_html(reader, &mut names)?,
    }
    Ok(names.count)
}

/// Counts what was read since the last name.
struct Watched<'g, R> {
    inner: R,
    gap: &'g Cell<usize>,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.gap.set(self.gap.get() + count);
        if self.gap.get() > LONGEST_GAP {
            return Err(io::Error::other("a megabyte of the list without a project's name"));
        }
        Ok(count)
    }
}

/// Where names go.
struct Names<'s> {
    sink: &'s mut dyn FnMut(&str) -> io::Result<()>,
    gap: &'s Cell<usize>,
    count: u64,
    /// Why reading stopped, where a parser's own error could not carry it.
    refusal: Option<ReadError>,
}

impl Names<'_> {
    fn take(&mut self, name: &str) -> Result<(), ReadError> {
        if ProjectName::pypi(name).is_ok() {
            (self.sink)(name).map_err(ReadError::Stopped)?;
            self.count += 1;
            self.gap.set(0);
        }
        Ok(())
    }

    /// Keeps the reason and gives the JSON parser something to stop with.
    fn refuse<E: serde::de::Error>(&mut self, reason: ReadError) -> E {
        let error = E::custom(&reason);
        self.refusal = Some(reason);
        error
    }
}

/// Links whose address ends in a name; some servers shorten the text.
fn read_html(page: impl Read, names: &mut Names<'_>) -> Result<(), ReadError> {
    let mut looks_foreign = false;
    read_parts(page, |part| {
        let Part::Tag(tag) = part else { return Ok(()) };
        looks_foreign |= is_foreign(tag);
        match (tag.name(), tag.attribute("href"), tag.attribute("name")) {
            ("a", Some(href), _) => names.take(&last_segment(href.trim_ascii())),
            ("meta", _, Some("pypi:repository-version")) => {
                check_api_version(tag.attribute("content").unwrap_or_default())
            }
            _ => Ok(()),
        }
    })?;
    if looks_foreign && names.count == 0 { Err(ReadError::NotAnIndexPage) } else { Ok(()) }
}

fn read_json(page: impl Read, names: &mut Names<'_>) -> Result<(), ReadError> {
    let mut deserializer = serde_json::Deserializer::from_reader(page);
    let read = RootSeed(&mut *names).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match names.refusal.take() {
        Some(reason) => Err(reason),
        None => Ok(read?),
    }
}

/// The document: `meta` and `projects`.
struct RootSeed<'n, 's>(&'n mut Names<'s>);

impl<'de> DeserializeSeed<'de> for RootSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RootSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of projects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut has_projects = false;
        while let Some(key) = map.next_key::<Value<'de>>()? {
            match key.text().as_deref() {
                Some("meta") => {
                    let meta: Value<'de> = map.next_value()?;
                    let version = meta.table().iter().find(|(key, _)| key == "api-version");
                    if let Some(reason) = version.and_then(|(_, version)| check_api_version(version).err()) {
                        return Err(self.0.refuse(reason));
                    }
                }
                Some("projects") => {
                    has_projects = true;
                    map.next_value_seed(ProjectsSeed(&mut *self.0))?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if has_projects { Ok(()) } else { Err(A::Error::missing_field("projects")) }
    }
}

struct ProjectsSeed<'n, 's>(&'n mut Names<'s>);

impl<'de> DeserializeSeed<'de> for ProjectsSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow, default)]
    name: Value<'a>,
}

impl<'de> Visitor<'de> for ProjectsSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of projects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while let Some(entry) = sequence.next_element::<Entry<'de>>()? {
            if let Some(name) = entry.name.text() {
                self.0.take(&name).map_err(|reason| self.0.refuse::<A::Error>(reason))?;
            }
        }
        Ok(())
    }
}

/// Writes a list of projects piece by piece: the header, each name, the footer.
#[derive(Debug)]
pub struct RootWriter {
    format: Format,
    is_first: bool,
}

impl RootWriter {
    /// A writer of this form.
    pub fn new(format: Format) -> Self {
        Self { format, is_first: true }
    }

    /// What comes before the names.
    pub fn header(&self) -> Vec<u8> {
        match self.format {
            Format::Json => format!(r#"{{"meta":{{"api-version":"{API_VERSION}"}},"projects":["#),
            Format::HtmlV1 | Format::Html => format!(
                "<!DOCTYPE html>\n<html>\n  <head>\n    <meta charset=\"utf-8\">\n    \
                 <meta name=\"pypi:repository-version\" content=\"{API_VERSION}\">\n    \
                 <title>Simple index</title>\n  </head>\n  <body>\n"
            ),
        }
        .into_bytes()
    }

    /// One name.
    pub fn entry(&mut self, name: &ProjectName) -> Vec<u8> {
        match self.format {
            Format::Json => {
                let mut out: Vec<u8> = if self.is_first { "{\"name\":" } else { ",{\"name\":" }.into();
                self.is_first = false;
                quote(&mut out, name.as_str());
                out.push(b'}');
                out
            }
            // A normalised name has letters, digits and dashes only.
            Format::HtmlV1 | Format::Html => format!("    <a href=\"{name}/\">{name}</a><br>\n").into_bytes(),
        }
    }

    /// What comes after the names.
    pub fn footer(&self) -> Vec<u8> {
        match self.format {
            Format::Json => b"]}".to_vec(),
            Format::HtmlV1 | Format::Html => b"  </body>\n</html>\n".to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(content_type: &str, body: &[u8]) -> Result<Vec<String>, ReadError> {
        let mut names = Vec::new();
        let count = read_names(content_type, body, &mut |name| {
            names.push(name.to_owned());
            Ok(())
        })?;
        assert_eq!(count, names.len() as u64);
        Ok(names)
    }

    #[test]
    fn both_forms_give_the_names() {
        let json = br#"{"meta":{"api-version":"1.1","_last-serial":"3"},"projects":[{"name":"Foo.Bar","_last-serial":1},{"name":"../etc"},{"name":7},{"name":"zope"}]}"#;
        assert_eq!(names("application/vnd.pypi.simple.v1+json", json).unwrap(), ["Foo.Bar", "zope"]);
        let html = br#"<html><a href="/simple/">up</a><a href="/simple/foo-bar/">Foo.Bar</a><a href="zope/">zo..</a><a href="../">"#;
        assert_eq!(names("text/html", html).unwrap(), ["simple", "foo-bar", "zope"]);
        assert_eq!(names("", b"\xEF\xBB\xBF {\"projects\": []}").unwrap(), [""; 0]);
    }

    #[test]
    fn what_we_write_we_can_read() {
        for format in Format::ALL {
            let mut writer = RootWriter::new(format);
            let mut page = writer.header();
            for name in ["a", "b-c"] {
                page.extend(writer.entry(&ProjectName::pypi(name).unwrap()));
            }
            page.extend(writer.footer());
            assert_eq!(names(format.content_type(), &page).unwrap(), ["a", "b-c"], "{format:?}");
        }
    }

    #[test]
    fn something_else_in_its_place_is_refused() {
        let refused = |content_type, body: &[u8]| names(content_type, body).unwrap_err();
        let version = refused("", br#"{"meta":{"api-version":"2.0"},"projects":[]}"#);
        assert!(matches!(version, ReadError::ApiVersion(_)), "{version}");
        assert!(matches!(refused("application/json", br#"{"message":"no"}"#), ReadError::Json(_)));
        assert!(matches!(refused("application/json", br#"{"projects":[{"name":"a"}"#), ReadError::Json(_)));
        assert!(matches!(refused("text/html", b"<form><input type=password>"), ReadError::NotAnIndexPage));
        assert!(matches!(refused("text/plain", b"hello"), ReadError::NotAnIndexPage));
    }

    #[test]
    fn an_endless_list_without_names_and_a_full_disk_stop_the_reading() {
        for (content_type, start) in [("text/html", "<a x=\""), ("application/json", "{\"projects\":[{\"name\":\"")] {
            let endless = io::BufReader::new(start.as_bytes().chain(io::repeat(b'a')));
            let stopped = read_names(content_type, endless, &mut |_| Ok(())).unwrap_err();
            assert!(matches!(stopped, ReadError::Stopped(_)), "{stopped}");
        }
        let full = &mut |_: &str| Err(io::Error::from(io::ErrorKind::StorageFull));
        let stopped = read_names("application/json", &br#"{"projects":[{"name":"a"}]}"#[..], full).unwrap_err();
        assert!(matches!(stopped, ReadError::Stopped(error) if error.kind() == io::ErrorKind::StorageFull));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), markup in r#"([<>/a="' {}:,\[\]]|name|projects|meta){0,40}"#) {
            for content_type in ["text/html", "application/json", ""] {
                let _ = names(content_type, &bytes);
                let _ = names(content_type, markup.as_bytes());
            }
        }
    }
}
