//! Pages as bytes: rendered once, compressed once quickly and once well, kept beside the view that they show.

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use bytes::Bytes;
use http::HeaderValue;

use crate::domain::Sha256;
use crate::registry::pypi::Format;

/// Pages smaller than this are sent as they are; below it compression costs more than it saves.
const WORTH_COMPRESSING: usize = 512;

/// How a page's bytes are wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    Identity,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Encoding {
    /// The `Content-Encoding`, if there is one to name.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// One page in one format and encoding, ready to be sent.
#[derive(Debug, Clone)]
pub struct PreparedPage {
    /// The bytes.
    pub body: Bytes,
    /// Whether they are compressed; a tiny page is not.
    pub compressed: bool,
    /// Weak, because the same page may be compressed anew.
    pub etag: HeaderValue,
}

/// One page in one format, and what was made of it.
#[derive(Debug)]
pub(super) struct Rendered {
    identity: PreparedPage,
    quick: [OnceLock<Bytes>; 2],
    small: [OnceLock<Bytes>; 2],
    /// How often it was asked for before the small one was there.
    asked: [AtomicU32; 2],
}

impl Rendered {
    pub(super) fn new(body: Vec<u8>) -> Self {
        let digest = Sha256::of(&body).to_string();
        let etag = HeaderValue::try_from(format!("W/\"{}\"", &digest[..32]))
            .unwrap_or_else(|_| HeaderValue::from_static("W/\"\""));
        Self {
            identity: PreparedPage { body: body.into(), compressed: false, etag },
            quick: [const { OnceLock::new() }; 2],
            small: [const { OnceLock::new() }; 2],
            asked: [const { AtomicU32::new(0) }; 2],
        }
    }

    /// Makes the page in this encoding before anybody asks for it.
    pub(super) fn prepare(&self, encoding: Encoding) {
        if let Some(place) = self.place(encoding) {
            self.quick(place, encoding);
        }
    }

    /// The page in this encoding, and whether a better compression should be made of it now. A miss is answered with a fast level; a
    /// better one is for who asks a second time: for a page that is asked for once it would only keep the processor from the next.
    pub(super) fn page(&self, encoding: Encoding) -> (PreparedPage, bool) {
        let Some(place) = self.place(encoding) else { return (self.identity.clone(), false) };
        let compressed =
            |body: &Bytes| PreparedPage { body: body.clone(), compressed: true, etag: self.identity.etag.clone() };
        if let Some(body) = self.small[place].get() {
            return (compressed(body), false);
        }
        let is_second = self.asked[place].fetch_add(1, Ordering::Relaxed) == 1;
        (compressed(self.quick(place, encoding)), is_second)
    }

    /// Makes the better compression.
    pub(super) fn shrink(&self, encoding: Encoding) {
        if let Some(place) = self.place(encoding) {
            self.small[place].get_or_init(|| compress(&self.identity.body, encoding, Level::Small));
        }
    }

    /// About how many bytes of memory it takes.
    pub(super) fn weight(&self) -> usize {
        self.identity.body.len() + self.identity.body.len() / 2
    }

    fn quick(&self, place: usize, encoding: Encoding) -> &Bytes {
        self.quick[place].get_or_init(|| compress(&self.identity.body, encoding, Level::Quick))
    }

    /// Where this encoding stands; `None` for the page as it is, which a tiny one is sent as.
    fn place(&self, encoding: Encoding) -> Option<usize> {
        match encoding {
            _ if self.identity.body.len() < WORTH_COMPRESSING => None,
            Encoding::Identity => None,
            Encoding::Gzip => Some(0),
            Encoding::Zstd => Some(1),
        }
    }
}

/// How clients asked for a page last: most of those of one house are of one kind, so a cold page is made ready in this way while
/// what is new in it is written down.
#[derive(Debug)]
pub(super) struct Usual(AtomicU8);

impl Default for Usual {
    fn default() -> Self {
        Self(AtomicU8::new(Self::number(Format::Json, Encoding::Gzip)))
    }
}

impl Usual {
    const FORMATS: [Format; 3] = [Format::Json, Format::Html, Format::HtmlV1];
    const ENCODINGS: [Encoding; 3] = [Encoding::Identity, Encoding::Gzip, Encoding::Zstd];

    const fn number(format: Format, encoding: Encoding) -> u8 {
        format as u8 * 3 + encoding as u8
    }

    /// Somebody asked like this.
    pub(super) fn note(&self, format: Format, encoding: Encoding) {
        let number = Self::number(format, encoding);
        // Nearly always it is the same: reading does not take the line away from the other processors.
        if self.0.load(Ordering::Relaxed) != number {
            self.0.store(number, Ordering::Relaxed);
        }
    }

    /// How they will probably ask next.
    pub(super) fn guess(&self) -> (Format, Encoding) {
        let number = self.0.load(Ordering::Relaxed);
        let ways = Self::FORMATS.iter().flat_map(|format| Self::ENCODINGS.map(|encoding| (*format, encoding)));
        let guess = ways.into_iter().find(|(format, encoding)| Self::number(*format, *encoding) == number);
        guess.unwrap_or((Format::Json, Encoding::Gzip))
    }
}

#[derive(Debug, Clone, Copy)]
enum Level {
    Quick,
    Small,
}

fn compress(body: &[u8], encoding: Encoding, level: Level) -> Bytes {
    let compressed = match encoding {
        Encoding::Identity => None,
        Encoding::Gzip => {
            let level = match level {
                Level::Quick => flate2::Compression::fast(),
                Level::Small => flate2::Compression::new(7),
            };
            let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(body.len() / 3), level);
            encoder.write_all(body).and_then(|()| encoder.finish()).ok()
        }
        Encoding::Zstd => zstd::bulk::compress(
            body,
            match level {
                Level::Quick => 1,
                Level::Small => 9,
            },
        )
        .ok(),
    };
    // Writing to memory does not fail; if it did, an empty page would be wrong, the plain one at least readable.
    Bytes::from(compressed.unwrap_or_else(|| body.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_compressed_better_for_who_asks_twice_and_once() {
        let rendered = Rendered::new(b"<a href=..>six</a>".repeat(1_000));
        let (quick, first) = rendered.page(Encoding::Gzip);
        let (_, second) = rendered.page(Encoding::Gzip);
        let (_, third) = rendered.page(Encoding::Gzip);
        assert_eq!((quick.compressed, first, second, third), (true, false, true, false));
        rendered.shrink(Encoding::Gzip);
        let (small, again) = rendered.page(Encoding::Gzip);
        assert!(!again && small.body.len() <= quick.body.len() && small.etag == quick.etag);
        let (tiny, _) = Rendered::new(b"tiny".to_vec()).page(Encoding::Zstd);
        assert!(!tiny.compressed);
    }

    #[test]
    fn what_was_asked_for_last_is_the_guess() {
        let usual = Usual::default();
        assert_eq!(usual.guess(), (Format::Json, Encoding::Gzip));
        for format in Usual::FORMATS {
            for encoding in Usual::ENCODINGS {
                usual.note(format, encoding);
                assert_eq!(usual.guess(), (format, encoding));
            }
        }
    }
}
