//! The quorum of the metadata log: who leads it, how far its replicas are (KIP-595, KIP-836), and which voters it has
//! (KIP-853).

use super::Admin;
use crate::call::Call;
use crate::error::ClientError;
use ottla_protocol::describe_quorum_request::{PartitionData, TopicData};
use ottla_protocol::describe_quorum_response::{self, ReplicaState};
use ottla_protocol::{AddRaftVoterRequest, DescribeQuorumRequest, RemoveRaftVoterRequest, add_raft_voter_request};
use ottla_types::Uuid;
use std::collections::BTreeMap;
use std::fmt;

/// Kafka's name of the metadata log; it has one partition.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// The quorum of the metadata log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuorumInfo {
    /// Node id of the leader.
    pub leader_id: i32,
    /// Its epoch.
    pub leader_epoch: i32,
    /// Offset up to which the log is committed; -1 when it is not known.
    pub high_watermark: i64,
    /// Those who vote, in the order of the broker's answer.
    pub voters: Vec<QuorumReplica>,
    /// Those who follow without a vote, in the order of the broker's answer.
    pub observers: Vec<QuorumReplica>,
    /// Where the voters listen, by node id; empty from brokers before Kafka 3.9.
    pub endpoints: BTreeMap<i32, Vec<RaftVoterEndpoint>>,
}

/// A replica of the metadata log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuorumReplica {
    /// Node id.
    pub replica_id: i32,
    /// Id of its metadata directory; zero when it is not known.
    pub directory_id: Uuid,
    /// Where its log ends; -1 when it is not known.
    pub log_end_offset: i64,
    /// When it fetched last by the leader's clock, in milliseconds since the epoch; `None` when that is not known.
    pub last_fetch_timestamp: Option<i64>,
    /// When it last had everything, in milliseconds since the epoch; `None` when that is not known.
    pub last_caught_up_timestamp: Option<i64>,
}

/// Where a voter of the quorum listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RaftVoterEndpoint {
    /// Name of the listener, for example `CONTROLLER`.
    pub listener: String,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for RaftVoterEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RaftVoterEndpoint { listener, host, port } = self;
        match host.contains(':') {
            true => write!(f, "{listener}://[{host}]:{port}"),
            false => write!(f, "{listener}://{host}:{port}"),
        }
    }
}

