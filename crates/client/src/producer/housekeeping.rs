//! The producer's own task: finds leaders, gets a producer id, starts the senders, and ends batches whose time is over.

use super::accumulator::{Key, end};
use super::queue::Completion;
use super::transaction::Phase;
use super::{Shared, sender};
use crate::backoff::Backoff;
use crate::error::ClientError;
use crate::simple_producer::{ProducerIdentity, init_producer_id};
use ottla_runtime::Instant;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How often expiry is looked at, at least.
const ROUND: Duration = Duration::from_secs(1);

/// Runs until the producer is gone.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut backoff = Backoff::new(shared.client.options());
    let mut refreshed = shared.runtime().now();
    loop {
        expire(&shared);
        let found = async {
            settle(&shared);
            identify(&shared).await?;
            shared.add_partitions().await?;
            find_leaders(&shared).await?;
            refresh(&shared, &mut refreshed).await
        }
        .await;
        start_senders(&shared);
        match found {
            Ok(()) => backoff = Backoff::new(shared.client.options()),
            Err(error) => {
                shared.client.tell(&error);
                backoff.pause(shared.runtime()).await;
                continue;
            }
        }
        let now = shared.runtime().now();
        let next = shared.lock().next_time(None, &shared.rules, now).filter(|next| *next > now);
        let until = next.unwrap_or(now + ROUND).clamp(now + Duration::from_millis(1), now + ROUND);
        tokio::select! {
            biased;
            () = shared.housekeeping.notified() => {}
            () = shared.runtime().sleep_until(until) => {}
        }
    }
}

/// Gets a producer id when one is needed. What forbids one for good ends everything.
async fn identify(shared: &Arc<Shared>) -> Result<(), ClientError> {
    let is_plain = shared.rules.idempotence && !shared.rules.is_transactional;
    let needs_one = is_plain && shared.lock().identity.is_none();
    if !needs_one {
        return Ok(());
    }
    match init_producer_id(&shared.client).await {
        Ok(identity) => {
            become_known_as(shared, identity);
            Ok(())
        }
        Err(error) if error.is_transient() => Err(error),
        Err(error) => {
            tracing::error!(%error, "no producer id: this producer cannot send");
            fail_all(shared, &error);
            Err(error)
        }
    }
}

fn become_known_as(shared: &Shared, identity: ProducerIdentity) {
    let mut accumulator = shared.lock();
    accumulator.identity = Some(identity);
    accumulator.wake_all();
}

/// Asks for the leaders of partitions that have batches and none.
async fn find_leaders(shared: &Arc<Shared>) -> Result<(), ClientError> {
    let homeless = shared.lock().homeless();
    if homeless.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = homeless.iter().map(AsRef::as_ref).collect();
    let metadata = shared.client.fetch_metadata(Some(&names), false).await?;
    let mut accumulator = shared.lock();
    metadata.topics.values().for_each(|topic| accumulator.know(topic));
    accumulator.wake_all();
    if accumulator.homeless().is_empty() {
        return Ok(());
    }
    let first = accumulator.homeless().first().map(ToString::to_string).unwrap_or_default();
    drop(accumulator);
    let topic = metadata.topics.get(&first).map(|topic| topic.partitions.clone());
    topic.ok_or_else(|| ClientError::missing("Metadata", &first))??;
    let code = ottla_types::ErrorCode::LeaderNotAvailable;
    Err(ClientError::Broker { subject: format!("topic '{first}'"), code, message: None })
}

/// Asks again for all topics after `metadata.max.age.ms`: they may have more partitions now. A topic that somebody deleted is
/// not made again by this.
async fn refresh(shared: &Shared, refreshed: &mut Instant) -> Result<(), ClientError> {
    let now = shared.runtime().now();
    if now < crate::backoff::later(*refreshed, shared.options.metadata_age_max) {
        return Ok(());
    }
    let topics: Vec<Arc<str>> = shared.lock().topics.keys().cloned().collect();
    if !topics.is_empty() {
        let names: Vec<&str> = topics.iter().map(AsRef::as_ref).collect();
        let metadata = shared.client.fetch_metadata(Some(&names), false).await?;
        let mut accumulator = shared.lock();
        metadata.topics.values().for_each(|topic| accumulator.know(topic));
        accumulator.wake_all();
    }
    *refreshed = shared.runtime().now();
    Ok(())
}

/// A task for every leader that has none yet.
pub(super) fn start_senders(shared: &Arc<Shared>) {
    let mut accumulator = shared.lock();
    let mut leaders: Vec<i32> = accumulator.queues.values().filter_map(|queue| queue.leader).collect();
    leaders.sort_unstable();
    leaders.dedup();
    for node in leaders {
        if accumulator.senders.contains_key(&node) || accumulator.is_gone {
            continue;
        }
        let wake = Arc::new(Notify::new());
        accumulator.senders.insert(node, wake.clone());
        let task = shared.runtime().spawn("client.producer.sender", sender::run(shared.clone(), node, wake));
        accumulator.tasks.push(task.abort_on_drop());
    }
}

/// Ends what the transaction's phase leaves no way for: everything after a fatal error, what has no number in one that is to
/// be aborted.
pub(super) fn settle(shared: &Arc<Shared>) {
    let (fatal, gives_up) = {
        let mut state = shared.lock();
        let Some(transactions) = &state.transactions else { return };
        let is_fatal = matches!(transactions.phase, Phase::Fatal(_));
        let (error, gives_up) = (transactions.error(), transactions.gives_up());
        if is_fatal {
            state.fatal = Some(error.clone());
        }
        (is_fatal.then_some(error), gives_up)
    };
    if let Some(error) = fatal {
        each(shared, |queue| queue.fail_all(&error));
    } else if let Some(error) = gives_up {
        each(shared, |queue| queue.fail_unnumbered(&error));
    }
}

fn expire(shared: &Arc<Shared>) {
    let now = shared.runtime().now();
    each(shared, |queue| queue.expire(&shared.rules, now));
}

/// Ends everything that waits.
pub(super) fn fail_all(shared: &Arc<Shared>, error: &ClientError) {
    shared.lock().fatal = Some(error.clone());
    each(shared, |queue| queue.fail_all(error));
}

fn each(shared: &Arc<Shared>, mut step: impl FnMut(&mut super::queue::PartitionQueue) -> Completion) {
    let now = shared.runtime().now();
    let mut completions: Vec<(Key, Completion)> = Vec::new();
    let mut accumulator = shared.lock();
    for (key, queue) in &mut accumulator.queues {
        let completion = step(queue);
        if !completion.ended.is_empty() || completion.lost.is_some() {
            completions.push((key.clone(), completion));
        }
    }
    for (_, completion) in &completions {
        accumulator.replace_lost(completion);
        accumulator.note_failures(completion);
    }
    if !completions.is_empty() {
        accumulator.wake_all();
    }
    drop(accumulator);
    completions.into_iter().for_each(|(key, done)| end(&key, done, &shared.options, &shared.memory, now));
}
