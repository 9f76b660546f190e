//! After loading: every member has its whole session timeout to be heard of.

use super::group::ClassicGroup;
use super::step::ClassicStep;
use crate::shard::{GroupDecision, GroupShard};
use ottla_coordinator::Context;
use std::sync::Arc;

/// What a loaded group needs: timers, and a rebalance when it has more members than may be by now.
pub fn loaded(shard: &GroupShard, group: &ClassicGroup, context: &Context, decision: &mut GroupDecision) {
    if group.members.is_empty() {
        return;
    }
    let mut step = ClassicStep::new(shard, group.clone(), context);
    let members: Vec<Arc<str>> = group.members.keys().cloned().collect();
    for member_id in &members {
        step.schedule_heartbeat(member_id);
    }
    let loaded = if members.len() > shard.config.max_size {
        step.prepare_rebalance("the loaded group is larger than group.max.size");
        step.finish()
    } else {
        step.unchanged()
    };
    decision.changes.extend(loaded.changes);
    decision.timers.extend(loaded.timers);
    decision.replies.extend(loaded.replies);
}
