//! Heartbeat of a classic member of a KIP-848 group. It learns here that it has to rejoin: to a newer assignment, to revoke, or
//! because partitions that it waits for are free now.

use super::{member, request};
use crate::consumer::error::GroupError;
use crate::consumer::group::ConsumerGroup;
use crate::consumer::member::{Member, MemberState};
use crate::consumer::step::{Step, timeout_ms};
use crate::event::GroupReply;
use crate::shard::{GroupDecision, GroupShard};
use crate::timer::TimerKind;
use ottla_coordinator::{Context, ReplySlot};
use ottla_protocol::{HeartbeatRequest, HeartbeatResponse};
use ottla_types::ErrorCode;

/// Heartbeat to a group that is one of KIP-848.
pub(crate) fn handle(
    shard: &GroupShard,
    request: &HeartbeatRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    let decide = |step: Step<'_>, group: &ConsumerGroup| decide(step, group, request, slot);
    let refused = |error: ErrorCode| GroupReply::Heartbeat(response(error));
    request::take(shard, &request.group_id, slot, context, decide, refused)
}

fn decide(
    mut step: Step<'_>,
    group: &ConsumerGroup,
    request: &HeartbeatRequest,
    slot: ReplySlot,
) -> Result<GroupDecision, GroupError> {
    let instance_id = request.group_instance_id.as_deref();
    let known = member::find(group, &request.member_id, instance_id, request.generation_id)?;
    let session_timeout_ms = timeout_ms(known.classic.session_timeout_ms);
    step.schedule(TimerKind::ConsumerSession, &known.member.member_id, session_timeout_ms);
    let mut error = ErrorCode::None;
    if must_rejoin(group, known.member) {
        error = ErrorCode::RebalanceInProgress;
        step.await_join(group, &known.member.member_id, known.member.rebalance_timeout_ms);
    }
    step.reply(slot, GroupReply::Heartbeat(response(error)));
    step.finish()
}

fn must_rejoin(group: &ConsumerGroup, member: &Member) -> bool {
    member.member_epoch < group.target.epoch
        || member.state == MemberState::UnrevokedPartitions
        || (member.state == MemberState::UnreleasedPartitions && !waits_for_others(group, member))
}

/// Whether some of the member's partitions are still owned by others.
fn waits_for_others(group: &ConsumerGroup, member: &Member) -> bool {
    group.target_of(&member.member_id).iter().any(|(topic_id, partitions)| {
        let assigned = member.assigned_partitions.get(topic_id);
        partitions.iter().any(|partition| {
            let has_it = assigned.is_some_and(|assigned| assigned.contains_key(partition));
            !has_it && group.partition_epoch(*topic_id, *partition).is_some()
        })
    })
}

fn response(error: ErrorCode) -> HeartbeatResponse {
    HeartbeatResponse { throttle_time_ms: 0, error_code: error.code() }
}
