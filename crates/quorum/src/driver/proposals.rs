//! Proposals under way, and their answers.

use crate::error::{Fault, ProposeError};
use crate::store::Store;
use bytes::Bytes;
use raft::eraftpb::{Entry, Message, MessageType};
use raft::{Error, RawNode};
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// An entry that someone wants committed, and where the answer goes.
pub(crate) struct Proposal {
    pub(crate) entry: Bytes,
    pub(crate) reply: oneshot::Sender<Result<u64, ProposeError>>,
}

impl Proposal {
    pub(crate) fn answer(self, answer: Result<u64, ProposeError>) {
        // Who does not wait any more does not want to know.
        let _ = self.reply.send(answer);
    }
}

/// Entries in the log whose proposers wait. Indices rise; all are of one term.
#[derive(Default)]
pub(crate) struct Proposals {
    term: u64,
    waiting: VecDeque<(u64, oneshot::Sender<Result<u64, ProposeError>>)>,
}

impl Proposals {
    /// Puts a proposal into the log of `node`, which leads.
    pub(crate) fn propose(&mut self, node: &mut RawNode<Store>, proposal: Proposal) -> Result<(), Fault> {
        let mut message = Message { from: node.raft.id, ..Message::default() };
        message.set_msg_type(MessageType::MsgPropose);
        message.set_entries(vec![Entry { data: proposal.entry.clone(), ..Entry::default() }].into());
        match node.raft.step(message) {
            Ok(()) => {
                if !self.are_of_term(node.raft.term) {
                    self.fail_all(&ProposeError::LeadershipLost);
                }
                self.term = node.raft.term;
                self.waiting.push_back((node.raft.raft_log.last_index(), proposal.reply));
                Ok(())
            }
            Err(Error::ProposalDropped) => {
                proposal.answer(Err(ProposeError::Busy));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether nobody waits for an entry of another term.
    pub(crate) fn are_of_term(&self, term: u64) -> bool {
        self.waiting.is_empty() || self.term == term
    }

    /// The entry at `index`, of `term`, has been applied.
    pub(crate) fn settle(&mut self, index: u64, term: u64) {
        while self.waiting.front().is_some_and(|(waiting, _)| *waiting <= index) {
            let Some((waiting, reply)) = self.waiting.pop_front() else { return };
            let is_ours = waiting == index && self.term == term;
            // Who does not wait any more does not want to know.
            let _ = reply.send(if is_ours { Ok(index) } else { Err(ProposeError::LeadershipLost) });
        }
    }

    /// Answers everyone who waits with `error`.
    pub(crate) fn fail_all(&mut self, error: &ProposeError) {
        for (_, reply) in self.waiting.drain(..) {
            let _ = reply.send(Err(error.clone()));
        }
    }
}
