//! The task that sends one broker its batches: up to `max.in.flight.requests.per.connection` requests at a time, each with
//! one batch of every partition that is ready.

use super::Shared;
use super::accumulator::{Drained, Key, end};
use super::batch::Batch;
use super::request::{Answer, InTransaction, Part, begin};
use crate::connection::Connection;
use crate::error::{ClientError, ConnectFailure};
use crate::produce::Produced;
use ottla_runtime::Instant;
use ottla_types::ErrorCode;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// The pause while the transaction before is being completed.
const CONCURRENT_PAUSE: Duration = Duration::from_millis(20);

/// A request that was sent: what it carries, and its answer when that comes.
struct Flight {
    batches: Vec<(Part, Batch)>,
    answer: Pin<Box<dyn Future<Output = Result<Answer, ClientError>> + Send>>,
}

/// Runs until the producer is gone.
pub(super) async fn run(shared: Arc<Shared>, node: i32, wake: Arc<Notify>) {
    let mut flights: VecDeque<Flight> = VecDeque::new();
    let mut throttled_until: Option<Instant> = None;
    loop {
        let now = shared.runtime().now();
        let is_throttled = throttled_until.is_some_and(|until| now < until);
        if flights.len() < shared.options.in_flight_max && !is_throttled {
            let drained = shared.lock().drain(node, &shared.rules, shared.options.request_size_max, now);
            if !drained.is_empty() {
                flights.extend(take_off(&shared, node, drained).await);
                continue;
            }
        }
        let has_room = flights.len() < shared.options.in_flight_max;
        let timer = if has_room { shared.lock().next_time(Some(node), &shared.rules, now) } else { None };
        let timer = if is_throttled { throttled_until } else { timer };
        tokio::select! {
            biased;
            answer = first_answer(&mut flights) => {
                let flight = flights.pop_front().expect("it was answered");
                throttled_until = land(&shared, flight.batches, answer);
            }
            () = wake.notified() => {}
            () = sleep_until(&shared, timer, now) => {}
        }
    }
}

async fn first_answer(flights: &mut VecDeque<Flight>) -> Result<Answer, ClientError> {
    match flights.front_mut() {
        Some(flight) => flight.answer.as_mut().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(shared: &Shared, timer: Option<Instant>, now: Instant) {
    /// A timer in the past means that something else holds the batch; it wakes by notice.
    const AT_LEAST: Duration = Duration::from_millis(1);
    match timer {
        Some(timer) => shared.runtime().sleep_until(timer.max(now + AT_LEAST)).await,
        None => std::future::pending().await,
    }
}

/// Encodes and sends. `None` when nothing is left to be waited for.
async fn take_off(shared: &Arc<Shared>, node: i32, drained: Drained) -> Option<Flight> {
    let mut batches = Vec::with_capacity(drained.len());
    for (key, topic_id, mut batch) in drained {
        match batch.encode(shared.options.compression, shared.rules.is_transactional) {
            Ok(bytes) => batches.push((Part { key, topic_id, bytes }, batch)),
            Err(error) => finish(shared, &key, batch, Err(error)),
        }
    }
    if batches.is_empty() {
        return None;
    }
    let (parts, carried): (Vec<Part>, Vec<Batch>) = batches.into_iter().unzip();
    let sent = async {
        let connection: Connection = shared.client.broker(node).await?;
        let timeout = shared.client.options().request_timeout;
        begin(&connection, &parts, shared.options.acks, timeout, in_transaction(shared)).await
    }
    .await;
    let batches: Vec<(Part, Batch)> = parts.into_iter().zip(carried).collect();
    match sent {
        Ok(Some(pending)) => {
            let answer = Box::pin(async move { pending.wait().await.map(Answer::new) });
            Some(Flight { batches, answer })
        }
        Ok(None) => {
            for (part, batch) in batches {
                let unknown = Produced { base_offset: -1, log_append_time_ms: -1, log_start_offset: -1 };
                finish(shared, &part.key, batch, Ok(unknown));
            }
            None
        }
        Err(error) => {
            let error = not_sent(error);
            batches.into_iter().for_each(|(part, batch)| finish(shared, &part.key, batch, Err(error.clone())));
            None
        }
    }
}

fn in_transaction(shared: &Shared) -> Option<InTransaction> {
    let state = shared.lock();
    let known = state.transactions.as_ref()?;
    Some(InTransaction { transactional_id: known.transactional_id.clone(), is_v2: known.is_v2 })
}

/// A request that never left its queue has certainly not been done.
fn not_sent(error: ClientError) -> ClientError {
    match error {
        ClientError::Disconnected { address, reason } => {
            ClientError::Connect { address, failure: ConnectFailure::Other(reason) }
        }
        ClientError::Broker { subject, code: ErrorCode::BrokerNotAvailable, .. } => {
            ClientError::Connect { address: subject, failure: ConnectFailure::Other("it is not alive".to_string()) }
        }
        other => other,
    }
}

/// Gives every batch its result; returns until when the broker wants to be left alone.
fn land(shared: &Arc<Shared>, batches: Vec<(Part, Batch)>, answer: Result<Answer, ClientError>) -> Option<Instant> {
    let mut answer = answer;
    let throttle = answer.as_ref().map_or(Duration::ZERO, |answer| answer.throttle);
    for (part, batch) in batches {
        let result = match &mut answer {
            Ok(answer) => answer.take(&part),
            Err(error) => Err(error.clone()),
        };
        finish(shared, &part.key, batch, result);
    }
    (throttle > Duration::ZERO).then(|| shared.runtime().now() + throttle)
}

fn finish(shared: &Arc<Shared>, key: &Key, batch: Batch, result: Result<Produced, ClientError>) {
    let now = shared.runtime().now();
    let is_concurrent =
        result.as_ref().err().and_then(ClientError::code).is_some_and(|code| code == ErrorCode::ConcurrentTransactions);
    let pause = if is_concurrent { CONCURRENT_PAUSE } else { shared.retry_pause(batch.attempts) };
    let retry_at = now + pause;
    if let Err(error) = &result {
        tracing::debug!(topic = %key.0, partition = key.1, attempt = batch.attempts, %error, "batch not acknowledged");
    }
    let completion = shared.lock().complete(key, batch, result, &shared.rules, (now, retry_at));
    if completion.needs_metadata || completion.lost.is_some() {
        shared.client.forget_topic(&key.0);
    }
    if completion.needs_metadata || completion.lost.is_some() || shared.rules.is_transactional {
        shared.housekeeping.notify_one();
    }
    end(key, completion, &shared.options, &shared.memory, now);
}
