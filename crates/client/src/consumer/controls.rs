//! Positions, pauses and questions about offsets.

use super::record::{OffsetAndMetadata, Offsets};
use super::signal::Signal;
use super::state::Phase;
use super::{Consumer, offsets};
use crate::call::Call;
use crate::error::ClientError;
use crate::offsets::{ListedOffset, OffsetSpec};
use ottla_types::TopicPartition;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Ends a poll from another task: it returns `Wakeup`.
#[derive(Clone)]
pub struct ConsumerWaker {
    signal: Arc<Signal>,
}

impl ConsumerWaker {
    pub(crate) fn of(signal: &Arc<Signal>) -> ConsumerWaker {
        ConsumerWaker { signal: signal.clone() }
    }

    /// Ends the poll that waits now, or else the next one.
    pub fn wakeup(&self) {
        self.signal.wakeup();
    }
}

impl Consumer {
    /// A handle that ends a poll.
    pub fn waker(&self) -> ConsumerWaker {
        ConsumerWaker::of(&self.shared.signal)
    }

    /// Goes on at this offset.
    ///
    /// # Errors
    /// `Invalid` when the partition is not assigned or the offset is negative.
    pub fn seek(&self, partition: &TopicPartition, offset: i64) -> Result<(), ClientError> {
        self.seek_to(partition, &OffsetAndMetadata::new(offset))
    }

    /// Goes on at this offset, after a check that its leader epoch is part of the log.
    ///
    /// # Errors
    /// As for [`Consumer::seek`].
    pub fn seek_to(&self, partition: &TopicPartition, offset: &OffsetAndMetadata) -> Result<(), ClientError> {
        if offset.offset < 0 {
            return Err(ClientError::Invalid(format!("{partition}: offset {} is negative", offset.offset)));
        }
        let phase = if offset.leader_epoch >= 0 { Phase::Validation } else { Phase::Fetching };
        self.shared.lock().seek(partition, phase, offset.offset, offset.leader_epoch)?;
        self.go_on();
        Ok(())
    }

    /// Goes on at the oldest records.
    ///
    /// # Errors
    /// `Invalid` when a partition is not assigned.
    pub fn seek_to_beginning(&self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        self.seek_by(partitions, OffsetSpec::Earliest)
    }

    /// Goes on with what comes from now on.
    ///
    /// # Errors
    /// `Invalid` when a partition is not assigned.
    pub fn seek_to_end(&self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        self.seek_by(partitions, OffsetSpec::Latest)
    }

    /// Goes on at the first record at or after a time, in milliseconds since the epoch; at the end when there is none.
    ///
    /// # Errors
    /// `Invalid` when a partition is not assigned.
    pub fn seek_to_timestamp(&self, partitions: &[TopicPartition], timestamp: i64) -> Result<(), ClientError> {
        self.seek_by(partitions, OffsetSpec::AtTimestamp(timestamp))
    }

    fn seek_by(&self, partitions: &[TopicPartition], spec: OffsetSpec) -> Result<(), ClientError> {
        let mut state = self.shared.lock();
        partitions.iter().try_for_each(|partition| state.seek(partition, Phase::Offset(spec), -1, -1))?;
        drop(state);
        self.go_on();
        Ok(())
    }

    fn go_on(&self) {
        self.shared.work.notify_one();
        self.shared.lock().wake_fetchers();
    }

    /// Stops handing out records of these partitions; what is buffered stays.
    ///
    /// # Errors
    /// `Invalid` when a partition is not assigned.
    pub fn pause(&self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        self.set_paused(partitions, true)
    }

    /// Hands them out again.
    ///
    /// # Errors
    /// `Invalid` when a partition is not assigned.
    pub fn resume(&self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        self.set_paused(partitions, false)
    }

    fn set_paused(&self, partitions: &[TopicPartition], is_paused: bool) -> Result<(), ClientError> {
        let mut state = self.shared.lock();
        for partition in partitions {
            state.known_mut(partition)?.is_paused = is_paused;
        }
        state.wake_fetchers();
        Ok(())
    }

    /// The partitions that are paused.
    pub fn paused(&self) -> Vec<TopicPartition> {
        let state = self.shared.lock();
        state.partitions.iter().filter(|(_, known)| known.is_paused).map(|(partition, _)| partition.clone()).collect()
    }

