//! Search queries, evaluated here: the original server pastes their values into SQL, we never make SQL of them.

use regex::{Regex, RegexBuilder};

use super::{Entry, Kind, TeapotError, tcl_list};

/// More operators than any query has.
const MOST_OPERATORS: usize = 200;

/// Deeper than any query is nested.
const DEEPEST: usize = 20;

/// How large a compiled expression may become.
const REGEX_BYTES: usize = 1 << 20;

/// A question about one instance.
#[derive(Debug, Clone)]
pub enum Query {
    /// `and Q Q…`.
    All(Vec<Self>),
    /// `or Q Q…`.
    Any(Vec<Self>),
    /// `haskey K`, and `nhaskey K` with `false`.
    HasKey(String, bool),
    /// `is T`, and `nis T` with `false`.
    Is(Kind, bool),
    /// `key K OP V`: the key is there and its value passes.
    Key(String, Test),
}

/// What a value is tested for.
#[derive(Debug, Clone)]
pub enum Test {
    /// `eq`, `ne`, `<`, `>`, `<=`, `>=`: the orderings that pass.
    Order(&'static [std::cmp::Ordering], String),
    /// `rex` and `glob`, and with `false` `!rex` and `!glob`.
    Matches(Regex, bool),
    /// `in`, and `ni` with `false`: whether the value, as a list, has this element.
    Contains(String, bool),
}

impl Query {
    /// Reads a query.
    pub fn read(text: &str) -> Result<Self, TeapotError> {
        read(text, 0, &mut 0)
            .map_err(|why| TeapotError::Query(text.chars().take(60).collect(), why.chars().take(200).collect()))
    }

    /// Whether the instance passes.
    pub fn accepts(&self, entry: &Entry) -> bool {
        match self {
            Self::All(queries) => queries.iter().all(|query| query.accepts(entry)),
            Self::Any(queries) => queries.iter().any(|query| query.accepts(entry)),
            Self::HasKey(key, wanted) => entry.value(key).is_some() == *wanted,
            Self::Is(kind, wanted) => (entry.instance.kind == *kind) == *wanted,
            Self::Key(key, test) => entry.value(key).is_some_and(|value| test.passes(value)),
        }
    }
}

impl Test {
    fn read(relation: &str, value: &str) -> Result<Self, String> {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let ordered = |passing| Ok(Self::Order(passing, value.to_owned()));
        match relation {
            "eq" => ordered(&[Equal]),
            "ne" => ordered(&[Less, Greater]),
            "<" => ordered(&[Less]),
            ">" => ordered(&[Greater]),
            "<=" => ordered(&[Less, Equal]),
            ">=" => ordered(&[Greater, Equal]),
            "in" | "ni" => Ok(Self::Contains(value.to_owned(), relation == "in")),
            "glob" | "!glob" => Ok(Self::Matches(compile(&glob_as_regex(value), value)?, relation == "glob")),
            "rex" | "!rex" => Ok(Self::Matches(compile(&tcl_as_regex(value), value)?, relation == "rex")),
            _ => Err(format!("Unknown relation \"{relation}\"")),
        }
    }

