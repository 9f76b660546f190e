//! StreamsGroupHeartbeat (KIP-1071), version 0: how a member joins, stays, and gets its tasks.
//!
//! 1. The member is written down when it is new or changed. 2. The first member brings the topology; later ones must have the
//!    same. 3. Topology and topics are put together ([`super::configure`]). When any of that, or the configs of the assignor,
//!    changed, the group epoch rises. 4. A new target assignment is made when the group epoch is ahead of it and it is time.
//!    5. The member moves towards its target. 6. It is told what is new, and what stands in the way.
//!
//! Nothing is written by a heartbeat that brings nothing new. Epoch -1 leaves, see [`super::leave`].

use super::configured::{ConfiguredTopology, StatusCode};
use super::current_assignment::Reconciliation;
use super::group::{AssignmentConfigs, StreamsGroup};
use super::member::{MemberState, StreamsMember};
use super::seat::{check_size, existing_group, joined_group, said, take};
use super::target::{self, NUM_STANDBY_REPLICAS, NewTarget};
use super::tasks::{TaskSets, of_lists};
use super::topology::{self, StreamsTopology};
use super::{StreamsChange, StreamsHeartbeat, configure, leave, records, validate};
use crate::consumer::error::GroupError;
use crate::consumer::member::{LEAVE_GROUP_MEMBER_EPOCH, LEAVE_GROUP_STATIC_MEMBER_EPOCH};
use crate::consumer::metadata_hash;
use crate::consumer::step::{Step, timeout_ms};
use crate::effect::GroupCount;
use crate::event::{GroupReply, RequestContext};
use crate::shard::{GroupDecision, GroupShard};
use crate::timer::TimerKind;
use ottla_coordinator::{Context, Decision, ReplySlot};
use ottla_protocol::streams_group_heartbeat_request as request_parts;
use ottla_protocol::streams_group_heartbeat_response::Status;
use ottla_protocol::{StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse};
use ottla_types::ErrorCode;
use std::borrow::Cow;
use std::sync::Arc;

/// Topics are looked at again after this long even when nobody said that they changed, milliseconds.
const METADATA_REFRESH_INTERVAL_MS: i64 = i32::MAX as i64;

/// StreamsGroupHeartbeat.
pub(super) fn handle(
    shard: &GroupShard,
    caller: &RequestContext,
    request: &StreamsGroupHeartbeatRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    decide(shard, caller, request, slot, context).unwrap_or_else(|error| {
        let response = StreamsGroupHeartbeatResponse {
            error_code: error.code.code(),
            error_message: Some(error.message),
            ..StreamsGroupHeartbeatResponse::default()
        };
        let subject = Arc::from(request.group_id.as_str());
        let reply = StreamsHeartbeat { response, internal_topics: Vec::new() };
        Decision::about(subject).reply(slot, GroupReply::StreamsGroupHeartbeat(reply))
    })
}

fn decide(
    shard: &GroupShard,
    caller: &RequestContext,
    request: &StreamsGroupHeartbeatRequest,
    slot: ReplySlot,
    context: &Context,
) -> Result<GroupDecision, GroupError> {
    validate::heartbeat(request, &shard.config)?;
    let mut step = Step::new(shard, &request.group_id, context);
    let leaves = [LEAVE_GROUP_MEMBER_EPOCH, LEAVE_GROUP_STATIC_MEMBER_EPOCH].contains(&request.member_epoch);
    let reply = if leaves {
        StreamsHeartbeat { response: leave::handle(&mut step, request)?, internal_topics: Vec::new() }
    } else {
        stay(&mut step, caller, request)?
    };
    step.reply(slot, GroupReply::StreamsGroupHeartbeat(reply));
    step.finish()
}

fn stay(
    step: &mut Step<'_>,
    caller: &RequestContext,
    request: &StreamsGroupHeartbeatRequest,
) -> Result<StreamsHeartbeat, GroupError> {
    let joins = request.member_epoch == 0;
    let shard = step.shard;
    let group = if joins { joined_group(step)? } else { Cow::Borrowed(existing_group(shard, &request.group_id)?) };
    check_size(&group, request, &shard.config)?;
    let before = take(&group, request)?;
    let after = said(&before, request, caller);
    let is_changed = group.member(&after.member_id).is_none() || before != after;
    if is_changed {
        step.record(records::member(&group.group_id, &after));
    }
    let topology = update_topology(step, &group, request)?;
    let mut beat = Beat { group: &group, before: &before, topology, status: Vec::new() };
    beat.note_stale_topology(&after);
    let (configured, group_epoch) = beat.configure(step, is_changed, request)?;
    let owned = owned(request);
    let (target_epoch, target) = beat.assign(step, &after, &configured, group_epoch);
    let member = beat.reconcile(step, after, target_epoch, &target, owned.as_ref())?;
    step.heard_of_streams(&member.member_id);
    step.check_fits()?;
    Ok(beat.answer(step, request, &member, &configured))
}

