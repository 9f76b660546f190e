//! A classic group becomes one of KIP-848, because a member of the new protocol joins it.
//!
//! Every member keeps what it has: its last assignment is its target and what it owns, its generation is its epoch. Who waits
//! for a rebalance of the classic group is told to rejoin.

use super::embedded;
use crate::assignor::Assignment;
use crate::classic::{ClassicGroup, ClassicMember, ClassicState};
use crate::consumer::error::GroupError;
use crate::consumer::group::ConsumerGroup;
use crate::consumer::member::{Member, PartitionEpochs};
use crate::consumer::step::{Step, timeout_ms};
use crate::consumer::{metadata_hash, records as consumer_records};
use crate::event::GroupReply;
use crate::failed;
use crate::records;
use crate::timer::{GroupTimer, TimerKind};
use crate::topics::GroupTopics;
use ottla_coordinator::TimerChange;
use ottla_protocol::consumer_group_member_metadata_value::{ClassicMemberMetadata, ClassicProtocol};
use ottla_protocol::{GroupMetadataKey, GroupRecordKey};
use ottla_types::{ErrorCode, Uuid};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The group as one of KIP-848; its records are in the step.
///
/// # Errors
/// GROUP_ID_NOT_FOUND when the policy, the group's protocol or its size forbid it.
pub(crate) fn to_consumer_group(step: &mut Step<'_>, classic: &ClassicGroup) -> Result<ConsumerGroup, GroupError> {
    if classic.state == ClassicState::Empty {
        tombstone(step);
        stop_timers(step, classic);
        return Ok(ConsumerGroup::new(step.group_id.clone()));
    }
    validate(step, classic)?;
    let group = convert(classic, &step.shard.topics)?;
    answer_waiting(step, classic);
    tombstone(step);
    write(step, &group);
    stop_timers(step, classic);
    for member in group.members() {
        let session_timeout_ms = member.classic.as_ref().map_or(0, |classic| classic.session_timeout_ms);
        step.schedule(TimerKind::ConsumerSession, &member.member_id, timeout_ms(session_timeout_ms));
    }
    tracing::info!(group_id = &*step.group_id, "a classic group becomes a consumer group");
    Ok(group)
}

fn validate(step: &Step<'_>, classic: &ClassicGroup) -> Result<(), GroupError> {
    let config = &step.shard.config;
    if !config.consumer_migration_policy.allows_upgrade() {
        Err(refused(classic, "online upgrade is disabled"))
    } else if !classic.uses_consumer_protocol() {
        Err(refused(classic, "the group does not use the consumer embedded protocol"))
    } else if classic.members.len() > config.consumer_max_size {
        Err(refused(classic, "the group size exceeds the consumer group maximum size"))
    } else {
        Ok(())
    }
}

fn refused(classic: &ClassicGroup, reason: &str) -> GroupError {
    let message = format!("Cannot upgrade classic group {} to consumer group because {reason}.", classic.group_id);
    tracing::info!(%message);
    GroupError::new(ErrorCode::GroupIdNotFound, message)
}

fn convert(classic: &ClassicGroup, topics: &GroupTopics) -> Result<ConsumerGroup, GroupError> {
    let mut group = ConsumerGroup::new(classic.group_id.clone());
    group.group_epoch = classic.generation_id;
    group.target.epoch = classic.generation_id;
    let mut taken = BTreeSet::new();
    for member in classic.members.values() {
        let assignment = assignment(classic, member, topics, &mut taken)?;
        let member = convert_member(classic, member, &assignment)?;
        group.target.members.insert(member.member_id.clone(), Arc::new(assignment));
        group.update_member(member);
    }
    group.metadata_hash = metadata_hash::of_group(&group.subscriptions, topics);
    Ok(group)
}

