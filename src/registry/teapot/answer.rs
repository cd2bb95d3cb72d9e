//! Every answer of a repository but the files: from what is published, and from nothing else.

use bytes::Bytes;

use super::published::Published;
use super::reference::Reference;
use super::search::Query;
use super::shelf::{Item, is_version, keys, merged, merged_value};
use super::version::TclVersion;
use super::{Instance, Request, Scope, Signature, TeapotError, Within, envelope, pages, tcl_list};

/// Says UTF-8, because a client takes a page without a charset for ISO-8859-1.
const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const BINARY: &str = "application/octet-stream";

/// Longest reason phrase.
const LONGEST_REASON: usize = 100;

/// How far into a file we look for what it is.
const LOOK_AT: usize = 64 << 10;

/// What goes back to whoever asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `location`, of a short form; starts at the root of the repository.
    pub location: Option<String>,
    /// A reason phrase of its own: printable ASCII, at most 100 characters.
    pub reason: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// A page or anything else that is as it should be.
    fn fine(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status: 200, content_type, location: None, reason: None, body: body.into() }
    }

    /// A sentence, which clients show to people: no markup, and no braces where they can be avoided.
    pub fn sentence(status: u16, sentence: &str) -> Self {
        let body = Bytes::copy_from_slice(sentence.as_bytes());
        Self { status, content_type: TEXT, location: None, reason: None, body }
    }

    fn missing() -> Self {
        Self::sentence(404, "There is nothing here.")
    }

    fn short(target: String) -> Self {
        Self {
            status: 301,
            content_type: TEXT,
            location: Some(target),
            reason: None,
            body: Bytes::from_static(b"Redirecting short url"),
        }
    }

    /// As the original server answers what it cannot read, with the message in the reason phrase too.
    fn failed(error: &TeapotError) -> Self {
        let message = error.to_string();
        let printable = |symbol: char| if symbol == ' ' || symbol.is_ascii_graphic() { symbol } else { '?' };
        let body = format!(
            "\n<html>\n<head>\n<title>Error: 500</title>\n</head>\n<body>\n<h1>Error 500</h1>\n<p>Internal Server Error - {}</p>\n</body>\n</html>\n",
            pages::escape(&message)
        );
        let reason = message.chars().take(LONGEST_REASON).map(printable).collect();
        Self { status: 500, reason: Some(reason), ..Self::fine(HTML, body) }
    }

    /// Moves its links under a prefix like `/teapot`, where the repository is served there.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        let prefix = prefix.trim_end_matches('/');
        if prefix.is_empty() {
            return self;
        }
        self.location = self.location.map(|location| format!("{prefix}{location}"));
        if self.content_type == HTML {
            // The result itself is not touched: it ends with the only such mark.
            let page = String::from_utf8_lossy(&self.body);
            let decoration = page.find("]]MPT]] -->").unwrap_or_default();
            let (result, decoration) = page.split_at(decoration);
            let moved = decoration.replace("<a href=\"/", &format!("<a href=\"{}/", pages::escape(prefix)));
            self.body = [result, &moved].concat().into();
        }
        self
    }
}

impl Published {
    /// Answers everything but files, whose gate is elsewhere: for those it says 404.
    pub fn answer(&self, request: &Request) -> Answer {
        match request {
            Request::Version => Answer::fine(TEXT, version()),
            Request::Status => Answer::fine(HTML, self.status_page.clone()),
            Request::Index => Answer::fine(BINARY, self.index.clone()),
            Request::Names => self.names(),
            Request::List(scope) => self.list(scope),
            Request::Keys(scope) => self.keys(scope),
            Request::Meta(scope) => self.meta(scope),
            Request::Value(scope, key) => self.value(scope, key),
            Request::Versions(name) => self.versions(name),
            Request::Instances(name, version) => self.instances(name, version),
            Request::FindAll { reference, platforms } => {
                self.find(reference, platforms, false).unwrap_or_else(|error| Answer::failed(&error))
            }
            Request::FindMax { reference, platforms } => {
                self.find(reference, platforms, true).unwrap_or_else(|error| Answer::failed(&error))
            }
            Request::Search(query) => self.search(query).unwrap_or_else(|error| Answer::failed(&error)),
            Request::Require(instance) => self.references(instance, "require", "required"),
            Request::Recommend(instance) => self.references(instance, "recommend", "recommended"),
            Request::Details(instance) => self.details(instance),
            Request::Short(target) => Answer::short(target.clone()),
            Request::Journal | Request::File { .. } | Request::Unknown => Answer::missing(),
        }
    }

    fn names(&self) -> Answer {
        let render = || {
            let names = self.shelf.names();
            envelope::wrap(&tcl_list::write(&names), &pages::names(&names)).into()
        };
        Answer::fine(HTML, self.names.get_or_init(render).clone())
    }

    fn list(&self, scope: &Scope) -> Answer {
        let render = || {
            let items = self.shelf.select(scope);
            envelope::wrap(&elements(&items), &pages::instances(&pages::list_title(scope), "", &items)).into()
        };
        let body = if scope.within == Within::Everything {
            let kept = &self.lists[scope.kind.map_or(0, |kind| kind as usize + 1)];
            kept.get_or_init(render).clone()
        } else {
            render()
        };
        Answer::fine(HTML, body)
    }

