//! Times and durations on the command line.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

/// A time: `2026-03-01` (UTC) or `2026-03-01T09:00:00Z`.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    let mend = "write it as 2026-03-01 (UTC) or 2026-03-01T09:00:00Z";
    let day = || {
        // A date's parser takes a time of day too, and drops it.
        let day = text.parse::<Date>().ok().filter(|day| day.to_string() == text)?;
        Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    text.parse().ok().or_else(day).ok_or_else(|| format!("`{text}` is no time; {mend}"))
}

/// A duration that is not negative: `30d`, `24h`, `90m`; a day has 24 hours.
pub(super) fn duration(text: &str) -> Result<SignedDuration, String> {
    let days = SpanRelativeTo::days_are_24_hours();
    let span = text.parse::<Span>().ok().and_then(|span| span.to_duration(days).ok());
    let mend = "write it as 30d, 24h or 90m";
    span.filter(|it| !it.is_negative()).ok_or_else(|| format!("`{text}` is no duration; {mend}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_day_at_least() {
        let at = |text: &str| time(text).map(|at| at.to_string());
        assert_eq!(at("2026-03-01"), Ok("2026-03-01T00:00:00Z".into()));
        assert_eq!(at("2026-03-01T10:00:00+01:00"), Ok("2026-03-01T09:00:00Z".into()));
        assert!(
            ["", "tomorrow", "2026-03", "2026-02-30", "2026-03-01T09:00"]
                .iter()
                .all(|text| at(text).is_err())
        );
    }

    #[test]
    fn durations_have_a_unit() {
        let seconds = |text: &str| duration(text).map(|it| it.as_secs());
        assert_eq!(seconds("30d"), Ok(30 * 86_400));
        assert_eq!(seconds("1d 12h"), Ok(36 * 3600));
        assert_eq!(seconds("PT20M"), Ok(1200), "what a duration prints itself as");
        assert_eq!(seconds("0s"), Ok(0));
        assert!(["", "30", "-1d", "1mo", "1 year"].iter().all(|text| seconds(text).is_err()));
    }
}
