//! Keys and signatures by `gpg`, from `testdata/cpan/make`.

use proptest::prelude::*;

use super::*;
use crate::registry::cpan::{CatalogError, SignedText};

const BATCH: &[u8] = include_bytes!("../../../../testdata/cpan/batch.asc");
const BATCH_OF_2025: &[u8] = include_bytes!("../../../../testdata/cpan/batch-2025.asc");
const BATCH_REVOKED: &[u8] = include_bytes!("../../../../testdata/cpan/batch-revoked.asc");
const SUBKEY: &[u8] = include_bytes!("../../../../testdata/cpan/subkey.asc");

const BY_RSA: &str = include_str!("../../../../testdata/cpan/rsa.CHECKSUMS");
const BY_SUBKEY: &str = include_str!("../../../../testdata/cpan/subkey.CHECKSUMS");
const BY_SHA1: &str = include_str!("../../../../testdata/cpan/weak.CHECKSUMS");
const ESCAPED: &str = include_str!("../../../../testdata/cpan/escaped.txt");

fn keyring(keys: &[&[u8]]) -> Keyring {
    Keyring::read(&keys.iter().map(|key| key.to_vec()).collect::<Vec<_>>()).unwrap()
}

fn verdict(text: &str, keys: &[&[u8]]) -> SignatureVerdict {
    verify(&Checksums::read(text.as_bytes()).unwrap(), &keyring(keys))
}

fn why_not(text: &str, keys: &[&[u8]]) -> String {
    match verdict(text, keys) {
        SignatureVerdict::CannotVerify { why } => why,
        other => panic!("expected to be told why nothing can be said, not {other:?}"),
    }
}

