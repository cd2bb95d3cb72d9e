//! Undoing `Content-Encoding` without being blown up: the limit is on the bytes that come out.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use futures_util::{Stream, StreamExt as _};
use http::header::{CONTENT_ENCODING, HeaderMap};
use tokio::time::Instant;

use super::UpstreamError;
use super::error::cause_of;
use super::lanes::{Lane, Lanes};

/// How a page is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// Not at all.
    Identity,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// What an answer says; `None` for one that we did not ask for.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(CONTENT_ENCODING).into_iter();
        let coding = match values.next().map(|value| value.as_bytes().trim_ascii().to_ascii_lowercase()).as_deref() {
            None | Some(b"" | b"identity") => Self::Identity,
            Some(b"gzip" | b"x-gzip") => Self::Gzip,
            Some(_) => return None,
        };
        values.next().is_none().then_some(coding)
    }
}

/// Packed bytes are unpacked so many at a time: gzip makes at most a thousand out of one.
const PIECE: usize = 1024;

/// How a body is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) coding: Coding,
    /// At most so many bytes come out.
    pub(super) limit: u64,
    pub(super) host: &'a str,
    /// One is taken if it is large.
    pub(super) lanes: &'a Lanes,
    /// For the wait for a lane.
    pub(super) deadline: Instant,
}

/// Reads a body to its end and unpacks it on the way. Who drops the lane says that the bytes are dealt with.
pub(super) async fn read_whole(
    mut body: impl Stream<Item = Result<Bytes, UpstreamError>> + Unpin,
    reading: Reading<'_>,
) -> Result<(Bytes, Lane), UpstreamError> {
    let Reading { coding, limit, host, lanes, deadline } = reading;
    let broken = |error: io::Error| match cause_of::<Overflow>(&error) {
        Some(Overflow) => UpstreamError::TooLarge { host: host.into(), limit },
        None => {
            UpstreamError::BadAnswer { host: host.into(), why: "it is not the gzip that it says it is", source: None }
        }
    };
    let page = Page { bytes: Vec::new(), limit };
    let mut lane = Lane::default();
    let page = match coding {
        Coding::Identity => {
            let mut page = page;
            while let Some(data) = body.next().await {
                let data = data?;
                lanes.take(&mut lane, page.bytes.len() + data.len(), host, deadline).await?;
                page.write_all(&data).map_err(broken)?;
            }
            page
        }
        Coding::Gzip => {
            let mut decoder = MultiGzDecoder::new(page);
            while let Some(data) = body.next().await {
                for piece in data?.chunks(PIECE) {
                    decoder.write_all(piece).map_err(broken)?;
                    lanes.take(&mut lane, decoder.get_ref().bytes.len(), host, deadline).await?;
                }
            }
            decoder.finish().map_err(broken)?
        }
    };
    Ok((page.bytes.into(), lane))
}

/// A page in memory that refuses to outgrow its limit.
struct Page {
    bytes: Vec<u8>,
    limit: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("more bytes than allowed")]
struct Overflow;

impl Write for Page {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.bytes.len() as u64 + data.len() as u64 > self.limit {
            return Err(io::Error::other(Overflow));
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures_util::stream;
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(packed: &[u8], piece: usize, coding: Coding, limit: u64) -> Result<Bytes, UpstreamError> {
        let pieces: Vec<_> = packed.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let (lanes, deadline) = (Lanes::default(), Instant::now());
        let reading = Reading { coding, limit, host: "h", lanes: &lanes, deadline };
        let read = futures_util::FutureExt::now_or_never(read_whole(stream::iter(pieces), reading)).unwrap();
        read.map(|(bytes, _)| bytes)
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit_and_a_fitting_page_is_not() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000);
        assert!(matches!(
            read(&bomb, 16_384, Coding::Gzip, 1 << 20),
            Err(UpstreamError::TooLarge { limit: 0x10_0000, .. })
        ));
        assert_eq!(read(&gzip(&[7; 1000]), 16_384, Coding::Gzip, 1000).unwrap(), vec![7; 1000]);
        assert!(read(&gzip(&[7; 1000]), 16_384, Coding::Gzip, 999).is_err());
        assert!(read(&[7; 1000], 16_384, Coding::Identity, 999).is_err());
    }

    #[test]
    fn half_a_gzip_is_no_page() {
        let packed = gzip(b"a page that says something");
        assert!(read(&packed[..packed.len() - 9], 7, Coding::Gzip, 1000).is_err());
        assert!(read(&packed[..packed.len() - 1], 7, Coding::Gzip, 1000).is_err());
        assert!(read(b"<html>", 7, Coding::Gzip, 1000).is_err());
        assert!(read(&[&packed[..], b"rubbish"].concat(), 7, Coding::Gzip, 1000).is_err());
        assert!(read(b"", 7, Coding::Gzip, 1000).is_err());
    }

    #[test]
    fn only_gzip_was_asked_for() {
        let of = |values: &[&str]| {
            let pairs = values.iter().map(|value| (CONTENT_ENCODING, HeaderValue::from_str(value).unwrap()));
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(name, value);
            }
            Coding::of(&headers)
        };
        assert_eq!(of(&[]), Some(Coding::Identity));
        assert_eq!(of(&["GZip"]), Some(Coding::Gzip));
        assert_eq!(of(&["br"]), None);
        assert_eq!(of(&["gzip, gzip"]), None);
        assert_eq!(of(&["gzip", "gzip"]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_was_packed_comes_out_however_it_is_cut(bytes in proptest::collection::vec(any::<u8>(), 0..2000), piece in 1usize..300) {
            let limit = bytes.len() as u64;
            prop_assert_eq!(read(&gzip(&bytes), piece, Coding::Gzip, limit).unwrap(), bytes);
        }

        #[test]
        fn rubbish_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), piece in 1usize..300) {
            let _ = read(&bytes, piece, Coding::Gzip, 10_000);
        }
    }
}