/// One heartbeat on its way.
pub(super) struct Beat<'a> {
    pub(super) group: &'a StreamsGroup,
    /// The member before the request.
    pub(super) before: &'a StreamsMember,
    pub(super) topology: Arc<StreamsTopology>,
    pub(super) status: Vec<Status>,
}

impl Beat<'_> {
    fn note_stale_topology(&mut self, member: &StreamsMember) {
        let Some(topology) = &self.group.topology else { return };
        if member.topology_epoch < topology.epoch {
            let (own, current) = (member.topology_epoch, topology.epoch);
            self.status.push(
                StatusCode::StaleTopology.status(format!(
                    "The member's topology epoch {own} is behind the group's topology epoch {current}."
                )),
            );
        }
    }

    /// The topology with the topics, and the group epoch, which rises when something changed.
    fn configure(
        &self,
        step: &mut Step<'_>,
        member_changed: bool,
        request: &StreamsGroupHeartbeatRequest,
    ) -> Result<(Arc<ConfiguredTopology>, i32), GroupError> {
        let (group, topics) = (self.group, &step.shard.topics);
        let known = group.volatile.configured.as_ref().filter(|_| group.topology.is_some());
        let (mut configured, mut hash) = (known.cloned(), group.metadata_hash);
        if configured.is_none() || step.context.now_ms >= group.volatile.metadata_refresh_ms {
            hash = metadata_hash::of_topics(self.topology.required_topics(), topics);
            if configured.is_none() || hash != group.metadata_hash {
                let new = Arc::new(configure::configure(&self.topology, topics)?);
                step.change_streams(StreamsChange::Configured(new.clone()));
                configured = Some(new);
            }
            let refresh_ms = step.context.now_ms.saturating_add(METADATA_REFRESH_INTERVAL_MS);
            step.change_streams(StreamsChange::RefreshMetadataAt(refresh_ms));
        }
        let configured = configured.unwrap_or_default();
        let validated = if configured.ready().is_some() { self.topology.epoch } else { -1 };
        check_tasks(&configured, request)?;
        let configs = self.assignment_configs(step);
        let rises = member_changed
            || hash != group.metadata_hash
            || validated != group.validated_topology_epoch
            || configs != group.last_assignment_configs;
        if !rises {
            return Ok((configured, group.group_epoch));
        }
        // Only here, as Kafka counts: not when a member leaves or falls silent, which the next heartbeat acts on.
        step.count(GroupCount::StreamsRebalances, 1);
        Ok((configured, step.raise_streams_epoch(group, hash, validated, &configs)))
    }

    fn assignment_configs(&self, step: &Step<'_>) -> AssignmentConfigs {
        let standbys = step.shard.config.streams.num_standby_replicas(&self.group.group_id);
        AssignmentConfigs::from([(NUM_STANDBY_REPLICAS.to_string(), standbys.to_string())])
    }

    /// The target's epoch and this member's part of it.
    fn assign(
        &mut self,
        step: &mut Step<'_>,
        after: &StreamsMember,
        configured: &ConfiguredTopology,
        group_epoch: i32,
    ) -> (i32, Arc<TaskSets>) {
        let group = self.group;
        let mut awaits_members = group.volatile.awaits_members;
        let delay_ms = step.shard.config.streams.initial_rebalance_delay_ms(&group.group_id);
        if group.is_empty() && delay_ms > 0 && !awaits_members {
            step.await_streams_members(delay_ms);
            awaits_members = true;
        }
        if awaits_members {
            self.note_delay("Assignment delayed due to the configured initial rebalance delay.");
            return (group.target.epoch, Arc::default());
        }
        if group.target.epoch >= group_epoch {
            return (group.target.epoch, group.target_of(&after.member_id));
        }
        if !target::is_due(step, group) {
            self.note_delay("Assignment delayed due to the configured assignment interval.");
            return (group.target.epoch, group.target_of(&after.member_id));
        }
        let configs = self.assignment_configs(step);
        let new = NewTarget { group, epoch: group_epoch, updated: Some(after), configured, configs: &configs };
        (group_epoch, new.write(step))
    }

    fn note_delay(&mut self, detail: &str) {
        self.status.push(StatusCode::AssignmentDelayed.status(detail));
    }

    fn reconcile(
        &mut self,
        step: &mut Step<'_>,
        after: Arc<StreamsMember>,
        target_epoch: i32,
        target: &TaskSets,
        owned: Option<&TaskSets>,
    ) -> Result<Arc<StreamsMember>, GroupError> {
        let group = self.group;
        let Some(next) = (Reconciliation { group, target_epoch, target, owned }).step(&after)? else {
            return Ok(after);
        };
        let record = records::current(&group.group_id, &next);
        if target_epoch != group.target.epoch && step.must_wait(&record) {
            // The new target is as large as a batch may be: what the member gets of it is written by its next heartbeat.
            self.note_delay("Assignment delayed, because target and assignment do not fit into one batch.");
            return self.reconcile(step, after.clone(), group.target.epoch, &group.target_of(&after.member_id), owned);
        }
        step.record(record);
        if next.state == MemberState::UnrevokedTasks {
            step.schedule(TimerKind::StreamsRebalance, &next.member_id, timeout_ms(next.rebalance_timeout_ms));
        } else {
            step.cancel(TimerKind::StreamsRebalance, &next.member_id);
        }
        Ok(Arc::new(next))
    }
}

