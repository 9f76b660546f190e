//! Records that travel together.

use super::record::{Outcome, ProducerRecord};
use crate::error::ClientError;
use crate::produce::Produced;
use crate::simple_producer::ProducerIdentity;
use bytes::Bytes;
use ottla_records::{BATCH_HEADER_LEN, BatchBuilder, BuildError, CompressionSpec, Record, TimestampType};
use ottla_runtime::{Instant, watch};

/// Names a batch within its producer.
pub(super) type BatchId = u64;

/// A batch, from its first record to its end.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) id: BatchId,
    /// Order of acceptance, and for a piece of a split batch its first record in there.
    pub(super) order: (u64, u64),
    pub(super) records: Vec<Record>,
    /// Upper bound of its bytes before compression.
    pub(super) bytes: usize,
    /// What it holds of `buffer.memory`: the sizes of its records.
    pub(super) held: usize,
    pub(super) created: Instant,
    /// Given when it is sent first, kept for every further try.
    pub(super) sequence: Option<(ProducerIdentity, i32)>,
    /// As it was sent: a retry sends the same bytes.
    pub(super) encoded: Option<Bytes>,
    /// A try ended without an answer, so that the broker may have it.
    pub(super) maybe_appended: bool,
    pub(super) attempts: u32,
    /// The pause before the next try.
    pub(super) not_before: Option<Instant>,
    pub(super) last_error: Option<ClientError>,
    pub(super) outcome: watch::Sender<Outcome>,
}

impl Batch {
    pub(super) fn new(id: BatchId, order: u64, created: Instant) -> Batch {
        Batch {
            id,
            order: (order, 0),
            records: Vec::new(),
            bytes: BATCH_HEADER_LEN,
            held: 0,
            created,
            sequence: None,
            encoded: None,
            maybe_appended: false,
            attempts: 0,
            not_before: None,
            last_error: None,
            outcome: watch::Sender::new(Outcome::Pending),
        }
    }

    /// Whether a record of `bytes` still fits; a batch takes one record of any size.
    pub(super) fn has_room(&self, bytes: usize, batch_size: usize) -> bool {
        self.attempts == 0 && self.sequence.is_none() && (self.records.is_empty() || self.bytes + bytes <= batch_size)
    }

    /// Adds a record; returns its index.
    pub(super) fn push(&mut self, record: ProducerRecord, bytes: usize, now_ms: i64) -> i64 {
        self.bytes += bytes;
        self.held += bytes;
        self.records.push(record.into_record(now_ms));
        self.records.len() as i64 - 1
    }

    pub(super) fn record_count(&self) -> i32 {
        i32::try_from(self.records.len()).expect("a batch has fewer than 2^31 records")
    }

    /// The batch as it goes to the log.
    ///
    /// # Errors
    /// `Invalid` when it cannot be built: a negative timestamp, or a codec that fails.
    pub(super) fn encode(
        &mut self,
        compression: CompressionSpec,
        is_transactional: bool,
    ) -> Result<Bytes, ClientError> {
        if let Some(encoded) = &self.encoded {
            return Ok(encoded.clone());
        }
        let invalid = |error: BuildError| ClientError::Invalid(error.to_string());
        let mut builder = BatchBuilder::new(compression, TimestampType::CreateTime);
        if let Some((identity, base_sequence)) = self.sequence {
            builder = builder.producer(identity.producer_id, identity.producer_epoch, base_sequence);
        }
        if is_transactional {
            builder = builder.transactional();
        }
        for record in &self.records {
            builder.append_record(record).map_err(invalid)?;
        }
        let encoded = builder.build().map_err(invalid)?.to_bytes();
        self.encoded = Some(encoded.clone());
        Ok(encoded)
    }

    /// Takes its sequence away: the broker is known not to have it.
    pub(super) fn forget_sequence(&mut self) {
        self.sequence = None;
        self.encoded = None;
        self.maybe_appended = false;
    }

    /// Ends it.
    pub(super) fn finish(self, result: Result<Produced, ClientError>) {
        self.outcome.send_replace(Outcome::Done(result));
    }

    /// The error for records that are given up after `why`.
    pub(super) fn undelivered(&self, why: ClientError) -> ClientError {
        ClientError::Undelivered { why: Box::new(why), was_sent: self.maybe_appended }
    }

    /// Two halves of a batch of two records or more; its deliveries follow them.
    pub(super) fn split(mut self, ids: [BatchId; 2]) -> [Batch; 2] {
        assert!(self.records.len() >= 2, "a batch of one record cannot be split");
        let (order, created, bytes, held) = (self.order, self.created, self.bytes, self.held);
        let second = self.records.split_off(self.records.len() / 2);
        let first = std::mem::take(&mut self.records);
        let first_len = first.len() as i64;
        let behind = order.1 + first.len() as u64;
        let halves = [(ids[0], first), (ids[1], second)].map(|(id, records)| {
            let mut half = Batch::new(id, order.0, created);
            half.records = records;
            half.attempts = self.attempts;
            half
        });
        let [mut one, mut two] = halves;
        (one.order, two.order) = (order, (order.0, behind));
        (one.bytes, two.bytes) = (bytes / 2, bytes - bytes / 2);
        (one.held, two.held) = (held / 2, held - held / 2);
        let pieces = vec![(0, one.outcome.subscribe()), (first_len, two.outcome.subscribe())];
        // What subscribes after the change sees it; who waits is woken.
        self.outcome.send_replace(Outcome::Split(pieces));
        [one, two]
    }
}
