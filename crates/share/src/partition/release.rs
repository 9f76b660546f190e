//! Records that a member loses: its lock ended, or its session did. And records that were kept back for a while.

use super::in_flight::{InFlight, Outcome, State};
use super::{Limits, SharePartition, Write};
use crate::state::StateBatch;
use std::sync::Arc;

impl SharePartition {
    /// Ends the locks whose time has come. Their records are available at once, or archived; the write says so, and nothing
    /// depends on it: a record whose state is lost is delivered again.
    pub fn expire(&mut self, now_ms: i64, limits: &Limits) -> Option<Write> {
        let mut states = Vec::new();
        self.runs.change(self.start_offset, self.end_offset, |first, last, record| match &record.state {
            State::Acquired { until_ms, .. } if *until_ms <= now_ms => {
                let outcome = Outcome::of_failure(record.delivery_count, now_ms, limits);
                states.push(StateBatch::new(first, last, outcome.delivery_state(), record.delivery_count));
                Some(InFlight { state: outcome.state(), delivery_count: record.delivery_count })
            }
            _ => None,
        });
        let write = self.write(None, states);
        self.advance_start();
        write
    }

    /// Ends the delays whose time has come. Whether there were any: their records are available.
    pub fn end_delays(&mut self, now_ms: i64) -> bool {
        let mut is_available = false;
        self.runs.change(self.start_offset, self.end_offset, |_, _, record| match record.state {
            State::Delayed { from_ms } if from_ms <= now_ms => {
                is_available = true;
                Some(InFlight::available(record.delivery_count))
            }
            _ => None,
        });
        is_available
    }

    /// Gives back everything that a member has: its session ended. It has not failed, so nothing is kept back.
    pub fn release(&mut self, member: &Arc<str>, limits: &Limits) -> Option<Write> {
        let write = self.new_write_id();
        let mut states = Vec::new();
        self.runs.change(self.start_offset, self.end_offset, |first, last, record| match &record.state {
            State::Acquired { member: owner, until_ms } if owner == member => {
                let outcome = Outcome::of_release(record.delivery_count, 0, limits);
                states.push(StateBatch::new(first, last, outcome.delivery_state(), record.delivery_count));
                let state = State::Writing { write, outcome, member: Arc::clone(member), until_ms: *until_ms };
                Some(InFlight { state, delivery_count: record.delivery_count })
            }
            _ => None,
        });
        self.write(Some(write), states)
    }
}
