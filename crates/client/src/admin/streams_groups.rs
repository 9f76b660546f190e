//! Streams groups (KIP-1071): what Kafka Streams applications compute, and who has which tasks.
//!
//! Their listing, deletion and committed offsets are those of all groups: [`Admin::list_groups`] with the type `Streams`,
//! [`Admin::delete_group`], [`Admin::list_group_offsets`] and its neighbours.

use super::Admin;
use crate::error::ClientError;
use ottla_protocol::{StreamsGroupDescribeRequest, streams_group_describe_response};
use std::collections::BTreeMap;

/// A streams group in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamsGroupDescription {
    /// Group id: the `application.id`.
    pub group_id: String,
    /// `Stable`, `Empty`, `NotReady`, `Assigning`, `Reconciling` or `Dead`.
    pub state: String,
    /// Counts changes of members, topology and topics.
    pub group_epoch: i32,
    /// The group epoch that the assignment was made for.
    pub assignment_epoch: i32,
    /// Counts changes of the topology.
    pub topology_epoch: i32,
    /// The parts of the topology.
    pub subtopologies: Vec<Subtopology>,
    /// Node id of its coordinator.
    pub coordinator_id: i32,
    /// Address of its coordinator, `host:port`.
    pub coordinator: String,
    /// Its members.
    pub members: Vec<StreamsMemberDescription>,
}

/// A part of a topology: processors that are connected without a topic between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subtopology {
    /// Its id.
    pub subtopology_id: String,
    /// Topics of others that it reads.
    pub source_topics: Vec<String>,
    /// Repartition topics that it writes.
    pub repartition_sink_topics: Vec<String>,
    /// Repartition topics that it reads.
    pub repartition_source_topics: Vec<String>,
    /// Topics behind its state stores.
    pub state_changelog_topics: Vec<String>,
}

/// A member of a streams group: a thread of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamsMemberDescription {
    /// Member id.
    pub member_id: String,
    /// Member epoch.
    pub member_epoch: i32,
    /// `group.instance.id` of a static member.
    pub group_instance_id: Option<String>,
    /// `client.rack`.
    pub rack_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// The topology that it runs.
    pub topology_epoch: i32,
    /// The process that it is a thread of.
    pub process_id: String,
    /// `application.server`: where its state stores can be queried, host and port.
    pub user_endpoint: Option<(String, u16)>,
    /// Its tasks.
    pub assignment: StreamsTasks,
    /// The tasks that it is to get.
    pub target_assignment: StreamsTasks,
    /// Whether it still speaks the classic protocol.
    pub is_classic: bool,
}

/// Tasks of a member by their role; partitions by subtopology id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamsTasks {
    /// Tasks that it processes.
    pub active: Vec<(String, Vec<i32>)>,
    /// Tasks whose state it keeps a copy of.
    pub standby: Vec<(String, Vec<i32>)>,
    /// Tasks whose state it restores before it gets them.
    pub warmup: Vec<(String, Vec<i32>)>,
}

impl Admin {
    /// Streams groups in detail, each from its coordinator.
    ///
    /// # Errors
    /// Of each group: GROUP_ID_NOT_FOUND (also for a group of another type), GROUP_AUTHORIZATION_FAILED ... and those of the
    /// connection.
    pub async fn describe_streams_groups(
        &self,
        group_ids: &[&str],
    ) -> BTreeMap<String, Result<StreamsGroupDescription, ClientError>> {
        let mut described = BTreeMap::new();
        for group_id in group_ids {
            let result = self.group_operation(group_id, || self.describe_streams_group(group_id)).await;
            described.insert((*group_id).to_string(), result);
        }
        described
    }

    async fn describe_streams_group(&self, group_id: &str) -> Result<StreamsGroupDescription, ClientError> {
        let coordinator = self.client.group_coordinator(group_id).await?;
        let group_ids = vec![group_id.to_string()];
        let request = StreamsGroupDescribeRequest { group_ids, include_authorized_operations: false };
        let response = coordinator.send(&request).await?;
        let found = response.groups.into_iter().next();
        let found = found.ok_or_else(|| ClientError::missing("StreamsGroupDescribe", group_id))?;
        let subject = || format!("streams group '{group_id}'");
        ClientError::check(found.error_code, found.error_message.as_deref(), subject)?;
        let topology = found.topology.ok_or_else(|| ClientError::missing("StreamsGroupDescribe", "the topology"))?;
        Ok(StreamsGroupDescription {
            group_id: found.group_id,
            state: found.group_state,
            group_epoch: found.group_epoch,
            assignment_epoch: found.assignment_epoch,
            topology_epoch: topology.epoch,
            subtopologies: topology.subtopologies.unwrap_or_default().into_iter().map(subtopology).collect(),
            coordinator_id: self.client.known_coordinator(group_id).unwrap_or(-1),
            coordinator: coordinator.address().to_string(),
            members: found.members.into_iter().map(member).collect(),
        })
    }
}

fn subtopology(found: streams_group_describe_response::Subtopology) -> Subtopology {
    let names =
        |topics: Vec<streams_group_describe_response::TopicInfo>| topics.into_iter().map(|topic| topic.name).collect();
    Subtopology {
        subtopology_id: found.subtopology_id,
        source_topics: found.source_topics,
        repartition_sink_topics: found.repartition_sink_topics,
        repartition_source_topics: names(found.repartition_source_topics),
        state_changelog_topics: names(found.state_changelog_topics),
    }
}

fn member(found: streams_group_describe_response::Member) -> StreamsMemberDescription {
    StreamsMemberDescription {
        member_id: found.member_id,
        member_epoch: found.member_epoch,
        group_instance_id: found.instance_id,
        rack_id: found.rack_id,
        client_id: found.client_id,
        host: found.client_host,
        topology_epoch: found.topology_epoch,
        process_id: found.process_id,
        user_endpoint: found.user_endpoint.map(|endpoint| (endpoint.host, endpoint.port)),
        assignment: tasks(found.assignment),
        target_assignment: tasks(found.target_assignment),
        is_classic: found.is_classic,
    }
}

fn tasks(found: streams_group_describe_response::Assignment) -> StreamsTasks {
    let pairs = |tasks: Vec<streams_group_describe_response::TaskIds>| {
        tasks.into_iter().map(|tasks| (tasks.subtopology_id, tasks.partitions)).collect()
    };
    StreamsTasks {
        active: pairs(found.active_tasks),
        standby: pairs(found.standby_tasks),
        warmup: pairs(found.warmup_tasks),
    }
}
