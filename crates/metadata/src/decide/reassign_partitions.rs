//! AlterPartitionReassignments (KIP-455, KIP-860): which brokers hold a partition.
//!
//! A reassignment adds the new replicas at once and takes the old ones away when the new ones are in sync. Where no new
//! replica is needed (another order, or fewer replicas) it is done with one record.

use super::replicas::check_brokers;
use crate::image::records::ids;
use crate::{ApiError, Decision, Entry, MetadataImage, Partition, directory_id};
use ottla_protocol::alter_partition_reassignments_request::ReassignablePartition;
use ottla_protocol::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use ottla_protocol::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, MetadataRecord, PartitionChangeRecord,
};
use ottla_types::{ErrorCode, NodeId, Uuid};

/// Begins, changes and cancels reassignments; each partition for itself.
pub fn alter_partition_reassignments(
    image: &MetadataImage,
    request: &AlterPartitionReassignmentsRequest,
) -> Decision<AlterPartitionReassignmentsResponse> {
    let mut records = Entry::new();
    let mut responses = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for target in &topic.partitions {
            let outcome = reassign(image, &topic.name, target, request.allow_replication_factor_change);
            let error = match outcome {
                Ok(record) => {
                    records.extend(record.map(MetadataRecord::PartitionChange));
                    ErrorCode::None.into()
                }
                Err(error) => error,
            };
            partitions.push(ReassignablePartitionResponse {
                partition_index: target.partition_index,
                error_code: error.code.code(),
                error_message: error.message,
            });
        }
        responses.push(ReassignableTopicResponse { name: topic.name.clone(), partitions });
    }
    let response = AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: request.allow_replication_factor_change,
        responses,
        ..Default::default()
    };
    Decision::atomic(records, response)
}

fn reassign(
    image: &MetadataImage,
    name: &str,
    target: &ReassignablePartition,
    may_change_factor: bool,
) -> Result<Option<PartitionChangeRecord>, ApiError> {
    let unknown = |text: String| ApiError::new(ErrorCode::UnknownTopicOrPartition, text);
    let index = target.partition_index;
    let topic = image.topic(name).ok_or_else(|| unknown(format!("Unable to find a topic named {name}.")))?;
    let partition =
        topic.partition(index).ok_or_else(|| unknown(format!("Unable to find partition {name}:{index}.")))?;
    let plan = match &target.replicas {
        Some(replicas) => {
            check_brokers(image, replicas)?;
            let replicas: Vec<NodeId> = replicas.iter().copied().map(NodeId).collect();
            check_factor(partition, &replicas, may_change_factor)?;
            Plan::towards(partition, replicas)
        }
        None => Plan::back(partition)?,
    };
    plan.into_record(image, topic.id, index, partition)
}

fn check_factor(partition: &Partition, replicas: &[NodeId], may_change: bool) -> Result<(), ApiError> {
    let current = partition.replicas.iter().filter(|node| !partition.removing_replicas.contains(node)).count();
    if may_change || current == replicas.len() {
        return Ok(());
    }
    let text = format!("The replication factor is changed from {current} to {}", replicas.len());
    Err(ApiError::new(ErrorCode::InvalidReplicationFactor, text))
}

/// How a partition shall stand.
struct Plan {
    replicas: Vec<NodeId>,
    isr: Vec<NodeId>,
    adding: Vec<NodeId>,
    removing: Vec<NodeId>,
}

impl Plan {
    /// On the way to `target`, or there if nothing has to be waited for.
    fn towards(partition: &Partition, target: Vec<NodeId>) -> Plan {
        let minus = |all: &[NodeId], others: &[NodeId]| {
            let mut left: Vec<NodeId> = all.iter().copied().filter(|node| !others.contains(node)).collect();
            left.sort_unstable();
            left
        };
        let removing = minus(&partition.replicas, &target);
        // Those of a reassignment under way are still to come.
        let is_coming = |node: &NodeId| !partition.replicas.contains(node) || partition.adding_replicas.contains(node);
        let mut adding: Vec<NodeId> = target.iter().copied().filter(is_coming).collect();
        adding.sort_unstable();
        let staying: Vec<NodeId> = partition.isr.iter().copied().filter(|node| !removing.contains(node)).collect();
        let is_reduced = adding.len() < removing.len();
        let is_there = !staying.is_empty()
            && adding.iter().all(|node| staying.contains(node))
            && (!is_reduced || target.iter().all(|node| staying.contains(node)));
        match is_there {
            true => Plan { replicas: target, isr: staying, adding: Vec::new(), removing: Vec::new() },
            false => {
                let replicas = target.into_iter().chain(removing.iter().copied()).collect();
                Plan { replicas, isr: partition.isr.clone(), adding, removing }
            }
        }
    }

    /// As it was before the reassignment that is under way.
    fn back(partition: &Partition) -> Result<Plan, ApiError> {
        if partition.adding_replicas.is_empty() && partition.removing_replicas.is_empty() {
            return Err(ErrorCode::NoReassignmentInProgress.into());
        }
        let stays = |node: &NodeId| !partition.adding_replicas.contains(node);
        let isr: Vec<NodeId> = partition.isr.iter().copied().filter(stays).collect();
        if isr.is_empty() {
            let text = "Unable to revert partition assignment because it would require an unclean leader election.";
            return Err(ApiError::new(ErrorCode::InvalidReplicaAssignment, text));
        }
        let replicas = partition.replicas.iter().copied().filter(stays).collect();
        Ok(Plan { replicas, isr, adding: Vec::new(), removing: Vec::new() })
    }

    fn into_record(
        self,
        image: &MetadataImage,
        topic_id: Uuid,
        partition_id: i32,
        before: &Partition,
    ) -> Result<Option<PartitionChangeRecord>, ApiError> {
        let mut record = PartitionChangeRecord { topic_id, partition_id, ..Default::default() };
        let mut is_changed = false;
        let mut set = |field: &mut Option<Vec<i32>>, now: &[NodeId], before: &[NodeId]| {
            if now != before {
                *field = Some(ids(now));
                is_changed = true;
            }
        };
        set(&mut record.replicas, &self.replicas, &before.replicas);
        set(&mut record.isr, &self.isr, &before.isr);
        set(&mut record.adding_replicas, &self.adding, &before.adding_replicas);
        set(&mut record.removing_replicas, &self.removing, &before.removing_replicas);
        if !is_changed {
            return Ok(None);
        }
        if record.replicas.is_some() {
            record.directories = Some(directories(image, before, &self.replicas));
        }
        let can_lead = |node: &NodeId| self.isr.contains(node) && image.is_active(*node);
        let leader = before.leader.filter(can_lead).or_else(|| self.replicas.iter().copied().find(can_lead));
        let loses_replicas = before.replicas.iter().any(|node| !self.replicas.contains(node));
        // A leader that stays gets a new epoch when replicas go, so that they cannot come back with the old one.
        if leader != before.leader || loses_replicas {
            record.leader = leader.map_or(-1, |leader| leader.0);
        }
        Ok(Some(record))
    }
}

/// Replicas that stay keep their directory.
fn directories(image: &MetadataImage, before: &Partition, replicas: &[NodeId]) -> Vec<Uuid> {
    let known = |node: &NodeId| before.replicas.iter().position(|other| other == node).map(|at| before.directories[at]);
    let fresh =
        |node: &NodeId| image.broker(*node).map_or(directory_id::UNASSIGNED, |broker| broker.default_directory());
    replicas.iter().map(|node| known(node).unwrap_or_else(|| fresh(node))).collect()
}

#[cfg(test)]
#[path = "reassign_partitions/tests.rs"]
mod tests;
