//! A write has ended.

use super::in_flight::{InFlight, State};
use super::{SharePartition, WriteId};

impl SharePartition {
    /// A write has ended, well or not. When it failed the member has its records still, and loses them when their locks end.
    /// Whether more can be acquired than before.
    pub fn written(&mut self, id: WriteId, is_ok: bool) -> bool {
        let Some((first, last)) = self.writes.remove(&id) else { return false };
        let mut is_available = false;
        self.runs.change(first, last, |_, _, record| {
            let State::Writing { write, outcome, member, until_ms } = &record.state else { return None };
            if *write != id {
                return None;
            }
            let state = match is_ok {
                true => outcome.state(),
                false => State::Acquired { member: member.clone(), until_ms: *until_ms },
            };
            is_available |= state == State::Available;
            Some(InFlight { state, delivery_count: record.delivery_count })
        });
        self.advance_start() || is_available
    }
}
