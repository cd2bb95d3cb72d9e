//! [Tcl lists](https://www.tcl-lang.org/man/tcl8.6/TclCmd/Tcl.htm): how teapot writes every result and every value.

use super::TeapotError;

/// More elements than any list of a repository has.
pub const MOST_ELEMENTS: usize = 1_000_000;

/// Reads a list into its elements; they may be lists themselves.
pub fn read(text: &str) -> Result<Vec<String>, TeapotError> {
    let mut elements = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        if elements.len() == MOST_ELEMENTS {
            return Err(TeapotError::TooLarge { what: "the number of elements in a Tcl list", limit: MOST_ELEMENTS });
        }
        let (element, after) = read_element(rest)?;
        elements.push(element);
        rest = after.trim_start_matches(is_space);
    }
    Ok(elements)
}

/// Whether the text is a list.
pub fn is_list(text: &str) -> bool {
    read(text).is_ok()
}

/// Writes elements as a list that every Tcl reads back the same.
pub fn write<I>(elements: I) -> String
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let mut list = String::new();
    for element in elements {
        push(&mut list, element.as_ref());
    }
    list
}

/// Adds an element at the end of a list.
///
/// A list stands in an HTML comment, so what would end the comment is written such that it does not.
pub fn push(list: &mut String, element: &str) {
    if !list.is_empty() {
        list.push(' ');
    }
    let ends_comment = element.contains("-->") || element.contains("--!>");
    if !ends_comment && !element.is_empty() && !element.starts_with('#') && !element.contains(is_special) {
        list.push_str(element);
    } else if !ends_comment && may_stand_in_braces(element) {
        list.push('{');
        list.push_str(element);
        list.push('}');
    } else {
        push_escaped(list, element);
    }
}

fn push_escaped(list: &mut String, element: &str) {
    for (at, symbol) in element.char_indices() {
        let escaped = match symbol {
            '\n' => 'n',
            '\t' => 't',
            '\r' => 'r',
            '\x0b' => 'v',
            '\x0c' => 'f',
            '#' if at == 0 => '#',
            '>' => '>',
            special if is_special(special) => special,
            plain => {
                list.push(plain);
                continue;
            }
        };
        list.push('\\');
        list.push(escaped);
    }
}

