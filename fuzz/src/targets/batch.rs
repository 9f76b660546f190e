//! Record batches: finding them in a log, accepting them from a producer, reading their records.

use super::{Allocation, Target};
use bytes::Bytes;
use fastrand::Rng;
use ottla_records::{
    BATCH_HEADER_LEN, BatchBuilder, BatchHeader, Compression, ProduceLimits, Record, Records, TimestampType,
};
use ottla_records::{scan, validate_produce};
use ottla_types::{ProducerEpoch, ProducerId};

/// Decompressed bytes that a target allows; decoders' own windows come on top.
const DECOMPRESSED_BYTES_MAX: u64 = 1 << 20;
const NOW_MS: i64 = 1_700_000_000_000;
const BOUND: Allocation = Allocation { per_input_byte: 1024, fixed: 128 << 20 };

pub(super) const SCAN: Target = Target { name: "scan", seed, run: find, allocation: BOUND };
pub(super) const PRODUCE: Target = Target { name: "produce", seed, run: produce, allocation: BOUND };
pub(super) const RECORDS: Target = Target { name: "records", seed, run: records, allocation: BOUND };

fn seed(rng: &mut Rng) -> Vec<u8> {
    let codecs = [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    let mut builder = BatchBuilder::new(codecs[rng.usize(..codecs.len())], TimestampType::CreateTime);
    if rng.bool() {
        builder = builder.producer(ProducerId(7), ProducerEpoch(1), rng.i32(0..));
    }
    for number in 0..rng.usize(1..6) {
        let record = Record {
            offset: number as i64,
            timestamp: NOW_MS + rng.i64(-5..5),
            key: rng.bool().then(|| Bytes::from(vec![b'k'; rng.usize(0..20)])),
            value: rng.bool().then(|| Bytes::from(vec![rng.u8(..); rng.usize(0..300)])),
            headers: vec![("h".into(), rng.bool().then(|| Bytes::from_static(b"v")))],
        };
        builder.append_record(&record).expect("a small record");
    }
    builder.build().expect("a small batch").to_bytes().to_vec()
}

/// The checksum would stop nearly every mutation; half of the inputs get a right one.
fn with_right_crc(input: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    let wants_crc = bytes.iter().fold(0u8, |sum, byte| sum ^ byte) & 1 == 0;
    if wants_crc && bytes.len() >= BATCH_HEADER_LEN {
        let length = (bytes.len() - 12) as i32;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    bytes
}

fn find(input: &[u8]) {
    let input = with_right_crc(input);
    for batch in scan(&input, true).take_while(Result::is_ok) {
        let _ = batch;
    }
    let _ = BatchHeader::parse(&input);
}

fn produce(input: &[u8]) {
    let input = Bytes::from(with_right_crc(input));
    for (target_compression, compacted) in [(None, false), (Some(Compression::Zstd.into()), true)] {
        let limits = ProduceLimits {
            target_compression,
            compacted,
            max_decompressed_bytes: DECOMPRESSED_BYTES_MAX,
            ..ProduceLimits::new(13, NOW_MS)
        };
        let Ok(batch) = validate_produce(&input, &limits) else { continue };
        let stored = batch.to_bytes();
        assert!(scan(&stored, true).all(|found| found.is_ok()), "an accepted batch is readable");
        walk(&stored).expect("every record of an accepted batch is readable");
    }
}

fn records(input: &[u8]) {
    let _ = walk(&with_right_crc(input));
}

fn walk(batch: &[u8]) -> Result<(), ottla_records::BatchError> {
    let mut records = Records::new(batch, DECOMPRESSED_BYTES_MAX)?;
    while let Some(record) = records.next() {
        let record = record?;
        let _ = record.headers.count();
    }
    Ok(())
}
