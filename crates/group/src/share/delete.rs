//! DeleteGroups of a share group: first its states at the share coordinator, then its records.

use super::group::ShareGroup;
use super::request::{ShareReply, StateCall};
use super::{answer, records};
use crate::consumer::step::Step;
use crate::event::GroupReply;
use crate::shard::{GroupDecision, GroupShard};
use ottla_coordinator::{Context, Record, ReplySlot};
use ottla_types::ErrorCode;
use std::collections::BTreeMap;

/// All states of the group are going to be deleted. Groups of other kinds have none.
pub(super) fn begin(shard: &GroupShard, group_id: &str, slot: ReplySlot, context: &Context) -> GroupDecision {
    let begun = |outcome| ShareReply::BeginDelete(outcome);
    let Some(group) = shard.groups.share(group_id) else {
        return answer(group_id, slot, begun(Ok(StateCall::default())));
    };
    if !group.is_empty() {
        return answer(group_id, slot, begun(Err(ErrorCode::NonEmptyGroup)));
    }
    let mut partitions = group.partitions.clone();
    let mut call = StateCall { state_epoch: group.group_epoch, topics: BTreeMap::new() };
    for topic_id in partitions.topics() {
        let deleted = partitions.begin_delete(topic_id, &shard.topics).unwrap_or_default();
        call.topics.insert(topic_id, deleted.into_iter().map(|partition| (partition, -1)).collect());
    }
    let mut step = Step::new(shard, group_id, context);
    if partitions != group.partitions {
        step.record(records::partitions(group_id, &partitions));
    }
    step.reply(slot, GroupReply::Share(begun(Ok(call))));
    step.finish().unwrap_or_else(|error| answer(group_id, slot, begun(Err(error.code))))
}

/// Tombstones of a group's own records; replaying them forgets the group.
pub(crate) fn tombstones(group: &ShareGroup) -> Vec<Record> {
    let group_id = &group.group_id;
    let mut all = Vec::new();
    for member_id in group.members.keys() {
        all.extend(records::current_tombstone(group_id, member_id));
        all.extend(records::target_member_tombstone(group_id, member_id));
        all.extend(records::member_tombstone(group_id, member_id));
    }
    all.extend(records::target_epoch_tombstone(group_id));
    all.extend(records::partitions_tombstone(group_id));
    all.extend(records::epoch_tombstone(group_id));
    all
}
