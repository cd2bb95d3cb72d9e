//! A moment in a policy file: a TOML date and time, or the same as text.

use time::format_description::well_known::Rfc3339;
use toml::Spanned;

use super::file::{PolicyError, Source};
use crate::domain::Timestamp;

/// Moments after this are a slip of the pen; and time can be added to those before it.
const LAST_YEAR: i32 = 2200;

/// Reads a moment. A date alone is its first moment in UTC; a time of day without a zone could be anybody's and is refused.
pub(super) fn moment(source: Source<'_>, key: &str, written: &Spanned<toml::Value>) -> Result<Timestamp, PolicyError> {
    read(written.get_ref()).map_err(|why| source.error(key, written.span(), why))
}

/// The moment that a value names, or what is wrong with it.
pub(super) fn read(value: &toml::Value) -> Result<Timestamp, String> {
    const ADVICE: &str = "write a moment such as 2026-12-11T00:00:00Z, or a date such as 2026-12-11";
    let text = match value {
        toml::Value::Datetime(written) if written.date.is_some() && written.time.is_none() => {
            format!("{written}T00:00:00Z")
        }
        toml::Value::Datetime(written) => {
            if written.date.is_some() && written.offset.is_none() {
                return Err(format!("{written} does not say in which time zone; {ADVICE}"));
            }
            written.to_string()
        }
        toml::Value::String(text) if text.len() == "2026-12-11".len() => format!("{text}T00:00:00Z"),
        toml::Value::String(text) => text.clone(),
        _ => return Err(ADVICE.to_owned()),
    };
    match Timestamp::parse(&text, &Rfc3339) {
        Ok(moment) if (2000..=LAST_YEAR).contains(&moment.year()) => Ok(moment.to_offset(time::UtcOffset::UTC)),
        Ok(moment) => Err(format!("the year {} cannot be meant; {ADVICE}", moment.year())),
        Err(_) => Err(ADVICE.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    fn of(text: &str) -> Result<Timestamp, String> {
        let table: toml::Table = text.parse().unwrap();
        read(&table["at"])
    }

    #[test]
    fn moments_are_written_as_toml_has_them_or_as_text() {
        let expected = Ok(datetime!(2026-12-11 00:00 UTC));
        for written in [
            "at = 2026-12-11T00:00:00Z",
            "at = 2026-12-11 00:00:00Z",
            "at = 2026-12-11T01:00:00+01:00",
            "at = 2026-12-11",
            "at = \"2026-12-11T00:00:00Z\"",
            "at = \"2026-12-11\"",
        ] {
            assert_eq!(of(written), expected, "{written}");
        }
        for wrong in [
            "at = 2026-12-11T00:00:00",
            "at = 10:00:00",
            "at = \"tomorrow\"",
            "at = 20261211",
            "at = true",
            "at = \"2026-13-40\"",
            "at = \"9999-12-31T23:59:59Z\"",
            "at = \"1970-01-01\"",
        ] {
            assert!(of(wrong).unwrap_err().contains("such as 2026-12-11T00:00:00Z"), "{wrong}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = read(&toml::Value::String(text));
        }
    }
}
