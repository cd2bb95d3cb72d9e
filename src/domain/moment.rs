//! A moment in the words of refusals, reasons and tables.

use time::macros::format_description;

use super::Timestamp;

/// `2026-11-28 14:00 UTC`, rounded up: at that minute it has really happened.
pub fn moment(time: Timestamp) -> String {
    let begun = time::Duration::seconds(time.second().into()) + time::Duration::nanoseconds(time.nanosecond().into());
    let whole = if begun.is_zero() { time } else { time.saturating_add(time::Duration::MINUTE - begun) };
    let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    whole.to_offset(time::UtcOffset::UTC).format(&format).unwrap_or_else(|_| "a time that cannot be written".to_owned())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn moments_are_rounded_up() {
        assert_eq!(moment(datetime!(2026-11-28 14:00 UTC)), "2026-11-28 14:00 UTC");
        assert_eq!(moment(datetime!(2026-11-28 13:59:00.1 UTC)), "2026-11-28 14:00 UTC");
        assert_eq!(moment(datetime!(2026-12-31 23:59:59 UTC)), "2027-01-01 00:00 UTC");
    }
}
