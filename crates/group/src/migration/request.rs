//! How every request of a classic member to a KIP-848 group is taken, and refused.

use crate::consumer::error::GroupError;
use crate::consumer::group::ConsumerGroup;
use crate::consumer::step::Step;
use crate::event::GroupReply;
use crate::shard::{GroupDecision, GroupShard};
use ottla_coordinator::{Context, Decision, ReplySlot};
use ottla_types::ErrorCode;
use std::sync::Arc;

/// Decides about a request to `group_id`, which the caller knows to be a group of KIP-848. An error changes nothing and is
/// answered as `refused` shows it.
pub(super) fn take(
    shard: &GroupShard,
    group_id: &str,
    slot: ReplySlot,
    context: &Context,
    decide: impl FnOnce(Step<'_>, &ConsumerGroup) -> Result<GroupDecision, GroupError>,
    refused: impl FnOnce(ErrorCode) -> GroupReply,
) -> GroupDecision {
    let Some(group) = shard.groups.consumer(group_id) else { return Decision::none() };
    decide(Step::new(shard, group_id, context), group).unwrap_or_else(|error| {
        tracing::debug!(group_id, %error, "refused a classic member");
        Decision::about(Arc::from(group_id)).reply(slot, refused(error.code))
    })
}
