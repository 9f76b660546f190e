//! The task that speaks with one broker: one request at a time, in one share session. Acknowledgements that were asked for go
//! first; then, while `poll` waits, records are fetched, and acknowledgements of the poll before go along.

use super::Shared;
use super::acknowledge::{self, Sending};
use super::acknowledgements::{ByPlace, Place};
use super::delivered::Delivered;
use super::session::{Partitions, ShareSession};
use super::state::{Commit, Completed, State};
use crate::backoff::Backoff;
use crate::error::ClientError;
use ottla_protocol::share_fetch_request::{AcknowledgementBatch, FetchPartition, FetchTopic, ForgottenTopic};
use ottla_protocol::share_fetch_response::PartitionData;
use ottla_protocol::{Message, Records, ShareFetchRequest, ShareFetchResponse};
use ottla_types::{ErrorCode, TopicPartition, Uuid};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// The first version with acquire modes (KIP-1206).
const ACQUIRE_MODE_VERSION: i16 = 2;

/// What a broker is to be asked next.
enum Work {
    Acknowledge(Commit),
    Fetch { wanted: Partitions, along: ByPlace },
    Close,
}

/// Runs until the consumer is gone.
pub(super) async fn run(shared: Arc<Shared>, node: i32, wake: Arc<Notify>) {
    let mut session = ShareSession::default();
    let mut backoff = Backoff::new(shared.client.options());
    loop {
        match next(&shared, node, &session) {
            None => wake.notified().await,
            Some(Work::Acknowledge(commit)) => {
                Sending { shared: &shared, node, session: &mut session }.commit(commit).await;
            }
            Some(Work::Close) => {
                acknowledge::close(&shared, node, &mut session).await;
                shared.closed(node);
            }
            Some(Work::Fetch { wanted, along }) => {
                let is_calm = fetch_once(&shared, node, &mut session, wanted, along).await;
                shared.turn_is_over(node);
                if is_calm {
                    backoff = Backoff::new(shared.client.options());
                } else {
                    backoff.pause(shared.runtime()).await;
                }
            }
        }
    }
}

fn next(shared: &Shared, node: i32, session: &ShareSession) -> Option<Work> {
    let mut state = shared.lock();
    let work = choose(shared, &mut state, node, session);
    if let Some(here) = state.nodes.get_mut(&node) {
        here.is_busy = work.is_some();
    }
    if matches!(work, Some(Work::Acknowledge(_))) {
        // Another broker may be asked meanwhile.
        state.nodes.iter().filter(|(other, _)| **other != node).for_each(|(_, other)| other.wake.notify_one());
    }
    work
}

fn choose(shared: &Shared, state: &mut State, node: i32, session: &ShareSession) -> Option<Work> {
    let wanted = state.led_by(node);
    let deadline = shared.runtime().now() + shared.client.options().api_timeout;
    let here = state.nodes.get_mut(&node)?;
    if let Some(commit) = here.commits.pop_front() {
        return Some(Work::Acknowledge(commit));
    }
    let along = std::mem::take(&mut here.along);
    let is_closing = here.is_closing;
    let may_fetch = !is_closing && !wanted.is_empty() && state.wants_records_of(node);
    let goes_along = along.is_empty() || may_fetch && goes_along(&along, &wanted, session);
    if may_fetch && goes_along && may_ask(shared, state, node) {
        state.nodes.entry(node).and_modify(|here| here.is_to_ask = false);
        return Some(Work::Fetch { wanted, along });
    }
    if !along.is_empty() {
        return Some(Work::Acknowledge(Commit { acknowledgements: along, deadline, done: None }));
    }
    is_closing.then_some(Work::Close)
}

/// Whether it is this broker's turn to be asked for records.
fn may_ask(shared: &Shared, state: &mut State, node: i32) -> bool {
    match shared.options.acquire_mode {
        super::AcquireMode::BatchOptimized => true,
        super::AcquireMode::RecordLimit => state.takes_turn(node),
    }
}

