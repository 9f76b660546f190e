//! The way to the controller of this node.

use crate::round::PendingRequest;
use ottla_metadata::{ControllerChannel, ControllerError, ControllerFuture, ControllerRequest};
use tokio::sync::{mpsc, oneshot};

/// Hands requests to the owner task.
pub(crate) struct LocalChannel {
    pub(crate) requests: mpsc::Sender<PendingRequest>,
}

impl ControllerChannel for LocalChannel {
    fn submit(&self, request: ControllerRequest) -> ControllerFuture {
        let (answer, answered) = oneshot::channel();
        let queued = self.requests.try_send(PendingRequest { request, answer });
        Box::pin(async move {
            match queued {
                Ok(()) => answered.await.unwrap_or_else(|_| Err(shut_down())),
                Err(mpsc::error::TrySendError::Full(_)) => Err(ControllerError::Busy),
                Err(mpsc::error::TrySendError::Closed(_)) => Err(ControllerError::NotController { leader: None }),
            }
        })
    }
}

fn shut_down() -> ControllerError {
    ControllerError::Unknown("the controller was shut down".to_owned())
}
