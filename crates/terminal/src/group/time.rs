//! Points in time on a command line, as Kafka's `Utils.getDateTime` reads them.

/// Milliseconds since the epoch of `2026-01-31T12:00:00.000`, with or without fraction, followed by a zone (`Z`, `+01:00`,
/// `-0130`, `+01`) or by nothing, which means UTC.
///
/// # Errors
/// What is wrong with it.
pub fn parse_datetime(text: &str) -> Result<i64, String> {
    let expected =
        || format!("'{text}' is no time of the form YYYY-MM-DDThh:mm:ss.sss, such as 2026-01-31T12:00:00.000");
    let (date, rest) = text.split_once('T').ok_or_else(expected)?;
    let zone_at = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(zone_at);
    let zone_ms = parse_zone(zone).ok_or_else(expected)?;
    let [year, month, day] = numbers::<3>(date, '-').ok_or_else(expected)?;
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers::<3>(whole, ':').ok_or_else(expected)?;
    let is_fraction = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !(1..=9999).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=days_of_month(year, month)).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
        || !is_fraction
    {
        return Err(expected());
    }
    let millisecond: i64 = format!("{fraction:0<3}")[..3].parse().map_err(|_| expected())?;
    let seconds = (days_since_epoch(year, month, day) * 24 + hour) * 3600 + minute * 60 + second;
    Ok(seconds * 1000 + millisecond - zone_ms)
}

/// Numbers without sign between separators.
fn numbers<const N: usize>(text: &str, separator: char) -> Option<[i64; N]> {
    let mut parsed = [0; N];
    let mut parts = text.split(separator);
    for slot in &mut parsed {
        let part = parts.next().filter(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        *slot = part.parse().ok()?;
    }
    parts.next().is_none().then_some(parsed)
}

/// Milliseconds that a zone is ahead of UTC.
fn parse_zone(zone: &str) -> Option<i64> {
    let (sign, digits) = match zone.split_at_checked(1) {
        None => return Some(0),
        Some(("Z", "")) => return Some(0),
        Some(("+", digits)) => (1, digits),
        Some(("-", digits)) => (-1, digits),
        Some(_) => return None,
    };
    let digits = digits.replace(':', "");
    let (hours, minutes) = match digits.len() {
        2 => (digits.as_str(), "00"),
        4 => digits.split_at(2),
        _ => return None,
    };
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, negative before.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    let before_year = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    before_year + (1..month).map(|month| days_of_month(year, month)).sum::<i64>() + day - 1
}

#[cfg(test)]
mod tests {
    use super::parse_datetime;

    #[test]
    fn times_are_read_as_kafka_does() {
        let cases = [
            ("1970-01-01T00:00:00.000", 0),
            ("2026-01-31T12:00:00.250Z", 1_769_860_800_250),
            ("2026-01-31T12:00:00", 1_769_860_800_000),
            ("2026-01-31T13:00:00.000+01:00", 1_769_860_800_000),
            ("2026-01-31T10:30:00.000-0130", 1_769_860_800_000),
            ("2000-02-29T00:00:00.5+00", 951_782_400_500),
            ("1969-12-31T23:59:59.999", -1),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_datetime(text), Ok(expected), "{text}");
        }
        for wrong in [
            "",
            "2026-01-31",
            "2026-02-30T00:00:00.000",
            "2026-01-31T25:00:00.000",
            "2026-01-31T12:00:00.000X",
            "2026-01-31T12:00",
            "26-1-1T0:0:0.+1",
            "2026-13-01T00:00:00.000",
            "2026-01-31T12:00:00.000+1",
        ] {
            assert!(parse_datetime(wrong).is_err(), "{wrong}");
        }
    }
}
