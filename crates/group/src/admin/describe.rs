//! DescribeGroups of one group, versions 0-6: classic groups only.
//!
//! v5: static members (KIP-345). v6: GROUP_ID_NOT_FOUND with a message, before a group in state `Dead` (KIP-1043).

use crate::classic::ClassicState;
use crate::event::{GroupReply, RequestContext};
use crate::group::{Group, GroupId};
use crate::shard::{GroupDecision, GroupShard};
use ottla_coordinator::{Decision, ReplySlot};
use ottla_protocol::describe_groups_response::DescribedGroup;
use ottla_types::ErrorCode;

/// Describes a group.
pub fn handle(shard: &GroupShard, caller: &RequestContext, group_id: &str, slot: ReplySlot) -> GroupDecision {
    let described = match shard.groups.get(group_id) {
        Some(Group::Classic(group)) => {
            // What the members sent and were assigned belongs to a generation that is complete.
            let is_stable = group.state == ClassicState::Stable;
            let protocol_name = group.protocol_name.as_deref().filter(|_| is_stable);
            DescribedGroup {
                group_id: group_id.to_string(),
                group_state: group.state.name().to_string(),
                protocol_type: group.protocol_type.as_deref().unwrap_or("").to_string(),
                protocol_data: protocol_name.unwrap_or("").to_string(),
                members: group.members.values().map(|member| member.describe(protocol_name)).collect(),
                ..DescribedGroup::default()
            }
        }
        Some(Group::Consumer(_) | Group::Streams(_) | Group::Share(_)) => {
            missing(caller, group_id, format!("Group {group_id} is not a classic group."))
        }
        None => missing(caller, group_id, format!("Group {group_id} not found.")),
    };
    Decision::about(GroupId::from(group_id)).reply(slot, GroupReply::DescribeGroup(described))
}

fn missing(caller: &RequestContext, group_id: &str, message: String) -> DescribedGroup {
    let has_error = caller.api_version >= 6;
    DescribedGroup {
        group_id: group_id.to_string(),
        group_state: ClassicState::Dead.name().to_string(),
        error_code: if has_error { ErrorCode::GroupIdNotFound.code() } else { 0 },
        error_message: has_error.then_some(message),
        ..DescribedGroup::default()
    }
}
