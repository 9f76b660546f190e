//! Election timeouts from the runtime's randomness: raft-rs draws its own from the operating system, which a simulation
//! cannot repeat.

use crate::config::limits;
use crate::store::Store;
use ottla_runtime::Runtime;
use raft::{RawNode, StateRole};

/// Keeps the randomized election timeout ours. A new one is drawn where raft-rs draws one: when term, role or leader
/// change, and when an election begins.
#[derive(Default)]
pub(crate) struct Timeouts {
    drawn_for: Option<(u64, StateRole, u64)>,
    ticks: usize,
}

impl Timeouts {
    /// To be called after every input to `node`.
    pub(crate) fn hold(&mut self, node: &mut RawNode<Store>, runtime: &Runtime, election_began: bool) {
        let situation = (node.raft.term, node.raft.state, node.raft.leader_id);
        if election_began || self.drawn_for != Some(situation) {
            self.drawn_for = Some(situation);
            let (min, max) = (limits::ELECTION_TICKS as u64, 2 * limits::ELECTION_TICKS as u64);
            self.ticks = runtime.random_range(min..max) as usize;
        }
        node.raft.set_randomized_election_timeout(self.ticks);
    }
}
