//! The task that fetches from one broker: one request at a time for all partitions that are read from it and have nothing
//! buffered. While the application works on what it has, the next records are already on their way.

use super::Shared;
use super::batches::FetchedBatches;
use super::session::{FetchSession, Wanted};
use super::state::State;
use crate::backoff::Backoff;
use crate::error::ClientError;
use bytes::Bytes;
use ottla_protocol::fetch_response::PartitionData;
use ottla_protocol::{FetchRequest, FetchResponse, Message, Records};
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// The first version that names topics by id (KIP-516).
const TOPIC_ID_VERSION: i16 = 13;

/// Runs until the consumer is gone.
pub(super) async fn run(shared: Arc<Shared>, node: i32, wake: Arc<Notify>) {
    let mut session = FetchSession::default();
    let mut backoff = Backoff::new(shared.client.options());
    loop {
        let wanted = wanted(&shared, node);
        if wanted.is_empty() {
            wake.notified().await;
            continue;
        }
        match fetch(&shared, node, &mut session, wanted.clone()).await {
            Ok(response) => {
                backoff = Backoff::new(shared.client.options());
                let throttle = u64::try_from(response.throttle_time_ms).unwrap_or(0);
                take_in(&shared, &session, response);
                if throttle > 0 {
                    shared.runtime().sleep(Duration::from_millis(throttle)).await;
                }
            }
            Err(error) => {
                shared.client.tell(&error);
                session.failed(error.code());
                if !is_of_the_session(&error) {
                    lose_leader(&shared, &wanted);
                }
                backoff.pause(shared.runtime()).await;
            }
        }
    }
}

fn wanted(shared: &Shared, node: i32) -> BTreeMap<TopicPartition, Wanted> {
    let now = shared.runtime().now();
    let state = shared.lock();
    let here = state.partitions.iter().filter(|(_, known)| known.is_fetchable() && known.read_from(now) == Some(node));
    here.filter_map(|(partition, known)| {
        let leader = known.leader?;
        let wanted = Wanted {
            topic_id: leader.topic_id,
            offset: known.position,
            leader_epoch: leader.epoch,
            bytes_max: shared.options.partition_fetch_bytes_max,
            version: known.version,
        };
        Some((partition.clone(), wanted))
    })
    .collect()
}

async fn fetch(
    shared: &Shared,
    node: i32,
    session: &mut FetchSession,
    wanted: BTreeMap<TopicPartition, Wanted>,
) -> Result<FetchResponse, ClientError> {
    let connection = shared.fetching.broker(node).await?;
    let has_ids = wanted.values().all(|wanted| !wanted.topic_id.is_zero());
    let max = if has_ids { FetchRequest::MAX_VERSION } else { TOPIC_ID_VERSION - 1 };
    let version = connection.version_within::<FetchRequest>((FetchRequest::MIN_VERSION, max))?;
    let asked = session.request(wanted);
    let options = &shared.options;
    let request = FetchRequest {
        max_wait_ms: i32::try_from(options.fetch_wait_max.as_millis()).unwrap_or(i32::MAX),
        min_bytes: options.fetch_min_bytes,
        max_bytes: options.fetch_max_bytes,
        isolation_level: options.isolation.code(),
        session_id: asked.id,
        session_epoch: asked.epoch,
        topics: asked.topics,
        forgotten_topics_data: asked.forgotten,
        rack_id: options.rack.clone().unwrap_or_default(),
        ..Default::default()
    };
    let pending = connection.begin(&request, version, &[]).await?;
    let response = pending.allow(options.fetch_wait_max).wait().await?;
    ClientError::check(response.error_code, None, || format!("fetch from broker {node}"))?;
    session.answered(response.session_id);
    Ok(response)
}

fn is_of_the_session(error: &ClientError) -> bool {
    use ErrorCode::{FetchSessionIdNotFound, FetchSessionTopicIdError, InvalidFetchSessionEpoch};
    error.code().is_some_and(|code| {
        [FetchSessionIdNotFound, InvalidFetchSessionEpoch, FetchSessionTopicIdError].contains(&code)
    })
}

