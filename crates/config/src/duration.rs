//! ISO 8601 durations, as far as Java's `Duration.parse` takes them.

/// Milliseconds of a duration such as `PT1H30M`, `P2D` or `-PT0.5S`; `None` if it is not one.
pub fn parse_iso8601_ms(text: &str) -> Option<i64> {
    let text = text.to_ascii_uppercase();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(&text)),
    };
    let text = text.strip_prefix('P')?;
    let (days, time) = match text.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (text, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let total = parse_units(days, &[('D', 86_400_000.0)])?
        + parse_units(time, &[('H', 3_600_000.0), ('M', 60_000.0), ('S', 1_000.0)])?;
    let total = sign * total;
    (total.abs() < 9e15).then_some(total as i64)
}

/// Sums numbers that are each followed by one of `units`, which must come in this order.
fn parse_units(mut text: &str, units: &[(char, f64)]) -> Option<f64> {
    let mut total = 0.0;
    for (unit, milliseconds) in units {
        let Some((number, rest)) = text.split_once(*unit) else { continue };
        let whole_only = *unit != 'S';
        if number.is_empty() || (whole_only && number.contains('.')) || number.contains(['E', 'N', 'I']) {
            return None;
        }
        total += number.parse::<f64>().ok()? * milliseconds;
        text = rest;
    }
    text.is_empty().then_some(total)
}

#[cfg(test)]
mod tests {
    use super::parse_iso8601_ms;

    #[test]
    fn durations_are_read_as_java_does() {
        assert_eq!(parse_iso8601_ms("PT1H30M"), Some(5_400_000));
        assert_eq!(parse_iso8601_ms("P2DT0.5S"), Some(172_800_500));
        assert_eq!(parse_iso8601_ms("pt1s"), Some(1_000));
        assert_eq!(parse_iso8601_ms("-PT1S"), Some(-1_000));
        for wrong in ["", "P", "PT", "P1DT", "1H", "PT1M1H", "PT1", "PTInfS", "P1.5D"] {
            assert_eq!(parse_iso8601_ms(wrong), None, "{wrong}");
        }
    }
}
