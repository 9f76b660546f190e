//! What is known of one share partition.

use super::batches::combine;
use super::{DeliveryState, StateAnswer, StateBatch};
use ottla_protocol::{ShareSnapshotValue, ShareUpdateValue, share_snapshot_value, share_update_value};

/// The state of one share partition, as its records tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) snapshot_epoch: i32,
    pub(super) state_epoch: i32,
    pub(super) leader_epoch: i32,
    pub(super) start_offset: i64,
    pub(super) delivery_complete_count: i32,
    pub(super) create_timestamp_ms: i64,
    pub(super) write_timestamp_ms: i64,
    pub(super) batches: Vec<StateBatch>,
    /// Updates since the last snapshot.
    pub(super) updates: u32,
    /// Where the last snapshot stands in the log.
    pub(super) snapshot_at: i64,
}

impl Entry {
    pub(super) fn of_snapshot(value: ShareSnapshotValue, offset: i64) -> Entry {
        let batches: Vec<StateBatch> = value.state_batches.iter().filter_map(of_snapshot_batch).collect();
        Entry {
            snapshot_epoch: value.snapshot_epoch,
            state_epoch: value.state_epoch,
            leader_epoch: value.leader_epoch,
            start_offset: value.start_offset,
            delivery_complete_count: value.delivery_complete_count,
            create_timestamp_ms: value.create_timestamp,
            write_timestamp_ms: value.write_timestamp,
            batches: combine(&batches, &[], value.start_offset),
            updates: 0,
            snapshot_at: offset,
        }
    }

    /// Takes an update. -1 leaves the start offset or the leader epoch as it is.
    pub(super) fn update(&mut self, value: &ShareUpdateValue) {
        // Writes may overtake one another: within one state epoch the start only rises.
        if value.start_offset != -1 {
            self.start_offset = self.start_offset.max(value.start_offset);
        }
        if value.leader_epoch != -1 {
            self.leader_epoch = value.leader_epoch;
        }
        self.delivery_complete_count = value.delivery_complete_count;
        let batches: Vec<StateBatch> = value.state_batches.iter().filter_map(of_update_batch).collect();
        self.batches = combine(&self.batches, &batches, self.start_offset);
        self.updates = self.updates.saturating_add(1);
    }

    /// The state as a snapshot.
    pub(super) fn to_snapshot(&self) -> ShareSnapshotValue {
        ShareSnapshotValue {
            snapshot_epoch: self.snapshot_epoch,
            state_epoch: self.state_epoch,
            leader_epoch: self.leader_epoch,
            start_offset: self.start_offset,
            delivery_complete_count: self.delivery_complete_count,
            create_timestamp: self.create_timestamp_ms,
            write_timestamp: self.write_timestamp_ms,
            state_batches: self.batches.iter().map(to_snapshot_batch).collect(),
        }
    }

    pub(super) fn answer(&self) -> StateAnswer {
        StateAnswer {
            state_epoch: self.state_epoch,
            leader_epoch: self.leader_epoch,
            start_offset: self.start_offset,
            delivery_complete_count: self.delivery_complete_count,
            batches: self.batches.clone(),
        }
    }
}

/// A state that a newer version wrote is left out: the record is delivered again.
fn of_snapshot_batch(batch: &share_snapshot_value::StateBatch) -> Option<StateBatch> {
    let state = DeliveryState::from_code(batch.delivery_state)?;
    Some(StateBatch::new(batch.first_offset, batch.last_offset, state, batch.delivery_count))
}

fn of_update_batch(batch: &share_update_value::StateBatch) -> Option<StateBatch> {
    let state = DeliveryState::from_code(batch.delivery_state)?;
    Some(StateBatch::new(batch.first_offset, batch.last_offset, state, batch.delivery_count))
}

fn to_snapshot_batch(batch: &StateBatch) -> share_snapshot_value::StateBatch {
    share_snapshot_value::StateBatch {
        first_offset: batch.first_offset,
        last_offset: batch.last_offset,
        delivery_state: batch.delivery_state.code(),
        delivery_count: batch.delivery_count,
    }
}

pub(super) fn to_update_batch(batch: &StateBatch) -> share_update_value::StateBatch {
    share_update_value::StateBatch {
        first_offset: batch.first_offset,
        last_offset: batch.last_offset,
        delivery_state: batch.delivery_state.code(),
        delivery_count: batch.delivery_count,
    }
}
