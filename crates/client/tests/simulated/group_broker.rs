//! Groups of the small broker: one member in each, which leads and gets what it asks for.

use super::broker::{Inside, topic_id};
use bytes::Bytes;
use ottla_protocol::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use ottla_protocol::join_group_response::JoinGroupResponseMember;
use ottla_protocol::{
    AnyResponse, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, HeartbeatResponse, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};

/// See the module.
#[derive(Default)]
pub(crate) struct Groups {
    /// Rounds that were joined.
    pub(crate) generation: i32,
    /// LeaveGroup requests.
    pub(crate) left: usize,
    /// Topics of the member with KIP-848.
    subscribed: Vec<String>,
    /// Partitions that it was told.
    told: usize,
}

const MEMBER: &str = "the-member";

pub(crate) fn join(inside: &mut Inside, request: &JoinGroupRequest) -> AnyResponse {
    inside.groups.generation += 1;
    let protocol = &request.protocols[0];
    let metadata = protocol.metadata.clone();
    let member = JoinGroupResponseMember { member_id: MEMBER.to_string(), metadata, ..Default::default() };
    JoinGroupResponse {
        generation_id: inside.groups.generation,
        protocol_type: Some("consumer".to_string()),
        protocol_name: Some(protocol.name.clone()),
        leader: MEMBER.to_string(),
        member_id: MEMBER.to_string(),
        members: vec![member],
        ..Default::default()
    }
    .into()
}

pub(crate) fn sync(request: &SyncGroupRequest) -> AnyResponse {
    let assignment = request.assignments.first().map_or_else(Bytes::new, |row| row.assignment.clone());
    SyncGroupResponse { assignment, ..Default::default() }.into()
}

pub(crate) fn heartbeat() -> AnyResponse {
    HeartbeatResponse::default().into()
}

pub(crate) fn leave(inside: &mut Inside) -> AnyResponse {
    inside.groups.left += 1;
    LeaveGroupResponse::default().into()
}

/// KIP-848: all partitions of the topics that there are.
pub(crate) fn beat(inside: &mut Inside, request: &ConsumerGroupHeartbeatRequest) -> AnyResponse {
    if let Some(topics) = &request.subscribed_topic_names {
        inside.groups.subscribed = topics.clone();
    }
    let topics: Vec<(&String, usize)> = inside
        .groups
        .subscribed
        .iter()
        .filter_map(|name| inside.topics.get(name).map(|topic| (name, topic.partitions.len())))
        .collect();
    let count = topics.iter().map(|(_, count)| count).sum();
    let row = |(name, count): &(&String, usize)| TopicPartitions {
        topic_id: topic_id(name),
        partitions: (0..).take(*count).collect(),
    };
    let is_news = count != inside.groups.told || request.member_epoch == 0;
    let assignment = is_news.then(|| Assignment { topic_partitions: topics.iter().map(row).collect() });
    inside.groups.told = count;
    ConsumerGroupHeartbeatResponse {
        member_id: Some(request.member_id.clone()),
        member_epoch: 1,
        heartbeat_interval_ms: 5000,
        assignment,
        ..Default::default()
    }
    .into()
}
