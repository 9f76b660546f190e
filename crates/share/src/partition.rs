//! One partition as one share group reads it: which records are in flight, who has them, and what became of them.
//!
//! The life of a record: 1. *available*; 2. *acquired* by a member, with a lock that ends and a delivery count one higher;
//! 3. *writing* while what the member said of it is being written to the share coordinator; 4. *acknowledged* or *archived*,
//! for good, or available again, perhaps after a *delay*. A lock that ends makes it available again too, or archived when it was
//! delivered as often as the group allows. 5. Where the group has a dead-letter topic, a record that is given up is *archiving*
//! before it is archived: until it is in that topic.
//!
//! Every offset from `start_offset` (Kafka's SPSO) up to `end_offset` has a state; what lies behind was never handed out.
//! The start moves over records that are done with. Offsets that hold no record (compaction, markers of transactions) are
//! archived when that is noticed: by a read that skips them, or by the member that got them.
//!
//! `in_flight` is the state of one record; `in_flight_batches` knows which ones were first acquired together, and `portions` what
//! of them one answer takes. One file per step: `acquire`, `acknowledge`, `finish` (what was written), `release` (locks that
//! end, members that go), `dead_letters`, `load`. Time is an argument, milliseconds of any clock that only rises.

mod acknowledge;
mod acquire;
mod dead_letters;
mod finish;
mod in_flight;
mod in_flight_batches;
mod load;
mod portions;
mod release;

#[cfg(test)]
mod tests;

pub use acknowledge::{AckBatch, AckError, AckType};
pub use acquire::{AcquireMode, Acquired, Acquiring};
pub use dead_letters::{DeadLetters, GivenUp};
pub use load::{Damaged, LoadedState};

use crate::runs::Runs;
use crate::state::StateBatch;
use in_flight::{InFlight, State};
use in_flight_batches::InFlightBatches;
use std::collections::BTreeMap;

/// What the group's configs allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `share.delivery.count.limit`.
    pub delivery_count_limit: i16,
    /// `share.record.lock.duration.ms`.
    pub lock_duration_ms: i64,
    /// `share.partition.max.record.locks`: offsets between start and end, except that whole batches are handed out.
    pub in_flight_max: i64,
    /// `share.renew.acknowledge.enable`.
    pub may_renew: bool,
    /// `share.redelivery.delay.ms`: a record whose processing failed is kept back for so long.
    pub redelivery_delay_ms: i64,
    /// Whether records that are given up go to a dead-letter topic before they are done with.
    pub has_dead_letters: bool,
}

/// Names a write that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteId(u64);

/// What is to be written to the share coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// To be given back to [`SharePartition::written`]; None when nobody waits for it and a failure changes nothing.
    pub id: Option<WriteId>,
    /// The start offset as it stands.
    pub start_offset: i64,
    /// Records from the start on that are done with, this write included.
    pub delivery_complete_count: i32,
    /// States of offsets, in order.
    pub batches: Vec<StateBatch>,
}

/// A partition of a share group; see the module's story.
#[derive(Debug, Clone)]
pub struct SharePartition {
    start_offset: i64,
    end_offset: i64,
    state_epoch: i32,
    runs: Runs<InFlight>,
    batches: InFlightBatches,
    /// The first and last offset of every write that is under way.
    writes: BTreeMap<WriteId, (i64, i64)>,
    next_write: u64,
}

impl SharePartition {
    /// The first offset that is not done with.
    pub fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// The first offset that was never handed out.
    pub fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// The epoch of the state at the share coordinator.
    pub fn state_epoch(&self) -> i32 {
        self.state_epoch
    }

    /// From where to read next: the first record that may be acquired, or the end.
    pub fn next_fetch_offset(&self) -> i64 {
        let mut runs = self.runs.iter();
        let available = runs.find(|(_, _, record)| record.state == State::Available);
        available.map_or(self.end_offset, |(first, _, _)| first)
    }

    /// Whether anything could be acquired if it were read.
    pub fn may_acquire(&self, limits: &Limits) -> bool {
        self.next_fetch_offset() < self.end_offset || self.end_offset - self.start_offset < limits.in_flight_max
    }

    /// When the next lock or delay ends; None when there is none.
    pub fn next_expiry_ms(&self) -> Option<i64> {
        let ends = self.runs.iter().filter_map(|(_, _, record)| match record.state {
            State::Acquired { until_ms, .. } => Some(until_ms),
            State::Delayed { from_ms } => Some(from_ms),
            _ => None,
        });
        ends.min()
    }

    /// Whether something is under way that memory knows more of than the share coordinator: a write, or dead letters.
    pub fn is_writing(&self) -> bool {
        !self.writes.is_empty() || self.is_archiving()
    }

    /// Runs of equal offsets: what the partition takes in memory.
    pub fn run_count(&self) -> usize {
        self.runs.len()
    }

    /// The log begins at `log_start_offset` now: what lies before it is done with.
    pub fn log_start_moved(&mut self, log_start_offset: i64) {
        if log_start_offset > self.start_offset {
            self.start_offset = log_start_offset;
            self.end_offset = self.end_offset.max(log_start_offset);
            self.forget_below(log_start_offset);
            self.advance_start();
        }
    }

    /// The start moves over what is done with. Whether it moved.
    fn advance_start(&mut self) -> bool {
        let first_open = self.runs.iter().find(|(_, _, record)| !record.is_done());
        let first_open = first_open.map_or(self.end_offset, |(first, _, _)| first);
        let moves = first_open > self.start_offset;
        if moves {
            self.forget_below(first_open);
            self.start_offset = first_open;
        }
        moves
    }

    fn forget_below(&mut self, offset: i64) {
        self.runs.remove_below(offset);
        self.batches.remove_below(offset);
    }

    /// Makes a write of states, if there are any.
    fn write(&mut self, id: Option<WriteId>, batches: Vec<StateBatch>) -> Option<Write> {
        let (first, last) = (batches.first()?.first_offset, batches.last()?.last_offset);
        if let Some(id) = id {
            self.writes.insert(id, (first, last));
        }
        let done = self.runs.iter().filter(|(_, _, record)| record.will_be_done());
        let count: i64 = done.map(|(first, last, _)| last - first + 1).sum();
        let delivery_complete_count = i32::try_from(count).unwrap_or(i32::MAX);
        Some(Write { id, start_offset: self.start_offset, delivery_complete_count, batches })
    }

    fn new_write_id(&mut self) -> WriteId {
        self.next_write += 1;
        WriteId(self.next_write)
    }
}
