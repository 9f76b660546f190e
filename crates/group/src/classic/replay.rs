//! GroupMetadata records: how a classic group stands in the log, and back.
//!
//! Written whenever a generation begins to be `Stable`, when a static member gets a new id, and when the group becomes
//! empty; in version 3, as Kafka 4.3 does. A loaded group is `Stable` or `Empty`: members whose rebalance was under way
//! find out by their next request and join again.

use super::group::ClassicGroup;
use super::member::ClassicMember;
use super::state::ClassicState;
use crate::group::{Group, GroupId, Groups};
use crate::records;
use bytes::Bytes;
use ottla_coordinator::{Position, Record};
use ottla_protocol::group_metadata_value::MemberMetadata;
use ottla_protocol::join_group_request::JoinGroupRequestProtocol;
use ottla_protocol::{GroupMetadataKey, GroupMetadataValue, GroupRecordKey, GroupRecordValue};
use ottla_types::ErrorCode;
use std::sync::Arc;

const VERSION: i16 = 3;

/// Room that a batch needs around one record.
const BATCH_OVERHEAD_BYTES: usize = 128;

/// The record of a group as it is now.
///
/// # Errors
/// UNKNOWN_SERVER_ERROR when it would be larger than `max_bytes`, or a string does not fit.
pub fn group_metadata_record(group: &ClassicGroup, max_bytes: usize) -> Result<Record, ErrorCode> {
    let protocol = group.protocol_name.as_deref().map(str::to_string);
    let members = group.members.values().map(|member| MemberMetadata {
        member_id: member.member_id.to_string(),
        group_instance_id: member.group_instance_id.as_deref().map(str::to_string),
        client_id: member.client_id.to_string(),
        client_host: member.client_host.to_string(),
        rebalance_timeout: member.rebalance_timeout_ms,
        session_timeout: member.session_timeout_ms,
        subscription: protocol.as_deref().map(|name| member.metadata(name)).unwrap_or_default(),
        assignment: member.assignment.clone(),
    });
    let value = GroupMetadataValue {
        protocol_type: group.protocol_type.as_deref().unwrap_or("").to_string(),
        generation: group.generation_id,
        protocol: protocol.clone(),
        leader: group.leader_id.as_deref().map(str::to_string),
        current_state_timestamp: group.state_timestamp_ms.unwrap_or(-1),
        members: members.collect(),
    };
    let key = GroupRecordKey::GroupMetadata(GroupMetadataKey { group: group.group_id.to_string() });
    let record = records::record_of_version(key, GroupRecordValue::GroupMetadata(value), VERSION);
    let record = record.map_err(|_| ErrorCode::UnknownServerError)?;
    let bytes = record.key.len() + record.value.as_ref().map_or(0, Bytes::len) + BATCH_OVERHEAD_BYTES;
    if bytes > max_bytes { Err(ErrorCode::UnknownServerError) } else { Ok(record) }
}

/// Replays a GroupMetadata record: the group is what the record says, nothing else.
pub fn replay(groups: &mut Groups, key: &GroupMetadataKey, value: Option<GroupRecordValue>, _position: Position) {
    let Some(GroupRecordValue::GroupMetadata(value)) = value else {
        groups.remove(&key.group);
        return;
    };
    let group_id = GroupId::from(key.group.as_str());
    groups.put(group_id.clone(), Group::Classic(from_value(group_id, value)));
}

fn from_value(group_id: GroupId, value: GroupMetadataValue) -> ClassicGroup {
    let timestamp = (value.current_state_timestamp != -1).then_some(value.current_state_timestamp);
    let mut group = ClassicGroup::new(group_id, timestamp);
    let protocol_type = value.protocol_type;
    if !value.members.is_empty() {
        group.state = ClassicState::Stable;
    }
    group.protocol_type = (!protocol_type.is_empty()).then(|| Arc::from(protocol_type.as_str()));
    group.protocol_name = value.protocol.as_deref().map(Arc::from);
    group.generation_id = value.generation;
    group.leader_id = value.leader.as_deref().map(Arc::from);
    for member in value.members {
        let protocol = value.protocol.clone().unwrap_or_default();
        let fits = !group.members.contains_key(member.member_id.as_str())
            && member.group_instance_id.as_deref().is_none_or(|id| !group.static_members.contains_key(id));
        if !fits {
            tracing::warn!(group = %group.group_id, member = %member.member_id, "member stands twice in a record, skipped");
            continue;
        }
        group.add_member(loaded_member(member, protocol), &protocol_type);
    }
    group.subscribed_topics = group.compute_subscribed_topics();
    group
}

/// Bytes are copied: a slice would keep all of the batch that the record came in.
fn loaded_member(member: MemberMetadata, protocol: String) -> ClassicMember {
    let metadata = Bytes::copy_from_slice(&member.subscription);
    let unknown = member.rebalance_timeout == -1;
    ClassicMember {
        member_id: Arc::from(member.member_id),
        group_instance_id: member.group_instance_id.map(Arc::from),
        client_id: Arc::from(member.client_id),
        client_host: Arc::from(member.client_host),
        rebalance_timeout_ms: if unknown { member.session_timeout } else { member.rebalance_timeout },
        session_timeout_ms: member.session_timeout,
        protocols: Arc::from([JoinGroupRequestProtocol { name: protocol, metadata }]),
        assignment: Bytes::copy_from_slice(&member.assignment),
        awaiting_join: None,
        awaiting_sync: None,
        is_new: false,
    }
}
