//! `CHECKSUMS`: what PAUSE says of each file in a folder. It is a Perl hash; it is read by its grammar and never evaluated.

use std::collections::BTreeMap;
use std::str::Chars;

use time::Date;
use time::macros::format_description;

use crate::domain::Sha256;

use super::CatalogError;
use super::clear_signed::SignedText;

const DOCUMENT: &str = "CHECKSUMS";

/// Largest file; the fullest folder has some thousand entries.
const LARGEST_CHECKSUMS: usize = 4 * 1024 * 1024;

/// Most files in a folder.
const MOST_ENTRIES: usize = 50_000;

/// Most facts about one file.
const MOST_FACTS: usize = 32;

/// What PAUSE says of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksums {
    /// By file name.
    pub entries: BTreeMap<String, Checksum>,
    /// What a verifier needs, where it is signed. The entries are from inside it.
    pub signed: Option<SignedText>,
}

/// What PAUSE says of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checksum {
    /// In bytes.
    pub size: Option<u64>,
    /// Of the file.
    pub sha256: Option<Sha256>,
    /// Of what is in the `.gz`.
    pub sha256_ungz: Option<Sha256>,
    /// The day on which it was uploaded, UTC.
    pub mtime: Option<Date>,
    /// The folder it is in, `E/ET/ETHER`; missing before 2021.
    pub cpan_path: Option<String>,
    /// A folder.
    pub is_dir: bool,
}

impl Checksums {
    /// Reads the plain and the clear-signed form. Where there is a signature, only what was signed is read; the signature
    /// itself is the business of [`verify`](super::signature::verify).
    pub fn read(bytes: &[u8]) -> Result<Self, CatalogError> {
        if bytes.len() > LARGEST_CHECKSUMS {
            return Err(CatalogError::TooLarge { what: "CHECKSUMS in bytes", limit: LARGEST_CHECKSUMS });
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| CatalogError::NotThisDocument { document: DOCUMENT, why: "it is not UTF-8" })?;
        let signed = SignedText::read(text, DOCUMENT)?;
        let (data, lines_before) = signed.as_ref().map_or((text, 0), |signed| (&signed.text, signed.lines_before));
        let entries = Reader { whole: data, rest: data.chars(), lines_before }.document()?;
        Ok(Self { entries, signed })
    }
}

/// A value of the hash.
enum Scalar {
    Text(String),
    Number(u64),
    Nothing,
}

impl Scalar {
    fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            Self::Nothing => None,
        }
    }
}

/// The grammar that `CPAN::Checksums` writes, through `Data::Dumper`: one hash of hashes of single-quoted texts and numbers.
struct Reader<'a> {
    whole: &'a str,
    rest: Chars<'a>,
    lines_before: usize,
}

