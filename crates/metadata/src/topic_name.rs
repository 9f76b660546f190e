//! Which names a topic may have.

/// Longest name, in characters.
pub const LENGTH_MAX: usize = 249;
/// The offsets topic.
pub const GROUP_METADATA: &str = "__consumer_offsets";
/// The transaction state topic.
pub const TRANSACTION_STATE: &str = "__transaction_state";
/// The share group state topic.
pub const SHARE_GROUP_STATE: &str = "__share_group_state";
/// The name of Kafka's metadata log; no topic may have it.
pub const CLUSTER_METADATA: &str = "__cluster_metadata";

/// Checks a name; the error is Kafka's text for INVALID_TOPIC_EXCEPTION.
pub fn validate(name: &str) -> Result<(), String> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let reason = match name {
        "" => "the empty string is not allowed".to_string(),
        "." | ".." => format!("'{name}' is not allowed"),
        // Kafka counts UTF-16 units; a name for which that makes a difference is illegal anyway.
        _ if name.chars().count() > LENGTH_MAX => {
            format!("the length of '{name}' is longer than the max allowed length {LENGTH_MAX}")
        }
        _ if !name.chars().all(is_legal) => {
            format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
        }
        _ => return Ok(()),
    };
    Err(format!("Topic name is invalid: {reason}"))
}

/// Whether the topic belongs to the platform itself.
pub fn is_internal(name: &str) -> bool {
    matches!(name, GROUP_METADATA | TRANSACTION_STATE | SHARE_GROUP_STATE)
}

/// The name with every `.` as `_`: two topics for which it is the same would share metric names. `None` if the name
/// has neither.
pub fn collision_key(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_as_kafka_does() {
        for good in ["a", "A-1_b.c", "...", &"x".repeat(249)] {
            assert_eq!(validate(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "\u{fc}", &"x".repeat(250)] {
            assert!(validate(bad).unwrap_err().starts_with("Topic name is invalid: "), "{bad}");
        }
    }

    #[test]
    fn dots_and_underscores_collide() {
        assert_eq!(collision_key("a.b_c"), collision_key("a_b.c"));
        assert_eq!(collision_key("abc"), None);
    }
}