impl Admin {
    /// Who leads the quorum of the metadata log, and how far its voters and observers are.
    ///
    /// # Errors
    /// CLUSTER_AUTHORIZATION_FAILED, UNKNOWN_TOPIC_OR_PARTITION, REQUEST_TIMED_OUT, `NoCommonVersion` with brokers that have
    /// no such quorum ... and those of the connection.
    pub fn describe_quorum<'a>(&'a self) -> Call<'a, QuorumInfo> {
        Box::pin(async move {
            let partitions = vec![PartitionData { partition_index: 0 }];
            let topics = vec![TopicData { topic_name: METADATA_TOPIC.to_string(), partitions }];
            let request = DescribeQuorumRequest { topics };
            let subject = || "metadata quorum".to_string();
            self.patiently(|| async {
                let response = self.client.controller().await?.send(&request).await?;
                ClientError::check(response.error_code, response.error_message.as_deref(), subject)?;
                let topic = response.topics.into_iter().find(|topic| topic.topic_name == METADATA_TOPIC);
                let partition =
                    topic.and_then(|topic| topic.partitions.into_iter().find(|row| row.partition_index == 0));
                let partition = partition.ok_or_else(|| ClientError::missing("DescribeQuorum", METADATA_TOPIC))?;
                ClientError::check(partition.error_code, partition.error_message.as_deref(), subject)?;
                Ok(QuorumInfo {
                    leader_id: partition.leader_id,
                    leader_epoch: partition.leader_epoch,
                    high_watermark: partition.high_watermark,
                    voters: partition.current_voters.iter().map(replica).collect(),
                    observers: partition.observers.iter().map(replica).collect(),
                    endpoints: response
                        .nodes
                        .into_iter()
                        .map(|node| (node.node_id, endpoints(node.listeners)))
                        .collect(),
                })
            })
            .await
        })
    }

    /// Adds a controller to the voters; with a `cluster_id` only if the cluster has this id.
    ///
    /// # Errors
    /// INCONSISTENT_CLUSTER_ID, INVALID_REQUEST, DUPLICATE_VOTER, UNSUPPORTED_VERSION where voters are fixed ... and those of
    /// the connection.
    pub fn add_raft_voter<'a>(
        &'a self,
        voter_id: i32,
        directory_id: Uuid,
        endpoints: &'a [RaftVoterEndpoint],
        cluster_id: Option<&'a str>,
    ) -> Call<'a, ()> {
        Box::pin(async move {
            let listener = |endpoint: &RaftVoterEndpoint| add_raft_voter_request::Listener {
                name: endpoint.listener.clone(),
                host: endpoint.host.clone(),
                port: endpoint.port,
            };
            let request = AddRaftVoterRequest {
                cluster_id: cluster_id.map(str::to_string),
                timeout_ms: self.timeout_ms(),
                voter_id,
                voter_directory_id: directory_id,
                listeners: endpoints.iter().map(listener).collect(),
                ack_when_committed: true,
            };
            self.patiently(|| async {
                let response = self.client.controller().await?.send(&request).await?;
                let message = response.error_message.as_deref();
                ClientError::check(response.error_code, message, || format!("voter {voter_id}"))
            })
            .await
        })
    }

    /// Takes a controller out of the voters; with a `cluster_id` only if the cluster has this id.
    ///
    /// # Errors
    /// INCONSISTENT_CLUSTER_ID, INVALID_REQUEST, VOTER_NOT_FOUND, UNSUPPORTED_VERSION where voters are fixed ... and those of
    /// the connection.
    pub fn remove_raft_voter<'a>(
        &'a self,
        voter_id: i32,
        directory_id: Uuid,
        cluster_id: Option<&'a str>,
    ) -> Call<'a, ()> {
        Box::pin(async move {
            let cluster_id = cluster_id.map(str::to_string);
            let request = RemoveRaftVoterRequest { cluster_id, voter_id, voter_directory_id: directory_id };
            self.patiently(|| async {
                let response = self.client.controller().await?.send(&request).await?;
                let message = response.error_message.as_deref();
                ClientError::check(response.error_code, message, || format!("voter {voter_id}"))
            })
            .await
        })
    }
}

fn replica(state: &ReplicaState) -> QuorumReplica {
    // -1 stands for a time that is not known.
    let known = |timestamp: i64| Some(timestamp).filter(|timestamp| *timestamp >= 0);
    QuorumReplica {
        replica_id: state.replica_id,
        directory_id: state.replica_directory_id,
        log_end_offset: state.log_end_offset,
        last_fetch_timestamp: known(state.last_fetch_timestamp),
        last_caught_up_timestamp: known(state.last_caught_up_timestamp),
    }
}

fn endpoints(listeners: Vec<describe_quorum_response::Listener>) -> Vec<RaftVoterEndpoint> {
    let endpoint = |listener: describe_quorum_response::Listener| RaftVoterEndpoint {
        listener: listener.name,
        host: listener.host,
        port: listener.port,
    };
    listeners.into_iter().map(endpoint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_are_not_known_are_none() {
        let state = ReplicaState { last_fetch_timestamp: -1, last_caught_up_timestamp: 7, ..ReplicaState::default() };
        let replica = replica(&state);
        assert_eq!((replica.last_fetch_timestamp, replica.last_caught_up_timestamp), (None, Some(7)));
    }

    #[test]
    fn endpoints_are_written_as_kafka_does() {
        let text = |host: &str| {
            RaftVoterEndpoint { listener: "CONTROLLER".to_string(), host: host.to_string(), port: 9093 }.to_string()
        };
        assert_eq!(text("a"), "CONTROLLER://a:9093");
        assert_eq!(text("::1"), "CONTROLLER://[::1]:9093");
    }
}
