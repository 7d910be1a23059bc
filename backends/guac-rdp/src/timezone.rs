//! The owner's time zone, for the server to show his time (RDP-025).

use ironrdp_pdu::rdp::client_info::{
    DayOfWeek, DayOfWeekOccurrence, Month, OptionalSystemTime, SystemTime, TimezoneInfo,
};
use jiff::{SignedDuration, Timestamp, ToSpan as _, civil::Weekday, tz::TimeZone};

/// Transitions looked at: from one year ago to one year ahead there are four where the clock changes twice a year.
const MAX_TRANSITIONS: usize = 8;

/// A zone's offset and the rules of its present year; UTC where the name is unknown or missing.
///
/// # Specification
/// [MS-RDPBCGR] 2.2.1.11.1.1.1.1: biases are minutes to add to local time to get UTC, and a change is "the nth weekday
/// of a month", 5 for the last.
pub(crate) fn timezone_info(name: Option<&str>) -> TimezoneInfo {
    let zone = name.and_then(|name| {
        TimeZone::get(name)
            .inspect_err(|error| tracing::warn!(parameter = "timezone", %error, "Time zone is unknown, using UTC"))
            .ok()
    });
    rules(name.unwrap_or("UTC"), &zone.unwrap_or(TimeZone::UTC), Timestamp::now())
}

fn rules(name: &str, zone: &TimeZone, now: Timestamp) -> TimezoneInfo {
    let mut standard = (zone.to_offset(now).seconds(), None);
    let mut daylight = None;
    for change in zone.following(now).take(MAX_TRANSITIONS) {
        if change.timestamp() > now + SignedDuration::from_hours(366 * 24) {
            break;
        }
        let before = zone.to_offset(change.timestamp() - 1.second()).seconds();
        let rule = rule(change.timestamp(), before);
        let offset = change.offset().seconds();
        if change.dst().is_dst() {
            daylight = Some((offset, rule));
        } else {
            standard = (offset, Some(rule));
        }
    }
    let bias = -standard.0 / 60;
    let name: String = name.chars().take(31).collect();
    match (standard.1, daylight) {
        (Some(standard_rule), Some((offset, daylight_rule))) => TimezoneInfo {
            bias,
            standard_name: name.clone(),
            standard_date: OptionalSystemTime(standard_rule),
            standard_bias: 0,
            daylight_name: name,
            daylight_date: OptionalSystemTime(daylight_rule),
            daylight_bias: -(offset - standard.0) / 60,
        },
        _ => TimezoneInfo {
            bias,
            standard_name: name.clone(),
            standard_date: OptionalSystemTime(None),
            standard_bias: 0,
            daylight_name: name,
            daylight_date: OptionalSystemTime(None),
            daylight_bias: 0,
        },
    }
}

/// When the clock changes, in the local time that holds until then.
fn rule(at: Timestamp, offset_before_s: i32) -> Option<SystemTime> {
    let offset = jiff::tz::Offset::from_seconds(offset_before_s).ok()?;
    let local = offset.to_datetime(at);
    let is_last = local.days_in_month() - local.day() < 7;
    let day = match (local.day() - 1) / 7 {
        _ if is_last => DayOfWeekOccurrence::Last,
        0 => DayOfWeekOccurrence::First,
        1 => DayOfWeekOccurrence::Second,
        2 => DayOfWeekOccurrence::Third,
        _ => DayOfWeekOccurrence::Fourth,
    };
    Some(SystemTime {
        month: month(local.month())?,
        day_of_week: day_of_week(local.weekday()),
        day,
        hour: u16::try_from(local.hour()).ok()?,
        minute: u16::try_from(local.minute()).ok()?,
        second: u16::try_from(local.second()).ok()?,
        milliseconds: 0,
    })
}

fn month(number: i8) -> Option<Month> {
    Some(match number {
        1 => Month::January,
        2 => Month::February,
        3 => Month::March,
        4 => Month::April,
        5 => Month::May,
        6 => Month::June,
        7 => Month::July,
        8 => Month::August,
        9 => Month::September,
        10 => Month::October,
        11 => Month::November,
        12 => Month::December,
        _ => return None,
    })
}

fn day_of_week(day: Weekday) -> DayOfWeek {
    match day {
        Weekday::Sunday => DayOfWeek::Sunday,
        Weekday::Monday => DayOfWeek::Monday,
        Weekday::Tuesday => DayOfWeek::Tuesday,
        Weekday::Wednesday => DayOfWeek::Wednesday,
        Weekday::Thursday => DayOfWeek::Thursday,
        Weekday::Friday => DayOfWeek::Friday,
        Weekday::Saturday => DayOfWeek::Saturday,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: &str, now: &str) -> TimezoneInfo {
        rules(zone, &TimeZone::get(zone).unwrap(), now.parse().unwrap())
    }

    #[test]
    fn rules_are_the_same_in_summer_and_winter() {
        for now in ["2026-01-15T00:00:00Z", "2026-07-15T00:00:00Z"] {
            let zone = at("Europe/Berlin", now);
            assert_eq!((zone.bias, zone.standard_bias, zone.daylight_bias), (-60, 0, -60), "{now}");
            let standard = zone.standard_date.0.unwrap();
            assert_eq!((standard.month, standard.day_of_week), (Month::October, DayOfWeek::Sunday));
            assert_eq!((standard.day, standard.hour), (DayOfWeekOccurrence::Last, 3));
            let daylight = zone.daylight_date.0.unwrap();
            assert_eq!((daylight.month, daylight.hour), (Month::March, 2));
        }
    }

    #[test]
    fn the_southern_half_has_its_summer_in_january() {
        let zone = at("Australia/Sydney", "2026-01-15T00:00:00Z");
        assert_eq!((zone.bias, zone.daylight_bias), (-600, -60));
        assert_eq!(zone.daylight_date.0.unwrap().month, Month::October);
    }

    #[test]
    fn zones_without_summer_time_have_no_rules() {
        let zone = at("Asia/Kolkata", "2026-01-15T00:00:00Z");
        assert_eq!((zone.bias, zone.standard_date.0.is_none(), zone.daylight_bias), (-330, true, 0));
    }

    #[test]
    fn an_unknown_zone_is_utc() {
        assert_eq!(timezone_info(Some("Mars/Olympus")).bias, 0);
        assert_eq!(timezone_info(None).bias, 0);
    }
}