/// White space between elements.
pub(super) fn is_space(symbol: char) -> bool {
    matches!(symbol, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

fn is_special(symbol: char) -> bool {
    is_space(symbol) || matches!(symbol, '{' | '}' | '[' | ']' | '$' | '"' | ';' | '\\')
}

/// Whether braces around the text would end exactly where it ends.
fn may_stand_in_braces(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut symbols = text.chars();
    while let Some(symbol) = symbols.next() {
        match symbol {
            // A backslash takes the next symbol with it; at a line's end Tcl replaces both, even in braces.
            '\\' if matches!(symbols.next(), None | Some('\n')) => return false,
            '{' => depth += 1,
            '}' => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            },
            _ => {}
        }
    }
    depth == 0
}

/// Reads the element at the start of a text that is not empty.
fn read_element(text: &str) -> Result<(String, &str), TeapotError> {
    let (element, rest) = if let Some(inner) = text.strip_prefix('{') {
        let end = closing_brace(inner).ok_or(TeapotError::List("a brace is not closed"))?;
        (inner[..end].to_owned(), &inner[end + 1..])
    } else if let Some(inner) = text.strip_prefix('"') {
        let (element, rest) = unescape_until(inner, |symbol| symbol == '"');
        (element, rest.strip_prefix('"').ok_or(TeapotError::List("a quote is not closed"))?)
    } else {
        return Ok(unescape_until(text, is_space));
    };
    if rest.is_empty() || rest.starts_with(is_space) {
        Ok((element, rest))
    } else {
        Err(TeapotError::List("something follows a brace or quote without a space"))
    }
}

/// Where the brace closes that was opened just before the text.
pub(super) fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The text up to where `ends` holds, with its backslashes replaced; and the rest.
fn unescape_until(text: &str, ends: impl Fn(char) -> bool) -> (String, &str) {
    let mut element = String::new();
    let mut rest = text;
    while let Some(symbol) = rest.chars().next() {
        if ends(symbol) {
            break;
        }
        if symbol == '\\' {
            rest = unescape(rest, &mut element);
        } else {
            element.push(symbol);
            rest = &rest[symbol.len_utf8()..];
        }
    }
    (element, rest)
}

/// Replaces the backslash at the start of the text and what belongs to it; returns what follows.
pub(super) fn unescape<'a>(text: &'a str, into: &mut String) -> &'a str {
    let after = &text[1..];
    let Some(symbol) = after.chars().next() else {
        into.push('\\');
        return after;
    };
    let rest = &after[symbol.len_utf8()..];
    let code =
        |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
    let mut hexadecimal = |most: usize| {
        let digits = rest.bytes().take(most).take_while(u8::is_ascii_hexdigit).count();
        into.push(if digits == 0 { symbol } else { code(&rest[..digits], 16) });
        &rest[digits..]
    };
    match symbol {
        'x' => return hexadecimal(2),
        'u' => return hexadecimal(4),
        'U' => return hexadecimal(8),
        '0'..='7' => {
            let digits = after.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
            into.push(code(&after[..digits], 8));
            return &after[digits..];
        }
        _ => {}
    }
    into.push(match symbol {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\n' => {
            into.push(' ');
            return rest.trim_start_matches([' ', '\t']);
        }
        other => other,
    });
    rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn elements(text: &str) -> Vec<String> {
        read(text).unwrap()
    }

    #[test]
    fn braces_quotes_and_backslashes_are_read_as_tcl_reads_them() {
        assert_eq!(
            elements("{Tcl -require 8.5} {acme::util -require 1.0}"),
            ["Tcl -require 8.5", "acme::util -require 1.0"]
        );
        assert_eq!(elements("  a\tb\n c "), ["a", "b", "c"]);
        assert_eq!(elements(r#""a b" c\ d {e {f g}} {}"#), ["a b", "c d", "e {f g}", ""]);
        assert_eq!(elements(r"{a\}b} \x41\u00e9\101 a\nb \q"), [r"a\}b", "Aé\u{41}", "a\nb", "q"]);
        assert_eq!(elements("a\\\n   b"), ["a b"]);
        assert_eq!(elements(r#"a"b c{d"#), ["a\"b", "c{d"]);
        assert_eq!(elements(r"\"), ["\\"]);
        assert_eq!(elements(""), Vec::<String>::new());
    }

    #[test]
    fn what_tcl_refuses_is_refused() {
        for text in ["{a", "a {b {c}", "\"a", "{a}b", "\"a\"b", "{\\}"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lists_are_written_in_the_plainest_form() {
        assert_eq!(write(["a", "b c", "", "#x", "a{b", "a\\"]), r"a {b c} {} {#x} a\{b a\\");
        assert_eq!(write(["{a} b", "x;y", "a\\\nb"]), r"{{a} b} {x;y} a\\\nb");
    }

    #[test]
    fn nothing_written_ends_the_comment_it_stands_in() {
        for evil in ["--><script>", "a --!> b", "]]MPT]] -->"] {
            let list = write([evil]);
            assert!(!list.contains("-->") && !list.contains("--!>"), "{list}");
            assert_eq!(elements(&list), [evil]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_written_is_read_back(list in prop::collection::vec(r#"([a-z#{}\[\]$";\\ \n\t>!\-]|\PC){0,12}"#, 0..8)) {
            prop_assert_eq!(read(&write(&list)).unwrap(), list);
        }

        #[test]
        fn nothing_panics(text in r#"[a-z{}"\\ux0-9 \n]{0,60}|\PC{0,40}"#) {
            let _ = read(&text);
        }
    }
}
