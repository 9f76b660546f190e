//! The checks that requests of classic members of a KIP-848 group share.

use crate::consumer::error::GroupError;
use crate::consumer::group::ConsumerGroup;
use crate::consumer::member::Member;
use crate::consumer::seat;
use ottla_protocol::consumer_group_member_metadata_value::ClassicMemberMetadata;
use ottla_types::ErrorCode;
use std::sync::Arc;

/// A classic member in its generation.
pub(super) struct Known<'a> {
    pub(super) member: &'a Arc<Member>,
    pub(super) classic: &'a ClassicMemberMetadata,
}

/// Finds the member and checks its generation.
///
/// # Errors
/// UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION.
pub(super) fn find<'a>(
    group: &'a ConsumerGroup,
    member_id: &str,
    instance_id: Option<&str>,
    generation_id: i32,
) -> Result<Known<'a>, GroupError> {
    let member = match instance_id {
        None => group.member(member_id).ok_or_else(|| GroupError::unknown_member(member_id, &group.group_id))?,
        Some(instance_id) => seat::static_member(group, instance_id, Some(member_id))?,
    };
    let Some(classic) = member.classic.as_deref() else {
        let message = format!("Member {member_id} does not use the classic protocol.");
        return Err(GroupError::new(ErrorCode::UnknownMemberId, message));
    };
    if member.member_epoch != generation_id {
        let epoch = member.member_epoch;
        let message = format!(
            "The request generation id {generation_id} is not equal to the member epoch {epoch} of member {member_id}."
        );
        return Err(GroupError::new(ErrorCode::IllegalGeneration, message));
    }
    Ok(Known { member, classic })
}
