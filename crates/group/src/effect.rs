//! What a group shard asks of others, when what it decided is committed.

use crate::consumer::RegexTask;

/// Done by the broker when the decision is committed.
#[derive(Debug)]
pub enum GroupEffect {
    /// Something to count.
    Counted(GroupCount, u64),
    /// Expressions to be matched with topics; the result comes back as [`crate::GroupEvent::RegexesMatched`].
    MatchRegexes(RegexTask),
}

impl GroupEffect {
    /// Adds to what is counted.
    pub(crate) fn count(effects: &mut Vec<GroupEffect>, what: GroupCount, by: u64) {
        match effects.last_mut() {
            Some(GroupEffect::Counted(last, count)) if *last == what => *count += by,
            _ => effects.push(GroupEffect::Counted(what, by)),
        }
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupCount {
    /// Rebalances of classic groups that ended with an assignment.
    ClassicRebalances,
    /// Rises of the epoch of KIP-848 groups.
    ConsumerRebalances,
    /// Rises of the epoch of streams groups.
    StreamsRebalances,
    /// Offsets that expired.
    OffsetsExpired,
    /// Offsets that were deleted.
    OffsetsDeleted,
    /// Members that were removed because they did not do in time what they had to.
    MembersExpired,
}
