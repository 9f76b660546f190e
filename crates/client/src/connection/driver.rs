//! The task of a connection: sends what is queued, and gives every answer to the one who waits for it.

use super::frames::{Ending, FrameReader};
use crate::error::ClientError;
use bytes::Bytes;
use ottla_runtime::{Connection, Part, Receiver, Sender};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// Requests that leave with one system call, when many are queued.
const BATCH_REQUESTS: usize = 16;

/// A request on its way to the socket.
pub(super) struct Outgoing {
    pub(super) parts: Vec<Part>,
    pub(super) waiting: Waiting,
}

/// Who waits for which answer.
pub(super) struct Waiting {
    pub(super) correlation_id: i32,
    /// `None` for a request that gets no answer.
    pub(super) answer: Option<oneshot::Sender<Result<Bytes, ClientError>>>,
    /// The request's place among those in flight.
    pub(super) _place: OwnedSemaphorePermit,
}

/// In the order of the requests.
type WaitingList = Mutex<VecDeque<Waiting>>;

/// Runs until the connection ends, then tells everybody who still waits.
pub(super) async fn drive(
    connection: Connection,
    mut queue: mpsc::UnboundedReceiver<Outgoing>,
    address: String,
    response_bytes_max: usize,
) {
    let (receiver, sender) = connection.split();
    let waiting = WaitingList::default();
    let ending = tokio::select! {
        biased;
        ending = send(sender, &mut queue, &waiting) => ending,
        ending = receive(receiver, &waiting, response_bytes_max) => ending,
    };
    queue.close();
    let mut unanswered = waiting.into_inner().unwrap_or_else(PoisonError::into_inner);
    while let Ok(outgoing) = queue.try_recv() {
        unanswered.push_back(outgoing.waiting);
    }
    for waiting in unanswered {
        answer(waiting, Err(ending.to_error(&address)));
    }
}

async fn send(mut sender: Sender, queue: &mut mpsc::UnboundedReceiver<Outgoing>, waiting: &WaitingList) -> Ending {
    let mut batch = Vec::new();
    loop {
        if queue.recv_many(&mut batch, BATCH_REQUESTS).await == 0 {
            return Ending::Lost("it is not used any more".to_string());
        }
        let mut parts = Vec::new();
        for outgoing in batch.drain(..) {
            parts.extend(outgoing.parts);
            if outgoing.waiting.answer.is_some() {
                lock(waiting).push_back(outgoing.waiting);
            }
        }
        if let Err(error) = sender.send(parts).await {
            return Ending::Lost(error.to_string());
        }
    }
}

async fn receive(receiver: Receiver, waiting: &WaitingList, response_bytes_max: usize) -> Ending {
    let mut frames = FrameReader::new(receiver, response_bytes_max);
    loop {
        let frame = match frames.next().await {
            Ok(frame) => frame,
            Err(ending) => return ending,
        };
        let correlation_id = frame.first_chunk().map(|id| i32::from_be_bytes(*id));
        let next = lock(waiting).pop_front();
        match next {
            Some(next) if Some(next.correlation_id) == correlation_id => answer(next, Ok(frame)),
            Some(next) => {
                let expected = next.correlation_id;
                lock(waiting).push_front(next);
                return Ending::Foreign(format!("it answered {correlation_id:?} to request {expected}"));
            }
            None => return Ending::Foreign("it sent an answer that nothing was asked for".to_string()),
        }
    }
}

fn answer(waiting: Waiting, result: Result<Bytes, ClientError>) {
    if let Some(answer) = waiting.answer {
        // Whoever asked may have stopped waiting.
        let _ = answer.send(result);
    }
}

fn lock(waiting: &WaitingList) -> std::sync::MutexGuard<'_, VecDeque<Waiting>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
