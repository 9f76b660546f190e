//! What a member is told at the end of its heartbeat: its tasks when they are new to it, which endpoints have what, and what stands
//! in the way.

use super::configured::{ConfiguredTopology, StatusCode};
use super::heartbeat::{Beat, owned};
use super::member::StreamsMember;
use super::tasks::{TaskSets, Tasks, active_tasks, lists};
use super::{StreamsChange, StreamsHeartbeat, endpoints};
use crate::consumer::step::Step;
use ottla_protocol::streams_group_heartbeat_response::TaskIds;
use ottla_protocol::{StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse};
use std::sync::Arc;

impl Beat<'_> {
    /// The answer, with the internal topics that are missing.
    pub(super) fn answer(
        mut self,
        step: &mut Step<'_>,
        request: &StreamsGroupHeartbeatRequest,
        member: &StreamsMember,
        configured: &ConfiguredTopology,
    ) -> StreamsHeartbeat {
        let interval_ms = step.shard.config.streams.heartbeat_interval_ms(&step.group_id);
        let mut response = StreamsGroupHeartbeatResponse {
            member_id: member.member_id.to_string(),
            member_epoch: member.member_epoch,
            heartbeat_interval_ms: i32::try_from(interval_ms).unwrap_or(i32::MAX),
            endpoint_information_epoch: self.group.volatile.endpoint_information_epoch,
            ..StreamsGroupHeartbeatResponse::default()
        };
        let is_new = request.member_epoch == 0 || self.before.assigned_tasks != member.assigned_tasks;
        if is_new || self.missed_an_answer(request) {
            response.active_tasks = Some(task_ids(&active_tasks(&member.assigned_tasks.active)));
            response.standby_tasks = Some(task_ids(&member.assigned_tasks.standby));
            response.warmup_tasks = Some(task_ids(&member.assigned_tasks.warmup));
        }
        if is_new && member.user_endpoint.is_some() {
            response.endpoint_information_epoch = response.endpoint_information_epoch.wrapping_add(1);
            let epoch = response.endpoint_information_epoch;
            step.change_streams(StreamsChange::EndpointInformationEpoch(epoch));
        }
        if response.endpoint_information_epoch != request.endpoint_information_epoch {
            let endpoints = endpoints::of_group(self.group, member, configured, &step.shard.topics);
            response.partitions_by_user_endpoint = Some(endpoints);
        }
        if let Some(problem) = &configured.problem {
            self.status.push(problem.code.status(problem.message.clone()));
        }
        if let Some(requested_by) = self.shutdown_requested_by(step, request, member) {
            self.status.push(StatusCode::ShutdownApplication.status(format!(
                "Streams group member {requested_by} encountered a fatal error and requested a shutdown for the entire application."
            )));
        }
        response.status = Some(self.status);
        StreamsHeartbeat { response, internal_topics: configured.topics_to_create() }
    }

    /// The member is behind, or has other tasks than it was told: it is told again.
    fn missed_an_answer(&self, request: &StreamsGroupHeartbeatRequest) -> bool {
        let assigned = &self.before.assigned_tasks;
        let differs =
            |owned: TaskSets| owned.active != active_tasks(&assigned.active) || owned.standby != assigned.standby;
        request.member_epoch != self.before.member_epoch || owned(request).is_some_and(differs)
    }

    fn shutdown_requested_by(
        &self,
        step: &mut Step<'_>,
        request: &StreamsGroupHeartbeatRequest,
        member: &StreamsMember,
    ) -> Option<Arc<str>> {
        let known = self.group.volatile.shutdown_requested_by.clone();
        if known.is_none() && request.shutdown_application {
            tracing::info!(
                group_id = &*step.group_id,
                member_id = &*member.member_id,
                "shutdown of an application requested"
            );
            step.change_streams(StreamsChange::ShutdownRequestedBy(member.member_id.clone()));
            return Some(member.member_id.clone());
        }
        known
    }
}

fn task_ids(tasks: &Tasks) -> Vec<TaskIds> {
    lists(tasks).map(|(subtopology_id, partitions)| TaskIds { subtopology_id, partitions }).collect()
}