    fn keys(&self, scope: &Scope) -> Answer {
        let items = self.shelf.select(scope);
        let keys = keys(&items);
        let title = match (scope.kind, &scope.within) {
            (None, Within::Everything) => "All known keys".to_owned(),
            _ => format!("Keys for {}", pages::spec(scope)),
        };
        page(&tcl_list::write(&keys), &pages::column(&title, "Key", keys.iter().copied()))
    }

    fn meta(&self, scope: &Scope) -> Answer {
        let items = self.shelf.select(scope);
        let pairs: Vec<(&str, String)> =
            merged(&items).into_iter().map(|(key, elements)| (key, tcl_list::write(elements))).collect();
        let dictionary = tcl_list::write(pairs.iter().flat_map(|(key, value)| [key, value.as_str()]));
        let title = format!("Meta data for {}", pages::spec(scope));
        page(&dictionary, &pages::pairs(&title, pairs.iter().map(|(key, value)| (*key, value.as_str()))))
    }

    fn value(&self, scope: &Scope, key: &str) -> Answer {
        let value = tcl_list::write(merged_value(&self.shelf.select(scope), key));
        let title = format!("Meta data value for {key} {}", pages::spec(scope));
        page(&value, &pages::column(&title, "Value", std::iter::once(&*value)))
    }

    fn versions(&self, name: &str) -> Answer {
        let mut versions: Vec<&str> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        versions
            .extend(self.shelf.named(name).map(|item| &*item.entry.instance.version).filter(|one| seen.insert(*one)));
        let pairs = versions.iter().map(|version| tcl_list::write([name, version]));
        page(&tcl_list::write(pairs), &pages::versions(name, &versions))
    }

    fn instances(&self, name: &str, written: &str) -> Answer {
        let version = TclVersion::parse(written);
        let items: Vec<&Item> =
            self.shelf.named(name).filter(|item| is_version(item, written, version.as_ref())).collect();
        let elements = items.iter().map(|item| item.entry.instance.to_string());
        page(&tcl_list::write(elements), &pages::version(name, written, &items))
    }

    fn find(&self, reference: &str, platforms: &str, only_best: bool) -> Result<Answer, TeapotError> {
        let wanted: Reference = reference.parse()?;
        let platforms = tcl_list::read(platforms)?;
        let mut items = self.shelf.find(&wanted, &platforms);
        if only_best {
            items = items.split_off(items.len().saturating_sub(1));
        }
        let title = format!("{} of {reference}", if only_best { "Best instance" } else { "All instances" });
        Ok(page(&elements(&items), &pages::found(&title, &pages::platforms(&platforms), &items)))
    }

    fn search(&self, query: &str) -> Result<Answer, TeapotError> {
        let items = self.shelf.search(&Query::read(query)?);
        let title = format!("Results for search query {}", tcl_list::write([query]));
        Ok(page(&elements(&items), &pages::found(&title, "", &items)))
    }

    fn references(&self, instance: &Instance, key: &str, verb: &str) -> Answer {
        let Some(item) = self.shelf.get(instance) else { return unknown(instance) };
        let references = merged_value(&[item], key);
        let title = format!("Packages {verb} by ({{{instance}}})");
        page(&tcl_list::write(&references), &pages::references(&title, &references))
    }

    fn details(&self, instance: &Instance) -> Answer {
        match self.shelf.get(instance) {
            Some(item) => Answer::fine(HTML, envelope::plain(&pages::details(item, &self.shelf.platforms()))),
            None => unknown(instance),
        }
    }
}

fn page(result: &str, decoration: &str) -> Answer {
    Answer::fine(HTML, envelope::wrap(result, decoration))
}

/// As the original server says it; clients show it to people.
fn unknown(instance: &Instance) -> Answer {
    Answer::sentence(404, &format!("Instance \"{instance}\" does not exist"))
}

/// A list of extended instances, from elements that are written already.
fn elements(items: &[&Item]) -> String {
    let mut list = String::with_capacity(items.iter().map(|item| item.element.len() + 1).sum());
    for item in items {
        if !list.is_empty() {
            list.push(' ');
        }
        list.push_str(&item.element);
    }
    list
}

/// What `version` says, in the form of the original.
fn version() -> String {
    format!(
        "\nApplication lazaret {} (tcl)\n\nDescription : a quarantining proxy\nPlatform    : tcl\n\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// The line that stands before the bytes in an answer to `xfile`.
pub fn xfile_head(signature: &Signature) -> String {
    format!("{} {}\n", signature.size(), signature.md5_hex())
}

/// The content type of a file, as the original server tells it by its first bytes. Some small clients choose by it.
pub fn content_type_of(payload: &[u8]) -> &'static str {
    if payload.starts_with(b"PK") {
        "application/x-zip"
    } else if payload[..payload.len().min(LOOK_AT)].contains(&0) {
        BINARY
    } else {
        "text/plain"
    }
}
