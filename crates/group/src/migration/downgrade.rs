//! A KIP-848 group becomes a classic one, because its last member of the new protocol goes.

use super::embedded::{self, PROTOCOL_TYPE};
use crate::classic::{ClassicGroup, ClassicMember, ClassicState, ClassicStep};
use crate::consumer::error::GroupError;
use crate::consumer::group::ConsumerGroup;
use crate::consumer::member::Member;
use crate::consumer::step::Step;
use bytes::Bytes;
use ottla_protocol::join_group_request::JoinGroupRequestProtocol;
use ottla_types::ErrorCode;
use std::sync::Arc;

/// Whether the group becomes classic when these members leave: only classic ones remain, at least one, and not too many.
pub(crate) fn is_due_without(step: &Step<'_>, group: &ConsumerGroup, leaving: &[Arc<Member>]) -> bool {
    let config = &step.shard.config;
    let classic_leaving = leaving.iter().filter(|member| member.uses_classic_protocol()).count();
    let remaining = group.member_count() - leaving.len();
    group.classic_member_count() - classic_leaving == remaining
        && remaining > 0
        && config.consumer_migration_policy.allows_downgrade()
        && remaining <= config.max_size
}

/// Whether the group becomes classic when a classic member takes the place of this static one.
pub(super) fn is_due_replacing(step: &Step<'_>, group: &ConsumerGroup, replaced: &Member) -> bool {
    let config = &step.shard.config;
    !replaced.uses_classic_protocol()
        && group.classic_member_count() == group.member_count() - 1
        && config.consumer_migration_policy.allows_downgrade()
        && group.member_count() <= config.max_size
}

/// Converts the group without the leaving members; those that remain have to rebalance.
///
/// # Errors
/// GROUP_ID_NOT_FOUND when the members have no protocol in common, UNKNOWN_SERVER_ERROR when the group is too large a record.
pub(crate) fn without(step: &mut Step<'_>, group: &ConsumerGroup, leaving: &[Arc<Member>]) -> Result<(), GroupError> {
    let ids: Vec<&str> = group.members().map(|member| &*member.member_id).collect();
    group.tombstones_of(&group.group_id, &ids).into_iter().for_each(|record| step.record(record));
    let remaining = group.members().filter(|member| leaving.iter().all(|gone| gone.member_id != member.member_id));
    let remaining = remaining.map(|member| (&**member, &*member.member_id)).collect();
    convert(step, group, remaining, Some("the last member of the consumer protocol left"))
}

/// Converts the group with `joining` in the place of the static member `replaced`, whose records the step has written already.
///
/// # Errors
/// As [`without`].
pub(super) fn replacing(
    step: &mut Step<'_>,
    group: &ConsumerGroup,
    replaced: &Member,
    joining: &Member,
    rebalance: bool,
) -> Result<(), GroupError> {
    let is_replaced = |member: &Member| member.member_id == replaced.member_id;
    let ids = group.members().map(|member| if is_replaced(member) { &*joining.member_id } else { &*member.member_id });
    let ids: Vec<&str> = ids.collect();
    group.tombstones_of(&group.group_id, &ids).into_iter().for_each(|record| step.record(record));
    let members = group.members().map(|member| {
        // The one that joins gets what the other had.
        (if is_replaced(member) { joining } else { member }, &*member.member_id)
    });
    let members = members.collect();
    convert(step, group, members, rebalance.then_some("a static member came back with the classic protocol"))
}

/// Members, each with the id whose target assignment it takes.
type Members<'a> = Vec<(&'a Member, &'a str)>;

fn convert(
    step: &mut Step<'_>,
    group: &ConsumerGroup,
    members: Members<'_>,
    rebalance: Option<&str>,
) -> Result<(), GroupError> {
    let mut classic = ClassicGroup::new(group.group_id.clone(), Some(step.context.now_ms));
    classic.generation_id = group.group_epoch;
    classic.state = ClassicState::Stable;
    for (member, _) in &members {
        classic.add_member(classic_member(member), PROTOCOL_TYPE);
    }
    let Some(protocol) = classic.select_protocol() else {
        let message = format!("Cannot downgrade the consumer group {}: no common protocol.", group.group_id);
        return Err(GroupError::new(ErrorCode::GroupIdNotFound, message));
    };
    classic.protocol_name = Some(protocol.clone());
    classic.subscribed_topics = classic.compute_subscribed_topics();
    for (member, target_id) in &members {
        let target = group.target_of(target_id);
        let topics = &step.shard.topics;
        classic.edit(&member.member_id, |member| {
            member.assignment = embedded::assignment_for(&member.metadata(&protocol), &target, topics);
        });
    }
    for member in group.members() {
        step.cancel_all(&member.member_id);
    }
    let mut classic = ClassicStep::new(step.shard, classic, step.context);
    let too_large = |error| GroupError::new(error, "The group is too large a record as a classic group.");
    classic.append_group().map_err(too_large)?;
    for (member, _) in &members {
        classic.schedule_heartbeat(&member.member_id);
    }
    if let Some(reason) = rebalance {
        classic.prepare_rebalance(reason);
    }
    let decision = classic.finish();
    let ours = step.decision_mut();
    ours.changes.extend(decision.changes);
    ours.timers.extend(decision.timers);
    ours.replies.extend(decision.replies);
    ours.next.extend(decision.next);
    tracing::info!(group_id = &*group.group_id, "a consumer group becomes a classic group");
    Ok(())
}

fn classic_member(member: &Member) -> ClassicMember {
    let classic = member.classic.as_deref().cloned().unwrap_or_default();
    let protocols = classic.supported_protocols.into_iter();
    let protocols: Vec<JoinGroupRequestProtocol> = protocols
        .map(|protocol| JoinGroupRequestProtocol { name: protocol.name, metadata: protocol.metadata })
        .collect();
    ClassicMember {
        member_id: member.member_id.clone(),
        group_instance_id: member.instance_id.as_deref().map(Arc::from),
        client_id: Arc::from(member.client_id.as_str()),
        client_host: Arc::from(member.client_host.as_str()),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        session_timeout_ms: classic.session_timeout_ms,
        protocols: Arc::from(protocols),
        assignment: Bytes::new(),
        awaiting_join: None,
        awaiting_sync: None,
        is_new: false,
    }
}
