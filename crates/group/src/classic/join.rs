//! JoinGroup, versions 0-9, and the end of the wait for it.
//!
//! v1: rebalance timeout (before: the session timeout). v4: a member without an id is given one and asked to come back
//! with it (KIP-394). v5: static members (KIP-345). v7: protocol type in the answer. v8: reason (KIP-800). v9: a leader
//! that comes back to a stable group is told to skip the assignment (KIP-814).
//!
//! Errors: INVALID_GROUP_ID, INVALID_SESSION_TIMEOUT, UNKNOWN_MEMBER_ID, INCONSISTENT_GROUP_PROTOCOL, MEMBER_ID_REQUIRED,
//! GROUP_MAX_SIZE_REACHED, FENCED_INSTANCE_ID, REBALANCE_IN_PROGRESS (a newer request of the same member waits),
//! UNKNOWN_SERVER_ERROR (what the member sends cannot be written to the log).

use super::group::ClassicGroup;
use super::join_static;
use super::member::{ClassicMember, Protocols};
use super::replay::group_metadata_record;
use super::state::ClassicState;
use super::step::ClassicStep;
use crate::consumer;
use crate::event::{GroupReply, RequestContext};
use crate::failed;
use crate::group::{Group, GroupId};
use crate::shard::{GroupDecision, GroupShard};
use crate::timer::GroupTimer;
use bytes::Bytes;
use ottla_coordinator::{Change, Context, Decision, ReplySlot};
use ottla_protocol::JoinGroupRequest;
use ottla_protocol::join_group_request::JoinGroupRequestProtocol;
use ottla_types::ErrorCode;
use std::sync::Arc;

/// A new member whose JoinGroup waits this long has probably gone: it cannot send heartbeats yet.
const NEW_MEMBER_JOIN_TIMEOUT_MS: u64 = 5 * 60 * 1000;

/// Longest string of a record, less the room for what the coordinator adds (`-` and a UUID).
const STRING_BYTES_MAX: usize = i16::MAX as usize - 64;

/// Protocols of one member; clients have one per assignor.
const PROTOCOLS_MAX: usize = 1_000;

/// A JoinGroup with all that belongs to it.
pub(super) struct Join<'a> {
    pub(super) caller: &'a RequestContext,
    pub(super) request: &'a JoinGroupRequest,
    pub(super) slot: ReplySlot,
    /// The id that a new member gets.
    pub(super) new_member_id: Arc<str>,
}

impl Join<'_> {
    /// The session timeout where the client names none: version 0 cannot.
    pub(super) fn rebalance_timeout_ms(&self) -> i32 {
        let named = Some(self.request.rebalance_timeout_ms).filter(|ms| *ms >= 0 && self.caller.api_version > 0);
        named.unwrap_or(self.request.session_timeout_ms)
    }

    pub(super) fn reason(&self) -> &str {
        self.request.reason.as_deref().filter(|reason| !reason.is_empty()).unwrap_or("not provided")
    }
}

/// Decides about a JoinGroup.
pub fn handle(
    shard: &GroupShard,
    caller: &RequestContext,
    request: JoinGroupRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    let group_id = GroupId::from(request.group_id.as_str());
    if let Err(error) = validate(shard, caller, &request) {
        return refuse(&group_id, slot, &request.member_id, error);
    }
    let (group, tombstones) = match shard.groups.get(&group_id) {
        Some(Group::Consumer(group)) if !group.is_empty() => {
            return consumer::classic_join(shard, caller, request, slot, context);
        }
        Some(Group::Streams(group)) if !group.is_empty() => {
            return refuse(&group_id, slot, "", ErrorCode::InconsistentGroupProtocol);
        }
        Some(Group::Share(_)) => {
            return refuse(&group_id, slot, &request.member_id, ErrorCode::InconsistentGroupProtocol);
        }
        Some(Group::Classic(group)) => (Some(group.clone()), Vec::new()),
        Some(Group::Consumer(group)) => (None, group.tombstones(&group_id)),
        Some(Group::Streams(group)) => (None, group.tombstones()),
        None => (None, Vec::new()),
    };
    let is_new_group = group.is_none();
    if is_new_group && !request.member_id.is_empty() {
        return refuse(&group_id, slot, &request.member_id, ErrorCode::UnknownMemberId);
    }
    let group = group.unwrap_or_else(|| ClassicGroup::new(group_id.clone(), Some(context.now_ms)));
    let empty = is_new_group.then(|| group_metadata_record(&group, shard.config.max_record_bytes));
    let mut step = ClassicStep::new(shard, group, context);
    let new_member_id = new_member_id(caller, &request, context);
    let join = Join { caller, request: &request, slot, new_member_id };
    if let Err((shown_id, error)) = join_group(&mut step, &join) {
        if step.group_changed_on_error {
            step.reply_join(slot, failed::join(&shown_id, error));
            return step.finish();
        }
        return refuse(&group_id, slot, &shown_id, error);
    }
    // A group that is new is written at once: it then has an id in the log even while its first members join.
    if let Some(Ok(empty)) = empty {
        let records = tombstones.into_iter().chain([empty]).map(Change::Record);
        step.decision.changes.splice(0..0, records);
    }
    step.finish()
}

