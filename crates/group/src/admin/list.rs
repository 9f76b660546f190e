//! ListGroups of one shard, versions 0-5.
//!
//! v4: states to filter by (KIP-518). v5: types to filter by (KIP-848). Both ignore case; what is not known matches nothing.

use crate::event::GroupReply;
use crate::group::Group;
use crate::shard::{GroupDecision, GroupShard};
use ottla_coordinator::{Decision, ReplySlot};
use ottla_protocol::ListGroupsRequest;
use ottla_protocol::list_groups_response::ListedGroup;

/// Lists the groups that pass the filters.
pub fn handle(shard: &GroupShard, request: &ListGroupsRequest, slot: ReplySlot) -> GroupDecision {
    let passes = |filter: &[String], value: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.trim().eq_ignore_ascii_case(value))
    };
    let is_wanted = |group: &Group| {
        passes(&request.states_filter, group.state_name()) && passes(&request.types_filter, group.type_name())
    };
    let listed = shard.groups.iter().filter(|(_, group)| is_wanted(group)).map(|(group_id, group)| ListedGroup {
        group_id: group_id.to_string(),
        protocol_type: group.protocol_type().to_string(),
        group_state: group.state_name().to_string(),
        group_type: group.type_name().to_string(),
    });
    Decision::none().reply(slot, GroupReply::ListGroups(listed.collect()))
}