/// The group's topology, which the first member brings. Kafka 4.3 has no way to another one: a group that runs an older topology
/// is left alone by a member with a newer one, and the other way round the member hears STALE_TOPOLOGY.
fn update_topology(
    step: &mut Step<'_>,
    group: &StreamsGroup,
    request: &StreamsGroupHeartbeatRequest,
) -> Result<Arc<StreamsTopology>, GroupError> {
    let brought = request.topology.as_ref().map(topology::of_request).transpose()?;
    match (brought, &group.topology) {
        (Some(value), None) => {
            let record = records::topology(&group.group_id, value.clone());
            let bytes = record.as_ref().ok().and_then(|record| record.value.as_ref()).map_or(0, |value| value.len());
            let max = step.shard.config.max_record_bytes;
            if bytes > max {
                let message = format!("The topology takes {bytes} bytes, but the group's log takes at most {max}.");
                return Err(topology::invalid(message));
            }
            step.record(record);
            Ok(Arc::new(StreamsTopology::new(value)))
        }
        (Some(value), Some(current)) if current.epoch > value.epoch => Ok(current.clone()),
        (Some(value), Some(current)) => match StreamsTopology::new(value) == **current {
            true => Ok(current.clone()),
            false => Err(GroupError::new(ErrorCode::InvalidRequest, "Topology updates are not supported yet.")),
        },
        (None, Some(current)) => Ok(current.clone()),
        // Only a log that another program wrote has such a group; a member that joins again brings the topology.
        (None, None) => Err(GroupError::new(
            ErrorCode::FencedMemberEpoch,
            "The topology of the group is not known. The member must abandon all its tasks and rejoin.",
        )),
    }
}

/// What the member says that it has; None when it does not say.
pub(super) fn owned(request: &StreamsGroupHeartbeatRequest) -> Option<TaskSets> {
    let tasks = |tasks: &Option<Vec<request_parts::TaskIds>>| {
        tasks.as_ref().map(|tasks| of_lists(tasks.iter().map(|task| (&task.subtopology_id, &task.partitions))))
    };
    Some(TaskSets {
        active: tasks(&request.active_tasks)?,
        standby: tasks(&request.standby_tasks)?,
        warmup: tasks(&request.warmup_tasks)?,
    })
}

/// A member may only say that it has tasks that there are.
fn check_tasks(configured: &ConfiguredTopology, request: &StreamsGroupHeartbeatRequest) -> Result<(), GroupError> {
    let Some(subtopologies) = configured.ready() else { return Ok(()) };
    let said = [&request.active_tasks, &request.standby_tasks, &request.warmup_tasks];
    for task in said.into_iter().flatten().flatten() {
        let id = &task.subtopology_id;
        let refuse = |message| Err(GroupError::new(ErrorCode::InvalidRequest, message));
        let Some(subtopology) = subtopologies.get(id) else {
            return refuse(format!("Subtopology {id} does not exist in the topology."));
        };
        let count = subtopology.task_count;
        if let Some(partition) = task.partitions.iter().find(|partition| !(0..count).contains(partition)) {
            return refuse(format!(
                "Task {partition} for subtopology {id} is invalid. Number of tasks for this subtopology: {count}"
            ));
        }
    }
    Ok(())
}
