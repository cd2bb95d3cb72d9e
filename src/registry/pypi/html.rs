//! Tags of an HTML page, one after the other, without building a tree.

use std::io::Read;

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{IoReader, Span, Tokenizer};

use crate::registry::ReadError;

/// Attributes kept of one tag; index pages use about eight.
const MOST_ATTRIBUTES: usize = 32;

/// What a page is made of, as far as index pages need it.
#[derive(Debug)]
pub(super) enum Part<'a> {
    Tag(&'a Tag),
    Comment(&'a str),
}

/// A start tag with its attributes; names are in lower case, values decoded.
#[derive(Debug, Default)]
pub(super) struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The value of an attribute, empty if it has none; the first one counts where it is written twice.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first of these attributes that the tag has.
    pub(super) fn any_attribute(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.attribute(name))
    }
}

/// Calls `take` for each part until it refuses.
pub(super) fn read_parts(
    page: impl Read,
    mut take: impl FnMut(Part<'_>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut tag = Tag::default();
    let mut is_kept = false;
    let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| -> Option<ReadError> {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                tag.name = text(name);
                tag.attributes.clear();
            }
            CallbackEvent::AttributeName { name } => {
                is_kept = tag.attributes.len() < MOST_ATTRIBUTES;
                if is_kept {
                    tag.attributes.push((text(name), String::new()));
                }
            }
            CallbackEvent::AttributeValue { value } if is_kept => {
                if let Some((_, last)) = tag.attributes.last_mut() {
                    *last = text(value);
                }
            }
            CallbackEvent::CloseStartTag { .. } => return take(Part::Tag(&tag)).err(),
            CallbackEvent::Comment { value } => return take(Part::Comment(&text(value))).err(),
            _ => {}
        }
        None
    });
    // What stands in a script is no link.
    emitter.naively_switch_states(true);
    // The emitter's only tokens are refusals: the first one ends the reading.
    match Tokenizer::new_with_emitter(IoReader::new(page), emitter).next() {
        None => Ok(()),
        Some(refusal) => Err(refusal.unwrap_or_else(ReadError::Stopped)),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The last part of a link's path, decoded: `foo 1.zip` of `../foo%201.zip?download#sha256=..`; a slash at the end does not count.
pub(super) fn last_segment(href: &str) -> String {
    let path = href.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let segment = path.rsplit('/').next().unwrap_or_default();
    let mut decoded = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = after
            .get(..2)
            .filter(|_| byte == b'%')
            .and_then(|digits| data_encoding::HEXLOWER_PERMISSIVE.decode(digits).ok());
        if let Some(escaped) = escaped {
            decoded.extend(escaped);
            rest = &after[2..];
        } else {
            decoded.push(byte);
            rest = after;
        }
    }
    text(&decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(page: &str) -> Vec<String> {
        let mut seen = Vec::new();
        read_parts(page.as_bytes(), |part| {
            seen.push(match part {
                Part::Tag(tag) => format!("{} {:?}", tag.name, tag.attributes),
                Part::Comment(comment) => format!("comment {comment}"),
            });
            Ok(())
        })
        .unwrap();
        seen
    }

    #[test]
    fn tags_come_with_decoded_attributes_and_scripts_are_skipped() {
        let page =
            r#"<!doctype html><A HREF="a&amp;b" data-yanked x='' >t</a><!--c--><script>"<a href=no>"</script><b y=1>"#;
        insta::assert_snapshot!(parts(page).join("\n"), @r#"
        a [("href", "a&b"), ("data-yanked", ""), ("x", "")]
        comment c
        script []
        b [("y", "1")]
        "#);
    }

    #[test]
    fn a_refusal_stops_the_reading() {
        let mut count = 0;
        let stopped = read_parts(&b"<a><a><a>"[..], |_| {
            count += 1;
            if count == 2 { Err(ReadError::NotAnIndexPage) } else { Ok(()) }
        });
        assert!(matches!(stopped, Err(ReadError::NotAnIndexPage)));
        assert_eq!(count, 2);
    }

    #[test]
    fn the_last_segment_is_decoded() {
        assert_eq!(last_segment("../../foo-1.0%2Bcpu.zip#sha256=aa"), "foo-1.0+cpu.zip");
        assert_eq!(last_segment("/simple/foo/"), "foo");
        assert_eq!(last_segment("a%zz%2"), "a%zz%2");
        assert_eq!(last_segment("?C=M;O=A"), "");
        assert_eq!(last_segment("%ff%2f"), "\u{fffd}/");
    }
}
