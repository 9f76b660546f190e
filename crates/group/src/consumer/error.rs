//! Why a request about a consumer group is refused.

use ottla_types::ErrorCode;

/// Bytes of a text; it may repeat what the client sent, and a longer string than 32,767 bytes cannot be answered.
const MESSAGE_BYTES_MAX: usize = 1_000;

/// A refusal: Kafka's error code and the text that goes with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct GroupError {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl GroupError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> GroupError {
        let mut message = message.into();
        if message.len() > MESSAGE_BYTES_MAX {
            message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
            message.push_str(" ...");
        }
        GroupError { code, message }
    }

    pub(crate) fn unknown_member(member_id: &str, group_id: &str) -> GroupError {
        GroupError::new(ErrorCode::UnknownMemberId, format!("Member {member_id} is not a member of group {group_id}."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_repeat_what_a_client_sent_are_cut_at_a_character() {
        let error = GroupError::unknown_member(&"é".repeat(20_000), "g");
        assert!(
            error.message.len() <= MESSAGE_BYTES_MAX + 4 && error.message.ends_with("é ..."),
            "{}",
            error.message.len()
        );
        assert_eq!(GroupError::unknown_member("a", "g").message, "Member a is not a member of group g.");
    }
}
