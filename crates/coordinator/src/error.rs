//! Why an event got no answer from its shard.

use ottla_types::ErrorCode;

/// Why an event got no answer from its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CoordinatorError {
    /// This node does not lead the shard's log, or no longer; or the shard was dropped after a failed write.
    #[error("this node is not the coordinator (any more)")]
    NotCoordinator,
    /// The log is being opened or replayed.
    #[error("the coordinator is loading its state")]
    LoadInProgress,
    /// Too many requests wait for the shard.
    #[error("the coordinator has too many requests waiting")]
    Busy,
    /// The write was not committed in time. It may still be.
    #[error("the write was not replicated in time; it may still take effect")]
    WriteTimedOut,
    /// Fewer replicas are in sync than min.insync.replicas asks for.
    #[error("fewer replicas are in sync than min.insync.replicas asks for")]
    NotEnoughReplicas,
    /// What the event leads to does not fit into one batch (max.message.bytes). Nothing was done.
    #[error("the change does not fit into one batch of the coordinator's log")]
    TooLarge,
    /// The log refused a batch of a transaction, or its marker: the producer is fenced, or the transaction is not open.
    /// Nothing was done.
    #[error("the log refused it: {0}")]
    Refused(ErrorCode),
}

impl CoordinatorError {
    /// The code for a response, as Kafka's coordinators translate what their log says.
    pub fn code(self) -> ErrorCode {
        match self {
            CoordinatorError::NotCoordinator => ErrorCode::NotCoordinator,
            CoordinatorError::LoadInProgress => ErrorCode::CoordinatorLoadInProgress,
            CoordinatorError::Busy | CoordinatorError::WriteTimedOut | CoordinatorError::NotEnoughReplicas => {
                ErrorCode::CoordinatorNotAvailable
            }
            CoordinatorError::TooLarge => ErrorCode::UnknownServerError,
            CoordinatorError::Refused(code) => code,
        }
    }
}
