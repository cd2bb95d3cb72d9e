//! `db/status`: which index there is, since when, and how to tell that it came whole.

use super::signature::md5_hex_of;
use super::{TeapotError, envelope, tcl_list};

/// Longest page; an honest one has 400 bytes.
const LONGEST_PAGE: usize = 64 << 10;

/// Sizes and MD5 of an index. Older servers do not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integrity {
    /// MD5 of the SQLite file, in hexadecimal digits.
    pub plain_md5: String,
    /// Size of the SQLite file.
    pub plain_size: u64,
    /// MD5 of what `db/index` sends.
    pub packed_md5: String,
    /// Size of what `db/index` sends.
    pub packed_size: u64,
}

impl Integrity {
    /// What is to be said of these bytes.
    pub fn of(plain: &[u8], packed: &[u8]) -> Self {
        Self {
            plain_md5: md5_hex_of(plain),
            plain_size: plain.len() as u64,
            packed_md5: md5_hex_of(packed),
            packed_size: packed.len() as u64,
        }
    }
}

/// What `db/status` says. Of the journal only its time is kept: no client asks for more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexStatus {
    /// When the index was last changed, in seconds since 1970. A client takes a new index only if this is larger than before.
    pub imtime: i64,
    /// When the journal was last changed.
    pub jmtime: i64,
    /// How to tell that the index came whole.
    pub integrity: Option<Integrity>,
}

impl IndexStatus {
    /// Reads the page.
    pub fn read(page: &[u8]) -> Result<Self, TeapotError> {
        if page.len() > LONGEST_PAGE {
            return Err(TeapotError::TooLarge { what: "db/status, in bytes,", limit: LONGEST_PAGE });
        }
        Self::read_list(&envelope::unwrap(page)?)
    }

    /// Reads the list of four or five elements, as [`IndexStatus::list`] writes it.
    pub fn read_list(list: &str) -> Result<Self, TeapotError> {
        let elements = tcl_list::read(list)?;
        let [imtime, jmtime, _first, _last, rest @ ..] = &*elements else {
            return Err(TeapotError::Status("four or five elements"));
        };
        let integrity = match rest {
            [] => None,
            [text] if text.trim().is_empty() => None,
            [text] => Some(read_integrity(text)?),
            _ => return Err(TeapotError::Status("four or five elements")),
        };
        let time = |text: &str| text.parse().map_err(|_| TeapotError::Status("its times in seconds"));
        Ok(Self { imtime: time(imtime)?, jmtime: time(jmtime)?, integrity })
    }

    /// The list of five elements; the journal is empty, which clients accept.
    pub fn list(&self) -> String {
        let (imtime, jmtime) = (self.imtime, self.jmtime);
        let integrity = self.integrity.as_ref().map(|integrity| {
            let Integrity { plain_md5, plain_size, packed_md5, packed_size } = integrity;
            format!(" {{{plain_md5} {plain_size} {packed_md5} {packed_size}}}")
        });
        format!("{imtime} {jmtime} {{0 0}} {{0 0}}{}", integrity.unwrap_or_default())
    }

    /// The page, which repeats the list for clients that read it there.
    pub fn page(&self) -> String {
        let list = self.list();
        envelope::wrap(&list, &format!("<pre>{list}</pre>"))
    }
}

fn read_integrity(text: &str) -> Result<Integrity, TeapotError> {
    let elements = tcl_list::read(text)?;
    let [plain_md5, plain_size, packed_md5, packed_size] = &*elements else {
        return Err(TeapotError::Status("two digests and two sizes"));
    };
    let md5 = |text: &str| {
        let fine = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        fine.then(|| text.to_ascii_lowercase()).ok_or(TeapotError::Status("an MD5 where one belongs"))
    };
    let size = |text: &str| text.parse().map_err(|_| TeapotError::Status("a size where one belongs"));
    Ok(Integrity {
        plain_md5: md5(plain_md5)?,
        plain_size: size(plain_size)?,
        packed_md5: md5(packed_md5)?,
        packed_size: size(packed_size)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = "<html><head>\n</head><body>\n<!-- [[TPM[[1795346510 1795346510 {1795345774 0} {1795346510 7} \
        {8e7a3774b3efafe7fab131633b009e48 57344 2bf0c09313e0558e358678f76e98e38b 4806}]]MPT]] -->\n<pre>...</pre>\n</body></html>\n\n";

    #[test]
    fn a_recorded_status_is_read() {
        let status = IndexStatus::read(RECORDED.as_bytes()).unwrap();
        assert_eq!(status.imtime, 1_795_346_510);
        let integrity = status.integrity.clone().unwrap();
        assert_eq!((integrity.plain_size, integrity.packed_size), (57_344, 4_806));
        assert_eq!(integrity.packed_md5, "2bf0c09313e0558e358678f76e98e38b");
        assert_eq!(IndexStatus::read(status.page().as_bytes()).unwrap(), status);
    }

    #[test]
    fn the_list_is_said_twice() {
        let status = IndexStatus { imtime: 7, jmtime: 7, integrity: Some(Integrity::of(b"plain", b"packed")) };
        assert_eq!(status.page().matches(&status.list()).count(), 2);
        assert!(status.page().contains("<pre>7 7 {0 0} {0 0} {"));
    }

    #[test]
    fn older_servers_tell_no_integrity() {
        let status = IndexStatus::read(b"<body>\n<!-- [[TPM[[5 6 {0 0} {0 0}]]MPT]] -->").unwrap();
        assert_eq!(status, IndexStatus { imtime: 5, jmtime: 6, integrity: None });
        assert_eq!(status.list(), "5 6 {0 0} {0 0}");
    }

    #[test]
    fn everything_else_is_refused_in_words() {
        for list in [
            "",
            "1 2",
            "a b {} {}",
            "1 2 {0 0} {0 0} {x y z}",
            "1 2 {0 0} {0 0} {x 1 y 2}",
            "1 2 {0 0} {0 0",
            "1 2 3 4 5 6",
        ] {
            let page = format!("<body>\n<!-- [[TPM[[{list}]]MPT]] -->");
            assert!(IndexStatus::read(page.as_bytes()).is_err(), "{list}");
        }
        assert!(IndexStatus::read(&vec![b' '; LONGEST_PAGE + 1]).is_err());
    }
}
