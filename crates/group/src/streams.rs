//! Streams groups (KIP-1071): members are threads of Kafka Streams applications, and what they get is tasks.
//!
//! The first member brings the topology of its application; the coordinator derives from it and from the cluster's topics how
//! many tasks there are and which internal topics are missing ([`configure`]), assigns the tasks ([`assignor`]), and leads every
//! member to its target ([`current_assignment`]) so that no task is active twice and no process has two copies of one. Epochs
//! work as in groups of KIP-848 ([`crate::consumer`]).
//!
//! One file per concern: [`heartbeat`] and [`leave`] are what members ask; [`timers`] removes silent members and ends the delay
//! of a group's first assignment; [`replay`] is the only place that changes the durable state ([`group`], [`member`],
//! [`topology`]). Missing internal topics leave with the answer to a heartbeat ([`StreamsHeartbeat`]): the broker creates them
//! in the name of who asked, and tells in the answer what went wrong the last time.

mod answer;
mod assignor;
mod config;
mod configure;
mod configured;
mod current_assignment;
mod describe;
mod endpoints;
mod group;
mod heartbeat;
mod leave;
mod member;
mod offsets;
mod partition_counts;
mod records;
mod replay;
mod seat;
mod step;
mod target;
mod tasks;
mod timers;
mod topics_changed;
mod topology;
mod validate;

#[cfg(test)]
pub(crate) mod tests;

pub use config::{StreamsConfig, StreamsOverrides};
pub use group::StreamsGroup;
pub(crate) use replay::replay;

use crate::event::RequestContext;
use crate::group::{Group, GroupId, Groups};
use crate::shard::{GroupDecision, GroupShard};
use crate::timer::GroupTimer;
use crate::topics::GroupTopics;
use configured::ConfiguredTopology;
use ottla_coordinator::{Context, ReplySlot};
use ottla_protocol::create_topics_request::CreatableTopic;
use ottla_protocol::streams_group_describe_response::DescribedGroup;
use ottla_protocol::{StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse};
use std::sync::Arc;

/// The answer to a StreamsGroupHeartbeat, and what the broker does before it sends it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StreamsHeartbeat {
    /// The answer.
    pub response: StreamsGroupHeartbeatResponse,
    /// Internal topics of the application that do not exist yet. The replication factor is -1 for the broker's default.
    pub internal_topics: Vec<CreatableTopic>,
}

/// A change of a streams group that is not in the log.
#[derive(Debug)]
pub enum StreamsChange {
    /// The group's topics are looked at again at this time, milliseconds since the epoch; 0 is at the next request.
    RefreshMetadataAt(i64),
    /// What the topology and the topics make.
    Configured(Arc<ConfiguredTopology>),
    /// A member wants the whole application to shut down.
    ShutdownRequestedBy(Arc<str>),
    /// Endpoints have other partitions.
    EndpointInformationEpoch(i32),
    /// Whether the first assignment waits for more members.
    AwaitsMembers(bool),
}

/// StreamsGroupHeartbeat.
pub fn heartbeat(
    shard: &GroupShard,
    caller: &RequestContext,
    request: &StreamsGroupHeartbeatRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    heartbeat::handle(shard, caller, request, slot, context)
}

/// StreamsGroupDescribe of one group.
pub fn describe(shard: &GroupShard, group_id: &str) -> DescribedGroup {
    describe::describe(shard, group_id)
}

/// A timer of one of the `Streams` kinds.
pub fn expired(shard: &GroupShard, timer: &GroupTimer, context: &Context) -> GroupDecision {
    timers::expired(shard, timer, context)
}

/// The topics are now `topics` (the shard still has the old ones; the caller replaces them).
pub fn metadata_changed(shard: &GroupShard, topics: &GroupTopics, decision: &mut GroupDecision) {
    topics_changed::handle(shard, topics, decision);
}

/// The log is replayed: timers of this group.
pub fn loaded(shard: &GroupShard, group_id: &GroupId, group: &StreamsGroup, decision: &mut GroupDecision) {
    timers::loaded(shard, group_id, group, decision);
}

/// Applies a change that is not in the log; the group may be gone.
pub fn apply(groups: &mut Groups, group_id: &str, change: StreamsChange) {
    let Some(Group::Streams(group)) = groups.get_mut(group_id) else { return };
    match change {
        StreamsChange::RefreshMetadataAt(at_ms) => group.volatile.metadata_refresh_ms = at_ms,
        StreamsChange::Configured(configured) => group.volatile.configured = Some(configured),
        StreamsChange::ShutdownRequestedBy(member_id) => {
            group.volatile.shutdown_requested_by.get_or_insert(member_id);
        }
        StreamsChange::EndpointInformationEpoch(epoch) => group.volatile.endpoint_information_epoch = epoch,
        StreamsChange::AwaitsMembers(awaits) => group.volatile.awaits_members = awaits,
    }
}
