//! Points in time as people write them: `10m` (ago), `2026-01-31T12:00:00Z`, milliseconds since the epoch.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY_MS: i64 = 86_400_000;

/// Milliseconds since the epoch.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Milliseconds since the epoch of `10m`, `1h30m`, `2d` before `now_ms`, of a date or time (UTC unless it names an offset), or
/// of a number of milliseconds.
pub fn parse_time(text: &str, now_ms: i64) -> Result<i64, String> {
    if let Some(age) = parse_duration(text) {
        return Ok(now_ms - i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
    }
    if let Ok(milliseconds) = text.parse::<i64>() {
        return Ok(milliseconds);
    }
    parse_date(text).ok_or_else(|| {
        format!("'{text}' is no time: write 10m, 1h30m or 2d (ago), 2026-01-31, 2026-01-31T12:00:00Z, or milliseconds")
    })
}

/// A duration such as `250ms`, `90s`, `10m`, `1h30m`, `2d`, `1w`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (mut rest, mut total) = (text, 0_f64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|at| *at > 0)?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let milliseconds = match &rest[..letters] {
            "ms" => 1.0,
            "s" => 1e3,
            "m" => 6e4,
            "h" => 3.6e6,
            "d" => 8.64e7,
            "w" => 6.048e8,
            _ => return None,
        };
        total += number * milliseconds;
        rest = &rest[letters..];
    }
    (!text.is_empty() && total < 9e15).then(|| Duration::from_millis(total as u64))
}

/// `2026-01-31 12:00:00.250`, in UTC.
pub fn format_ms(milliseconds: i64, fraction_separator: char) -> String {
    let (days, rest) = (milliseconds.div_euclid(DAY_MS), milliseconds.rem_euclid(DAY_MS));
    let (year, month, day) = date_of(days);
    let (hours, minutes, seconds) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    let fraction = rest % 1000;
    format!("{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02}{fraction_separator}{fraction:03}")
}

/// A date, or a date and a time with `T` or a space between them, with `Z`, `+02:00` or nothing (UTC) behind.
fn parse_date(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', 't', ' ']).unwrap_or((text, "00:00"));
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let time = time.trim_end_matches(['Z', 'z']);
    let (time, zone_minutes) = match time.rfind(['+', '-']) {
        Some(at) => {
            let (hours, minutes) = time[at + 1..].split_once(':').unwrap_or((&time[at + 1..], "0"));
            let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
            (&time[..at], if time[at..].starts_with('-') { -minutes } else { minutes })
        }
        None => (time, 0),
    };
    let mut parts = time.splitn(3, ':');
    let (hours, minutes) = (parts.next()?.parse::<i64>().ok()?, parts.next()?.parse::<i64>().ok()?);
    let seconds = parts.next().map_or(Some(0.0), |seconds| seconds.parse::<f64>().ok())?;
    if !(0..24).contains(&hours) || !(0..60).contains(&minutes) || !(0.0..61.0).contains(&seconds) {
        return None;
    }
    let in_day = (hours * 60 + minutes - zone_minutes) * 60_000 + (seconds * 1000.0).round() as i64;
    Some(days_of(year, month, day) * DAY_MS + in_day)
}

/// Days from the epoch to a date of the Gregorian calendar: years begin in March, so that the leap day is the last.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The date so many days from the epoch.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let (month, day) = ((shifted + 2) % 12 + 1, day_of_year - (153 * shifted + 2) / 5 + 1);
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_ages_dates_and_milliseconds() {
        let now = 1_800_000_000_000;
        let cases = [
            ("10m", now - 600_000),
            ("1h30m", now - 5_400_000),
            ("1.5s", now - 1_500),
            ("1700000000000", 1_700_000_000_000),
            ("1970-01-02", 86_400_000),
            ("2024-02-29T12:30:00Z", 1_709_209_800_000),
            ("2024-02-29 12:30:00.250", 1_709_209_800_250),
            ("2024-02-29T14:30+02:00", 1_709_209_800_000),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_time(text, now), Ok(expected), "{text}");
        }
        for wrong in ["", "m", "10", "soon", "2024-13-01", "2024-01-01T25:00", "10x"] {
            assert_eq!(parse_time(wrong, now).ok(), wrong.parse().ok(), "{wrong}");
        }
    }

    #[test]
    fn dates_come_back() {
        for day in [0, 59, 365, 11_016, 19_782, 20_000, 2_932_896] {
            let (year, month, date) = date_of(day);
            assert_eq!(days_of(year, month, date), day);
        }
        assert_eq!(format_ms(1_709_209_800_250, ':'), "2024-02-29 12:30:00:250");
    }
}