/// A request with renewals fetches nothing; one that opens a session carries no acknowledgements.
fn goes_along(along: &ByPlace, wanted: &Partitions, session: &ShareSession) -> bool {
    let is_wanted = |place: &Place| wanted.get(&place.partition) == Some(&place.topic_id);
    !session.is_new() && along.iter().all(|(place, said)| is_wanted(place) && !said.renews())
}

/// Whether all went well, so that the next request may follow at once.
async fn fetch_once(
    shared: &Arc<Shared>,
    node: i32,
    session: &mut ShareSession,
    wanted: Partitions,
    along: ByPlace,
) -> bool {
    let subscriptions = shared.lock().subscriptions;
    match fetch(shared, node, session, wanted.clone(), &along).await {
        Ok(mut response) => {
            if shared.lock().subscriptions != subscriptions {
                // The records were given back meanwhile, or will be when their locks end.
                let partitions = response.responses.iter_mut().flat_map(|topic| &mut topic.partitions);
                partitions.for_each(|data| data.acquired_records.clear());
            }
            let throttle = u64::try_from(response.throttle_time_ms).unwrap_or(0);
            let is_calm = take_in(shared, node, &wanted, along, response);
            if throttle > 0 {
                shared.runtime().sleep(Duration::from_millis(throttle)).await;
            }
            is_calm
        }
        Err(error) => {
            tracing::debug!(node, %error, "share fetch failed");
            shared.fail(along, &error);
            if !error.is_transient() {
                shared.report(error);
            } else if !acknowledge::is_of_the_session(&error) {
                shared.lose_leaders(wanted.keys());
            }
            false
        }
    }
}

async fn fetch(
    shared: &Shared,
    node: i32,
    session: &mut ShareSession,
    wanted: Partitions,
    along: &ByPlace,
) -> Result<ShareFetchResponse, ClientError> {
    let answered = begin_fetch(shared, node, session, wanted, along).await;
    let response = match answered {
        Ok(response) => response,
        Err(error) => {
            session.failed();
            shared.lock().session_ended(node, &error);
            return Err(error);
        }
    };
    let message = response.error_message.as_deref();
    let checked = ClientError::check(response.error_code, message, || format!("share fetch from broker {node}"));
    match &checked {
        Ok(()) => session.fetched(),
        Err(error) if acknowledge::is_of_the_session(error) => {
            session.failed();
            shared.lock().session_ended(node, error);
        }
        // A refused opening has opened nothing.
        Err(_) if session.is_new() => session.failed(),
        Err(_) => session.go_on(),
    }
    checked.map(|()| response)
}

async fn begin_fetch(
    shared: &Shared,
    node: i32,
    session: &mut ShareSession,
    wanted: Partitions,
    along: &ByPlace,
) -> Result<ShareFetchResponse, ClientError> {
    let options = &shared.options;
    let connection = shared.fetching.broker(node).await?;
    let mode = options.acquire_mode.code();
    let least = if mode == 0 { ShareFetchRequest::MIN_VERSION } else { ACQUIRE_MODE_VERSION };
    let version = connection.version_within::<ShareFetchRequest>((least, ShareFetchRequest::MAX_VERSION))?;
    let epoch = session.epoch();
    let changes = session.changes(wanted);
    let records_max = i32::try_from(shared.lock().records_max).unwrap_or(i32::MAX);
    let mut topics: BTreeMap<Uuid, BTreeMap<i32, FetchPartition>> = BTreeMap::new();
    for (topic_id, index) in changes.added {
        topics
            .entry(topic_id)
            .or_default()
            .insert(index, FetchPartition { partition_index: index, ..Default::default() });
    }
    for (place, said) in along {
        let partitions = topics.entry(place.topic_id).or_default();
        let partition = partitions.entry(place.partition.partition).or_default();
        partition.partition_index = place.partition.partition;
        let batches = said.batches().into_iter();
        partition.acknowledgement_batches = batches
            .map(|(first_offset, last_offset, acknowledge_types)| AcknowledgementBatch {
                first_offset,
                last_offset,
                acknowledge_types,
            })
            .collect();
    }
    let mut forgotten: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
    changes.forgotten.into_iter().for_each(|(topic_id, index)| forgotten.entry(topic_id).or_default().push(index));
    let request = ShareFetchRequest {
        group_id: Some(options.group_id.clone()),
        member_id: Some(shared.member_id.clone()),
        share_session_epoch: epoch,
        max_wait_ms: i32::try_from(options.fetch_wait_max.as_millis()).unwrap_or(i32::MAX),
        min_bytes: options.fetch_min_bytes,
        max_bytes: options.fetch_max_bytes,
        max_records: records_max,
        batch_size: records_max,
        share_acquire_mode: mode,
        is_renew_ack: false,
        topics: topics
            .into_iter()
            .map(|(topic_id, partitions)| FetchTopic { topic_id, partitions: partitions.into_values().collect() })
            .collect(),
        forgotten_topics_data: forgotten
            .into_iter()
            .map(|(topic_id, partitions)| ForgottenTopic { topic_id, partitions })
            .collect(),
    };
    connection.begin(&request, version, &[]).await?.allow(options.fetch_wait_max).wait().await
}

