//! Records that are given up, on their way to the group's dead-letter topic (KIP-1191).

use super::in_flight::{InFlight, State};
use super::{SharePartition, Write};
use crate::state::{DeliveryState, StateBatch};

/// Why a record is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    /// A member rejected it.
    Rejected,
    /// It was delivered as often as the group allows.
    DeliveredTooOften,
}

/// Consecutive records that belong into the dead-letter topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetters {
    /// First offset.
    pub first_offset: i64,
    /// Last offset.
    pub last_offset: i64,
    /// How often they were delivered.
    pub delivery_count: i16,
    /// Why; not known after a reload.
    pub why: Option<GivenUp>,
}

impl SharePartition {
    /// Whether records are on their way to the dead-letter topic.
    pub fn is_archiving(&self) -> bool {
        self.runs.iter().any(|(_, _, record)| matches!(record.state, State::Archiving { .. }))
    }

    /// Takes the records that belong into the dead-letter topic and that nobody has taken yet; [`SharePartition::dead_lettered`]
    /// says that they are there. They are found again after a crash.
    pub fn take_dead_letters(&mut self) -> Vec<DeadLetters> {
        let mut taken = Vec::new();
        let (first, last) = (self.start_offset, self.end_offset);
        self.runs.change(first, last, |first_offset, last_offset, record| match record.state {
            State::Archiving { why, is_taken: false } => {
                let delivery_count = record.delivery_count;
                taken.push(DeadLetters { first_offset, last_offset, delivery_count, why });
                Some(InFlight { state: State::Archiving { why, is_taken: true }, delivery_count })
            }
            _ => None,
        });
        taken
    }

    /// These records are in the dead-letter topic, or cannot be brought there: they are done with. Nothing depends on the
    /// write: records whose state is lost are brought there once more.
    pub fn dead_lettered(&mut self, letters: &DeadLetters) -> Option<Write> {
        let mut states = Vec::new();
        self.runs.change(letters.first_offset, letters.last_offset, |first, last, record| match record.state {
            State::Archiving { is_taken: true, .. } => {
                states.push(StateBatch::new(first, last, DeliveryState::Archived, record.delivery_count));
                Some(InFlight::archived(record.delivery_count))
            }
            _ => None,
        });
        let write = self.write(None, states);
        self.advance_start();
        write
    }
}