fn refuse(group_id: &GroupId, slot: ReplySlot, member_id: &str, error: ErrorCode) -> GroupDecision {
    Decision::about(group_id.clone()).reply(slot, GroupReply::JoinGroup(failed::join(member_id, error)))
}

fn validate(shard: &GroupShard, caller: &RequestContext, request: &JoinGroupRequest) -> Result<(), ErrorCode> {
    let config = &shard.config;
    if request.group_id.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    if !(config.min_session_timeout_ms..=config.max_session_timeout_ms).contains(&request.session_timeout_ms) {
        return Err(ErrorCode::InvalidSessionTimeout);
    }
    let mut strings = vec![request.group_id.as_str(), &request.protocol_type, &caller.client_id, &caller.client_host];
    strings.extend(request.group_instance_id.as_deref());
    strings.extend(request.protocols.iter().map(|protocol| protocol.name.as_str()));
    let protocols = request.protocols.iter();
    let bytes: usize = protocols.map(|protocol| protocol.name.len() + protocol.metadata.len()).sum();
    let fits = strings.iter().all(|text| text.len() <= STRING_BYTES_MAX)
        && bytes <= config.max_record_bytes
        && request.protocols.len() <= PROTOCOLS_MAX;
    if fits { Ok(()) } else { Err(ErrorCode::UnknownServerError) }
}

/// The protocols in memory of their own: a slice of the frame would keep the whole frame as long as the member lives.
fn own(protocols: &[JoinGroupRequestProtocol]) -> Protocols {
    let copy = |protocol: &JoinGroupRequestProtocol| JoinGroupRequestProtocol {
        name: protocol.name.clone(),
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    };
    protocols.iter().map(copy).collect()
}

fn new_member_id(caller: &RequestContext, request: &JoinGroupRequest, context: &Context) -> Arc<str> {
    let prefix = request.group_instance_id.as_deref().unwrap_or(&caller.client_id);
    Arc::from(format!("{prefix}-{}", uuid_text(context.random)))
}

