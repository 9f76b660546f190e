//! Batches and what they are made of.

use bytes::Bytes;
use ottla_records::{BatchBuilder, Compression, Record, TimestampType, ValidatedBatch};
use ottla_types::{ProducerEpoch, ProducerId};

/// When all records were made. Milliseconds.
pub(super) const TIMESTAMP_MS: i64 = 1_700_000_000_000;
/// The producer of batches that have one.
pub(super) const PRODUCER: (ProducerId, ProducerEpoch) = (ProducerId(7), ProducerEpoch(0));

/// How many records of how many bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) records: usize,
    pub(super) value_bytes: usize,
}

/// A batch of a usual producer with records of a KB.
pub(super) const OF_1_KB: Shape = Shape { records: 16, value_bytes: 1024 };
/// As many bytes in small records.
pub(super) const OF_100_B: Shape = Shape { records: 160, value_bytes: 100 };
/// One large record.
pub(super) const OF_100_KB: Shape = Shape { records: 1, value_bytes: 100 * 1024 };

impl Shape {
    /// The records' values: decimal digits, which compress to less than a half.
    fn values(self) -> impl Iterator<Item = Vec<u8>> {
        let mut state = 0x2545_F491_4F6C_DD1D_u64;
        let mut digit = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            b'0' + (state >> 33) as u8 % 10
        };
        (0..self.records).map(move |_| (0..self.value_bytes).map(|_| digit()).collect())
    }

    /// The records as an application hands them to its producer.
    pub(super) fn records(self) -> Vec<Record> {
        let record = |value: Vec<u8>| Record {
            offset: 0,
            timestamp: TIMESTAMP_MS,
            key: None,
            value: Some(Bytes::from(value)),
            headers: Vec::new(),
        };
        self.values().map(record).collect()
    }

    /// A batch without a producer id.
    pub(super) fn batch(self, compression: Compression) -> ValidatedBatch {
        build(BatchBuilder::new(compression, TimestampType::CreateTime), &self.records())
    }

    /// Batches without a producer id, each with bytes of its own as those of a network have.
    pub(super) fn plain_batches(self, count: usize) -> Vec<ValidatedBatch> {
        let records = self.records();
        let batch = || build(BatchBuilder::new(Compression::None, TimestampType::CreateTime), &records);
        std::iter::repeat_with(batch).take(count).collect()
    }

    /// Batches of an idempotent producer that follow one another.
    pub(super) fn idempotent_batches(self, count: usize) -> Vec<ValidatedBatch> {
        let records = self.records();
        let batch = |index: usize| build(idempotent_builder((index * self.records) as i32), &records);
        (0..count).map(batch).collect()
    }

    /// Bytes of the batch before compression.
    pub(super) fn plain_bytes(self) -> usize {
        self.batch(Compression::None).total_len()
    }
}

/// A batch of [`PRODUCER`], still empty.
pub(super) fn idempotent_builder(base_sequence: i32) -> BatchBuilder {
    let (id, epoch) = PRODUCER;
    BatchBuilder::new(Compression::None, TimestampType::CreateTime).producer(id, epoch, base_sequence)
}

/// The batch of these records.
pub(super) fn build(mut builder: BatchBuilder, records: &[Record]) -> ValidatedBatch {
    for record in records {
        builder.append_record(record).expect("the record fits");
    }
    builder.build().expect("there are records")
}
