//! Why a request about a consumer group is refused.

use ottla_types::ErrorCode;

/// A refusal: Kafka's error code and the text that goes with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct GroupError {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl GroupError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> GroupError {
        GroupError { code, message: message.into() }
    }

    pub(crate) fn unknown_member(member_id: &str, group_id: &str) -> GroupError {
        GroupError::new(ErrorCode::UnknownMemberId, format!("Member {member_id} is not a member of group {group_id}."))
    }
}
