//! Dates and times as the tables hold them: text without a zone, to the second.
//!
//! `datetime` columns are read and written as text (`CAST(… AS CHAR)` reads the same on both engines), and mean the
//! zone the store is configured with.

use std::time::SystemTime;

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};

const DATETIME: &str = "%Y-%m-%d %H:%M:%S";

/// `now` as a `datetime` in `zone`. Times jiff cannot express (beyond the year 9999) become the epoch.
pub(crate) fn to_column(time: SystemTime, zone: &TimeZone) -> String {
    let stamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    civil(stamp, zone).strftime(DATETIME).to_string()
}

/// The moment a `datetime` in `zone` means; the earlier or later one where clocks were set back or forward, as is
/// usual. `None` for what is no date, such as MySQL's `0000-00-00`.
pub(crate) fn from_column(text: &str, zone: &TimeZone) -> Option<SystemTime> {
    // SQLite columns may hold fractions put there by hand.
    let whole = text.split('.').next().unwrap_or(text);
    let civil = DateTime::strptime(DATETIME, whole).ok()?;
    let zoned = zone.to_ambiguous_zoned(civil).compatible().ok()?;
    Some(SystemTime::from(zoned.timestamp()))
}

/// The calendar day and time of day in `zone`.
pub(crate) fn local(time: SystemTime, zone: &TimeZone) -> (Date, Time) {
    let stamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    let civil = civil(stamp, zone);
    (civil.date(), civil.time())
}

fn civil(stamp: Timestamp, zone: &TimeZone) -> DateTime {
    stamp.to_zoned(zone.clone()).datetime()
}

/// `YYYY-MM-DD`, exactly.
pub(crate) fn parse_date(text: &str) -> Option<Date> {
    (text.len() == 10).then(|| Date::strptime("%Y-%m-%d", text).ok()).flatten()
}

/// `HH:MM:SS`, exactly.
pub(crate) fn parse_time(text: &str) -> Option<Time> {
    (text.len() == 8).then(|| Time::strptime("%H:%M:%S", text).ok()).flatten()
}

/// First second of a period given as `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, and the first second after it, as columns.
pub(crate) fn period(text: &str) -> Option<(String, String)> {
    let date = |text: &str| parse_date(text);
    let (start, next) = match text.len() {
        4 => {
            let start = date(&format!("{text}-01-01"))?;
            (start, start.checked_add(jiff::Span::new().years(1)).ok()?)
        }
        7 => {
            let start = date(&format!("{text}-01"))?;
            (start, start.checked_add(jiff::Span::new().months(1)).ok()?)
        }
        10 => {
            let start = date(text)?;
            (start, start.checked_add(jiff::Span::new().days(1)).ok()?)
        }
        _ => return None,
    };
    let midnight = |date: Date| date.at(0, 0, 0, 0).strftime(DATETIME).to_string();
    Some((midnight(start), midnight(next)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(seconds in 0_u64..250_000_000_000, hours in -12_i8..=14) {
            let zone = TimeZone::fixed(jiff::tz::offset(hours));
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            prop_assert_eq!(from_column(&to_column(time, &zone), &zone), Some(time));
        }

        #[test]
        fn any_text_is_a_time_or_none(text in ".{0,30}") {
            let _ = (from_column(&text, &TimeZone::UTC), parse_date(&text), parse_time(&text), period(&text));
        }
    }

    #[test]
    fn column_text_is_the_zone_wall_clock() {
        let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(to_column(noon, &TimeZone::UTC), "2023-11-14 22:13:20");
        let east = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(to_column(noon, &east), "2023-11-15 00:13:20");
        assert_eq!(from_column("2023-11-15 00:13:20", &east), Some(noon));
    }

    #[test]
    fn zero_dates_are_no_dates() {
        assert_eq!(from_column("0000-00-00 00:00:00", &TimeZone::UTC), None);
        assert_eq!(from_column("", &TimeZone::UTC), None);
        assert_eq!(parse_date("2024-02-30"), None);
        assert_eq!(parse_time("24:00:00"), None);
    }

    #[test]
    fn periods_end_where_the_next_begins() {
        let both = |a: &str, b: &str| Some((format!("{a} 00:00:00"), format!("{b} 00:00:00")));
        assert_eq!(period("2024"), both("2024-01-01", "2025-01-01"));
        assert_eq!(period("2024-02"), both("2024-02-01", "2024-03-01"));
        assert_eq!(period("2024-02-29"), both("2024-02-29", "2024-03-01"));
        assert_eq!(period("202"), None);
        assert_eq!(period("9999"), None);
    }
}
