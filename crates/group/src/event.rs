//! What comes in and what goes out: one variant per request, each about one group.
//!
//! Requests that carry several groups (OffsetFetch, DescribeGroups, DeleteGroups, ConsumerGroupDescribe) are split by the
//! broker, one event per group, because groups of one request may live in different shards. ListGroups goes to every
//! shard. Authorization, and filling topic names for ids where a request has them, has happened before.

use crate::admin::Observed;
use crate::config::GroupConfig;
use crate::consumer::ConsumerEvent;
use crate::group::GroupId;
use crate::share::{ShareReply, ShareRequest};
use crate::streams::StreamsHeartbeat;
use crate::topics::GroupTopics;
use ottla_coordinator::VerificationGuard;
use ottla_protocol::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, HeartbeatRequest, HeartbeatResponse,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest, OffsetCommitRequest,
    OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, StreamsGroupHeartbeatRequest, SyncGroupRequest,
    SyncGroupResponse, TxnOffsetCommitRequest, TxnOffsetCommitResponse, consumer_group_describe_response,
    describe_groups_response, list_groups_response, offset_fetch_request, offset_fetch_response,
    streams_group_describe_response,
};
use ottla_types::{ErrorCode, Uuid};
use std::sync::Arc;

/// Who asks, and in which version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestContext {
    /// The request's version.
    pub api_version: i16,
    /// `client_id` of the request's header; empty when the client sent none.
    pub client_id: Arc<str>,
    /// Address of the client as Kafka shows it: `/` and the IP address.
    pub client_host: Arc<str>,
    /// Why the regular expression of a ConsumerGroupHeartbeat cannot be read, if so ([`ottla_re2::Re2Pattern::compile`]).
    pub regex_error: Option<Arc<str>>,
}

/// OffsetFetch for one group: how the broker splits the request.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetFetch {
    /// The group, and its topics (None asks for all). Up to version 7 the broker makes it of the request's own fields.
    /// Topics of version 10 have their names filled in by the broker.
    pub group: offset_fetch_request::OffsetFetchRequestGroup,
    /// Answer UNSTABLE_OFFSET_COMMIT where a transaction is open (KIP-447).
    pub require_stable: bool,
}

/// A request to one group, or a ListGroups to one shard.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupRequest {
    /// JoinGroup.
    JoinGroup(JoinGroupRequest),
    /// SyncGroup.
    SyncGroup(SyncGroupRequest),
    /// Heartbeat.
    Heartbeat(HeartbeatRequest),
    /// LeaveGroup; up to version 2 the one member stands in `member_id`.
    LeaveGroup(LeaveGroupRequest),
    /// OffsetCommit. Topics of version 10 have their names filled in; topics that do not exist were taken out before.
    OffsetCommit(OffsetCommitRequest),
    /// TxnOffsetCommit, and what is known of its transaction. Topics that do not exist were taken out before.
    TxnOffsetCommit(TxnOffsetCommitRequest, VerificationGuard),
    /// One group of an OffsetFetch.
    OffsetFetch(OffsetFetch),
    /// OffsetDelete. Topics that do not exist were taken out before.
    OffsetDelete(OffsetDeleteRequest),
    /// One group of a DescribeGroups.
    DescribeGroup(String),
    /// ListGroups, of one shard.
    ListGroups(ListGroupsRequest),
    /// One group of a DeleteGroups.
    DeleteGroup(String),
    /// For metrics: how many groups, and at most so many committed offsets, of one shard.
    Observe(usize),
    /// ConsumerGroupHeartbeat.
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatRequest),
    /// One group of a ConsumerGroupDescribe.
    ConsumerGroupDescribe(String),
    /// StreamsGroupHeartbeat. Names of topics in its topology were checked before.
    StreamsGroupHeartbeat(StreamsGroupHeartbeatRequest),
    /// One group of a StreamsGroupDescribe.
    StreamsGroupDescribe(String),
    /// What share groups are asked.
    Share(ShareRequest),
}

