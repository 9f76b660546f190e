//! A member of a classic group.

use bytes::Bytes;
use ottla_coordinator::ReplySlot;
use ottla_protocol::describe_groups_response::DescribedGroupMember;
use ottla_protocol::join_group_request::JoinGroupRequestProtocol;
use std::sync::Arc;

/// The embedded protocols of a member, in the order of its preference, with the metadata of each.
pub type Protocols = Arc<[JoinGroupRequestProtocol]>;

/// A member of a classic group. What waits, and `is_new`, is not in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassicMember {
    /// Made by the coordinator: client id or instance id, `-` and a UUID.
    pub member_id: Arc<str>,
    /// `group.instance.id` of a static member (KIP-345).
    pub group_instance_id: Option<Arc<str>>,
    /// Of the request that joined.
    pub client_id: Arc<str>,
    /// Of the request that joined.
    pub client_host: Arc<str>,
    /// How long a rebalance waits for it, milliseconds.
    pub rebalance_timeout_ms: i32,
    /// How long it may be silent, milliseconds.
    pub session_timeout_ms: i32,
    /// What it can do, first what it prefers.
    pub protocols: Protocols,
    /// What the leader assigned to it.
    pub assignment: Bytes,
    /// Its JoinGroup that waits for the others.
    pub awaiting_join: Option<ReplySlot>,
    /// Its SyncGroup that waits for the leader's.
    pub awaiting_sync: Option<ReplySlot>,
    /// Has never got an answer to a JoinGroup: expires after the new-member timeout even while it waits.
    pub is_new: bool,
}

impl ClassicMember {
    /// The metadata that it sent for a protocol; empty when it does not support it.
    pub fn metadata(&self, protocol_name: &str) -> Bytes {
        self.protocols
            .iter()
            .find(|protocol| protocol.name == protocol_name)
            .map(|protocol| protocol.metadata.clone())
            .unwrap_or_default()
    }

    /// Whether silence is excused: a member whose request waits here cannot send heartbeats.
    pub fn has_satisfied_heartbeat(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }

    /// The same protocols with the same metadata in the same order of preference.
    pub fn matches(&self, protocols: &[JoinGroupRequestProtocol]) -> bool {
        *self.protocols == *protocols
    }

    /// For DescribeGroups. Without a protocol the metadata stays empty.
    pub fn describe(&self, protocol_name: Option<&str>) -> DescribedGroupMember {
        DescribedGroupMember {
            member_id: self.member_id.to_string(),
            group_instance_id: self.group_instance_id.as_deref().map(str::to_string),
            client_id: self.client_id.to_string(),
            client_host: self.client_host.to_string(),
            member_metadata: protocol_name.map(|name| self.metadata(name)).unwrap_or_default(),
            member_assignment: self.assignment.clone(),
        }
    }
}
