//! Values of properties.

use std::str::FromStr;
use std::time::Duration;

/// A time in milliseconds; negative ones, where Kafka allows them, are none.
pub(super) fn milliseconds(text: &str) -> Result<Duration, String> {
    let milliseconds: i64 = text.parse().map_err(|_| "expected a number of milliseconds".to_string())?;
    u64::try_from(milliseconds).map(Duration::from_millis).map_err(|_| "expected a time of 0 ms or more".to_string())
}

/// A whole number.
pub(super) fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "expected a whole number in range".to_string())
}

/// `true` or `false`.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Ok(true),
        _ if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err("expected true or false".to_string()),
    }
}

/// A text, or nothing when it is empty.
pub(super) fn optional(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_string())
}

/// The last part of a Java class name.
pub(super) fn simple_name(class: &str) -> &str {
    class.rsplit_once(['.', '$']).map_or(class, |(_, name)| name)
}