/// The broker is not there: perhaps another one leads now.
fn lose_leader(shared: &Shared, wanted: &BTreeMap<TopicPartition, Wanted>) {
    let mut state = shared.lock();
    for (partition, wanted) in wanted {
        if let Some(known) = state.at_version(partition, wanted.version) {
            (known.leader, known.preferred) = (None, None);
        }
        shared.client.forget_topic(&partition.topic);
    }
    shared.work.notify_one();
}

fn take_in(shared: &Shared, session: &FetchSession, response: FetchResponse) {
    let mut state = shared.lock();
    for topic in response.responses {
        let name: Option<Arc<str>> =
            if topic.topic.is_empty() { session.topic_of(topic.topic_id) } else { Some(topic.topic.as_str().into()) };
        let Some(name) = name else { continue };
        for data in topic.partitions {
            let partition = TopicPartition::new(name.clone(), data.partition_index);
            if let Some(wanted) = session.wanted(&partition) {
                take_partition(shared, &mut state, partition, *wanted, data);
            }
        }
    }
    drop(state);
    shared.signal.notify();
}

fn take_partition(shared: &Shared, state: &mut State, partition: TopicPartition, wanted: Wanted, data: PartitionData) {
    let until = shared.runtime().now() + shared.options.metadata_age_max;
    let Some(known) = state.at_version(&partition, wanted.version) else { return };
    if !known.is_fetchable() || known.position != wanted.offset {
        return;
    }
    let subject = || format!("{partition} at offset {}", wanted.offset);
    if let Err(error) = ClientError::check(data.error_code, None, subject) {
        refused(shared, state, &partition, error);
        return;
    }
    known.high_watermark = data.high_watermark;
    known.last_stable_offset = data.last_stable_offset;
    known.log_start_offset = data.log_start_offset;
    if data.preferred_read_replica >= 0 {
        tracing::debug!(%partition, replica = data.preferred_read_replica, "reading from a near replica");
        known.preferred = Some((data.preferred_read_replica, until));
        shared.work.notify_one();
    }
    let bytes = match data.records {
        Records::Inline(bytes) if !bytes.is_empty() => bytes,
        _ => return,
    };
    if let Some(error) = not_one_batch(&bytes, &partition, wanted.offset) {
        known.phase = super::state::Phase::Stuck;
        state.errors.push_back(error);
        return;
    }
    known.is_buffered = true;
    let aborted = data.aborted_transactions.unwrap_or_default();
    let aborted = aborted.iter().map(|aborted| (aborted.producer_id, aborted.first_offset)).collect();
    let rules = (shared.options.isolation, shared.options.check_crcs);
    state.buffer.push_back(FetchedBatches::new(partition, wanted.version, wanted.offset, bytes, aborted, rules));
}

/// A broker before KIP-74 sends a part of a batch that is larger than the limit.
fn not_one_batch(bytes: &Bytes, partition: &TopicPartition, offset: i64) -> Option<ClientError> {
    if ottla_records::scan(bytes, false).next().is_some() {
        return None;
    }
    let (topic, partition) = (partition.topic.to_string(), partition.partition);
    let reason = "not one whole batch came; raise max.partition.fetch.bytes".to_string();
    Some(ClientError::CorruptRecords { topic, partition, offset, reason })
}

fn refused(shared: &Shared, state: &mut State, partition: &TopicPartition, error: ClientError) {
    let Some(known) = state.partitions.get_mut(partition) else { return };
    if error.code() == Some(ErrorCode::OffsetOutOfRange) && known.preferred.take().is_none() {
        let reason = format!("offset {} is not in the log", known.position);
        state.reset(partition, &shared.options, shared.runtime().wall_clock_ms(), &reason);
    } else if error.is_retriable() {
        tracing::debug!(%partition, %error, "fetch refused");
        (known.leader, known.preferred) = (None, None);
        shared.client.forget_topic(&partition.topic);
    } else if error.code() != Some(ErrorCode::OffsetOutOfRange) {
        known.phase = super::state::Phase::Stuck;
        state.errors.push_back(error);
    }
    shared.work.notify_one();
}
