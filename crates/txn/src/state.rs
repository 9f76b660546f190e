//! The states of a transaction.

/// Where a transaction stands. Names and numbers are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionState {
    /// The producer is initialised and has no transaction yet.
    Empty,
    /// Partitions are being written to.
    Ongoing,
    /// It will be committed; markers are being written.
    PrepareCommit,
    /// It will be aborted; markers are being written.
    PrepareAbort,
    /// It was committed.
    CompleteCommit,
    /// It was aborted.
    CompleteAbort,
    /// Of old logs only: the id was about to be forgotten.
    Dead,
    /// Of old logs only: the epoch was about to be raised.
    PrepareEpochFence,
}

const ALL: [TransactionState; 8] = [
    TransactionState::Empty,
    TransactionState::Ongoing,
    TransactionState::PrepareCommit,
    TransactionState::PrepareAbort,
    TransactionState::CompleteCommit,
    TransactionState::CompleteAbort,
    TransactionState::Dead,
    TransactionState::PrepareEpochFence,
];

impl TransactionState {
    /// The number in a record.
    pub fn id(self) -> i8 {
        ALL.iter().position(|state| *state == self).map_or(0, |id| id as i8)
    }

    /// The state with this number in a record.
    pub fn from_id(id: i8) -> Option<TransactionState> {
        ALL.get(usize::try_from(id).ok()?).copied()
    }

    /// The name that DescribeTransactions and ListTransactions show.
    pub fn name(self) -> &'static str {
        match self {
            TransactionState::Empty => "Empty",
            TransactionState::Ongoing => "Ongoing",
            TransactionState::PrepareCommit => "PrepareCommit",
            TransactionState::PrepareAbort => "PrepareAbort",
            TransactionState::CompleteCommit => "CompleteCommit",
            TransactionState::CompleteAbort => "CompleteAbort",
            TransactionState::Dead => "Dead",
            TransactionState::PrepareEpochFence => "PrepareEpochFence",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<TransactionState> {
        ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether markers are being written.
    pub fn is_preparing(self) -> bool {
        matches!(self, TransactionState::PrepareCommit | TransactionState::PrepareAbort)
    }

    /// Whether an id that is unused in this state is forgotten after `transactional.id.expiration.ms`.
    pub fn may_expire(self) -> bool {
        matches!(self, TransactionState::Empty | TransactionState::CompleteCommit | TransactionState::CompleteAbort)
    }
}
