//! Share sessions (KIP-932): a broker remembers which partitions a member fetches, so that requests name only what changes.
//! One session for each member and broker; requests in it carry an epoch and go one after another.

use ottla_types::{TopicPartition, Uuid};
use std::collections::BTreeMap;

/// The epoch of a request that opens a session, in place of the one before.
const INITIAL_EPOCH: i32 = 0;
/// The epoch of a request that ends one.
pub(super) const FINAL_EPOCH: i32 = -1;

/// Topic ids by partition.
pub(super) type Partitions = BTreeMap<TopicPartition, Uuid>;

/// The client's side of a session with one broker.
#[derive(Debug, Default)]
pub(super) struct ShareSession {
    epoch: i32,
    /// What the broker has been told.
    told: Partitions,
    /// What it will have been told when the request under way succeeds.
    telling: Partitions,
}

/// What goes into a ShareFetch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) added: Vec<(Uuid, i32)>,
    pub(super) forgotten: Vec<(Uuid, i32)>,
}

impl ShareSession {
    /// Whether the next request opens a session: no lock of an earlier one is left to speak of.
    pub(super) fn is_new(&self) -> bool {
        self.epoch == INITIAL_EPOCH
    }

    pub(super) fn epoch(&self) -> i32 {
        self.epoch
    }

    /// What makes the broker's picture the wanted one.
    pub(super) fn changes(&mut self, wanted: Partitions) -> Changes {
        let id = |(partition, topic_id): (&TopicPartition, &Uuid)| (*topic_id, partition.partition);
        let told = if self.is_new() { &Partitions::new() } else { &self.told };
        let changes = Changes {
            added: wanted.iter().filter(|(partition, id)| told.get(*partition) != Some(*id)).map(id).collect(),
            forgotten: told.iter().filter(|(partition, id)| wanted.get(*partition) != Some(*id)).map(id).collect(),
        };
        self.telling = wanted;
        changes
    }

    /// The answer to a ShareFetch was no error.
    pub(super) fn fetched(&mut self) {
        self.told = std::mem::take(&mut self.telling);
        self.go_on();
    }

    /// The broker has counted the request, whatever it thought of it.
    pub(super) fn go_on(&mut self) {
        self.epoch = if self.epoch == i32::MAX { 1 } else { self.epoch + 1 };
    }

    /// No answer, or one that says that there is no session.
    pub(super) fn failed(&mut self) {
        *self = ShareSession::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(partitions: &[(i32, u8)]) -> Partitions {
        partitions.iter().map(|(index, id)| (TopicPartition::new("t", *index), Uuid([*id; 16]))).collect()
    }

    /// Topics by the first byte of their id, with partitions.
    type Shape = Vec<(u8, i32)>;

    /// What was added and what is forgotten.
    fn shape(changes: &Changes) -> (Shape, Shape) {
        let short = |all: &[(Uuid, i32)]| all.iter().map(|(id, index)| (id.0[0], *index)).collect();
        (short(&changes.added), short(&changes.forgotten))
    }

    #[test]
    fn only_changes_are_sent_and_a_topic_that_was_made_anew_is_one() {
        let mut session = ShareSession::default();
        assert_eq!(shape(&session.changes(wanted(&[(0, 1), (1, 1)]))), (vec![(1, 0), (1, 1)], vec![]));
        session.fetched();
        assert_eq!((session.epoch(), session.is_new()), (1, false));
        assert_eq!(shape(&session.changes(wanted(&[(1, 2)]))), (vec![(2, 1)], vec![(1, 0), (1, 1)]));
        session.go_on();
        assert_eq!(shape(&session.changes(wanted(&[(1, 1)]))), (vec![], vec![(1, 0)]), "the change was refused");
        session.failed();
        assert_eq!(shape(&session.changes(wanted(&[(1, 1)]))), (vec![(1, 1)], vec![]));
        assert!(session.is_new());
    }

    #[test]
    fn the_epoch_goes_round_without_opening_a_new_session() {
        let mut session = ShareSession { epoch: i32::MAX, ..ShareSession::default() };
        session.fetched();
        assert_eq!(session.epoch(), 1);
    }
}
