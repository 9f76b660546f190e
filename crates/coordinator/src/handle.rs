//! The way to a shard's owner task.

use crate::error::CoordinatorError;
use crate::replies::Answer;
use crate::shard::Shard;
use crate::transactional::EndTransaction;
use futures_util::future::Either;
use ottla_telemetry::Counter;
use std::future::ready;
use tokio::sync::{mpsc, oneshot};

/// Something that somebody waits for.
pub(crate) enum Request<S: Shard> {
    /// An event of the shard.
    Event { event: S::Event, answer: Answer<S> },
    /// A marker for the shard's log.
    EndTransaction { end: EndTransaction, answer: MarkerAnswer },
}

/// Who waits for a marker.
pub(crate) type MarkerAnswer = oneshot::Sender<Result<(), CoordinatorError>>;

impl<S: Shard> Request<S> {
    /// Answers with an error. A caller that went away needs no answer.
    pub(crate) fn refuse(self, error: CoordinatorError) {
        match self {
            Request::Event { answer, .. } => drop(answer.send(Err(error))),
            Request::EndTransaction { answer, .. } => drop(answer.send(Err(error))),
        }
    }
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
        self.send(Request::Event { event, answer }, answered)
    }

    /// Has the marker written that ends a transaction in the shard's log, and resolves when it is committed. A marker whose
    /// future was dropped before its turn is not written.
    ///
    /// # Errors
    /// See [`CoordinatorError`].
    pub fn end_transaction(
        &self,
        end: EndTransaction,
    ) -> impl Future<Output = Result<(), CoordinatorError>> + Send + use<S> + 'static {
        let (answer, answered) = oneshot::channel();
        self.send(Request::EndTransaction { end, answer }, answered)
    }

    fn send<T: Send + 'static>(
        &self,
        request: Request<S>,
        answered: oneshot::Receiver<Result<T, CoordinatorError>>,
    ) -> impl Future<Output = Result<T, CoordinatorError>> + Send + use<S, T> + 'static {
        match self.requests.try_send(request) {
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
