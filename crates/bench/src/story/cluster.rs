//! What administrators see and change of the cluster: the quorum of the metadata log, reassignments.

use crate::stage::{Outcome, Stage, equal};
use ottla_client::{ClientError, RaftVoterEndpoint};
use ottla_types::{ErrorCode, TopicPartition, Uuid};
use std::collections::BTreeMap;

/// An id that no broker has.
const NOBODY: i32 = 77;

fn code<T>(result: Result<T, ClientError>) -> Option<ErrorCode> {
    result.err().and_then(|error| error.code())
}

async fn node(stage: &Stage) -> Result<i32, Box<dyn std::error::Error>> {
    let brokers = stage.admin.describe_cluster().await?.brokers;
    Ok(*brokers.keys().next().ok_or("no broker")?)
}

pub(crate) async fn quorum(stage: &Stage) -> Outcome {
    let node = node(stage).await?;
    let quorum = stage.admin.describe_quorum().await?;
    equal("leader", quorum.leader_id, node)?;
    equal("voters", quorum.voters.iter().map(|voter| voter.replica_id).collect(), vec![node])?;
    equal("observers", quorum.observers.len(), 0)?;
    equal("it has committed", quorum.leader_epoch > 0 && quorum.high_watermark > 0, true)?;
    let voter = quorum.voters.first().ok_or("no voter")?;
    equal("the leader is not behind", voter.log_end_offset >= quorum.high_watermark, true)?;
    equal("times are told", voter.last_fetch_timestamp.is_some() && voter.last_caught_up_timestamp.is_some(), true)?;
    equal("it listens", quorum.endpoints.get(&node).is_some_and(|endpoints| !endpoints.is_empty()), true)
}

/// Changes of the voters that every quorum refuses, be they fixed or not.
pub(crate) async fn voters(stage: &Stage) -> Outcome {
    let directory = Uuid([7; 16]);
    let endpoint = RaftVoterEndpoint { listener: "CONTROLLER".to_string(), host: "127.0.0.1".to_string(), port: 1 };
    let endpoints = [endpoint];
    let admin = &stage.admin;
    let added = admin.add_raft_voter(NOBODY, directory, &endpoints, Some("another")).await;
    equal("to another cluster", code(added), Some(ErrorCode::InconsistentClusterId))?;
    let added = admin.add_raft_voter(NOBODY, Uuid::ZERO, &endpoints, None).await;
    equal("without a directory", code(added), Some(ErrorCode::InvalidRequest))?;
    let removed = admin.remove_raft_voter(NOBODY, directory, Some("another")).await;
    equal("from another cluster", code(removed), Some(ErrorCode::InconsistentClusterId))?;
    let removed = admin.remove_raft_voter(NOBODY, Uuid::ZERO, None).await;
    equal("nobody's directory", code(removed), Some(ErrorCode::InvalidRequest))?;
    let removed = code(admin.remove_raft_voter(NOBODY, directory, None).await);
    // A quorum whose voters are fixed says so; another one does not have this voter.
    let reasons = [ErrorCode::UnsupportedVersion, ErrorCode::VoterNotFound];
    equal(&format!("a voter that there is not: {removed:?}"), removed.is_some_and(|code| reasons.contains(&code)), true)
}

pub(crate) async fn reassignments(stage: &Stage) -> Outcome {
    let (node, name) = (node(stage).await?, stage.topic(1).await?);
    let partition = TopicPartition::new(name.as_str(), 0);
    let unknown = TopicPartition::new(name.as_str(), 5);
    let admin = &stage.admin;
    let outcome = async |partition: &TopicPartition, target: Option<Vec<i32>>, may_change: bool| {
        let mut results =
            admin.alter_partition_reassignments(&[(partition.clone(), target)].into(), may_change).await?;
        let result = results.remove(partition).ok_or_else(|| format!("{partition} has no result"))?;
        Ok::<_, Box<dyn std::error::Error>>(code(result))
    };
    equal("to where it is", outcome(&partition, Some(vec![node]), false).await?, None)?;
    equal("of all", admin.list_partition_reassignments(None).await?, BTreeMap::new())?;
    let of_one = admin.list_partition_reassignments(Some(&[partition.clone()].into())).await?;
    equal("of one", of_one, BTreeMap::new())?;
    let cancelled = outcome(&partition, None, true).await?;
    equal("nothing to cancel", cancelled, Some(ErrorCode::NoReassignmentInProgress))?;
    for target in [vec![NOBODY], vec![node, node]] {
        let what = format!("to {target:?}");
        equal(&what, outcome(&partition, Some(target), true).await?, Some(ErrorCode::InvalidReplicaAssignment))?;
    }
    let missing = outcome(&unknown, Some(vec![node]), true).await?;
    equal("no such partition", missing, Some(ErrorCode::UnknownTopicOrPartition))
}
