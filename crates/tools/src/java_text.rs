//! Numbers and dates as Java prints them.

use ottla_terminal::times;

/// `%.Nf` of Java.
pub(super) fn fixed(number: f64, digits: usize) -> String {
    match number {
        _ if number.is_nan() => "NaN".to_string(),
        _ if number.is_infinite() => if number > 0.0 { "Infinity" } else { "-Infinity" }.to_string(),
        _ => format!("{number:.digits$}"),
    }
}

/// `Double.toString`: the shortest digits, with an exponent outside of 10^-3 up to 10^7.
pub(super) fn double(number: f64) -> String {
    shortest(number, &format!("{number:e}"))
}

/// `Float.toString`.
pub(super) fn float(number: f32) -> String {
    shortest(f64::from(number), &format!("{number:e}"))
}

fn shortest(number: f64, scientific: &str) -> String {
    if number.is_nan() || number.is_infinite() {
        return fixed(number, 0);
    }
    if number == 0.0 {
        return if number.is_sign_negative() { "-0.0" } else { "0.0" }.to_string();
    }
    let (digits, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    if (1e-3..1e7).contains(&number.abs()) {
        return plain(digits, exponent.parse().unwrap_or(0));
    }
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent}")
}

/// Digits `d.ddd` with their point moved.
fn plain(digits: &str, exponent: i32) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let all: String = digits.chars().filter(|c| *c != '.').collect();
    let (whole, fraction) = match usize::try_from(exponent + 1) {
        Ok(at @ 1..) => {
            let padded = format!("{all:0<at$}");
            let (whole, fraction) = padded.split_at(at);
            (whole.to_string(), fraction.to_string())
        }
        _ => ("0".to_string(), "0".repeat(exponent.unsigned_abs() as usize - 1) + &all),
    };
    format!("{sign}{whole}.{}", if fraction.is_empty() { "0" } else { &fraction })
}

/// A time in milliseconds in a pattern of `SimpleDateFormat`: y, M, d, H, m, s, S and quoted text. In UTC.
pub(super) fn date(milliseconds: i64, pattern: &str) -> String {
    let text = times::format_ms(milliseconds, '.');
    let part = |letter| match letter {
        'y' => text.get(0..4),
        'M' => text.get(5..7),
        'd' => text.get(8..10),
        'H' => text.get(11..13),
        'm' => text.get(14..16),
        's' => text.get(17..19),
        'S' => text.get(20..23),
        _ => None,
    };
    let (mut shown, mut is_quoted) = (String::new(), false);
    let mut rest = pattern.chars().peekable();
    while let Some(letter) = rest.next() {
        if letter == '\'' {
            is_quoted = !is_quoted;
            continue;
        }
        let Some(value) = part(letter).filter(|_| !is_quoted) else {
            shown.push(letter);
            continue;
        };
        let mut width = 1;
        while rest.next_if_eq(&letter).is_some() {
            width += 1;
        }
        if letter == 'y' && width == 2 {
            shown += &value[2..];
        } else {
            let number: u32 = value.parse().unwrap_or_default();
            shown += &format!("{number:0width$}");
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_java_prints_them() {
        let cases = [
            (1.0, "1.0"),
            (-0.5, "-0.5"),
            (123_456.789, "123456.789"),
            (1e7, "1.0E7"),
            (12_345_678.0, "1.2345678E7"),
            (0.001, "0.001"),
            (0.000_12, "1.2E-4"),
            (0.0, "0.0"),
            (100.0, "100.0"),
            (f64::INFINITY, "Infinity"),
        ];
        for (number, expected) in cases {
            assert_eq!(double(number), expected);
        }
        assert_eq!(float(0.1), "0.1");
        assert_eq!((fixed(1.0, 4), fixed(f64::NAN, 2)), ("1.0000".to_string(), "NaN".to_string()));
    }

    #[test]
    fn dates_follow_their_pattern() {
        let time = 1_709_209_800_250;
        assert_eq!(date(time, "yyyy-MM-dd HH:mm:ss:SSS"), "2024-02-29 12:30:00:250");
        assert_eq!(date(time, "d.M.yy 'at' HHmm"), "29.2.24 at 1230");
    }
}
