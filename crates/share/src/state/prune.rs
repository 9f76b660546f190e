//! What the log no longer needs. Its topic is not compacted, as in Kafka: records below the oldest of the last snapshots go.

use super::{StateDecision, StateEffect, StateShard, StateTimer, records};
use ottla_coordinator::{Change, Context, Decision};

/// Asks for the deletion of what no share partition needs.
pub(super) fn prune(shard: &StateShard) -> StateDecision {
    let mut decision = Decision::none().schedule(StateTimer::Prune, shard.config.prune_interval_ms);
    let needed = shard.entries.values().map(|entry| entry.snapshot_at).min().unwrap_or(shard.next_offset);
    if needed > 0 {
        decision.effects.push(StateEffect::DeleteRecordsBelow(needed));
    }
    decision
}

/// Snapshots of share partitions whose last one is old, while others write: those would hold the log back.
pub(super) fn snapshot_cold(shard: &StateShard, context: &Context) -> StateDecision {
    let interval_ms = shard.config.cold_snapshot_interval_ms;
    let mut decision = Decision::none().schedule(StateTimer::SnapshotCold, interval_ms);
    let is_cold = |write_timestamp_ms: i64| context.now_ms.saturating_sub(write_timestamp_ms) >= interval_ms as i64;
    // When all were written down without having changed, nothing is won by doing so again.
    if shard.entries.values().all(|entry| entry.create_timestamp_ms != entry.write_timestamp_ms) {
        return decision;
    }
    for (key, entry) in shard.entries.iter().filter(|(_, entry)| is_cold(entry.write_timestamp_ms)) {
        let mut snapshot = entry.to_snapshot();
        snapshot.snapshot_epoch += 1;
        snapshot.write_timestamp = context.now_ms;
        decision.changes.extend(records::snapshot(key, snapshot).ok().map(Change::Record));
    }
    decision
}