    fn passes(&self, value: &str) -> bool {
        match self {
            Self::Order(passing, other) => passing.contains(&value.cmp(other)),
            Self::Matches(pattern, wanted) => pattern.is_match(value) == *wanted,
            Self::Contains(element, wanted) => {
                tcl_list::read(value).is_ok_and(|list| list.contains(element)) == *wanted
            }
        }
    }
}

fn read(text: &str, depth: usize, operators: &mut usize) -> Result<Query, String> {
    *operators += 1;
    if depth > DEEPEST || *operators > MOST_OPERATORS {
        return Err("too many operators".to_owned());
    }
    let words = tcl_list::read(text).map_err(|error| error.to_string())?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let expected = |form: &str| Err(format!("Wrong#args, expected \"{form}\""));
    let kind = |word: &str| {
        Kind::from_word(&word.to_lowercase()).ok_or_else(|| {
            format!(
                "Unknown entity type \"{word}\", expected application, documentation, package, profile, or redirect"
            )
        })
    };
    match *words {
        [operator @ ("and" | "or"), ref rest @ ..] => {
            if rest.len() < 2 {
                return expected(&format!("{operator} sub1 sub2 ..."));
            }
            let queries = rest.iter().map(|query| read(query, depth + 1, operators)).collect::<Result<_, _>>()?;
            Ok(if operator == "and" { Query::All(queries) } else { Query::Any(queries) })
        }
        [operator @ ("haskey" | "nhaskey"), key] => Ok(Query::HasKey(key.to_lowercase(), operator == "haskey")),
        [operator @ ("haskey" | "nhaskey"), ..] => expected(&format!("{operator} key")),
        [operator @ ("is" | "nis"), word] => Ok(Query::Is(kind(word)?, operator == "is")),
        [operator @ ("is" | "nis"), ..] => expected(&format!("{operator} entity-type")),
        ["key", key, relation, value] => Ok(Query::Key(key.to_lowercase(), Test::read(relation, value)?)),
        ["key", ..] => expected("key thekey relation value"),
        _ => Err(format!("Unknown operator \"{}\"", words.first().copied().unwrap_or_default())),
    }
}

/// Compiles an expression that cannot run away: the [`regex`] crate takes linear time, and we bound its size.
fn compile(expression: &str, written: &str) -> Result<Regex, String> {
    RegexBuilder::new(expression)
        .size_limit(REGEX_BYTES)
        .dfa_size_limit(REGEX_BYTES)
        .nest_limit(50)
        .dot_matches_new_line(true)
        .build()
        .map_err(|_| format!("Bad regular expression \"{written}\""))
}

/// [Tcl's directors](https://www.tcl-lang.org/man/tcl8.6/TclCmd/re_syntax.htm) at the start of an expression.
fn tcl_as_regex(expression: &str) -> String {
    match expression.strip_prefix("***") {
        Some(rest) => match rest.split_at_checked(1) {
            Some(("=", literal)) => regex::escape(literal),
            Some((":", rest)) => rest.to_owned(),
            _ => expression.to_owned(),
        },
        None => expression.to_owned(),
    }
}

/// [SQLite's GLOB](https://www.sqlite.org/lang_expr.html#glob): `*`, `?`, `[a-z]`, `[^a-z]`.
fn glob_as_regex(pattern: &str) -> String {
    // Stars at the ends are left out rather than matched: that is much faster.
    let (start, pattern) = pattern.strip_prefix('*').map_or((r"\A", pattern), |pattern| ("", pattern));
    let (end, pattern) = pattern.strip_suffix('*').map_or((r"\z", pattern), |pattern| ("", pattern));
    let mut expression = start.to_owned();
    let mut rest = pattern;
    while let Some(symbol) = rest.chars().next() {
        rest = &rest[symbol.len_utf8()..];
        match symbol {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            '[' => {
                let (negated, class) = rest.strip_prefix('^').map_or(("", rest), |class| ("^", class));
                // A bracket right at the start is a member.
                let from = usize::from(class.starts_with(']'));
                let Some(end) = class[from..].find(']').map(|at| at + from) else {
                    // Never closed: nothing matches.
                    return r"[^\s\S]".to_owned();
                };
                expression.extend(["[", negated]);
                for member in class[..end].chars() {
                    if member != '-' && !member.is_alphanumeric() {
                        expression.push('\\');
                    }
                    expression.push(member);
                }
                expression.push(']');
                rest = &class[end + 1..];
            }
            literal => expression.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4]))),
        }
    }
    expression.push_str(end);
    expression
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::catalog::Gathering;
    use super::*;

    fn entry() -> Entry {
        let file = Some("bt0v0pkvrmi99v0h4qd25rnemk0000tv");
        let mut gathering = Gathering::default();
        gathering.instance([Some("package"), Some("acme::greet"), Some("1.0"), Some("tcl")], false, file);
        gathering.meta(file, Some("license"), Some("BSD"));
        gathering.meta(file, Some("category"), Some("Demo {greeting people}"));
        gathering.finish().entries()[0].clone()
    }

    fn finds(query: &str) -> bool {
        Query::read(query).unwrap_or_else(|error| panic!("{error}")).accepts(&entry())
    }

    #[test]
    fn every_operator_of_the_grammar() {
        for query in [
            "is package",
            "nis profile",
            "haskey license",
            "haskey LICENSE",
            "nhaskey require",
            "key name eq acme::greet",
            "key name ne acme",
            "key license < BSE",
            "key license <= BSD",
            "key license > AAA",
            "key license >= BSD",
            "key name glob acme::*",
            "key name !glob *util",
            "key name glob {acme::[^a-f]reet}",
            "key name glob *greet*",
            "key name glob *",
            "key name glob a*t",
            "key license glob **",
            "key name rex (?i)GREET",
            "key name !rex ^greet",
            "key name rex {***=acme::greet}",
            "key category in {greeting people}",
            "key category ni greeting",
            "and {is package} {haskey license}",
            "or {is profile} {and {haskey license} {key license eq BSD}}",
        ] {
            assert!(finds(query), "{query}");
        }
        for query in [
            "is application",
            "nis package",
            "haskey require",
            "nhaskey license",
            "key name eq Acme::greet",
            "key require ne x",
            "key require ni x",
            "key name glob acme",
            "key name glob {[a-c]}",
            "key name glob {[a}",
            "key name glob {[*}",
            "key name glob *acme",
            "key name glob greet*",
            "and {is package} {haskey require}",
            "or {is profile} {haskey require}",
        ] {
            assert!(!finds(query), "{query}");
        }
    }

    #[test]
    fn bad_queries_are_refused_in_the_words_of_the_original() {
        for (query, words) in [
            ("bogus query", "Bad query \"bogus query\": Unknown operator \"bogus\""),
            ("and {is package}", "Wrong#args, expected \"and sub1 sub2 ...\""),
            ("key name eq", "Wrong#args, expected \"key thekey relation value\""),
            ("key name like x", "Unknown relation \"like\""),
            ("is pirate", "Unknown entity type \"pirate\""),
            ("haskey", "Wrong#args, expected \"haskey key\""),
            ("key name rex {(}", "Bad regular expression \"(\""),
            ("{", "not a Tcl list"),
            ("", "Unknown operator \"\""),
        ] {
            let error = Query::read(query).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn sql_in_a_value_is_only_a_text() {
        assert!(!finds("key name eq {x' OR '1'='1}"));
        assert!(!finds("key {name' OR 1 --} eq x"));
        assert!(!finds("haskey {license') UNION SELECT * FROM instances --}"));
    }

    #[test]
    fn what_would_run_away_is_refused() {
        let mut deep = "is package".to_owned();
        for _ in 0..30 {
            deep = format!("and {{is package}} {{{deep}}}");
        }
        assert!(Query::read(&deep).is_err());
        assert!(Query::read(&format!("or {}", "{is package} ".repeat(300))).is_err());
        assert!(Query::read("key name rex {((a{1,1000}){1,1000}){1,1000}}").is_err());
        let slow = format!("key name rex {{(a*)*{}}}", "b");
        assert!(!finds(&slow));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_panics(text in r"(and|or|key|is|haskey|glob|rex|[a-z*?\[\]^(){} ]{0,6}){0,8}|\PC{0,20}") {
            if let Ok(query) = Query::read(&text) {
                query.accepts(&entry());
            }
        }

        #[test]
        fn a_glob_without_stars_is_a_comparison(text in "[a-z.+(){}|$^]{1,10}") {
            prop_assert!(Regex::new(&glob_as_regex(&text)).unwrap().is_match(&text));
        }
    }
}
