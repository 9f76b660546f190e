//! The way to a shard's owner task.

use crate::error::CoordinatorError;
use crate::replies::Answer;
use crate::shard::Shard;
use futures_util::future::Either;
use ottla_telemetry::Counter;
use std::future::ready;
use tokio::sync::{mpsc, oneshot};

/// An event and who waits for its answer.
pub(crate) struct Request<S: Shard> {
    pub(crate) event: S::Event,
    pub(crate) answer: Answer<S>,
}

/// Sends events to one shard. The shard's task ends when the last handle is dropped.
pub struct ShardHandle<S: Shard> {
    requests: mpsc::Sender<Request<S>>,
    notices: mpsc::Sender<S::Event>,
    refused: Counter,
}

impl<S: Shard> Clone for ShardHandle<S> {
    fn clone(&self) -> ShardHandle<S> {
        ShardHandle { requests: self.requests.clone(), notices: self.notices.clone(), refused: self.refused.clone() }
    }
}

impl<S: Shard> ShardHandle<S> {
    pub(crate) fn new(
        requests: mpsc::Sender<Request<S>>,
        notices: mpsc::Sender<S::Event>,
        refused: Counter,
    ) -> ShardHandle<S> {
        ShardHandle { requests, notices, refused }
    }

    /// Hands an event over and resolves with its answer. The event counts from this call on, whether or not the future is
    /// polled; events are handled in the order of the calls.
    ///
    /// # Errors
    /// See [`CoordinatorError`].
    pub fn submit(
        &self,
        event: S::Event,
    ) -> impl Future<Output = Result<S::Reply, CoordinatorError>> + Send + use<S> + 'static {
        let (answer, answered) = oneshot::channel();
        match self.requests.try_send(Request { event, answer }) {
            Ok(()) => Either::Left(async move { answered.await.unwrap_or(Err(CoordinatorError::NotCoordinator)) }),
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.refused.increment();
                Either::Right(ready(Err(CoordinatorError::Busy)))
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Either::Right(ready(Err(CoordinatorError::NotCoordinator))),
        }
    }

    /// Hands over an event that nobody waits for. It is not lost while the shard is loading. Waits while too many are under
    /// way; `false` when the shard's task has ended.
    pub async fn notify(&self, event: S::Event) -> bool {
        self.notices.send(event).await.is_ok()
    }
}
