//! What shards ask for: counting, and matching of regular expressions.

use super::GroupCoordinator;
use ottla_group::consumer::ConsumerEvent;
use ottla_group::{GroupCount, GroupEffect, GroupEvent};
use ottla_telemetry::GroupMetrics;
use std::sync::Arc;

/// Begins an effect of the shard of partition `index`.
pub(super) fn begin(coordinator: &Arc<GroupCoordinator>, index: i32, effect: GroupEffect) {
    match effect {
        GroupEffect::Counted(what, by) => count(&coordinator.metrics, what, by),
        GroupEffect::MatchRegexes(task) => {
            let coordinator = Arc::clone(coordinator);
            let runtime = coordinator.runtime.clone();
            runtime.spawn("broker.match-regexes", async move {
                let matched = coordinator.regexes.run(task).await;
                if let Some(shard) = coordinator.shards.get(index) {
                    // A shard that ended meanwhile needs it no more.
                    shard.notify(GroupEvent::Consumer(ConsumerEvent::RegexesMatched(matched))).await;
                }
            });
        }
    }
}

fn count(metrics: &GroupMetrics, what: GroupCount, by: u64) {
    let counter = match what {
        GroupCount::ClassicRebalances => &metrics.classic_rebalances,
        GroupCount::ConsumerRebalances => &metrics.consumer_rebalances,
        GroupCount::StreamsRebalances => &metrics.streams_rebalances,
        GroupCount::OffsetsExpired => &metrics.offset_expirations,
        GroupCount::OffsetsDeleted => &metrics.offset_deletions,
        GroupCount::MembersExpired => &metrics.members_expired,
    };
    counter.add(by);
}
