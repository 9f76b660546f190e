//! Records that a member loses: its lock ended, or its session did.

use super::{InFlight, Limits, Outcome, SharePartition, State, Write};
use crate::state::StateBatch;
use std::sync::Arc;

impl SharePartition {
    /// Ends the locks whose time has come. Their records are available at once, or archived; the write says so, and nothing
    /// depends on it: a record whose state is lost is delivered again.
    pub fn expire(&mut self, now_ms: i64, limits: &Limits) -> Option<Write> {
        let mut states = Vec::new();
        self.runs.change(self.start_offset, self.end_offset, |first, last, record| match &record.state {
            State::Acquired { until_ms, .. } if *until_ms <= now_ms => {
                let outcome = Outcome::of_release(record.delivery_count, limits);
                states.push(StateBatch::new(first, last, outcome.delivery_state(), record.delivery_count));
                Some(InFlight { state: outcome.state(), delivery_count: record.delivery_count })
            }
            _ => None,
        });
        let write = self.write(None, states);
        self.advance_start();
        write
    }

    /// Gives back everything that a member has: its session ended.
    pub fn release(&mut self, member: &Arc<str>, limits: &Limits) -> Option<Write> {
        let write = self.new_write_id();
        let mut states = Vec::new();
        self.runs.change(self.start_offset, self.end_offset, |first, last, record| match &record.state {
            State::Acquired { member: owner, until_ms } if owner == member => {
                let outcome = Outcome::of_release(record.delivery_count, limits);
                states.push(StateBatch::new(first, last, outcome.delivery_state(), record.delivery_count));
                let state = State::Writing { write, outcome, member: Arc::clone(member), until_ms: *until_ms };
                Some(InFlight { state, delivery_count: record.delivery_count })
            }
            _ => None,
        });
        self.write(Some(write), states)
    }
}
