//! What share groups are asked, and what they answer.

use crate::event::GroupReply;
use ottla_protocol::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse, DeleteShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsResponse, ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse,
    share_group_describe_response,
};
use ottla_types::{ErrorCode, Uuid};
use std::collections::BTreeMap;

/// A request to one share group.
#[derive(Debug, Clone, PartialEq)]
pub enum ShareRequest {
    /// ShareGroupHeartbeat.
    Heartbeat(ShareGroupHeartbeatRequest),
    /// One group of a ShareGroupDescribe.
    Describe(String),
    /// The partitions that have a state at the share coordinator.
    Partitions(String),
    /// AlterShareGroupOffsets: checked, and written down as initializing.
    AlterOffsets(AlterShareGroupOffsetsRequest),
    /// DeleteShareGroupOffsets: checked, and written down as deleting.
    DeleteOffsets(DeleteShareGroupOffsetsRequest),
    /// All states of a group without members are going to be deleted, and then the group.
    BeginDelete(String),
    /// How the initialisation of states went.
    StateInitialized {
        /// The group.
        group_id: String,
        /// Partitions by topic.
        topics: BTreeMap<Uuid, Vec<i32>>,
        /// Whether they are initialised; if not they are forgotten, and tried again with the next heartbeat.
        is_ok: bool,
    },
    /// The states of these topics are deleted.
    StateDeleted {
        /// The group.
        group_id: String,
        /// The topics.
        topics: Vec<Uuid>,
    },
}

/// States at the share coordinator that are to be initialised or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateCall {
    /// The epoch that fences older states.
    pub state_epoch: i32,
    /// Partitions and their start offsets (-1: not decided yet), by topic.
    pub topics: BTreeMap<Uuid, Vec<(i32, i64)>>,
}

/// The answer to a [`ShareRequest`].
#[derive(Debug, Clone, PartialEq)]
pub enum ShareReply {
    /// ShareGroupHeartbeat, and the states that have to be initialised.
    Heartbeat(ShareGroupHeartbeatResponse, Option<StateCall>),
    /// ShareGroupDescribe of one group.
    Describe(share_group_describe_response::DescribedGroup),
    /// Partitions that have a state, by topic. Nothing for a group that does not exist, or is of another kind.
    Partitions(BTreeMap<Uuid, Vec<i32>>),
    /// AlterShareGroupOffsets, and the states that have to be initialised.
    AlterOffsets(AlterShareGroupOffsetsResponse, Option<StateCall>),
    /// DeleteShareGroupOffsets, and the states that have to be deleted.
    DeleteOffsets(DeleteShareGroupOffsetsResponse, Option<StateCall>),
    /// The states that have to be deleted; nothing for groups of other kinds.
    BeginDelete(Result<StateCall, ErrorCode>),
    /// What the broker told is written down.
    Done(ErrorCode),
}

impl StateCall {
    /// The partitions without their start offsets.
    pub fn partitions(&self) -> BTreeMap<Uuid, Vec<i32>> {
        let of = |partitions: &Vec<(i32, i64)>| partitions.iter().map(|(partition, _)| *partition).collect();
        self.topics.iter().map(|(topic_id, partitions)| (*topic_id, of(partitions))).collect()
    }
}

impl ShareRequest {
    /// The group that the request is about.
    pub fn group_id(&self) -> &str {
        match self {
            ShareRequest::Heartbeat(request) => &request.group_id,
            ShareRequest::AlterOffsets(request) => &request.group_id,
            ShareRequest::DeleteOffsets(request) => &request.group_id,
            ShareRequest::Describe(group_id)
            | ShareRequest::Partitions(group_id)
            | ShareRequest::BeginDelete(group_id)
            | ShareRequest::StateInitialized { group_id, .. }
            | ShareRequest::StateDeleted { group_id, .. } => group_id,
        }
    }

    /// The answer when the whole request fails with `error`.
    pub fn failed(&self, error: ErrorCode) -> GroupReply {
        let error_code = error.code();
        GroupReply::Share(match self {
            ShareRequest::Heartbeat(_) => ShareReply::Heartbeat(
                ShareGroupHeartbeatResponse { error_code, ..ShareGroupHeartbeatResponse::default() },
                None,
            ),
            ShareRequest::Describe(group_id) => ShareReply::Describe(share_group_describe_response::DescribedGroup {
                group_id: group_id.clone(),
                error_code,
                ..Default::default()
            }),
            ShareRequest::AlterOffsets(_) => ShareReply::AlterOffsets(
                AlterShareGroupOffsetsResponse { error_code, ..AlterShareGroupOffsetsResponse::default() },
                None,
            ),
            ShareRequest::DeleteOffsets(_) => ShareReply::DeleteOffsets(
                DeleteShareGroupOffsetsResponse { error_code, ..DeleteShareGroupOffsetsResponse::default() },
                None,
            ),
            ShareRequest::BeginDelete(_) => ShareReply::BeginDelete(Err(error)),
            ShareRequest::Partitions(_) | ShareRequest::StateInitialized { .. } | ShareRequest::StateDeleted { .. } => {
                ShareReply::Done(error)
            }
        })
    }
}