fn is_good(verdict: &SignatureVerdict) -> bool {
    matches!(verdict, SignatureVerdict::Good { key } if key.len() == 40 && key.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[test]
fn what_pause_signed_is_good() {
    assert!(is_good(&verdict(BY_RSA, &[SUBKEY, BATCH])));
    assert!(is_good(&verdict(&BY_RSA.replace('\n', "\r\n"), &[BATCH])), "line endings are not signed");
    assert!(is_good(&verdict(&BY_RSA.replace("(v2.14)  \t", "(v2.14)"), &[BATCH])), "blanks at ends are not signed");
    assert!(is_good(&verdict(BY_SUBKEY, &[BATCH, SUBKEY])), "a key may sign by its subkey");
    assert_eq!(verdict("$cksum = {};\n", &[BATCH]), SignatureVerdict::Unsigned);
}

#[test]
fn a_changed_text_is_bad() {
    for (from, to) in [
        ("e3b0c442", "f3b0c442"),
        ("42017", "42018"),
        ("ETHER", "OTHER"),
        ("# the next", "# The next"),
        ("\n};", "\n\n};"),
    ] {
        let text = BY_RSA.replace(from, to);
        assert_ne!(text, BY_RSA);
        let verdict = verdict(&text, &[BATCH]);
        assert!(matches!(&verdict, SignatureVerdict::Bad { why } if why.contains("changed")), "{from}: {verdict:?}");
    }
    let (head, _) = BY_SUBKEY.split_once("-----BEGIN PGP SIGNATURE").unwrap();
    let (_, tail) = BY_RSA.split_once("-----BEGIN PGP SIGNATURE").unwrap();
    let sound = format!("{head}-----BEGIN PGP SIGNATURE{tail}").replace("Hash: SHA256", "Hash: SHA512");
    assert!(is_good(&verdict(&sound, &[BATCH])), "both signed one text");
}

/// CVE-2020-16156: an unsigned hash in front of the signed text, which clients evaluated.
#[test]
fn an_unsigned_hash_beside_the_signed_text_is_never_read() {
    let forged = "$cksum = {\n  'Try-Tiny-0.32.tar.gz' => {\n    'size' => 1\n  }\n};\n";
    let (first, rest) = BY_RSA.split_once('\n').unwrap();
    for text in [
        format!("{forged}{BY_RSA}"),
        format!("{first}\n{forged}{rest}"),
        format!("{first}\n{forged}__END__\n{rest}"),
        format!("{BY_RSA}{forged}"),
        BY_RSA.replace("\n\n#", &format!("\n{forged}\n#")),
    ] {
        assert!(
            matches!(Checksums::read(text.as_bytes()), Err(CatalogError::Syntax { .. })),
            "should be refused:\n{text}"
        );
    }
}

#[test]
fn an_unknown_key_says_nothing() {
    assert!(why_not(BY_RSA, &[SUBKEY]).contains("not in the keyring"));
    assert!(why_not(BY_RSA, &[]).contains("not in the keyring"));
    assert!(why_not(&BY_RSA.replace("42017", "1"), &[SUBKEY]).contains("not in the keyring"));
}

#[test]
fn a_key_counts_only_while_it_was_valid() {
    assert!(why_not(BY_RSA, &[BATCH_OF_2025]).contains("not valid when"));
    assert!(why_not(BY_RSA, &[BATCH_REVOKED]).contains("revoked"));
    assert!(why_not(BY_SHA1, &[BATCH]).contains("SHA1"));
}

#[test]
fn a_signature_that_cannot_be_read_says_nothing() {
    let (head, tail) = BY_RSA.split_once("-----BEGIN PGP SIGNATURE-----\n\n").unwrap();
    let empty = format!("{head}-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n");
    let rubbish = format!("{head}-----BEGIN PGP SIGNATURE-----\n\nYWJj\n-----END PGP SIGNATURE-----\n");
    let halved = format!("{head}-----BEGIN PGP SIGNATURE-----\n\n{}", tail.split_once('\n').unwrap().1);
    for text in [empty, rubbish, halved] {
        why_not(&text, &[BATCH]);
    }
}

#[test]
fn escaped_lines_and_a_missing_last_newline_are_as_gnupg_signed_them() {
    let signed = SignedText::read(ESCAPED, "a text").unwrap().unwrap();
    assert_eq!(
        signed.text(),
        "- a list\n-- two dashes\n-----BEGIN PGP SIGNATURE-----\nblanks\n\n\nFrom here\nno end of line\n"
    );
    assert!(is_good(&keyring(&[BATCH]).verify(&signed)));
}

#[test]
fn a_keyring_takes_public_keys_only() {
    assert_eq!(keyring(&[BATCH, SUBKEY]).len(), 2);
    assert!(keyring(&[]).is_empty());
    let error = Keyring::read(&[BATCH.to_vec(), b"no key".to_vec()]).unwrap_err();
    assert!(error.to_string().starts_with("key 2 of the keyring"), "{error}");
    assert!(Keyring::read(&[BY_RSA.as_bytes().to_vec()]).is_err());
    assert!(Keyring::read(&[vec![b'-'; 2 << 20]]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_change_makes_another_text_good(at in 0usize..BY_RSA.len(), to in "[ -~]") {
        let mut text = BY_RSA.to_owned();
        text.replace_range(at..=at, &to);
        if let Ok(checksums) = Checksums::read(text.as_bytes()) {
            let untouched = Checksums::read(BY_RSA.as_bytes()).unwrap();
            let is_same_text = checksums.signed.as_ref().map(SignedText::text) == untouched.signed.as_ref().map(SignedText::text);
            prop_assert!(is_same_text || !is_good(&verify(&checksums, &keyring(&[BATCH]))));
        }
    }

    #[test]
    fn any_bytes_can_be_a_key(bytes in proptest::collection::vec(any::<u8>(), 0..100), at in 0usize..BATCH.len()) {
        let mut key = BATCH.to_vec();
        key.splice(at..(at + bytes.len()).min(BATCH.len()), bytes.clone());
        let _ = Keyring::read(&[key]);
        let _ = Keyring::read(&[bytes]);
    }
}
