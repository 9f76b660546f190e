//! The consumer's own task: leaders of its partitions, committed offsets, offsets by the reset policy or a seek, and the
//! check of positions after a change of leader (KIP-320). Starts a fetcher for every broker that is read from.

use super::state::Phase;
use super::{Shared, fetcher, offsets};
use crate::backoff::Backoff;
use crate::error::ClientError;
use crate::offsets::OffsetSpec;
use ottla_protocol::OffsetForLeaderEpochRequest;
use ottla_protocol::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use ottla_types::TopicPartition;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::Notify;

/// `REPLICA_ID` of consumers.
const CONSUMER: i32 = -1;

/// Runs until the consumer is gone.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut backoff = Backoff::new(shared.client.options());
    let mut refreshed = shared.runtime().now();
    loop {
        let age = shared.runtime().now().saturating_duration_since(refreshed);
        if age >= shared.options.metadata_age_max {
            refreshed = shared.runtime().now();
            forget_all(&shared);
        }
        match round(&shared).await {
            Ok(()) => {
                backoff = Backoff::new(shared.client.options());
                let left = shared.options.metadata_age_max.saturating_sub(age);
                tokio::select! {
                    biased;
                    () = shared.work.notified() => {}
                    () = shared.runtime().sleep(left) => {}
                }
            }
            Err(error) => {
                shared.client.tell(&error);
                backoff.pause(shared.runtime()).await;
            }
        }
    }
}

/// The cluster is asked again, positions stay.
fn forget_all(shared: &Shared) {
    let topics: BTreeSet<Arc<str>> = shared.lock().partitions.keys().map(|partition| partition.topic.clone()).collect();
    topics.iter().for_each(|topic| shared.client.forget_topic(topic));
    for topic in topics {
        shared.stale_topics().insert(topic);
    }
}

/// Everything that can be done now; the first error that a later try may mend.
async fn round(shared: &Arc<Shared>) -> Result<(), ClientError> {
    let leaders = find_leaders(shared).await;
    start_fetchers(shared);
    let committed = find_committed(shared).await;
    let mut trouble = leaders.and(committed);
    for (partition, version, phase) in in_need(shared) {
        let done = match phase {
            Phase::Offset(spec) => find_offset(shared, &partition, version, spec).await,
            Phase::Validation => validate(shared, &partition, version).await,
            Phase::Committed | Phase::Fetching | Phase::Stuck => Ok(()),
        };
        if let Err(error) = done {
            if error.is_transient() {
                shared.client.forget_topic(&partition.topic);
                trouble = trouble.and(Err(error));
            } else {
                report(shared, &partition, version, error);
            }
        }
    }
    shared.lock().wake_fetchers();
    shared.signal.notify();
    trouble
}

async fn find_leaders(shared: &Arc<Shared>) -> Result<(), ClientError> {
    let topics: BTreeSet<Arc<str>> = {
        let state = shared.lock();
        let homeless = state.partitions.iter().filter(|(_, known)| known.leader.is_none());
        homeless
            .map(|(partition, _)| partition.topic.clone())
            .chain(std::mem::take(&mut *shared.stale_topics()))
            .collect()
    };
    if topics.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = topics.iter().map(AsRef::as_ref).collect();
    // Partitions of a pattern's topics are not asked back to life when somebody deletes the topic.
    let may_create = shared.options.allow_auto_create_topics && !shared.has_pattern.load(Ordering::Relaxed);
    let metadata = shared.client.fetch_metadata(Some(&names), may_create).await?;
    let mut state = shared.lock();
    metadata.topics.values().for_each(|topic| state.know(topic));
    let homeless =
        state.partitions.iter().find(|(_, known)| known.leader.is_none()).map(|(partition, _)| partition.clone());
    drop(state);
    let Some(partition) = homeless else { return Ok(()) };
    if let Some(topic) = metadata.topics.get(&*partition.topic) {
        topic.partitions.clone()?;
    }
    let code = ottla_types::ErrorCode::LeaderNotAvailable;
    Err(ClientError::Broker { subject: partition.to_string(), code, message: None })
}

fn start_fetchers(shared: &Arc<Shared>) {
    let now = shared.runtime().now();
    let mut state = shared.lock();
    let nodes: BTreeSet<i32> = state.partitions.values().filter_map(|known| known.read_from(now)).collect();
    for node in nodes {
        if state.fetchers.contains_key(&node) || state.is_closed {
            continue;
        }
        let wake = Arc::new(Notify::new());
        state.fetchers.insert(node, wake.clone());
        let task = shared.runtime().spawn("client.consumer.fetcher", fetcher::run(shared.clone(), node, wake));
        state.tasks.push(task.abort_on_drop());
    }
}

fn in_need(shared: &Shared) -> Vec<(TopicPartition, u64, Phase)> {
    let state = shared.lock();
    let led = state.partitions.iter().filter(|(_, known)| known.leader.is_some());
    led.map(|(partition, known)| (partition.clone(), known.version, known.phase))
        .filter(|(_, _, phase)| matches!(phase, Phase::Offset(_) | Phase::Validation))
        .collect()
}

