//! Record batches for tests. Timestamps count up from [`TIMESTAMP`], one millisecond per record.

use bytes::Bytes;
use ottla_records::{BatchBuilder, Compression, Record, TimestampType, ValidatedBatch, read_all, scan};
use ottla_types::{ProducerEpoch, ProducerId};

/// The timestamp of the first record of every batch made here.
pub const TIMESTAMP: i64 = 1_700_000_000_000;
/// Bound of decompression in tests.
const DECOMPRESSED_BYTES_MAX: u64 = 1 << 30;

/// A plain batch with these values, as a producer sends it.
pub fn batch(values: &[&str]) -> Bytes {
    compressed_batch(Compression::None, values)
}

/// As [`batch`], compressed.
pub fn compressed_batch(compression: Compression, values: &[&str]) -> Bytes {
    build(BatchBuilder::new(compression, TimestampType::CreateTime), values).to_bytes()
}

/// A batch of an idempotent producer.
pub fn idempotent_batch(producer_id: i64, producer_epoch: i16, base_sequence: i32, values: &[&str]) -> Bytes {
    let builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    let builder = builder.producer(ProducerId(producer_id), ProducerEpoch(producer_epoch), base_sequence);
    build(builder, values).to_bytes()
}

/// A batch of one record with a value of `bytes` bytes.
pub fn batch_of_size(bytes: usize) -> Bytes {
    batch(&[&"x".repeat(bytes)])
}

/// Appends the values to a builder and builds it.
pub fn build(mut builder: BatchBuilder, values: &[&str]) -> ValidatedBatch {
    for (timestamp, value) in (TIMESTAMP..).zip(values) {
        builder.append(timestamp, None, Some(value.as_bytes()), &[]).expect("a test batch is small");
    }
    builder.build().expect("a test batch has records")
}

/// All records of consecutive batches, as a Fetch returns them.
///
/// # Panics
/// When the bytes are not whole, intact batches.
pub fn records(batches: &Bytes) -> Vec<Record> {
    let ranges = scan(batches, true).map(|found| found.expect("an intact batch").1);
    ranges.flat_map(|range| read_all(&batches.slice(range), DECOMPRESSED_BYTES_MAX).expect("intact records")).collect()
}

/// The values of [`records`] as text.
pub fn values(batches: &Bytes) -> Vec<String> {
    let text = |record: Record| String::from_utf8_lossy(&record.value.unwrap_or_default()).into_owned();
    records(batches).into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        let bytes = [batch(&["a", "b"]), idempotent_batch(7, 0, 5, &["c"])].concat();
        assert_eq!(values(&bytes.into()), ["a", "b", "c"]);
    }
}