/// A random number as a version 4 UUID in its usual text form.
fn uuid_text(random: u128) -> String {
    let bits = (random & !(0xf000_u128 << 64) & !(0xc000_u128 << 48)) | (0x4000_u128 << 64) | (0x8000_u128 << 48);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// An error, and the member id that is shown with it.
pub(super) type Refused = (String, ErrorCode);

fn join_group(step: &mut ClassicStep<'_>, join: &Join<'_>) -> Result<(), Refused> {
    let member_id = &join.request.member_id;
    if !accepts(step, member_id) {
        step.group_changed_on_error =
            step.group.members.contains_key(member_id.as_str()) || step.group.pending_join.contains(member_id.as_str());
        step.remove_member(member_id);
        // The others may have waited for this one alone.
        step.maybe_complete_join();
        return Err((String::new(), ErrorCode::GroupMaxSizeReached));
    }
    if !step.group.supports_protocols(&join.request.protocol_type, &join.request.protocols) {
        return Err((member_id.clone(), ErrorCode::InconsistentGroupProtocol));
    }
    if member_id.is_empty() { join_new(step, join) } else { join_existing(step, join) }
}

/// Whether there is room. While members join again, those that wait are counted, so that a group that became too large
/// keeps the first that come.
fn accepts(step: &ClassicStep<'_>, member_id: &str) -> bool {
    let member = step.group.members.get(member_id);
    match step.group.state {
        ClassicState::Empty | ClassicState::Dead => true,
        ClassicState::PreparingRebalance => {
            member.is_some_and(|member| member.awaiting_join.is_some())
                || step.group.awaiting_join_count() < step.config.max_size
        }
        ClassicState::CompletingRebalance | ClassicState::Stable => {
            member.is_some() || step.group.members.len() < step.config.max_size
        }
    }
}

fn join_new(step: &mut ClassicStep<'_>, join: &Join<'_>) -> Result<(), Refused> {
    let instance_id = join.request.group_instance_id.as_deref();
    if let Some(existing) = instance_id.and_then(|id| step.group.static_members.get(id).cloned()) {
        return join_static::replace(step, join, &existing);
    }
    if instance_id.is_none() && join.caller.api_version >= 4 {
        let member_id = join.new_member_id.clone();
        step.group.pending_join.insert(member_id.clone());
        let timeout_ms = u64::try_from(join.request.session_timeout_ms).unwrap_or(0);
        step.schedule_heartbeat_after(&member_id, timeout_ms);
        step.reply_join(join.slot, failed::join(&member_id, ErrorCode::MemberIdRequired));
        return Ok(());
    }
    add_member(step, join, join.new_member_id.clone());
    Ok(())
}

fn add_member(step: &mut ClassicStep<'_>, join: &Join<'_>, member_id: Arc<str>) {
    let member = ClassicMember {
        member_id: member_id.clone(),
        group_instance_id: join.request.group_instance_id.as_deref().map(Arc::from),
        client_id: join.caller.client_id.clone(),
        client_host: join.caller.client_host.clone(),
        rebalance_timeout_ms: join.rebalance_timeout_ms(),
        session_timeout_ms: join.request.session_timeout_ms,
        protocols: own(&join.request.protocols),
        assignment: Bytes::new(),
        awaiting_join: Some(join.slot),
        awaiting_sync: None,
        is_new: true,
    };
    if step.group.state == ClassicState::PreparingRebalance && step.group.initial_delay_left_ms.is_some() {
        step.group.new_member_added = true;
    }
    step.group.add_member(member, &join.request.protocol_type);
    step.schedule_heartbeat_after(&member_id, NEW_MEMBER_JOIN_TIMEOUT_MS);
    step.rebalance_or_complete_join(join.reason());
}

fn join_existing(step: &mut ClassicStep<'_>, join: &Join<'_>) -> Result<(), Refused> {
    let member_id = join.request.member_id.as_str();
    let instance_id = join.request.group_instance_id.as_deref();
    if let Some(pending) = step.group.pending_join.get(member_id).cloned() {
        if instance_id.is_some() {
            return Err((member_id.to_string(), ErrorCode::UnknownMemberId));
        }
        add_member(step, join, pending);
        return Ok(());
    }
    step.group.validate_member(member_id, instance_id).map_err(|error| (member_id.to_string(), error))?;
    let member = step.group.members.get(member_id);
    let is_same = member.is_some_and(|member| member.matches(&join.request.protocols));
    // The leader joins a stable group again when it wants another assignment for reasons of its own, and a member when it
    // wants something else. One that only missed the answer is told again.
    let is_repeat = match step.group.state {
        ClassicState::PreparingRebalance => false,
        ClassicState::CompletingRebalance => is_same,
        ClassicState::Stable => is_same && !step.group.is_leader(member_id),
        ClassicState::Empty | ClassicState::Dead => return Err((member_id.to_string(), ErrorCode::UnknownMemberId)),
    };
    if is_repeat {
        let response = step.joined(member_id);
        step.reply_join(join.slot, response);
        return Ok(());
    }
    update_member(step, join, member_id);
    step.rebalance_or_complete_join(join.reason());
    Ok(())
}

/// The member joins again with what this request says.
pub(super) fn update_member(step: &mut ClassicStep<'_>, join: &Join<'_>, member_id: &str) {
    step.group.set_protocols(member_id, own(&join.request.protocols));
    step.group.edit(member_id, |member| {
        member.rebalance_timeout_ms = join.rebalance_timeout_ms();
        member.session_timeout_ms = join.request.session_timeout_ms;
    });
    if let Some(before) = step.group.set_awaiting_join(member_id, Some(join.slot)) {
        step.reply_join(before, failed::join(member_id, ErrorCode::RebalanceInProgress));
    }
}

/// The rebalance has waited long enough.
pub fn expired(shard: &GroupShard, timer: &GroupTimer, context: &Context) -> GroupDecision {
    let Some(group) = shard.groups.classic(&timer.group) else { return Decision::none() };
    if group.state != ClassicState::PreparingRebalance {
        return Decision::none();
    }
    let mut step = ClassicStep::new(shard, group.clone(), context);
    match step.group.initial_delay_left_ms {
        Some(left_ms) if left_ms.min(step.config.initial_rebalance_delay_ms) > 0 && step.group.new_member_added => {
            let delay_ms = step.config.initial_rebalance_delay_ms.min(left_ms);
            step.group.new_member_added = false;
            step.group.initial_delay_left_ms = Some(left_ms.saturating_sub(delay_ms));
            step.schedule(crate::timer::TimerKind::ClassicJoin, delay_ms);
        }
        _ => step.complete_join(),
    }
    step.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn member_ids_end_in_a_version_4_uuid() {
        assert_eq!(uuid_text(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid_text(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
