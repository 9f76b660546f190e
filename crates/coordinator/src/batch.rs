//! The records of one round, on their way into one batch.

use crate::limits::BATCH_RECORDS_MAX;
use crate::shard::Record;
use crate::transactional::TransactionalWrite;
use ottla_records::{
    BATCH_HEADER_LEN, BatchBuilder, BuildError, CompressionSpec, NO_SEQUENCE, TimestampType, ValidatedBatch,
};

/// Records that were replayed and not appended yet.
#[derive(Debug)]
pub(crate) struct PendingBatch {
    records: Vec<Record>,
    /// Bytes of the batch, uncompressed.
    bytes: usize,
    /// The time of all its records, so that a reload sees what the first replay saw.
    timestamp_ms: i64,
}

impl PendingBatch {
    pub(crate) fn new() -> PendingBatch {
        PendingBatch { records: Vec::new(), bytes: BATCH_HEADER_LEN, timestamp_ms: -1 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// The timestamp of a record that is added at `now_ms`.
    pub(crate) fn timestamp_ms(&self, now_ms: i64) -> i64 {
        if self.is_empty() { now_ms } else { self.timestamp_ms }
    }

    /// Whether records of this many bytes fit in.
    pub(crate) fn has_room(&self, count: usize, bytes: usize, bytes_max: usize) -> bool {
        let fits = self.records.len() + count <= BATCH_RECORDS_MAX && self.bytes + bytes <= bytes_max;
        // A decision goes into one batch, however many records it has.
        fits || self.is_empty() && BATCH_HEADER_LEN + bytes <= bytes_max
    }

    pub(crate) fn push(&mut self, record: Record, now_ms: i64) {
        self.timestamp_ms = self.timestamp_ms(now_ms);
        self.bytes += record_len(&record);
        self.records.push(record);
    }

    /// The batch of what was pushed, and an empty one in its place.
    pub(crate) fn take(&mut self, compression: CompressionSpec) -> Result<ValidatedBatch, BuildError> {
        let PendingBatch { records, timestamp_ms, .. } = std::mem::replace(self, PendingBatch::new());
        let mut builder = BatchBuilder::new(compression, TimestampType::CreateTime);
        for record in &records {
            builder.append(timestamp_ms, Some(&record.key), record.value.as_deref(), &[])?;
        }
        builder.build()
    }
}

/// The records of a transaction as one batch. They have no sequences, as Kafka's coordinators write them.
pub(crate) fn transactional_batch<'r>(
    records: impl Iterator<Item = &'r Record>,
    timestamp_ms: i64,
    transaction: &TransactionalWrite,
    compression: CompressionSpec,
) -> Result<ValidatedBatch, BuildError> {
    let mut builder = BatchBuilder::new(compression, TimestampType::CreateTime)
        .producer(transaction.producer_id, transaction.producer_epoch, NO_SEQUENCE)
        .transactional();
    for record in records {
        builder.append(timestamp_ms, Some(&record.key), record.value.as_deref(), &[])?;
    }
    builder.build()
}

/// Most bytes that the record takes in a batch of which all records have the same timestamp.
pub(crate) fn record_len(record: &Record) -> usize {
    /// A length as varint.
    const LENGTH: usize = 5;
    /// Attributes, timestamp delta, number of headers; lengths of record, key and value, and the offset delta.
    const OVERHEAD: usize = 3 + 4 * LENGTH;
    OVERHEAD + record.key.len() + record.value.as_ref().map_or(0, |value| value.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use ottla_records::Compression;

    fn record(key: usize, value: Option<usize>) -> Record {
        Record { key: vec![7; key].into(), value: value.map(|len| Bytes::from(vec![8; len])) }
    }

    #[test]
    fn a_batch_is_never_larger_than_it_was_counted() {
        let mut batch = PendingBatch::new();
        for size in [1, 63, 64, 8_191, 8_192, 100_000] {
            batch.push(record(size, Some(size)), 5);
            batch.push(record(size, None), 9);
        }
        let counted = batch.bytes;
        let built = batch.take(Compression::None.into()).unwrap();
        assert!(built.total_len() <= counted);
        assert!(counted - built.total_len() < 12 * 23);
        assert_eq!(built.max_timestamp(), 5, "one time for all records");
        assert!(batch.is_empty());
    }

    #[test]
    fn room_ends_with_bytes_and_records_but_an_empty_batch_takes_any_number() {
        let mut batch = PendingBatch::new();
        assert!(batch.has_room(BATCH_RECORDS_MAX + 1, 939, 1_000));
        assert!(!batch.has_room(1, 940, 1_000));
        batch.push(record(100, None), 0);
        assert!(batch.has_room(1, 100, 1_000));
        assert!(!batch.has_room(1, 900, 1_000));
        assert!(!batch.has_room(BATCH_RECORDS_MAX, 100, 1_000));
    }
}