impl GroupRequest {
    /// The request without what only its handling needs: enough for [`GroupRequest::failed`], and small while the request
    /// waits for others.
    pub fn without_payload(&self) -> GroupRequest {
        match self {
            GroupRequest::JoinGroup(request) => GroupRequest::JoinGroup(JoinGroupRequest {
                group_id: request.group_id.clone(),
                member_id: request.member_id.clone(),
                ..JoinGroupRequest::default()
            }),
            GroupRequest::SyncGroup(request) => GroupRequest::SyncGroup(SyncGroupRequest {
                group_id: request.group_id.clone(),
                member_id: request.member_id.clone(),
                ..SyncGroupRequest::default()
            }),
            GroupRequest::Heartbeat(_) => GroupRequest::Heartbeat(HeartbeatRequest::default()),
            GroupRequest::ConsumerGroupHeartbeat(_) => {
                GroupRequest::ConsumerGroupHeartbeat(ConsumerGroupHeartbeatRequest::default())
            }
            GroupRequest::StreamsGroupHeartbeat(_) => {
                GroupRequest::StreamsGroupHeartbeat(StreamsGroupHeartbeatRequest::default())
            }
            other => other.clone(),
        }
    }
}

/// A topic that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedTopic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id: offsets of a newer topic of the same name stay.
    pub id: Uuid,
}

/// An event of a group shard.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly every event is a request")]
pub enum GroupEvent {
    /// Somebody asks, and waits for an answer.
    Request(RequestContext, GroupRequest),
    /// The cluster's topics have changed. The broker sends the newest to every shard, and once after loading.
    MetadataChanged(GroupTopics),
    /// Configs of the broker or of groups have changed.
    ConfigChanged(Arc<GroupConfig>),
    /// Topics were deleted: their offsets go too.
    TopicsDeleted(Vec<DeletedTopic>),
    /// Time to look for offsets that have expired and groups that are empty, also sent by the shard's own timer
    /// (`offsets.retention.check.interval.ms`).
    ExpireOffsets,
    /// The part of an `ExpireOffsets` that one group is about.
    ExpireGroup(GroupId),
    /// The part of a `TopicsDeleted` that one group is about.
    ForgetTopics(GroupId, Arc<[DeletedTopic]>),
    /// Time to look for offsets of topics that do not exist any more. Their tombstones may have been lost in an append that
    /// failed, with the coordinator that should have written them.
    ForgetDeleted,
    /// What a KIP-848 group asks of itself, and the result of a [`crate::GroupEffect::MatchRegexes`].
    Consumer(ConsumerEvent),
}

/// The answer to a [`GroupRequest`] of the same name.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupReply {
    /// JoinGroup.
    JoinGroup(JoinGroupResponse),
    /// SyncGroup.
    SyncGroup(SyncGroupResponse),
    /// Heartbeat.
    Heartbeat(HeartbeatResponse),
    /// LeaveGroup.
    LeaveGroup(LeaveGroupResponse),
    /// OffsetCommit.
    OffsetCommit(OffsetCommitResponse),
    /// TxnOffsetCommit.
    TxnOffsetCommit(TxnOffsetCommitResponse),
    /// OffsetFetch of one group, topics in the order of the request.
    OffsetFetch(offset_fetch_response::OffsetFetchResponseGroup),
    /// OffsetDelete.
    OffsetDelete(OffsetDeleteResponse),
    /// DescribeGroups of one group.
    DescribeGroup(describe_groups_response::DescribedGroup),
    /// ListGroups of one shard.
    ListGroups(Vec<list_groups_response::ListedGroup>),
    /// DeleteGroups of one group.
    DeleteGroup(ErrorCode),
    /// Observe.
    Observe(Observed),
    /// ConsumerGroupHeartbeat.
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatResponse),
    /// ConsumerGroupDescribe of one group.
    ConsumerGroupDescribe(consumer_group_describe_response::DescribedGroup),
    /// StreamsGroupHeartbeat, with internal topics to be created.
    StreamsGroupHeartbeat(StreamsHeartbeat),
    /// StreamsGroupDescribe of one group.
    StreamsGroupDescribe(streams_group_describe_response::DescribedGroup),
    /// What share groups answer.
    Share(ShareReply),
}
