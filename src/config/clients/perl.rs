//! Perl: `urllist` of CPAN.pm, and what cpanm, cpm and carton have in the environment.

use super::{Clients, Machine, add, text_of};
use crate::config::{Listen, discover};

/// Where CPAN.pm keeps its settings: below the user's home, and for the machine as a whole.
const OF_USER: [&str; 3] = [
    ".cpan/CPAN/MyConfig.pm",
    ".local/share/.cpan/CPAN/MyConfig.pm",
    "Library/Application Support/.cpan/CPAN/MyConfig.pm",
];
const OF_MACHINE: &str = "etc/perl/CPAN/Config.pm";
/// A list of mirrors is not longer.
const MOST_WORDS: usize = 200;

/// Takes over their mirrors.
pub(super) fn take_over(clients: &mut Clients, machine: &Machine<'_>, listen: &Listen) {
    let mut found: Vec<(String, String)> = Vec::new();
    for name in ["PERL_CPANM_OPT", "PERL_CPM_OPT"] {
        let options = machine.variable(name).unwrap_or_default();
        found.extend(mirrors_of(options).into_iter().map(|address| (address, name.to_owned())));
    }
    let carton = machine.variable("PERL_CARTON_MIRROR");
    found.extend(carton.map(|address| (address.to_owned(), "PERL_CARTON_MIRROR".to_owned())));
    let home = machine.home();
    let own = home.iter().flat_map(|home| OF_USER.map(|file| (home.join(file), format!("~/{file}"))));
    for (path, name) in own.chain([(machine.shared(OF_MACHINE), format!("/{OF_MACHINE}"))]) {
        let text = text_of(&path).unwrap_or_default();
        found.extend(urllist(&text).into_iter().map(|address| (address, format!("urllist in {name}"))));
    }
    for (address, from) in found {
        match discover::read(&address, &from) {
            Some(mirror) if listen.is_own(&mirror.url) => {}
            Some(mirror) => add(&mut clients.mirrors, mirror),
            None => clients.remark(format!("{from} names a mirror that is not on the web: left out")),
        }
    }
}

/// The mirrors in a client's options: `--mirror URL`, `--from URL`, `-M URL`, and what a resolver of cpm's names.
fn mirrors_of(options: &str) -> Vec<String> {
    let mut mirrors = Vec::new();
    let mut words = options.split_whitespace().map(|word| word.trim_matches(['"', '\''])).take(MOST_WORDS);
    while let Some(word) = words.next() {
        let (option, value) = word.split_once('=').map_or((word, None), |(option, value)| (option, Some(value)));
        if !matches!(option, "--mirror" | "--from" | "-M" | "--resolver" | "-r") {
            continue;
        }
        let value = value.or_else(|| words.next()).unwrap_or_default();
        if matches!(option, "--resolver" | "-r") {
            // `metadb,INDEX,MIRROR` and `02packages,MIRROR`: the last one has the files.
            mirrors.extend(value.rsplit(',').next().filter(|last| last.contains("://")).map(str::to_owned));
        } else {
            mirrors.push(value.to_owned());
        }
    }
    mirrors
}

/// The texts in `'urllist' => [q[https://...], 'https://...']`. Read as text, never evaluated.
fn urllist(text: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once("urllist") else { return Vec::new() };
    let Some((between, list)) = rest.split_once('[') else { return Vec::new() };
    if !between.chars().all(|letter| letter.is_whitespace() || "'\"=>".contains(letter)) {
        return Vec::new();
    }
    let mut list = list.trim_start_matches(|letter: char| letter.is_whitespace() || letter == ',');
    let mut addresses = Vec::new();
    while addresses.len() < MOST_WORDS {
        let (inner, end) = match list.chars().next() {
            Some(quote @ ('\'' | '"')) => (&list[1..], quote),
            Some('q') => {
                let open = list[1..].trim_start_matches('q');
                let end = match open.chars().next() {
                    Some('[') => ']',
                    Some('{') => '}',
                    Some('(') => ')',
                    Some('<') => '>',
                    Some(same @ ('/' | '|' | '!')) => same,
                    _ => break,
                };
                (&open[1..], end)
            }
            _ => break,
        };
        let Some((address, after)) = inner.split_once(end) else { break };
        addresses.push(address.trim().to_owned());
        list = after.trim_start_matches(|letter: char| letter.is_whitespace() || letter == ',');
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_mirrors_is_read_and_never_run() {
        let text = "$CPAN::Config = {\n  'term_is_latin' => q[1],\n  'urllist' => [q[http://one.example.test/], \
                    'https://two.example.test/CPAN' , \"file:///srv\"],\n  'use_sqlite' => q[0],\n};\n1;\n";
        assert_eq!(urllist(text), ["http://one.example.test/", "https://two.example.test/CPAN", "file:///srv"]);
        assert_eq!(urllist("'urllist' => [],"), [""; 0]);
        assert_eq!(urllist("'urllist' => [system('x')]"), [""; 0]);
        assert_eq!(urllist("urllist is documented [here]"), [""; 0]);
    }

    #[test]
    fn options_in_the_environment_name_mirrors() {
        let options = "--notest --mirror http://dark.example.test/ --mirror=https://two.example.test -M https://three.example.test";
        assert_eq!(
            mirrors_of(options),
            ["http://dark.example.test/", "https://two.example.test", "https://three.example.test"]
        );
        let cpm = "--resolver metadb,https://db.example.test/v1.0/,https://cpan.example.test/ -r metacpan";
        assert_eq!(mirrors_of(cpm), ["https://cpan.example.test/"]);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_a_file_says_is_survived(text in "urllist' => \\[[q\\[\\]{}()'\", a-z:/\u{e9}]{0,60}", options in "[-a-zM= ,:/\u{e9}]{0,60}") {
            let _ = urllist(&text);
            let _ = mirrors_of(&options);
        }
    }
}