/// What the leader gave the member. Where it gave a partition to two members, the first has it here.
fn assignment(
    classic: &ClassicGroup,
    member: &ClassicMember,
    topics: &GroupTopics,
    taken: &mut BTreeSet<(Uuid, i32)>,
) -> Result<Assignment, GroupError> {
    let mut partitions = Assignment::new();
    // A member that has never synced has none.
    if member.assignment.is_empty() {
        return Ok(partitions);
    }
    let malformed = |_| refused(classic, "the embedded consumer protocol is malformed");
    let embedded = embedded::assignment(&member.assignment).map_err(malformed)?;
    if embedded.user_data.is_some_and(|data| !data.is_empty()) {
        let reason = "an unsupported custom assignor is in use. Please refer to the documentation or switch to a default assignor \
                      before re-attempting the upgrade";
        return Err(refused(classic, reason));
    }
    for topic in embedded.assigned_partitions {
        let Some(info) = topics.by_name(&topic.topic) else { continue };
        let free = topic.partitions.into_iter().filter(|partition| taken.insert((info.id, *partition)));
        let free: BTreeSet<i32> = free.collect();
        if !free.is_empty() {
            partitions.entry(info.id).or_default().extend(free);
        }
    }
    Ok(partitions)
}

fn convert_member(
    classic: &ClassicGroup,
    member: &ClassicMember,
    assignment: &Assignment,
) -> Result<Member, GroupError> {
    // Before the first generation there is no common protocol; all of a consumer's say the same.
    let metadata = match classic.protocol_name.as_deref() {
        Some(name) => member.metadata(name),
        None => member.protocols.first().map(|protocol| protocol.metadata.clone()).unwrap_or_default(),
    };
    let malformed = |_| refused(classic, "the embedded consumer protocol is malformed");
    let subscription = embedded::subscription(&metadata).map_err(malformed)?;
    let epoch = classic.generation_id;
    let owned: PartitionEpochs = assignment
        .iter()
        .map(|(topic_id, partitions)| (*topic_id, partitions.iter().map(|partition| (*partition, epoch)).collect()))
        .collect();
    let protocols = member.protocols.iter();
    let protocols =
        protocols.map(|protocol| ClassicProtocol { name: protocol.name.clone(), metadata: protocol.metadata.clone() });
    Ok(Member {
        member_epoch: epoch,
        previous_member_epoch: epoch,
        instance_id: member.group_instance_id.as_deref().map(str::to_string),
        rack_id: subscription.rack_id.filter(|rack_id| !rack_id.is_empty()),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        client_id: member.client_id.to_string(),
        client_host: member.client_host.to_string(),
        subscribed_topic_names: Arc::new(subscription.topics.into_iter().collect()),
        assigned_partitions: Arc::new(owned),
        classic: Some(Arc::new(ClassicMemberMetadata {
            session_timeout_ms: member.session_timeout_ms,
            supported_protocols: protocols.collect(),
        })),
        ..Member::new(&member.member_id)
    })
}

fn answer_waiting(step: &mut Step<'_>, classic: &ClassicGroup) {
    for member in classic.members.values() {
        if let Some(slot) = member.awaiting_join {
            let response = failed::join(&member.member_id, ErrorCode::RebalanceInProgress);
            step.reply(slot, GroupReply::JoinGroup(response));
        }
        if let Some(slot) = member.awaiting_sync {
            step.reply(slot, GroupReply::SyncGroup(failed::sync(ErrorCode::RebalanceInProgress)));
        }
    }
}

fn tombstone(step: &mut Step<'_>) {
    let key = GroupMetadataKey { group: step.group_id.to_string() };
    step.record(records::tombstone(GroupRecordKey::GroupMetadata(key)));
}

fn write(step: &mut Step<'_>, group: &ConsumerGroup) {
    let group_id = &group.group_id;
    for member in group.members() {
        step.record(consumer_records::member(group_id, member));
    }
    step.record(consumer_records::epoch(group_id, group.group_epoch, group.metadata_hash));
    for member in group.members() {
        step.record(consumer_records::target_member(group_id, &member.member_id, &group.target_of(&member.member_id)));
    }
    step.record(consumer_records::target_epoch(group_id, group.target.epoch, group.target.timestamp_ms));
    for member in group.members() {
        step.record(consumer_records::current(group_id, member));
    }
}

pub(crate) fn stop_timers(step: &mut Step<'_>, classic: &ClassicGroup) {
    let ids = classic.members.keys().chain(classic.pending_join.iter());
    for member_id in ids {
        step.cancel(TimerKind::ClassicHeartbeat, member_id);
    }
    for kind in [TimerKind::ClassicJoin, TimerKind::ClassicSync] {
        let key = GroupTimer::of_group(kind, &classic.group_id);
        step.decision_mut().timers.push(TimerChange::Cancel(key));
    }
}
