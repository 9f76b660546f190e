//! The state of one streams group: what its records say, what follows from them, and a little that is not in the log.

use super::configured::ConfiguredTopology;
use super::member::StreamsMember;
use super::tasks::{AssignedTasks, TaskSets};
use super::topology::StreamsTopology;
use crate::group::GroupId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Configs that the assignor obeys, by name.
pub(crate) type AssignmentConfigs = BTreeMap<String, String>;

/// The last target assignment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TargetAssignment {
    /// The group epoch that it was made for.
    pub(crate) epoch: i32,
    /// When it was made, milliseconds since the epoch; 0 when that is not known.
    pub(crate) timestamp_ms: i64,
    pub(crate) members: BTreeMap<Arc<str>, Arc<TaskSets>>,
}

/// What is gone when the group is loaded again.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct StreamsVolatileState {
    /// When the topics are looked at again although nobody said that they changed; 0 is at once.
    pub(crate) metadata_refresh_ms: i64,
    /// What the topology and the topics make; None is to be found out.
    pub(crate) configured: Option<Arc<ConfiguredTopology>>,
    /// The member that asked the whole application to shut down.
    pub(crate) shutdown_requested_by: Option<Arc<str>>,
    /// Rises when the tasks of a member with an endpoint change.
    pub(crate) endpoint_information_epoch: i32,
    /// The first assignment waits for more members; a timer ends that.
    pub(crate) awaits_members: bool,
}

/// A group of Kafka Streams threads (KIP-1071).
#[derive(Debug, Clone, PartialEq)]
pub struct StreamsGroup {
    pub(crate) group_id: GroupId,
    pub(crate) group_epoch: i32,
    /// Hash of the topology's topics as they were when the epoch was last raised.
    pub(crate) metadata_hash: i64,
    /// The topology epoch for which all topics were found in order, -1 when they were not.
    pub(crate) validated_topology_epoch: i32,
    pub(crate) last_assignment_configs: AssignmentConfigs,
    pub(crate) topology: Option<Arc<StreamsTopology>>,
    pub(crate) target: TargetAssignment,
    pub(crate) volatile: StreamsVolatileState,
    members: BTreeMap<Arc<str>, Arc<StreamsMember>>,
    /// The process that has each active task, also one that it is giving up.
    active_owners: BTreeMap<String, BTreeMap<i32, Arc<str>>>,
    /// Processes with a standby or warm-up copy, and how many members of theirs have it.
    copy_owners: BTreeMap<String, BTreeMap<i32, BTreeMap<Arc<str>, usize>>>,
}

impl StreamsGroup {
    /// A group without members and without topology.
    pub(crate) fn new(group_id: GroupId) -> StreamsGroup {
        StreamsGroup {
            group_id,
            group_epoch: 1,
            metadata_hash: 0,
            validated_topology_epoch: -1,
            last_assignment_configs: AssignmentConfigs::new(),
            topology: None,
            target: TargetAssignment { epoch: 1, timestamp_ms: 0, members: BTreeMap::new() },
            volatile: StreamsVolatileState::default(),
            members: BTreeMap::new(),
            active_owners: BTreeMap::new(),
            copy_owners: BTreeMap::new(),
        }
    }

    /// Whether it has no members.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// `group_state` as Kafka shows it. Walks the members while the group reconciles.
    pub(crate) fn state_name(&self) -> &'static str {
        let is_ready = self.topology.as_ref().is_some_and(|topology| topology.epoch == self.validated_topology_epoch);
        if self.members.is_empty() {
            "Empty"
        } else if !is_ready {
            "NotReady"
        } else if self.group_epoch > self.target.epoch {
            "Assigning"
        } else if self.members.values().all(|member| member.is_reconciled_to(self.target.epoch)) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    /// Whether its application reads the topic: its offsets neither expire nor may be deleted. An empty group reads nothing.
    pub(crate) fn is_subscribed_to_topic(&self, topic: &str) -> bool {
        !self.is_empty() && self.topology.as_ref().is_some_and(|topology| topology.subtopology_of(topic).is_some())
    }

