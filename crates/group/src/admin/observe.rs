//! For metrics: what a shard holds. Walks all groups, but shows a bounded number of offsets.

use crate::event::GroupReply;
use crate::group::{Group, GroupId};
use crate::shard::{GroupDecision, GroupShard};
use ottla_coordinator::{Decision, ReplySlot};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// Whose.
    pub group_id: GroupId,
    /// Of which topic.
    pub topic: Arc<str>,
    /// Of which partition.
    pub partition: i32,
    /// The next record to read.
    pub offset: i64,
}

/// What a shard holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// Groups by type and state, as ListGroups names them.
    pub groups: BTreeMap<(&'static str, &'static str), u64>,
    /// Members by type of their group.
    pub members: BTreeMap<&'static str, u64>,
    /// The first of the committed offsets, by group.
    pub offsets: Vec<CommittedOffset>,
    /// How many committed offsets there are in all.
    pub offset_count: u64,
}

/// Looks at everything, and shows at most `offsets_max` offsets.
pub fn handle(shard: &GroupShard, offsets_max: usize, slot: ReplySlot) -> GroupDecision {
    let mut observed = Observed::default();
    for (_, group) in shard.groups.iter() {
        *observed.groups.entry((group.type_name(), group.state_name())).or_default() += 1;
        let members = match group {
            Group::Classic(group) => group.members.len(),
            Group::Consumer(group) => group.member_count(),
            Group::Streams(group) => group.member_count(),
            Group::Share(group) => group.member_count(),
        };
        *observed.members.entry(group.type_name()).or_default() += members as u64;
    }
    for (group_id, topics) in shard.offsets.committed() {
        for (topic, partitions) in topics {
            observed.offset_count += partitions.len() as u64;
            let room = offsets_max.saturating_sub(observed.offsets.len());
            let shown = partitions.iter().take(room).map(|(partition, offset)| CommittedOffset {
                group_id: group_id.clone(),
                topic: topic.clone(),
                partition: *partition,
                offset: offset.committed_offset,
            });
            observed.offsets.extend(shown);
        }
    }
    Decision::none().reply(slot, GroupReply::Observe(observed))
}
