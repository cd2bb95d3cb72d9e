//! Which form of a page a client wants: [content negotiation of PEP 691](https://peps.python.org/pep-0691/#content-types).

/// A form in which index pages are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// `application/vnd.pypi.simple.v1+json`.
    Json,
    /// `application/vnd.pypi.simple.v1+html`.
    HtmlV1,
    /// `text/html`: the same page under its old name.
    Html,
}

impl Format {
    /// All of them, the better one first.
    pub const ALL: [Self; 3] = [Self::Json, Self::HtmlV1, Self::Html];

    /// The header of a page in this form; names the version even where the client asked for `latest`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/vnd.pypi.simple.v1+json",
            Self::HtmlV1 => "application/vnd.pypi.simple.v1+html",
            Self::Html => "text/html; charset=utf-8",
        }
    }

    /// The form that a media type names exactly.
    fn named(media_type: &str) -> Option<Self> {
        match media_type {
            "application/vnd.pypi.simple.v1+json" | "application/vnd.pypi.simple.latest+json" => Some(Self::Json),
            "application/vnd.pypi.simple.v1+html" | "application/vnd.pypi.simple.latest+html" => Some(Self::HtmlV1),
            "text/html" => Some(Self::Html),
            _ => None,
        }
    }
}

/// How closely a range of the Accept header names a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closeness {
    Anything,
    Family,
    Exact,
}

/// The form to answer in; `None` where the client accepts none of ours (406). `?format=` goes before the header; without
/// either, HTML.
pub fn negotiate(accept: Option<&str>, query_format: Option<&str>) -> Option<Format> {
    if let Some(format) = query_format {
        // A plus sign in a query means a space to many a decoder.
        return Format::named(&format.trim().to_ascii_lowercase().replace(' ', "+"));
    }
    let accept = accept.map(str::trim).filter(|text| !text.is_empty()).unwrap_or("*/*");
    let ranges: Vec<(String, u16)> = accept.split(',').take(64).filter_map(read_range).collect();
    Format::ALL
        .into_iter()
        .filter_map(|format| {
            // RFC 9110, 12.5.1: the closest range decides about a form.
            let closest = ranges.iter().filter_map(|(range, weight)| Some((closeness(range, format)?, *weight)));
            closest.max().filter(|(_, weight)| *weight > 0).map(|(closeness, weight)| (format, closeness, weight))
        })
        .max_by_key(|(format, closeness, weight)| (*weight, *closeness, preference(*format, *closeness)))
        .map(|(format, ..)| format)
}

/// Among equals: JSON where the client names what it takes, HTML where it takes anything.
fn preference(format: Format, closeness: Closeness) -> u8 {
    match (format, closeness) {
        (Format::Json, Closeness::Exact) | (Format::Html, Closeness::Anything | Closeness::Family) => 2,
        (Format::HtmlV1, _) => 1,
        (Format::Json, Closeness::Anything | Closeness::Family) | (Format::Html, Closeness::Exact) => 0,
    }
}

fn closeness(range: &str, format: Format) -> Option<Closeness> {
    if Format::named(range) == Some(format) {
        return Some(Closeness::Exact);
    }
    match range {
        "*/*" => Some(Closeness::Anything),
        "text/*" if format == Format::Html => Some(Closeness::Family),
        "application/*" if format != Format::Html => Some(Closeness::Family),
        _ => None,
    }
}

/// A media range and its weight in thousandths; one whose weight cannot be read is ignored.
fn read_range(text: &str) -> Option<(String, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next()?.to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some((range, weight.map_or(Some(1_000), read_weight)?))
}

/// `0`, `1`, or up to three digits after the dot.
fn read_weight(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok().filter(|_| digits)?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accept(header: &str) -> Option<Format> {
        negotiate(Some(header), None)
    }

    #[test]
    fn real_clients_get_what_they_prefer() {
        let pip = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01";
        assert_eq!(accept(pip), Some(Format::Json));
        assert_eq!(accept("application/vnd.pypi.simple.v1+json, */*;q=0.1"), Some(Format::Json));
        assert_eq!(accept("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), Some(Format::Html));
        assert_eq!(accept("*/*"), Some(Format::Html));
        assert_eq!(accept(""), Some(Format::Html));
        assert_eq!(negotiate(None, None), Some(Format::Html));
    }

    #[test]
    fn weights_ranges_and_aliases_count() {
        assert_eq!(accept("application/vnd.pypi.simple.latest+json"), Some(Format::Json));
        assert_eq!(accept("application/vnd.pypi.simple.latest+html;q=0.5, text/html;q=0.4"), Some(Format::HtmlV1));
        assert_eq!(accept("application/vnd.pypi.simple.v1+json, text/html"), Some(Format::Json));
        assert_eq!(accept("application/vnd.pypi.simple.v1+json;q=0, */*"), Some(Format::Html));
        assert_eq!(accept("text/*;q=0.2, application/vnd.pypi.simple.v1+json;q=0.1"), Some(Format::Html));
        assert_eq!(accept("TEXT/HTML;Q=0.3"), Some(Format::Html));
        assert_eq!(accept("application/vnd.pypi.simple.v2+json"), None);
        assert_eq!(accept("application/json"), None);
        assert_eq!(accept("*/*;q=0"), None);
        assert_eq!(accept("text/html;q=much"), None);
    }

    #[test]
    fn the_query_goes_before_the_header() {
        assert_eq!(negotiate(Some("text/html"), Some("application/vnd.pypi.simple.v1+json")), Some(Format::Json));
        assert_eq!(negotiate(None, Some("application/vnd.pypi.simple.v1 json")), Some(Format::Json));
        assert_eq!(negotiate(Some("text/html"), Some("xml")), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_header_panics(header in r"([a-z*]{0,4}/?[a-z*+.]{0,5}(; ?[qQ]=?[0-9.]{0,6})?,?){0,5}", any in ".{0,40}") {
            let _ = accept(&header);
            let _ = negotiate(Some(&any), None);
        }
    }
}
