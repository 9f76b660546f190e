//! A static member comes back without a member id: it takes its old place under a new id (KIP-345).
//!
//! In a stable group whose protocol does not change, nobody else notices: the group is written with the new id and the
//! member keeps its assignment. A leader is told to skip the assignment (v9, KIP-814); older versions are told the id of
//! the leader that was, so that the member behaves as a follower.

use super::join::{Join, Refused, update_member};
use super::state::ClassicState;
use super::step::ClassicStep;
use crate::failed;
use ottla_types::ErrorCode;

/// Replaces member `existing`. What the old one waits for is answered FENCED_INSTANCE_ID.
pub(super) fn replace(step: &mut ClassicStep<'_>, join: &Join<'_>, existing: &str) -> Result<(), Refused> {
    let leader_before = step.group.leader_id.clone();
    let new_id = join.new_member_id.clone();
    let old = step.group.replace_static_member(existing, new_id.clone());
    if let Some(slot) = old.awaiting_join {
        step.reply_join(slot, failed::join(existing, ErrorCode::FencedInstanceId));
    }
    if let Some(slot) = old.awaiting_sync {
        step.reply_sync(slot, failed::sync(ErrorCode::FencedInstanceId));
    }
    step.cancel_heartbeat(&old.member_id);
    update_member(step, join, &new_id);
    step.schedule_heartbeat(&new_id);
    match step.group.state {
        ClassicState::Stable if step.group.select_protocol() == step.group.protocol_name => {
            step.append_group().map_err(|error| (String::new(), error))?;
            step.group.set_awaiting_join(&new_id, None);
            let is_leader = step.group.is_leader(&new_id);
            let mut response = step.joined(&new_id);
            if join.caller.api_version >= 9 {
                response.skip_assignment = is_leader;
            } else {
                response.leader = leader_before.as_deref().unwrap_or("").to_string();
                response.members = Vec::new();
            }
            step.reply_join(join.slot, response);
        }
        // The leader may have been told the old id already; what it assigns to that would be lost.
        ClassicState::CompletingRebalance => step.prepare_rebalance(join.reason()),
        ClassicState::Stable => step.rebalance_or_complete_join(join.reason()),
        ClassicState::PreparingRebalance => step.maybe_complete_join(),
        ClassicState::Empty | ClassicState::Dead => panic!("a group without members has a static member"),
    }
    Ok(())
}
