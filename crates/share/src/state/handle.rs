//! What is decided about each request.
//!
//! Errors: INVALID_REQUEST for a state that was never initialised, FENCED_STATE_EPOCH, FENCED_LEADER_EPOCH.

use super::entry::{Entry, to_update_batch};
use super::{
    StateAnswer, StateBatch, StateDecision, StateError, StateKey, StateReply, StateRequest, StateShard, batches,
    records,
};
use ottla_coordinator::{Change, Context, Decision, Record, ReplySlot};
use ottla_protocol::{EncodeError, ShareUpdateValue};
use ottla_types::{ErrorCode, Uuid};

type Decided = Result<(Option<Record>, StateAnswer), StateError>;

pub(super) fn request(
    shard: &StateShard,
    key: StateKey,
    request: StateRequest,
    slot: ReplySlot,
    context: &Context,
) -> StateDecision {
    let decided = match request {
        StateRequest::Initialize { state_epoch, start_offset } => {
            initialize(shard, &key, state_epoch, start_offset, context)
        }
        StateRequest::Read { leader_epoch } => read(shard, &key, leader_epoch, context),
        StateRequest::Write { state_epoch, leader_epoch, start_offset, delivery_complete_count, batches } => {
            let written = Written { start_offset, delivery_complete_count, batches };
            write(shard, &key, state_epoch, leader_epoch, written, context)
        }
        StateRequest::Delete => delete(shard, &key),
        StateRequest::Summary => Ok((None, summary(shard, &key))),
    };
    let (record, reply): (_, StateReply) = match decided {
        Ok((record, answer)) => (record, Ok(answer)),
        Err(error) => (None, Err(error)),
    };
    let mut decision = Decision::about(key).reply(slot, reply);
    decision.changes.extend(record.map(Change::Record));
    decision
}

/// Tombstones for the states of topics that are gone.
pub(super) fn topics_deleted(shard: &StateShard, topics: &[Uuid]) -> StateDecision {
    let gone = shard.entries.keys().filter(|key| topics.contains(&key.topic_id));
    let mut decision = Decision::none();
    decision.changes.extend(gone.filter_map(|key| records::tombstone(key).ok()).map(Change::Record));
    decision
}

/// What a Write brings.
struct Written {
    start_offset: i64,
    delivery_complete_count: i32,
    batches: Vec<StateBatch>,
}

fn initialize(shard: &StateShard, key: &StateKey, state_epoch: i32, start_offset: i64, context: &Context) -> Decided {
    let known = shard.entries.get(key);
    if known.is_some_and(|known| state_epoch != -1 && known.state_epoch > state_epoch) {
        return Err(fenced_state(known, state_epoch));
    }
    let entry = Entry {
        snapshot_epoch: known.map_or(0, |known| known.snapshot_epoch + 1),
        state_epoch,
        leader_epoch: known.map_or(0, |known| known.leader_epoch),
        start_offset,
        // Without a start offset nothing is consumed yet, and there is no lag to count.
        delivery_complete_count: if start_offset == -1 { -1 } else { 0 },
        create_timestamp_ms: context.now_ms,
        write_timestamp_ms: context.now_ms,
        batches: Vec::new(),
        updates: 0,
        snapshot_at: 0,
    };
    let record = records::snapshot(key, entry.to_snapshot()).map_err(too_long)?;
    Ok((Some(record), StateAnswer::default()))
}

fn read(shard: &StateShard, key: &StateKey, leader_epoch: i32, context: &Context) -> Decided {
    let entry = existing(shard, key)?;
    check_leader_epoch(entry, leader_epoch)?;
    if leader_epoch == -1 || leader_epoch == entry.leader_epoch {
        return Ok((None, entry.answer()));
    }
    // From now on older leaders are fenced.
    let unchanged = Written {
        start_offset: entry.start_offset,
        delivery_complete_count: entry.delivery_complete_count,
        batches: Vec::new(),
    };
    let record = next_record(shard, key, entry, leader_epoch, unchanged, context)?;
    Ok((Some(record), StateAnswer { leader_epoch, ..entry.answer() }))
}

fn write(
    shard: &StateShard,
    key: &StateKey,
    state_epoch: i32,
    leader_epoch: i32,
    written: Written,
    context: &Context,
) -> Decided {
    let entry = existing(shard, key)?;
    check_leader_epoch(entry, leader_epoch)?;
    if state_epoch != -1 && entry.state_epoch > state_epoch {
        return Err(fenced_state(Some(entry), state_epoch));
    }
    let record = next_record(shard, key, entry, entry.leader_epoch, written, context)?;
    Ok((Some(record), StateAnswer::default()))
}

fn delete(shard: &StateShard, key: &StateKey) -> Decided {
    match shard.entries.get(key) {
        Some(_) => Ok((Some(records::tombstone(key).map_err(too_long)?), StateAnswer::default())),
        None => Ok((None, StateAnswer::default())),
    }
}

fn summary(shard: &StateShard, key: &StateKey) -> StateAnswer {
    match shard.entries.get(key) {
        Some(entry) => StateAnswer { batches: Vec::new(), ..entry.answer() },
        None => StateAnswer { start_offset: -1, delivery_complete_count: -1, ..StateAnswer::default() },
    }
}

/// An update, or a snapshot when there have been enough of those.
fn next_record(
    shard: &StateShard,
    key: &StateKey,
    entry: &Entry,
    leader_epoch: i32,
    written: Written,
    context: &Context,
) -> Result<Record, StateError> {
    let Written { start_offset, delivery_complete_count, batches: states } = written;
    if entry.updates < shard.config.updates_per_snapshot {
        let update = ShareUpdateValue {
            snapshot_epoch: entry.snapshot_epoch,
            leader_epoch,
            start_offset,
            delivery_complete_count,
            state_batches: batches::combine(&[], &states, start_offset).iter().map(to_update_batch).collect(),
        };
        return records::update(key, update).map_err(too_long);
    }
    let start_offset = start_offset.max(entry.start_offset);
    let snapshot = Entry {
        snapshot_epoch: entry.snapshot_epoch + 1,
        leader_epoch,
        start_offset,
        delivery_complete_count,
        create_timestamp_ms: context.now_ms,
        write_timestamp_ms: context.now_ms,
        batches: batches::combine(&entry.batches, &states, start_offset),
        ..entry.clone()
    };
    records::snapshot(key, snapshot.to_snapshot()).map_err(too_long)
}

fn existing<'a>(shard: &'a StateShard, key: &StateKey) -> Result<&'a Entry, StateError> {
    shard.entries.get(key).ok_or_else(|| StateError {
        code: ErrorCode::InvalidRequest,
        message: format!("the state of share partition {} was never initialised", key.coordinator_key()),
    })
}

fn check_leader_epoch(entry: &Entry, leader_epoch: i32) -> Result<(), StateError> {
    if leader_epoch == -1 || entry.leader_epoch <= leader_epoch {
        return Ok(());
    }
    let message = format!("the leader epoch is {}, the request is of {leader_epoch}", entry.leader_epoch);
    Err(StateError { code: ErrorCode::FencedLeaderEpoch, message })
}

fn fenced_state(known: Option<&Entry>, state_epoch: i32) -> StateError {
    let known = known.map_or(-1, |known| known.state_epoch);
    let message = format!("the state epoch is {known}, the request is of {state_epoch}");
    StateError { code: ErrorCode::FencedStateEpoch, message }
}

fn too_long(error: EncodeError) -> StateError {
    StateError { code: ErrorCode::InvalidRequest, message: error.to_string() }
}
