//! The state of one record in flight.

use super::{GivenUp, Limits, WriteId};
use crate::state::DeliveryState;
use std::sync::Arc;

/// What becomes of a record that its member is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It may be acquired again, from this time on (0: at once).
    Available {
        from_ms: i64,
    },
    Acknowledged,
    /// It goes to the dead-letter topic.
    Archiving(GivenUp),
    Archived,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Available,
    /// Available from this time on.
    Delayed {
        from_ms: i64,
    },
    Acquired {
        member: Arc<str>,
        until_ms: i64,
    },
    /// `member` had it until `until_ms`, and has it still if the write fails.
    Writing {
        write: WriteId,
        outcome: Outcome,
        member: Arc<str>,
        until_ms: i64,
    },
    Acknowledged,
    /// Not in the dead-letter topic yet; somebody writes it there if it `is_taken`. The reason is not known after a reload.
    Archiving {
        why: Option<GivenUp>,
        is_taken: bool,
    },
    Archived,
}

/// The state of one offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InFlight {
    pub(super) state: State,
    pub(super) delivery_count: i16,
}

impl InFlight {
    pub(super) fn available(delivery_count: i16) -> InFlight {
        InFlight { state: State::Available, delivery_count }
    }

    pub(super) fn archived(delivery_count: i16) -> InFlight {
        InFlight { state: State::Archived, delivery_count }
    }

    pub(super) fn acquired(member: &Arc<str>, until_ms: i64, delivery_count: i16) -> InFlight {
        InFlight { state: State::Acquired { member: Arc::clone(member), until_ms }, delivery_count }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Acknowledged | State::Archived)
    }

    pub(super) fn will_be_done(&self) -> bool {
        let is_ending = |outcome: &Outcome| matches!(outcome, Outcome::Acknowledged | Outcome::Archived);
        self.is_done() || matches!(&self.state, State::Writing { outcome, .. } if is_ending(outcome))
    }
}

impl Outcome {
    /// A record that is given back is given up when it was delivered often enough.
    pub(super) fn of_release(delivery_count: i16, from_ms: i64, limits: &Limits) -> Outcome {
        match delivery_count >= limits.delivery_count_limit {
            true => Outcome::given_up(GivenUp::DeliveredTooOften, limits),
            false => Outcome::Available { from_ms },
        }
    }

    /// The same for a record whose processing failed: it is kept back for a while.
    pub(super) fn of_failure(delivery_count: i16, now_ms: i64, limits: &Limits) -> Outcome {
        let delay_ms = limits.redelivery_delay_ms;
        let from_ms = if delay_ms > 0 { now_ms.saturating_add(delay_ms) } else { 0 };
        Outcome::of_release(delivery_count, from_ms, limits)
    }

    pub(super) fn given_up(why: GivenUp, limits: &Limits) -> Outcome {
        if limits.has_dead_letters { Outcome::Archiving(why) } else { Outcome::Archived }
    }

    pub(super) fn state(self) -> State {
        match self {
            Outcome::Available { from_ms: 0 } => State::Available,
            Outcome::Available { from_ms } => State::Delayed { from_ms },
            Outcome::Acknowledged => State::Acknowledged,
            Outcome::Archiving(why) => State::Archiving { why: Some(why), is_taken: false },
            Outcome::Archived => State::Archived,
        }
    }

    pub(super) fn delivery_state(self) -> DeliveryState {
        match self {
            Outcome::Available { .. } => DeliveryState::Available,
            Outcome::Acknowledged => DeliveryState::Acknowledged,
            Outcome::Archiving(_) => DeliveryState::Archiving,
            Outcome::Archived => DeliveryState::Archived,
        }
    }
}
