//! A new target assignment for the whole group.

use super::assignor::{self, GroupSpec, MemberSpec, SubtopologySpec};
use super::configured::ConfiguredTopology;
use super::group::{AssignmentConfigs, StreamsGroup};
use super::member::StreamsMember;
use super::records;
use super::tasks::TaskSets;
use crate::consumer::step::Step;
use crate::consumer::target::interval_has_passed;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The config of the assignor that says how many standby copies there are.
pub(crate) const NUM_STANDBY_REPLICAS: &str = "num.standby.replicas";

/// What a target assignment is made of.
pub(crate) struct NewTarget<'a> {
    pub(crate) group: &'a StreamsGroup,
    /// The group epoch that it is made for.
    pub(crate) epoch: i32,
    /// A member that is new, or other than in the group.
    pub(crate) updated: Option<&'a StreamsMember>,
    pub(crate) configured: &'a ConfiguredTopology,
    pub(crate) configs: &'a AssignmentConfigs,
}

/// Whether enough time has passed since the last assignment (`streams.assignment.interval.ms`).
pub(crate) fn is_due(step: &Step<'_>, group: &StreamsGroup) -> bool {
    let interval_ms = step.shard.config.streams.assignment_interval_ms(&group.group_id);
    interval_has_passed(group.target.timestamp_ms, interval_ms, step.context.now_ms)
}

impl NewTarget<'_> {
    /// Computes the target, writes what changed, and answers the updated member's part. While topics are missing nobody has
    /// any tasks.
    pub(crate) fn write(&self, step: &mut Step<'_>) -> Arc<TaskSets> {
        let members = self.members();
        let assignments = match self.configured.ready() {
            None => members.iter().map(|_| TaskSets::default()).collect(),
            Some(subtopologies) => {
                let subtopologies = subtopologies.iter().map(|(id, subtopology)| SubtopologySpec {
                    id: id.clone(),
                    task_count: subtopology.task_count,
                    is_stateful: subtopology.is_stateful(),
                });
                let num_standby_replicas =
                    self.configs.get(NUM_STANDBY_REPLICAS).and_then(|text| text.parse().ok()).unwrap_or(0);
                let spec = GroupSpec {
                    members: members.clone(),
                    subtopologies: subtopologies.collect(),
                    num_standby_replicas,
                };
                assignor::sticky(&spec)
            }
        };
        let mut own = Arc::default();
        for (member, tasks) in members.iter().zip(assignments) {
            let last = self.group.target.members.get(&member.member_id);
            if last.is_none_or(|last| **last != tasks) {
                step.record(records::target_member(&self.group.group_id, &member.member_id, &tasks));
            }
            if self.updated.is_some_and(|updated| updated.member_id == member.member_id) {
                own = Arc::new(tasks);
            }
        }
        step.record(records::target_epoch(&self.group.group_id, self.epoch, step.context.now_ms));
        tracing::debug!(group_id = &*self.group.group_id, epoch = self.epoch, "new assignment of tasks");
        own
    }

    fn members(&self) -> Vec<MemberSpec> {
        let mut members: BTreeMap<&str, &StreamsMember> =
            self.group.members().map(|member| (&*member.member_id, &**member)).collect();
        members.extend(self.updated.map(|member| (&*member.member_id, member)));
        let specs = members.into_values().map(|member| MemberSpec {
            member_id: member.member_id.clone(),
            process_id: member.process_id.clone(),
            target: self.group.target_of(&member.member_id),
        });
        specs.collect()
    }
}