/// Asks the group for what was committed; partitions without an offset go by the reset policy.
async fn find_committed(shared: &Arc<Shared>) -> Result<(), ClientError> {
    let wanted: Vec<(TopicPartition, u64)> = {
        let state = shared.lock();
        let phase = state.partitions.iter().filter(|(_, known)| known.phase == Phase::Committed);
        phase.map(|(partition, known)| (partition.clone(), known.version)).collect()
    };
    if wanted.is_empty() {
        return Ok(());
    }
    let partitions: Vec<TopicPartition> = wanted.iter().map(|(partition, _)| partition.clone()).collect();
    let committed = match &shared.options.group_id {
        Some(group_id) => offsets::fetch(shared, group_id, Some(&partitions)).await,
        None => Ok(super::record::Offsets::new()),
    };
    let committed = match committed {
        Ok(committed) => committed,
        Err(error) if error.is_transient() || error.code() == Some(ottla_types::ErrorCode::StaleMemberEpoch) => {
            return Err(error);
        }
        Err(error) => {
            wanted.iter().for_each(|(partition, version)| report(shared, partition, *version, error.clone()));
            return Ok(());
        }
    };
    let mut state = shared.lock();
    for (partition, version) in wanted {
        let Some(known) = state.at_version(&partition, version) else { continue };
        if known.phase != Phase::Committed {
            continue;
        }
        match committed.get(&partition) {
            Some(found) => {
                (known.position, known.epoch) = (found.offset, found.leader_epoch);
                known.phase = if found.leader_epoch >= 0 { Phase::Validation } else { Phase::Fetching };
            }
            None => {
                let now_ms = shared.runtime().wall_clock_ms();
                state.reset(&partition, &shared.options, now_ms, "there is no committed offset");
            }
        }
    }
    Ok(())
}

async fn find_offset(
    shared: &Shared,
    partition: &TopicPartition,
    version: u64,
    spec: OffsetSpec,
) -> Result<(), ClientError> {
    let isolation = shared.options.isolation;
    let mut found = shared.client.list_offset(&partition.topic, partition.partition, spec, isolation).await?;
    if found.offset < 0 {
        // Nothing is as new as that: the end it is.
        found = shared.client.list_offset(&partition.topic, partition.partition, OffsetSpec::Latest, isolation).await?;
    }
    let mut state = shared.lock();
    if let Some(known) = state.at_version(partition, version) {
        (known.position, known.epoch, known.phase) = (found.offset, found.leader_epoch, Phase::Fetching);
        tracing::debug!(%partition, offset = found.offset, "position found");
    }
    Ok(())
}

/// Asks the leader where the epoch of the position ends; a smaller offset means that the log was truncated.
async fn validate(shared: &Shared, partition: &TopicPartition, version: u64) -> Result<(), ClientError> {
    let asked = {
        let mut state = shared.lock();
        let known = state.at_version(partition, version);
        known.and_then(|known| known.leader.map(|leader| (known.position, known.epoch, leader)))
    };
    let Some((position, epoch, leader)) = asked else { return Ok(()) };
    let wanted = OffsetForLeaderPartition {
        partition: partition.partition,
        current_leader_epoch: leader.epoch,
        leader_epoch: epoch,
    };
    let topic = OffsetForLeaderTopic { topic: partition.topic.to_string(), partitions: vec![wanted] };
    let request = OffsetForLeaderEpochRequest { replica_id: CONSUMER, topics: vec![topic] };
    let connection = shared.client.broker(leader.node).await?;
    if connection.version_of::<OffsetForLeaderEpochRequest>().is_err() {
        settle(shared, partition, version, position, epoch);
        return Ok(());
    }
    let response = connection.send(&request).await?;
    let found = response.topics.into_iter().flat_map(|topic| topic.partitions).next();
    let found = found.ok_or_else(|| ClientError::missing("OffsetForLeaderEpoch", &partition.to_string()))?;
    ClientError::check(found.error_code, None, || partition.to_string())?;
    if found.end_offset >= position {
        settle(shared, partition, version, position, epoch);
        return Ok(());
    }
    let has_policy = shared.options.offset_reset != super::OffsetReset::None;
    tracing::warn!(%partition, position, end_offset = found.end_offset, "the log was truncated behind the position");
    if has_policy && found.end_offset >= 0 {
        settle(shared, partition, version, found.end_offset, found.leader_epoch);
    } else if has_policy {
        let mut state = shared.lock();
        if state.at_version(partition, version).is_some() {
            state.reset(partition, &shared.options, shared.runtime().wall_clock_ms(), "its leader epoch is unknown");
        }
    } else {
        let (topic, partition_index) = (partition.topic.to_string(), partition.partition);
        let diverged_at = if found.end_offset < 0 { position } else { found.end_offset };
        return Err(ClientError::LogTruncated { topic, partition: partition_index, position, diverged_at });
    }
    Ok(())
}

fn settle(shared: &Shared, partition: &TopicPartition, version: u64, position: i64, epoch: i32) {
    let mut state = shared.lock();
    if let Some(known) = state.at_version(partition, version).filter(|known| known.phase == Phase::Validation) {
        (known.position, known.epoch, known.phase) = (position, epoch, Phase::Fetching);
    }
}

/// Tells the application; the partition rests until a seek.
fn report(shared: &Shared, partition: &TopicPartition, version: u64, error: ClientError) {
    let mut state = shared.lock();
    if let Some(known) = state.at_version(partition, version) {
        known.phase = Phase::Stuck;
        state.errors.push_back(error);
    }
    drop(state);
    shared.signal.notify();
}