    /// The offset of the next record that is handed out; waits until it is known.
    ///
    /// # Errors
    /// `Invalid` when the partition is not assigned; `Timeout` after `default.api.timeout.ms`; `NoOffset`.
    pub fn position<'a>(&'a self, partition: &'a TopicPartition) -> Call<'a, i64> {
        Box::pin(async move {
            let runtime = self.shared.runtime();
            let after = self.shared.client.options().api_timeout;
            let deadline = runtime.now() + after;
            loop {
                let (phase, position) = {
                    let state = self.shared.lock();
                    let known = state.known(partition)?;
                    (known.phase, known.position)
                };
                match phase {
                    Phase::Fetching | Phase::Validation => return Ok(position),
                    Phase::Stuck if position >= 0 => return Ok(position),
                    Phase::Stuck => {
                        let (topic, partition) = (partition.topic.to_string(), partition.partition);
                        let reason = "no position; seek first".to_string();
                        return Err(ClientError::NoOffset { topic, partition, reason });
                    }
                    Phase::Committed | Phase::Offset(_) if runtime.now() >= deadline => {
                        return Err(ClientError::Timeout { api: "position", after });
                    }
                    Phase::Committed | Phase::Offset(_) => runtime.sleep(POSITION_POLL).await,
                }
            }
        })
    }

    /// How many records lie between the position and the end of what may be read; `None` before the first fetch.
    ///
    /// # Errors
    /// `Invalid` when the partition is not assigned.
    pub fn lag(&self, partition: &TopicPartition) -> Result<Option<i64>, ClientError> {
        let state = self.shared.lock();
        let known = state.known(partition)?;
        let end = match self.shared.options.isolation {
            crate::Isolation::ReadCommitted => known.last_stable_offset,
            crate::Isolation::ReadUncommitted => known.high_watermark,
        };
        Ok((end >= 0 && known.position >= 0).then(|| (end - known.position).max(0)))
    }

    /// What the group has committed for these partitions; what has nothing is left out.
    ///
    /// # Errors
    /// `Invalid` without `group.id`; GROUP_AUTHORIZATION_FAILED ... and those of the connection.
    pub fn committed<'a>(&'a self, partitions: &'a [TopicPartition]) -> Call<'a, Offsets> {
        Box::pin(async move {
            let group_id = self.shared.group_id()?;
            self.patiently(|| offsets::fetch(&self.shared, &group_id, Some(partitions))).await
        })
    }

    /// The oldest offset of each partition.
    ///
    /// # Errors
    /// UNKNOWN_TOPIC_OR_PARTITION ... and those of the connection.
    pub fn beginning_offsets<'a>(
        &'a self,
        partitions: &'a [TopicPartition],
    ) -> Call<'a, BTreeMap<TopicPartition, i64>> {
        Box::pin(async move {
            let listed = self.list(partitions.iter().map(|partition| (partition, OffsetSpec::Earliest))).await?;
            Ok(listed.into_iter().map(|(partition, found)| (partition, found.offset)).collect())
        })
    }

    /// The end of each partition, for this consumer's isolation level.
    ///
    /// # Errors
    /// UNKNOWN_TOPIC_OR_PARTITION ... and those of the connection.
    pub fn end_offsets<'a>(&'a self, partitions: &'a [TopicPartition]) -> Call<'a, BTreeMap<TopicPartition, i64>> {
        Box::pin(async move {
            let listed = self.list(partitions.iter().map(|partition| (partition, OffsetSpec::Latest))).await?;
            Ok(listed.into_iter().map(|(partition, found)| (partition, found.offset)).collect())
        })
    }

    /// The first record at or after a time (ms since the epoch) of each partition; none where there is none.
    ///
    /// # Errors
    /// UNKNOWN_TOPIC_OR_PARTITION ... and those of the connection.
    pub fn offsets_for_times<'a>(
        &'a self,
        times: &'a BTreeMap<TopicPartition, i64>,
    ) -> Call<'a, BTreeMap<TopicPartition, ListedOffset>> {
        Box::pin(async move {
            let wanted = times.iter().map(|(partition, time)| (partition, OffsetSpec::AtTimestamp(*time)));
            let mut listed = self.list(wanted).await?;
            listed.retain(|_, found| found.offset >= 0);
            Ok(listed)
        })
    }

    async fn list(
        &self,
        wanted: impl Iterator<Item = (&TopicPartition, OffsetSpec)>,
    ) -> Result<BTreeMap<TopicPartition, ListedOffset>, ClientError> {
        let (client, isolation) = (&self.shared.client, self.shared.options.isolation);
        let mut listed = BTreeMap::new();
        for (partition, spec) in wanted {
            let found = self.patiently(|| client.list_offset(&partition.topic, partition.partition, spec, isolation));
            listed.insert(partition.clone(), found.await?);
        }
        Ok(listed)
    }

    async fn patiently<T, F>(&self, operation: impl Fn() -> F) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        crate::backoff::patiently(&self.shared.client, ClientError::is_transient, operation).await
    }
}

/// How often a position that is being found is looked at.
const POSITION_POLL: std::time::Duration = std::time::Duration::from_millis(5);
