//! Takes a [clear-signed message](https://www.rfc-editor.org/rfc/rfc9580.html#name-cleartext-signature-framework) apart:
//! what was signed, the signature, and nothing beside them.
//!
//! Whoever reads a hash that stands before or behind the signed text believes what nobody signed (CVE-2020-16154,
//! CVE-2020-16156): anything there is an error.

use super::CatalogError;

const BEGIN_MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END_SIGNATURE: &str = "-----END PGP SIGNATURE-----";

/// The line that PAUSE puts before the message, so that Perl takes it as a comment.
const PERL_TOO: &str = "0&&<<''; # this PGP-signed message is also valid perl";

/// Most lines of a signature.
const MOST_ARMOUR: usize = 1_000;

/// Most lines between the beginning of the message and its text.
const MOST_HEADERS: usize = 16;

/// What a verifier needs, and what may be believed once it has verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedText {
    /// The text that was signed: without dash escapes and blanks at the ends of lines, lines ending in LF.
    pub(super) text: String,
    /// The lines before the text, for messages that count lines.
    pub(super) lines_before: usize,
    /// The signature in its armour.
    pub(super) armour: String,
}

impl SignedText {
    /// The text that was signed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The bytes that the signature is over: lines end in CRLF, and the last one's end does not count.
    pub fn canonical(&self) -> Vec<u8> {
        self.text.strip_suffix('\n').unwrap_or(&self.text).replace('\n', "\r\n").into_bytes()
    }

    /// Takes a message apart; `None` if the text does not say that it is one.
    pub(super) fn read(text: &str, document: &'static str) -> Result<Option<Self>, CatalogError> {
        if !text.lines().any(|line| line.trim_end() == BEGIN_MESSAGE) {
            return Ok(None);
        }
        let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim_end_matches([' ', '\t', '\r'])));
        let wrong = |line, why| CatalogError::Syntax { document, line, why };
        let cut_off = |()| CatalogError::CutOff(document);

        let (mut at, mut line) = lines.next().ok_or(()).map_err(cut_off)?;
        if line == PERL_TOO {
            (at, line) = lines.next().ok_or(()).map_err(cut_off)?;
        }
        if line != BEGIN_MESSAGE {
            return Err(wrong(at, "something stands before the signed text, where nobody signed it"));
        }
        let mut headers = lines.by_ref().take(MOST_HEADERS);
        let lines_before = loop {
            match headers.next() {
                None => return Err(wrong(at, "the signed message has no empty line before its text")),
                Some((at, "")) => break at,
                Some((_, header)) if is_hash_header(header) => {}
                Some((at, _)) => return Err(wrong(at, "a signed message has only Hash lines before its text")),
            }
        };
        let mut signed = String::with_capacity(text.len());
        loop {
            match lines.next() {
                None => return Err(CatalogError::CutOff(document)),
                Some((_, BEGIN_SIGNATURE)) => break,
                // A lone CR ends a line for the signature, and not for who reads the text.
                Some((at, line)) if line.chars().any(|letter| letter.is_control() && letter != '\t') => {
                    return Err(wrong(at, "the signed text has a control character"));
                }
                Some((at, line)) if line.starts_with('-') => {
                    let line = line.strip_prefix("- ").or((line == "-").then_some(""));
                    signed.push_str(
                        line.ok_or_else(|| wrong(at, "a signed line begins with a dash that is not escaped"))?,
                    );
                }
                Some((_, line)) => signed.push_str(line),
            }
            signed.push('\n');
        }
        let mut armour = format!("{BEGIN_SIGNATURE}\n");
        let mut is_whole = false;
        for (_, line) in lines.by_ref().take(MOST_ARMOUR) {
            armour.push_str(line);
            armour.push('\n');
            if line == END_SIGNATURE {
                is_whole = true;
                break;
            }
        }
        if !is_whole {
            return Err(CatalogError::CutOff(document));
        }
        match lines.find(|(_, line)| !line.is_empty()) {
            Some((at, _)) => Err(wrong(at, "something stands behind the signature, where nobody signed it")),
            None => Ok(Some(Self { text: signed, lines_before, armour })),
        }
    }
}

/// `Hash: SHA512`, or several with commas.
fn is_hash_header(line: &str) -> bool {
    line.strip_prefix("Hash: ").is_some_and(|names| {
        !names.is_empty() && names.bytes().all(|byte| byte.is_ascii_alphanumeric() || b", -".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MESSAGE: &str = "0&&<<''; # this PGP-signed message is also valid perl\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nfirst \t\n- -dash\n-\n\nlast\n-----BEGIN PGP SIGNATURE-----\n\nabcd\n=1234\n-----END PGP SIGNATURE-----\n";

    fn read(text: &str) -> Result<Option<SignedText>, CatalogError> {
        SignedText::read(text, "CHECKSUMS")
    }

    #[test]
    fn what_was_signed_is_without_escapes_and_trailing_blanks() {
        let signed = read(MESSAGE).unwrap().unwrap();
        assert_eq!(signed.text(), "first\n-dash\n\n\nlast\n");
        assert_eq!(signed.canonical(), b"first\r\n-dash\r\n\r\n\r\nlast");
        assert_eq!(signed.armour, "-----BEGIN PGP SIGNATURE-----\n\nabcd\n=1234\n-----END PGP SIGNATURE-----\n");
        assert_eq!(read(&MESSAGE.replace('\n', "\r\n")).unwrap(), Some(signed.clone()));
        assert_eq!(read(MESSAGE.split_once('\n').unwrap().1).unwrap().unwrap().text(), signed.text());
        assert_eq!(read("$cksum = {};\n").unwrap(), None);
    }

    #[test]
    fn nothing_may_stand_beside_the_signed_text() {
        let hash = "$cksum = {};\n";
        let wrong = [
            format!("{hash}{MESSAGE}"),
            format!("{MESSAGE}{hash}"),
            format!("{MESSAGE}{MESSAGE}"),
            format!("\n{MESSAGE}"),
            MESSAGE.replace("Hash: SHA512\n", "Hash: SHA512\nComment: $cksum = {};\n"),
            MESSAGE.replace("Hash: SHA512\n", &"Hash: SHA512\n".repeat(20)),
            MESSAGE.replace("- -dash", "-dash"),
            MESSAGE.replace("first", "fi\rrst"),
            MESSAGE.replace("-----END PGP SIGNATURE-----\n", ""),
            MESSAGE.replace("-----BEGIN PGP SIGNATURE-----\n", ""),
        ];
        for text in wrong {
            assert!(read(&text).is_err(), "should be refused:\n{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_lines_can_be_asked(at in 0usize..MESSAGE.len(), rubbish in "[-A-Z \n:]{0,20}") {
            let mut text = MESSAGE.to_owned();
            text.insert_str(at, &rubbish);
            let _ = read(&text);
            let _ = read(&rubbish);
        }
    }
}
