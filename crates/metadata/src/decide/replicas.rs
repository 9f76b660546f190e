//! Replicas of new partitions: placed by us, or as the request says.

use crate::image::LeaderRecoveryState;
use crate::placement::{UsableBroker, place};
use crate::{ApiError, MetadataImage, Partition, directory_id};
use ottla_types::{ErrorCode, LeaderEpoch, NodeId};

/// Places `count` partitions.
pub(super) fn placed(
    image: &MetadataImage,
    count: usize,
    replication_factor: usize,
    seed: u64,
) -> Result<Vec<Partition>, ApiError> {
    let refuse = |reason: String| {
        let text = format!("Unable to replicate the partition {replication_factor} time(s): {reason}");
        ApiError::new(ErrorCode::InvalidReplicationFactor, text)
    };
    let usable: Vec<UsableBroker> = image
        .brokers()
        .filter(|broker| !broker.in_controlled_shutdown && broker.has_uncordoned_directories())
        .map(|broker| UsableBroker { id: broker.id, rack: broker.rack.clone(), fenced: broker.fenced })
        .collect();
    let placements = place(&usable, count, replication_factor, seed).map_err(refuse)?;
    Ok(placements.into_iter().map(|replicas| new_partition(image, replicas)).collect())
}

/// Refuses assignments that name no broker, unknown ones, or one twice.
pub(super) fn check_brokers(image: &MetadataImage, broker_ids: &[i32]) -> Result<(), ApiError> {
    let refuse = |text: String| Err(ApiError::new(ErrorCode::InvalidReplicaAssignment, text));
    if broker_ids.is_empty() {
        return refuse("The manual partition assignment includes an empty replica list.".to_string());
    }
    let mut sorted = broker_ids.to_vec();
    sorted.sort_unstable();
    for (position, id) in sorted.iter().enumerate() {
        let Some(broker) = image.broker(NodeId(*id)) else {
            return refuse(format!(
                "The manual partition assignment includes broker {id}, but no such broker is registered."
            ));
        };
        if !broker.has_uncordoned_directories() {
            return refuse(format!(
                "The manual partition assignment includes broker {id}, but all its log directories are cordoned."
            ));
        }
        if sorted[..position].contains(id) {
            return refuse(format!("The manual partition assignment includes the broker {id} more than once."));
        }
    }
    Ok(())
}

/// Checks one assignment of the request.
pub(super) fn assigned(
    image: &MetadataImage,
    index: i32,
    broker_ids: &[i32],
    replication_factor: Option<usize>,
) -> Result<Partition, ApiError> {
    let refuse = |text: String| Err(ApiError::new(ErrorCode::InvalidReplicaAssignment, text));
    check_brokers(image, broker_ids)?;
    if let Some(expected) = replication_factor.filter(|expected| *expected != broker_ids.len()) {
        return refuse(format!(
            "The manual partition assignment includes a partition with {} replica(s), but this is not consistent with \
             previous partitions, which have {expected} replica(s).",
            broker_ids.len()
        ));
    }
    let partition = new_partition(image, broker_ids.iter().copied().map(NodeId).collect());
    match partition.leader {
        Some(_) => Ok(partition),
        None => refuse(format!(
            "All brokers specified in the manual partition assignment for partition {index} are fenced or in controlled \
             shutdown."
        )),
    }
}

/// A partition that starts on these brokers: the active ones are in sync, the first of them leads.
fn new_partition(image: &MetadataImage, replicas: Vec<NodeId>) -> Partition {
    let directory =
        |node: &NodeId| image.broker(*node).map_or(directory_id::UNASSIGNED, |broker| broker.default_directory());
    let isr: Vec<NodeId> = replicas.iter().copied().filter(|node| image.is_active(*node)).collect();
    Partition {
        directories: replicas.iter().map(directory).collect(),
        replicas,
        leader: isr.first().copied(),
        isr,
        removing_replicas: Vec::new(),
        adding_replicas: Vec::new(),
        leader_recovery_state: LeaderRecoveryState::Recovered,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: 0,
        eligible_leader_replicas: Vec::new(),
        last_known_elr: Vec::new(),
    }
}
