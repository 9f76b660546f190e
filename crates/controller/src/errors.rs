//! From what the quorum says to what a requester is told.

use ottla_metadata::ControllerError;
use ottla_quorum::{ProposeError, QuorumStatus, Role, StorageState};

/// What the requests are told whose records are in the entry that failed, or, if `began`, partly in an entry before it.
pub(crate) fn of_entry(error: &ProposeError, began: bool) -> ControllerError {
    match error {
        ProposeError::LeadershipLost | ProposeError::Failed { .. } | ProposeError::Stopped => {
            ControllerError::Unknown(error.to_string())
        }
        _ if began => ControllerError::Unknown(error.to_string()),
        error => of_later_entry(error),
    }
}

/// What the requests are told of which nothing was proposed.
pub(crate) fn of_later_entry(error: &ProposeError) -> ControllerError {
    match error {
        ProposeError::Busy => ControllerError::Busy,
        ProposeError::OutOfSpace | ProposeError::Failed { .. } | ProposeError::TooLarge { .. } => {
            ControllerError::Storage(error.to_string())
        }
        ProposeError::NotLeader { .. } | ProposeError::LeadershipLost | ProposeError::Stopped => {
            ControllerError::NotController { leader: None }
        }
    }
}

/// Why this node decides nothing now; `None` if it does.
pub(crate) fn unavailable(status: &QuorumStatus) -> Option<ControllerError> {
    match (&status.storage, status.role) {
        (StorageState::Failed(reason), _) => Some(ControllerError::Storage(reason.to_string())),
        (_, Role::Leader { .. }) => None,
        (_, Role::Follower { .. }) => Some(ControllerError::NotController { leader: None }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn only_what_was_surely_not_done_is_called_not_done() {
        let failed = ProposeError::Failed { reason: Arc::from("cannot sync") };
        assert!(matches!(of_entry(&failed, false), ControllerError::Unknown(_)));
        assert!(matches!(of_later_entry(&failed), ControllerError::Storage(_)));
        assert!(matches!(of_entry(&ProposeError::OutOfSpace, false), ControllerError::Storage(_)));
        assert!(matches!(of_entry(&ProposeError::OutOfSpace, true), ControllerError::Unknown(_)));
        assert_eq!(of_entry(&ProposeError::Busy, false), ControllerError::Busy);
        assert!(matches!(of_entry(&ProposeError::LeadershipLost, false), ControllerError::Unknown(_)));
    }
}