/// Whether no partition had an error.
fn take_in(shared: &Shared, node: i32, wanted: &Partitions, mut along: ByPlace, response: ShareFetchResponse) -> bool {
    let came_at = shared.runtime().now();
    let lock_timeout = acknowledge::lock_timeout(response.acquisition_lock_timeout_ms);
    let mut is_calm = true;
    let by_id: BTreeMap<(Uuid, i32), &TopicPartition> =
        wanted.iter().map(|(partition, topic_id)| ((*topic_id, partition.partition), partition)).collect();
    let mut state = shared.lock();
    for topic in response.responses {
        for data in topic.partitions {
            let Some(partition) = by_id.get(&(topic.topic_id, data.partition_index)) else { continue };
            let place = Place { node, partition: (*partition).clone(), topic_id: topic.topic_id };
            if let Some(acknowledgements) = along.remove(&place) {
                let subject = || format!("acknowledgements of {partition}");
                let message = data.acknowledge_error_message.as_deref();
                let outcome = ClientError::check(data.acknowledge_error_code, message, subject);
                let completed = Completed { place: place.clone(), acknowledgements, outcome, lock_timeout };
                state.completed.push(completed);
            }
            let checked = ClientError::check(data.error_code, data.error_message.as_deref(), || partition.to_string());
            match checked {
                Ok(()) => take_partition(&mut state, place, data, (came_at, lock_timeout)),
                Err(error) => {
                    is_calm = false;
                    refused(shared, &mut state, &place, error);
                }
            }
        }
    }
    drop(state);
    if !along.is_empty() {
        let error = ClientError::missing("ShareFetch", "the outcome of acknowledgements");
        shared.fail(along, &error);
    }
    shared.signal.notify();
    is_calm
}

fn take_partition(
    state: &mut State,
    place: Place,
    data: PartitionData,
    (came_at, lock_timeout): (ottla_runtime::Instant, Option<Duration>),
) {
    if data.acquired_records.is_empty() {
        return;
    }
    let Records::Inline(bytes) = data.records else { return };
    state.want_nothing();
    state.delivered.push_back(Delivered { place, lock_timeout, came_at, bytes, acquired: data.acquired_records });
}

fn refused(shared: &Shared, state: &mut State, place: &Place, error: ClientError) {
    tracing::debug!(partition = %place.partition, %error, "share fetch refused");
    let is_unknown = error.code() == Some(ErrorCode::UnknownServerError);
    if !error.is_transient() && !is_unknown {
        state.report(error);
        return;
    }
    if let Some(assigned) = state.assigned.get_mut(&place.partition).filter(|_| !is_unknown) {
        (assigned.leader, assigned.is_doubtful) = (None, true);
        shared.client.forget_topic(&place.partition.topic);
        shared.work.notify_one();
    }
}
