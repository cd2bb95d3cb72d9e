//! Texts of records as one line that is fit for a terminal, a log and a page.

/// White space becomes single spaces, characters that change what a reader sees go, and what is longer than `most`
/// characters ends in `…`. `None` if nothing is left.
pub(super) fn line(text: &str, most: usize) -> Option<String> {
    let mut line = String::new();
    let mut length = 0;
    let mut gap = false;
    for letter in text.chars() {
        if letter.is_whitespace() || letter.is_control() {
            gap = length > 0;
            continue;
        }
        if is_hidden(letter) {
            continue;
        }
        let needed = usize::from(gap) + 1;
        if length + needed > most {
            // The last character gives its place to the mark.
            if length == most {
                line.pop();
            }
            line.push('…');
            break;
        }
        if gap {
            line.push(' ');
        }
        line.push(letter);
        length += needed;
        gap = false;
    }
    (!line.is_empty()).then_some(line)
}

/// Zero width, direction and line marks.
fn is_hidden(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_becomes_one_line() {
        assert_eq!(line(" Malicious\n\tcode  in x\u{1b}[31m ", 300).as_deref(), Some("Malicious code in x [31m"));
        assert_eq!(line("exe.\u{202e}txt", 300).as_deref(), Some("exe.txt"));
        assert_eq!(line(" \n\u{200b}", 300), None);
        assert_eq!(line("abcdef", 6).as_deref(), Some("abcdef"));
        assert_eq!(line("abcdefg", 6).as_deref(), Some("abcde…"));
        assert_eq!(line("abcde fg", 6).as_deref(), Some("abcde…"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn it_is_never_longer_than_asked(text in "\\PC{0,40}|[a \n]{0,40}", most in 1_usize..20) {
            let line = line(&text, most).unwrap_or_default();
            prop_assert!(line.chars().count() <= most);
            prop_assert!(!line.contains(char::is_control));
        }
    }
}