    pub(crate) fn member(&self, member_id: &str) -> Option<&Arc<StreamsMember>> {
        self.members.get(member_id)
    }

    /// All members, ordered by id.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Arc<StreamsMember>> {
        self.members.values()
    }

    pub(crate) fn member_count(&self) -> usize {
        self.members.len()
    }

    /// The process that has the task as active one.
    pub(crate) fn active_owner(&self, subtopology_id: &str, partition: i32) -> Option<&str> {
        self.active_owners.get(subtopology_id)?.get(&partition).map(|process_id| &**process_id)
    }

    /// How many standby and warm-up copies of the task the process has.
    pub(crate) fn copies_in(&self, process_id: &str, subtopology_id: &str, partition: i32) -> usize {
        let owners = self.copy_owners.get(subtopology_id).and_then(|owners| owners.get(&partition));
        owners.and_then(|owners| owners.get(process_id)).copied().unwrap_or(0)
    }

    /// The target assignment of a member; empty when it has none.
    pub(crate) fn target_of(&self, member_id: &str) -> Arc<TaskSets> {
        self.target.members.get(member_id).cloned().unwrap_or_default()
    }

    /// Puts a member in the place of the one with its id.
    pub(crate) fn update_member(&mut self, member: StreamsMember) {
        let member = Arc::new(member);
        if let Some(before) = self.members.insert(member.member_id.clone(), member.clone()) {
            self.release(&before);
        }
        self.own(&member);
    }

    /// Forgets a member.
    pub(crate) fn remove_member(&mut self, member_id: &str) {
        let Some(before) = self.members.remove(member_id) else { return };
        self.release(&before);
        if self.members.is_empty() {
            self.volatile.shutdown_requested_by = None;
        }
    }

    /// The group as its records alone tell it.
    #[cfg(test)]
    pub(crate) fn without_volatile(&self) -> StreamsGroup {
        StreamsGroup { volatile: StreamsVolatileState::default(), ..self.clone() }
    }

    fn own(&mut self, member: &StreamsMember) {
        for tasks in [&member.assigned_tasks, &member.tasks_pending_revocation] {
            for (id, partitions) in &tasks.active {
                let owners = self.active_owners.entry(id.clone()).or_default();
                owners.extend(partitions.keys().map(|partition| (*partition, member.process_id.clone())));
            }
            for (id, partition) in copies(tasks) {
                let owners = self.copy_owners.entry(id.clone()).or_default().entry(partition).or_default();
                *owners.entry(member.process_id.clone()).or_default() += 1;
            }
        }
    }

    fn release(&mut self, member: &StreamsMember) {
        for tasks in [&member.assigned_tasks, &member.tasks_pending_revocation] {
            for (id, partitions) in &tasks.active {
                let Some(owners) = self.active_owners.get_mut(id) else { continue };
                for partition in partitions.keys() {
                    if owners.get(partition).is_some_and(|process_id| *process_id == member.process_id) {
                        owners.remove(partition);
                    }
                }
                if owners.is_empty() {
                    self.active_owners.remove(id);
                }
            }
            for (id, partition) in copies(tasks) {
                self.release_copy(id, partition, &member.process_id);
            }
        }
    }

    fn release_copy(&mut self, id: &str, partition: i32, process_id: &str) {
        let Some(partitions) = self.copy_owners.get_mut(id) else { return };
        let Some(owners) = partitions.get_mut(&partition) else { return };
        if let Some(count) = owners.get_mut(process_id) {
            *count -= 1;
            if *count == 0 {
                owners.remove(process_id);
            }
        }
        if owners.is_empty() {
            partitions.remove(&partition);
        }
        if partitions.is_empty() {
            self.copy_owners.remove(id);
        }
    }
}

/// Standby and warm-up tasks.
fn copies(tasks: &AssignedTasks) -> impl Iterator<Item = (&String, i32)> {
    tasks
        .standby
        .iter()
        .chain(tasks.warmup.iter())
        .flat_map(|(id, partitions)| partitions.iter().map(move |partition| (id, *partition)))
}
