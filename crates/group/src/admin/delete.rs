//! DeleteGroups of one group, versions 0-2 (KIP-229): its offsets and its own records.
//!
//! Errors: GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP.

use crate::event::GroupReply;
use crate::group::{Group, GroupId};
use crate::offsets;
use crate::records;
use crate::shard::{GroupDecision, GroupShard};
use crate::share;
use ottla_coordinator::{Change, Decision, Record, ReplySlot};
use ottla_protocol::{GroupMetadataKey, GroupRecordKey};
use ottla_types::ErrorCode;

/// Decides about the deletion of a group.
pub fn handle(shard: &GroupShard, group_id: &str, slot: ReplySlot) -> GroupDecision {
    let group_id = GroupId::from(group_id);
    // A group has as many offsets as it likes. Its own tombstone comes last: until then it may be deleted again.
    let mut decision = GroupDecision { is_atomic: false, ..Decision::about(group_id.clone()) };
    let error = match validate(shard, &group_id) {
        Ok(group) => {
            offsets::delete::all_offsets(shard, &group_id, &mut decision);
            decision.changes.extend(tombstones(&group_id, group).into_iter().map(Change::Record));
            ErrorCode::None
        }
        Err(error) => error,
    };
    decision.split().reply(slot, GroupReply::DeleteGroup(error))
}

fn validate<'a>(shard: &'a GroupShard, group_id: &str) -> Result<&'a Group, ErrorCode> {
    let group = shard.groups.get(group_id).ok_or(ErrorCode::GroupIdNotFound)?;
    match group {
        Group::Classic(classic) if !classic.is_empty() => Err(ErrorCode::NonEmptyGroup),
        Group::Classic(_) => Ok(group),
        Group::Consumer(consumer) => consumer.validate_delete_group().map(|()| group),
        Group::Streams(streams) => streams.validate_delete_group().map(|()| group),
        Group::Share(share) if !share.is_empty() => Err(ErrorCode::NonEmptyGroup),
        Group::Share(_) => Ok(group),
    }
}

/// Tombstones of a group's own records; replaying them forgets the group.
pub fn tombstones(group_id: &GroupId, group: &Group) -> Vec<Record> {
    match group {
        Group::Classic(_) => {
            let key = GroupRecordKey::GroupMetadata(GroupMetadataKey { group: group_id.to_string() });
            records::tombstone(key).into_iter().collect()
        }
        Group::Consumer(group) => group.tombstones(group_id),
        Group::Streams(group) => group.tombstones(),
        Group::Share(group) => share::tombstones(group),
    }
}