impl Reader<'_> {
    /// `$cksum = { ... };`, comments before it, and perhaps `__END__` behind it.
    fn document(&mut self) -> Result<BTreeMap<String, Checksum>, CatalogError> {
        self.expect("$cksum", "it does not begin with `$cksum`")?;
        self.expect("=", "`=` is missing")?;
        let mut entries = BTreeMap::new();
        self.hash(MOST_ENTRIES, |reader, name| {
            let entry = reader.entry()?;
            if entries.insert(name, entry).is_some() {
                return Err(reader.wrong("a file is named twice"));
            }
            Ok(())
        })?;
        self.expect(";", "`;` is missing")?;
        self.skip_blank();
        if let Some(rest) = self.rest.as_str().strip_prefix("__END__") {
            self.rest = rest.chars();
        }
        if self.rest.as_str().trim().is_empty() {
            Ok(entries)
        } else {
            Err(self.wrong("something stands behind the hash"))
        }
    }

    fn entry(&mut self) -> Result<Checksum, CatalogError> {
        let mut entry = Checksum::default();
        let mut known = Vec::new();
        self.hash(MOST_FACTS, |reader, key| {
            let value = reader.scalar()?;
            match key.as_str() {
                "size" => entry.size = Some(value.number().ok_or_else(|| reader.wrong("a size is no number"))?),
                "sha256" => entry.sha256 = Some(reader.sha256(&value)?),
                "sha256-ungz" => entry.sha256_ungz = Some(reader.sha256(&value)?),
                "mtime" => entry.mtime = Some(reader.date(&value)?),
                "cpan_path" => entry.cpan_path = value.text().map(ToOwned::to_owned),
                "isdir" => entry.is_dir = value.number() == Some(1),
                _ => {}
            }
            if known.contains(&key) {
                return Err(reader.wrong("a fact is given twice"));
            }
            known.push(key);
            Ok(())
        })?;
        Ok(entry)
    }

    /// `{ 'key' => VALUE, ... }`, where `value` reads the values.
    fn hash(
        &mut self,
        most: usize,
        mut value: impl FnMut(&mut Self, String) -> Result<(), CatalogError>,
    ) -> Result<(), CatalogError> {
        self.expect("{", "`{` is missing")?;
        for _ in 0..most {
            if self.take("}") {
                return Ok(());
            }
            let key = self.quoted()?;
            self.expect("=>", "`=>` is missing")?;
            value(self, key)?;
            if !self.take(",") {
                return self.expect("}", "`,` or `}` is missing");
            }
        }
        if self.take("}") { Ok(()) } else { Err(CatalogError::TooLarge { what: "entries of CHECKSUMS", limit: most }) }
    }

    fn scalar(&mut self) -> Result<Scalar, CatalogError> {
        self.skip_blank();
        let rest = self.rest.as_str();
        if rest.starts_with('\'') {
            return self.quoted().map(Scalar::Text);
        }
        if self.take("undef") {
            return Ok(Scalar::Nothing);
        }
        let end = rest.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        let number = digits.parse().map_err(|_| self.wrong("this is neither a quoted text nor a number"))?;
        self.rest = after.chars();
        Ok(Scalar::Number(number))
    }

    /// A single-quoted text, in which only `\'` and `\\` are escapes.
    fn quoted(&mut self) -> Result<String, CatalogError> {
        self.expect("'", "a single-quoted text is missing")?;
        let mut text = String::new();
        loop {
            match self.rest.next() {
                Some('\'') => return Ok(text),
                Some('\\') => match self.rest.next() {
                    Some(escaped @ ('\'' | '\\')) => text.push(escaped),
                    _ => return Err(self.wrong("a backslash escapes nothing")),
                },
                Some(letter) if !letter.is_control() => text.push(letter),
                _ => return Err(self.wrong("a text is not closed in its line")),
            }
        }
    }

    fn sha256(&self, value: &Scalar) -> Result<Sha256, CatalogError> {
        value
            .text()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| self.wrong("a SHA-256 has not 64 hexadecimal digits"))
    }

    fn date(&self, value: &Scalar) -> Result<Date, CatalogError> {
        let form = format_description!("[year]-[month]-[day]");
        value
            .text()
            .and_then(|text| Date::parse(text, form).ok())
            .ok_or_else(|| self.wrong("a date is not written as YYYY-MM-DD"))
    }

    fn expect(&mut self, token: &str, why: &'static str) -> Result<(), CatalogError> {
        if self.take(token) { Ok(()) } else { Err(self.wrong(why)) }
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip_blank();
        let rest = self.rest.as_str().strip_prefix(token);
        rest.is_some_and(|rest| {
            self.rest = rest.chars();
            true
        })
    }

    /// Blanks and comments.
    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest.as_str().trim_ascii_start();
            self.rest = rest.chars();
            let Some(comment) = rest.strip_prefix('#') else { return };
            self.rest = comment.split_once('\n').map_or("", |(_, rest)| rest).chars();
        }
    }

    fn wrong(&self, why: &'static str) -> CatalogError {
        let read = &self.whole[..self.whole.len() - self.rest.as_str().len()];
        CatalogError::Syntax { document: DOCUMENT, line: self.lines_before + read.matches('\n').count() + 1, why }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::date;

    use super::*;

    const PLAIN: &str = r"# CHECKSUMS file written on Sun Nov 22 23:29:02 2026 GMT by CPAN::Checksums (v2.14)
$cksum = {
  'It\'s-\\1.0.tar.gz' => {
    'size' => '7'
  },
  'Try-Tiny-0.32.tar.gz' => {
    'cpan_path' => 'E/ET/ETHER',
    'md5' => 'd41d8cd98f00b204e9800998ecf8427e',
    'mtime' => '2025-10-26',
    'sha256' => 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    'sha256-ungz' => 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    'size' => 42017
  },
  'old' => {
    'cpan_path' => 'E/ET/ETHER',
    'isdir' => 1,
    'mtime' => '2012-01-01'
  }
};
";

    fn signed(text: &str) -> String {
        format!(
            "0&&<<''; # this PGP-signed message is also valid perl\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{text}__END__\n-----BEGIN PGP SIGNATURE-----\n\nabcd\n-----END PGP SIGNATURE-----\n"
        )
    }

    #[test]
    fn the_plain_and_the_signed_form_say_the_same() {
        let plain = Checksums::read(PLAIN.as_bytes()).unwrap();
        assert_eq!(plain.signed, None);
        assert_eq!(plain.entries.keys().collect::<Vec<_>>(), ["It's-\\1.0.tar.gz", "Try-Tiny-0.32.tar.gz", "old"]);
        assert_eq!(plain.entries["It's-\\1.0.tar.gz"], Checksum { size: Some(7), ..Checksum::default() });
        let entry = &plain.entries["Try-Tiny-0.32.tar.gz"];
        assert_eq!((entry.size, entry.sha256), (Some(42_017), Some(Sha256::of(b""))));
        assert_eq!((entry.sha256_ungz, entry.mtime), (Some(Sha256::of(b"abc")), Some(date!(2025 - 10 - 26))));
        assert_eq!((entry.cpan_path.as_deref(), entry.is_dir), (Some("E/ET/ETHER"), false));
        assert!(plain.entries["old"].is_dir);

        let checksums = Checksums::read(signed(PLAIN).as_bytes()).unwrap();
        assert_eq!(checksums.entries, plain.entries);
        assert!(checksums.signed.unwrap().text().ends_with("};\n__END__\n"));
    }

    #[test]
    fn data_beside_the_signed_text_is_refused() {
        let message = signed(PLAIN);
        let forged = PLAIN.replace("e3b0c442", "00000000");
        for text in [
            format!("{forged}{message}"),
            format!("{message}{forged}"),
            message.replace("0&&<<''; # this", "$cksum = {}; # this"),
            message.replace("__END__", &format!("__END__\n{forged}")),
            message.replace("$cksum = {\n", "$cksum = {};\n$cksum = {\n"),
        ] {
            assert!(Checksums::read(text.as_bytes()).is_err(), "should be refused:\n{text}");
        }
    }

    #[test]
    fn code_is_refused_and_never_run() {
        let wrong = [
            "system('id');\n$cksum = {};",
            "$cksum = { 'a' => { 'size' => `id` } };",
            "$cksum = { 'a' => { 'size' => do { 1 } } };",
            "$cksum = { \"a@{[system 1]}\" => {} };",
            "$cksum = { 'a' => { 'size' => 1 . 2 } };",
            "$cksum = {}; system('id');",
            "$cksum = {}",
            "$cksum = { 'a' => 1 };",
            "$cksum = { 'a' => {} , , };",
            "$cksum = { 'a' => {}, 'a' => {} };",
            "$cksum = { 'a' => { 'size' => 1, 'size' => 2 } };",
            "$cksum = { 'a' => { 'sha256' => 'e3b0' } };",
            "$cksum = { 'a' => { 'mtime' => '2025-02-30' } };",
            "$cksum = { 'a' => { 'size' => 99999999999999999999 } };",
            "$cksum = { 'a\n' => {} };",
            "$cksum = { 'a\\n' => {} };",
            "$other = {};",
            "<html>",
            "",
        ];
        for text in wrong {
            assert!(Checksums::read(text.as_bytes()).is_err(), "should be refused: {text}");
        }
        assert!(Checksums::read(b"# nothing yet\n$cksum = {};\n").unwrap().entries.is_empty());
        let error = Checksums::read(signed(&PLAIN.replace("42017", "rm('/')")).as_bytes()).unwrap_err();
        assert!(error.to_string().contains("CHECKSUMS, line 16:"), "{error}");
    }

    #[test]
    fn there_is_an_end_to_it() {
        let many: Vec<_> = (0..=MOST_ENTRIES).map(|number| format!("'{number}' => {{}},")).collect();
        let many = many.concat();
        assert!(matches!(
            Checksums::read(format!("$cksum = {{{many}}};").as_bytes()),
            Err(CatalogError::TooLarge { .. })
        ));
        assert!(matches!(Checksums::read(&vec![b' '; LARGEST_CHECKSUMS + 1]), Err(CatalogError::TooLarge { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_change_can_be_read(at in 0usize..PLAIN.len(), rubbish in "[-'\\\\{}=>;,#$ \n0a\u{e9}]{0,6}") {
            for whole in [PLAIN.to_owned(), signed(PLAIN)] {
                let mut text = whole;
                text.insert_str(at, &rubbish);
                let _ = Checksums::read(text.as_bytes());
                let _ = Checksums::read(&text.as_bytes()[..at]);
            }
        }
    }
}
