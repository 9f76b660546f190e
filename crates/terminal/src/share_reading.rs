//! Records of a share consumer, one after another, each of which is acknowledged, until nothing comes for some time or
//! somebody presses Ctrl-C.

use crate::failure::Failure;
use crate::reading::{Next, stop_on_signal};
use ottla_client::{
    AcknowledgeType, Acknowledged, AcknowledgementMode, AcquireMode, Client, ClientError, ConsumerRecord,
    ShareConsumer, ShareConsumerOptions,
};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A poll that has nothing returns after this, so that other things are looked at.
const POLL_MAX: Duration = Duration::from_secs(1);
/// The same while the member waits for partitions.
const JOIN_POLL_MAX: Duration = Duration::from_millis(100);

/// Reads records; what was not acknowledged when it is closed is delivered to somebody else.
pub struct ShareReading {
    client: Client,
    topics: Vec<String>,
    consumer: ShareConsumer,
    pending: VecDeque<ConsumerRecord>,
    lost: Arc<Mutex<Option<Lost>>>,
    is_stopped: bool,
}

/// Acknowledgements that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// How many records they were for; 0 when nobody knows.
    records: u64,
    /// Why the first of them failed.
    why: ClientError,
}

impl ShareReading {
    /// A member of the group for these topics; ends when the program is told to stop.
    pub fn new(client: &Client, options: ShareConsumerOptions, topics: &[&str]) -> Result<ShareReading, Failure> {
        let lost = Arc::default();
        let topics: Vec<String> = topics.iter().map(ToString::to_string).collect();
        let consumer = member(client, options, &topics, &lost)?;
        Ok(ShareReading { client: client.clone(), topics, consumer, pending: VecDeque::new(), lost, is_stopped: false })
    }

    /// Waits until there are partitions to read, or for so long.
    pub async fn join(&mut self, max: Duration, records_max: usize) -> Result<(), Failure> {
        let begun = Instant::now();
        while self.consumer.assignment().is_empty() && !self.is_stopped && begun.elapsed() < max {
            self.poll(JOIN_POLL_MAX, records_max).await?;
        }
        Ok(())
    }

    /// The next record, which must be acknowledged before the one after it; waits at most for `timeout`, or for ever. No more
    /// than `records_max` are taken from others, as far as brokers allow that.
    pub async fn next(&mut self, timeout: Option<Duration>, records_max: usize) -> Result<Next, Failure> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            if self.is_stopped {
                return Ok(Next::Stopped);
            }
            if let Some(record) = self.pending.pop_front() {
                return Ok(Next::Record(record));
            }
            let left = deadline.map_or(POLL_MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
            self.poll(left.min(POLL_MAX), records_max).await?;
            let is_over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if is_over && self.pending.is_empty() && !self.is_stopped {
                return Ok(Next::Nothing);
            }
        }
    }

    async fn poll(&mut self, timeout: Duration, records_max: usize) -> Result<(), Failure> {
        let records_max = records_max.min(self.consumer.options().max_poll_records);
        match self.consumer.poll_at_most(timeout, records_max).await {
            Ok(records) => self.pending.extend(records),
            Err(ClientError::Wakeup) => self.is_stopped = true,
            Err(ClientError::NoCommonVersion { .. })
                if self.consumer.options().acquire_mode == AcquireMode::RecordLimit =>
            {
                self.do_without_limit().await?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Brokers before Kafka 4.2 hand out whole batches only (KIP-1206).
    async fn do_without_limit(&mut self) -> Result<(), Failure> {
        eprintln!("note: a broker hands out whole batches only; records that are not wanted are given back");
        let acquire_mode = AcquireMode::BatchOptimized;
        let options = ShareConsumerOptions { acquire_mode, ..self.consumer.options().clone() };
        let consumer = member(&self.client, options, &self.topics, &self.lost)?;
        Ok(std::mem::replace(&mut self.consumer, consumer).close().await?)
    }

    /// Says what became of a record.
    pub fn acknowledge(&mut self, record: &ConsumerRecord, kind: AcknowledgeType) -> Result<(), Failure> {
        Ok(self.consumer.acknowledge(record, kind)?)
    }

    /// Whether records are there that [`ShareReading::next`] gives at once.
    pub fn has_more(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Sends what was acknowledged and leaves the group. Says which acknowledgements failed, these and earlier ones.
    pub async fn close(self) -> Option<Lost> {
        let closed = self.consumer.close().await;
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner).take();
        lost.or_else(|| closed.err().map(|why| Lost { records: 0, why }))
    }
}

/// A member that says itself what became of each record.
fn member(
    client: &Client,
    options: ShareConsumerOptions,
    topics: &[String],
    lost: &Arc<Mutex<Option<Lost>>>,
) -> Result<ShareConsumer, Failure> {
    let options = ShareConsumerOptions { acknowledgement_mode: AcknowledgementMode::Explicit, ..options };
    let mut consumer = ShareConsumer::new(client, options)?;
    let lost = Arc::clone(lost);
    consumer.set_acknowledgement_commit_callback(move |acknowledged| {
        note(&mut lost.lock().unwrap_or_else(PoisonError::into_inner), acknowledged);
    });
    stop_on_signal(consumer.waker());
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    consumer.subscribe(&topics)?;
    Ok(consumer)
}

fn note(lost: &mut Option<Lost>, acknowledged: &Acknowledged) {
    let Err(why) = &acknowledged.outcome else { return };
    let records = acknowledged.offsets.iter().map(|offsets| offsets.end().abs_diff(*offsets.start()) + 1);
    lost.get_or_insert_with(|| Lost { records: 0, why: why.clone() }).records += records.sum::<u64>();
}

impl From<Lost> for Failure {
    fn from(lost: Lost) -> Failure {
        let whose = match lost.records {
            0 => "records".to_string(),
            1 => "1 record".to_string(),
            records => format!("{records} records"),
        };
        let cause = format!("{whose} could not be acknowledged: {}", lost.why);
        Failure::new(cause).then("they are delivered again, perhaps to another member")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_types::{ErrorCode, TopicPartition};

    #[test]
    fn failed_acknowledgements_are_counted_and_the_first_reason_is_told() {
        let broker = |code| ClientError::Broker { subject: "jobs-0".to_string(), code, message: None };
        let acknowledged = |offsets, outcome| Acknowledged {
            partition: TopicPartition::new("jobs", 0),
            offsets: vec![offsets],
            outcome,
        };
        let mut lost = None;
        note(&mut lost, &acknowledged(0..=9, Ok(())));
        assert_eq!(lost, None);
        note(&mut lost, &acknowledged(10..=11, Err(broker(ErrorCode::InvalidRecordState))));
        note(&mut lost, &acknowledged(12..=12, Err(broker(ErrorCode::ShareSessionNotFound))));
        let failure = Failure::from(lost.expect("two failed"));
        assert!(failure.cause.starts_with("3 records could not be acknowledged: "), "{}", failure.cause);
        assert!(failure.cause.contains("INVALID_RECORD_STATE"), "{}", failure.cause);
    }
}
