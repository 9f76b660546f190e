//! JoinGroup of a classic member to a KIP-848 group: what a heartbeat is to the others. It is answered at once, with the member
//! epoch as generation; the assignment follows with SyncGroup.

use super::{downgrade, embedded, request};
use crate::config::MigrationPolicy;
use crate::consumer::ConsumerChange;
use crate::consumer::advance::{Advance, RegexBump};
use crate::consumer::error::GroupError;
use crate::consumer::group::ConsumerGroup;
use crate::consumer::member::Member;
use crate::consumer::seat::{Claim, check_size};
use crate::consumer::step::{Step, timeout_ms};
use crate::event::{GroupReply, RequestContext};
use crate::failed;
use crate::shard::{GroupDecision, GroupShard};
use crate::timer::TimerKind;
use ottla_coordinator::{Context, ReplySlot};
use ottla_protocol::consumer_group_member_metadata_value::{ClassicMemberMetadata, ClassicProtocol};
use ottla_protocol::{ConsumerProtocolSubscription, JoinGroupRequest, JoinGroupResponse};
use ottla_types::ErrorCode;
use std::sync::Arc;

/// From this version on a dynamic member has to come back with the id that it was given (KIP-394).
const MEMBER_ID_REQUIRED_VERSION: i16 = 4;

/// JoinGroup to a group that is one of KIP-848.
pub(crate) fn handle(
    shard: &GroupShard,
    caller: &RequestContext,
    request: &JoinGroupRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    let decide = |step: Step<'_>, group: &ConsumerGroup| decide(step, group, caller, request, slot);
    let refused = |error: ErrorCode| GroupReply::JoinGroup(failed::join(&request.member_id, error));
    request::take(shard, &request.group_id, slot, context, decide, refused)
}

fn decide(
    mut step: Step<'_>,
    group: &ConsumerGroup,
    caller: &RequestContext,
    request: &JoinGroupRequest,
    slot: ReplySlot,
) -> Result<GroupDecision, GroupError> {
    let shard = step.shard;
    if shard.config.consumer_migration_policy == MigrationPolicy::Disabled {
        return Err(inconsistent("group migration is disabled"));
    }
    let instance_id = request.group_instance_id.as_deref();
    let is_unknown = request.member_id.is_empty();
    let member_id = if is_unknown { step.random_id().to_string() } else { request.member_id.clone() };
    check_size(group, &member_id, instance_id, &shard.config)?;
    check_protocols(group, request)?;
    if caller.api_version >= MEMBER_ID_REQUIRED_VERSION && is_unknown && instance_id.is_none() {
        let response = failed::join(&member_id, ErrorCode::MemberIdRequired);
        step.reply(slot, GroupReply::JoinGroup(response));
        return step.finish();
    }
    let may_join = instance_id.is_none() || is_unknown;
    let before = Claim { member_id: &member_id, instance_id, may_join, epoch: None }.take(&mut step, group)?;
    let subscription = subscription(request)?;
    let member = Arc::new(said(&before, &subscription, request, caller));
    let replaced = instance_id.and_then(|instance_id| group.static_member(instance_id));
    let replaced = replaced.filter(|replaced| downgrade::is_due_replacing(&step, group, replaced));
    let owned = embedded::owned(&subscription, &shard.topics);

    let advance = Advance::subscribe(&mut step, group, &before, member, RegexBump::Always, caller)?;
    let member = match replaced {
        Some(replaced) => {
            let rebalance = group.target.epoch < advance.group_epoch;
            let member = if rebalance {
                advance.after
            } else {
                let target = (group.target.epoch, advance.last_target());
                advance.reconcile(&mut step, target, Some(&owned))?
            };
            downgrade::replacing(&mut step, group, replaced, &member, rebalance)?;
            member
        }
        None => {
            let target = advance.assign(&mut step)?;
            let member = advance.reconcile(&mut step, target, Some(&owned))?;
            schedule(&mut step, request, &member);
            member
        }
    };
    step.reply(slot, GroupReply::JoinGroup(response(&member)));
    step.finish()
}

/// The member has joined, has to sync now, and was heard of.
fn schedule(step: &mut Step<'_>, request: &JoinGroupRequest, member: &Member) {
    step.cancel(TimerKind::ConsumerJoin, &member.member_id);
    step.change(ConsumerChange::Joined(member.member_id.clone()));
    step.schedule(TimerKind::ConsumerSession, &member.member_id, timeout_ms(request.session_timeout_ms));
    step.schedule(TimerKind::ConsumerSync, &member.member_id, timeout_ms(member.rebalance_timeout_ms));
}

fn check_protocols(group: &ConsumerGroup, request: &JoinGroupRequest) -> Result<(), GroupError> {
    let classic_members = group.classic_member_count();
    let fits = |name: &str| group.is_empty() || group.classic_protocol_support(name) == classic_members;
    let is_consumer = request.protocol_type == embedded::PROTOCOL_TYPE;
    if is_consumer && request.protocols.iter().any(|protocol| fits(&protocol.name)) {
        Ok(())
    } else {
        Err(inconsistent("the member's protocols are not supported"))
    }
}

/// All protocols of a consumer carry the same subscription.
fn subscription(request: &JoinGroupRequest) -> Result<ConsumerProtocolSubscription, GroupError> {
    let malformed = || inconsistent("malformed embedded consumer protocol in subscription");
    let protocol = request.protocols.first().ok_or_else(malformed)?;
    embedded::subscription(&protocol.metadata).map_err(|_| malformed())
}

fn said(
    before: &Member,
    subscription: &ConsumerProtocolSubscription,
    request: &JoinGroupRequest,
    caller: &RequestContext,
) -> Member {
    let protocols = request.protocols.iter();
    let protocols =
        protocols.map(|protocol| ClassicProtocol { name: protocol.name.clone(), metadata: protocol.metadata.clone() });
    // Version 0 has no rebalance timeout.
    let rebalance_timeout_ms =
        if request.rebalance_timeout_ms == -1 { request.session_timeout_ms } else { request.rebalance_timeout_ms };
    let rack_id = subscription.rack_id.clone().filter(|rack_id| !rack_id.is_empty());
    Member {
        instance_id: request.group_instance_id.clone().or_else(|| before.instance_id.clone()),
        rack_id: rack_id.or_else(|| before.rack_id.clone()),
        rebalance_timeout_ms,
        subscribed_topic_names: Arc::new(subscription.topics.iter().cloned().collect()),
        subscribed_topic_regex: String::new(),
        client_id: caller.client_id.to_string(),
        client_host: caller.client_host.to_string(),
        classic: Some(Arc::new(ClassicMemberMetadata {
            session_timeout_ms: request.session_timeout_ms,
            supported_protocols: protocols.collect(),
        })),
        ..before.clone()
    }
}

fn response(member: &Member) -> JoinGroupResponse {
    let protocols = member.classic.as_ref().map(|classic| &classic.supported_protocols);
    let protocol_name = protocols.and_then(|protocols| protocols.first()).map(|protocol| protocol.name.clone());
    JoinGroupResponse {
        generation_id: member.member_epoch,
        protocol_type: Some(embedded::PROTOCOL_TYPE.to_string()),
        protocol_name,
        member_id: member.member_id.to_string(),
        ..JoinGroupResponse::default()
    }
}

fn inconsistent(reason: &str) -> GroupError {
    GroupError::new(ErrorCode::InconsistentGroupProtocol, format!("Cannot join the consumer group: {reason}."))
}
