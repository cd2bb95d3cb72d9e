//! The page around a result: clients look for exactly these words in it.

use std::borrow::Cow;

use super::TeapotError;

const BEFORE: &str = "<html><head>\n</head><body>\n<!-- [[TPM[[";
const OPENING: &str = "<body>\n<!-- [[TPM[[";
const CLOSING: &str = "]]MPT]] -->";
const AFTER: &str = "]]MPT]] -->\n";
const END: &str = "\n</body></html>\n";

/// The page that carries a result, and under it what people see in a browser.
pub(super) fn wrap(result: &str, decoration: &str) -> String {
    [BEFORE, result, AFTER, decoration, END].concat()
}

/// A page for browsers alone.
pub(super) fn plain(decoration: &str) -> String {
    ["<html><head>\n</head><body>\n", decoration, END].concat()
}

/// The result in a page. Greedy, as clients are: the last closing mark ends it.
pub(super) fn unwrap(page: &[u8]) -> Result<String, TeapotError> {
    let text = decoded(page);
    let start = text.find(OPENING).ok_or(TeapotError::NoResult)? + OPENING.len();
    let end = text[start..].rfind(CLOSING).ok_or(TeapotError::NoResult)?;
    Ok(text[start..start + end].to_owned())
}

/// UTF-8, or else the one byte per character that the original server writes.
pub(super) fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().copied().map(char::from).collect(), Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_taken_out_of_its_page() {
        assert_eq!(unwrap(wrap("{a b} c", "<h1>List</h1>\n").as_bytes()).unwrap(), "{a b} c");
        assert_eq!(wrap("", ""), "<html><head>\n</head><body>\n<!-- [[TPM[[]]MPT]] -->\n\n</body></html>\n");
        let greedy = "<body>\n<!-- [[TPM[[a ]]MPT]] --> b]]MPT]] -->";
        assert_eq!(unwrap(greedy.as_bytes()).unwrap(), "a ]]MPT]] --> b");
        assert_eq!(unwrap(b"<body>\n<!-- [[TPM[[Zo\xeb]]MPT]] -->").unwrap(), "Zoë");
    }

    #[test]
    fn a_rewritten_page_has_no_result() {
        for page in ["", "<body><!-- [[TPM[[a]]MPT]] -->", "<body>\n<!-- [[TPM[[a", "<h1>Sign in</h1>"] {
            assert!(matches!(unwrap(page.as_bytes()), Err(TeapotError::NoResult)), "{page}");
        }
    }
}
