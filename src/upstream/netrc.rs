//! `~/.netrc` as curl, pip and ftp know it: `machine HOST login NAME password WORD`, over as many lines as you like.

use std::path::Path;

use super::Secret;

/// No honest one is longer.
const LARGEST: u64 = 64 * 1024;

/// The name and password for this host; `default` entries are for nobody.
pub(super) fn find(text: &str, host: &str) -> Option<(String, Secret)> {
    let mut words = words(text);
    let (mut is_ours, mut login, mut password) = (false, None, None);
    while let Some(word) = words.next() {
        match word {
            "machine" | "default" => {
                if is_ours && password.is_some() {
                    break;
                }
                is_ours = word == "machine" && words.next()?.eq_ignore_ascii_case(host);
                (login, password) = (None, None);
            }
            "login" => login = words.next(),
            "password" => password = words.next(),
            "account" => {
                words.next();
            }
            _ => {}
        }
    }
    let password = password.filter(|_| is_ours)?;
    Some((login.unwrap_or_default().to_owned(), Secret::new(password)))
}

/// All words but those of comments and of macros, which end with an empty line.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut in_macro = false;
    let lines = text.lines().filter(move |line| {
        let line = line.trim();
        in_macro = (in_macro || line.starts_with("macdef")) && !line.is_empty();
        !in_macro && !line.starts_with('#')
    });
    // A password may hold a `#`: only one that begins a line is a comment.
    lines
        .flat_map(str::split_ascii_whitespace)
        .map(|word| word.strip_prefix('"').and_then(|word| word.strip_suffix('"')).unwrap_or(word))
}

/// Reads such a file; what is wrong is said without a word of what is in it.
pub(super) fn read(path: &Path) -> Result<String, String> {
    use std::io::Read as _;

    let told = |error: std::io::Error| format!("{} cannot be read: {}", path.display(), error.kind());
    let mut text = String::new();
    std::fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text)).map_err(told)?;
    if text.len() as u64 > LARGEST {
        return Err(format!("{} is larger than {LARGEST} bytes", path.display()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_finds_its_own_entry_and_no_other() {
        let text = "# machine corp.test login no password no\nmachine other.test login eve password wrong\n\
                    macdef init\nmachine corp.test login macro password macro\n\n\
                    machine CORP.test\n  login ada\n  account x password \"pa#ss\"\ndefault login anonymous password guest\n";
        let (login, password) = find(text, "corp.test").unwrap();
        assert_eq!((login.as_str(), password.expose()), ("ada", "pa#ss"));
        assert_eq!(find(text, "other.test").unwrap().1.expose(), "wrong");
        for stranger in ["test", "orp.test", "corp.test.evil.test", "", "guest"] {
            assert!(find(text, stranger).is_none(), "{stranger}");
        }
        for broken in ["", "machine", "machine corp.test", "machine corp.test login ada", "machine corp.test password"]
        {
            assert!(find(broken, "corp.test").is_none(), "{broken}");
        }
    }
}
