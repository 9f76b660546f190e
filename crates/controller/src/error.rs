//! Why a controller does not start.

use ottla_quorum::OpenError;

/// Why a controller does not start.
#[derive(Debug, thiserror::Error)]
pub enum ControllerOpenError {
    /// The metadata directory cannot be opened, is damaged, or is not this node's.
    #[error(transparent)]
    Quorum(#[from] OpenError),
}
