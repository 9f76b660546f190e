//! A share partition as the share coordinator remembers it.

use super::SharePartition;
use super::in_flight::{InFlight, State};
use super::in_flight_batches::InFlightBatches;
use crate::runs::Runs;
use crate::state::{DeliveryState, StateBatch};
use std::collections::BTreeMap;

/// What ReadShareGroupState answers, with the start offset decided where the state had none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedState {
    /// Epoch of the state.
    pub state_epoch: i32,
    /// The first offset that is not done with; never negative.
    pub start_offset: i64,
    /// States of offsets from there on.
    pub batches: Vec<StateBatch>,
}

/// The state makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the state of the share partition is damaged: a batch of {first} to {last}, the start offset is {start}")]
pub struct Damaged {
    /// First offset of the batch.
    pub first: i64,
    /// Its last offset.
    pub last: i64,
    /// The start offset.
    pub start: i64,
}

impl SharePartition {
    /// A share partition as it was last written. What members had is available again: nothing is known of it.
    ///
    /// # Errors
    /// When a batch is turned round, or lies before the start offset.
    pub fn load(state: &LoadedState) -> Result<SharePartition, Damaged> {
        let start = state.start_offset;
        let mut end = start;
        for batch in &state.batches {
            let (first, last) = (batch.first_offset, batch.last_offset);
            if first < start || last < first || last == i64::MAX {
                return Err(Damaged { first, last, start });
            }
            end = end.max(last + 1);
        }
        let mut runs = Runs::default();
        if start < end {
            runs.set(start, end - 1, InFlight::available(0));
        }
        // As in Kafka every batch of the state is an in-flight batch.
        let mut batches = InFlightBatches::default();
        for batch in &state.batches {
            batches.add(batch.first_offset, batch.last_offset);
            let state = match batch.delivery_state {
                DeliveryState::Acknowledged => State::Acknowledged,
                DeliveryState::Archived => State::Archived,
                DeliveryState::Archiving => State::Archiving { why: None, is_taken: false },
                DeliveryState::Available | DeliveryState::Acquired => State::Available,
            };
            let record = InFlight { state, delivery_count: batch.delivery_count.max(0) };
            runs.set(batch.first_offset, batch.last_offset, record);
        }
        let mut partition = SharePartition {
            start_offset: start,
            end_offset: end,
            state_epoch: state.state_epoch,
            runs,
            batches,
            writes: BTreeMap::new(),
            next_write: 0,
        };
        partition.advance_start();
        Ok(partition)
    }
}
