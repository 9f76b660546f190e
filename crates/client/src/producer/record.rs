//! What goes into a producer, and what comes back.

use crate::error::ClientError;
use crate::produce::Produced;
use bytes::Bytes;
use ottla_records::Record;
use ottla_runtime::watch;

/// A record to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProducerRecord {
    /// Topic name.
    pub topic: String,
    /// Partition index; `None` leaves it to the partitioner.
    pub partition: Option<i32>,
    /// Milliseconds since the epoch; `None` is now.
    pub timestamp: Option<i64>,
    /// Key; `None` is null.
    pub key: Option<Bytes>,
    /// Value; `None` is null, a tombstone on compacted topics.
    pub value: Option<Bytes>,
    /// Headers in order; a name may come more than once.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

/// Where a record went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordMetadata {
    /// Partition index.
    pub partition: i32,
    /// Its offset; -1 with acks=0 and when the broker does not tell (a duplicate that it no longer remembers).
    pub offset: i64,
    /// Its timestamp: the broker's for topics with log append time, else its own.
    pub timestamp: i64,
}

/// The end of a batch, shared by its records.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// Not yet.
    Pending,
    /// Acknowledged, or given up.
    Done(Result<Produced, ClientError>),
    /// Too large for the broker: the records go on in smaller batches, which begin at these indexes.
    Split(Vec<(i64, watch::Receiver<Outcome>)>),
}

/// A record on its way. Dropping it does not stop the record.
#[derive(Debug)]
pub struct Delivery {
    pub(super) outcome: watch::Receiver<Outcome>,
    /// The record's place in its batch.
    pub(super) index: i64,
    pub(super) partition: i32,
    pub(super) timestamp: i64,
}

impl ProducerRecord {
    /// A record with a value for a topic.
    pub fn new(topic: impl Into<String>, value: impl Into<Bytes>) -> ProducerRecord {
        ProducerRecord { topic: topic.into(), value: Some(value.into()), ..ProducerRecord::default() }
    }

    /// The same with a key.
    pub fn key(mut self, key: impl Into<Bytes>) -> ProducerRecord {
        self.key = Some(key.into());
        self
    }

    /// The same for this partition.
    pub fn partition(mut self, partition: i32) -> ProducerRecord {
        self.partition = Some(partition);
        self
    }

    /// The same with a timestamp in milliseconds since the epoch.
    pub fn timestamp(mut self, timestamp: i64) -> ProducerRecord {
        self.timestamp = Some(timestamp);
        self
    }

    /// The same with one more header.
    pub fn header(mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) -> ProducerRecord {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    /// An upper bound of its bytes in a batch, before compression.
    pub(super) fn size(&self) -> usize {
        /// Length, attributes, deltas, and lengths of key, value and headers at their longest.
        const OVERHEAD: usize = 5 + 1 + 10 + 5 + 5 + 5 + 5;
        let len = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers: usize = self.headers.iter().map(|(name, value)| 10 + name.len() + len(value)).sum();
        OVERHEAD + len(&self.key) + len(&self.value) + headers
    }

    pub(super) fn into_record(self, now_ms: i64) -> Record {
        let timestamp = self.timestamp.unwrap_or(now_ms);
        Record { offset: 0, timestamp, key: self.key, value: self.value, headers: self.headers }
    }
}

impl Delivery {
    /// The partition that the record goes to. Deliveries of one partition end in the order of the sends.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// Waits until the record is acknowledged or given up.
    ///
    /// # Errors
    /// What the broker refused it with, or `Undelivered` with what stood in the way when `delivery.timeout.ms` ended;
    /// see [`ClientError::is_outcome_unknown`].
    pub async fn wait(mut self) -> Result<RecordMetadata, ClientError> {
        self.ended().await
    }

    /// As [`Delivery::wait`], for who may stop waiting and come back.
    ///
    /// # Errors
    /// As for [`Delivery::wait`].
    pub async fn ended(&mut self) -> Result<RecordMetadata, ClientError> {
        loop {
            let outcome = self.outcome.borrow_and_update().clone();
            match outcome {
                Outcome::Done(result) => return result.map(|produced| self.metadata(produced)),
                Outcome::Split(pieces) => {
                    let piece = pieces.into_iter().rev().find(|(first, _)| *first <= self.index);
                    let (first, outcome) = piece.expect("the first piece begins at index 0");
                    (self.index, self.outcome) = (self.index - first, outcome);
                    continue;
                }
                Outcome::Pending => {}
            }
            if self.outcome.changed().await.is_err() {
                let why = Box::new(ClientError::Closed("the producer"));
                return Err(ClientError::Undelivered { why, was_sent: true });
            }
        }
    }

    fn metadata(&self, produced: Produced) -> RecordMetadata {
        let offset = if produced.base_offset < 0 { -1 } else { produced.base_offset + self.index };
        let timestamp = if produced.log_append_time_ms < 0 { self.timestamp } else { produced.log_append_time_ms };
        RecordMetadata { partition: self.partition, offset, timestamp }
    }
}
