//! Compaction of one batch: records that are not wanted any more go, everything else about the batch stays.
//!
//! Offsets, sequences, producer, codec and leader epoch are those of the original, so that consumers, producer state and
//! leader epochs see no difference but the missing records. A batch that keeps a tombstone gets a delete horizon
//! (KIP-534): the time from which the tombstone may go, in the place of the base timestamp. A batch may also stay without
//! any record, for its producer's last sequence or for its last offset.

use crate::compress::Compressor;
use crate::crc;
use crate::header::{BATCH_HEADER_LEN, BatchHeader, LOG_OVERHEAD, NO_TIMESTAMP};
use crate::record::write_record;
use crate::{BatchError, BuildError, RecordRef, Records, SnappyFraming, TimestampType};
use bytes::Bytes;

/// How a batch is treated besides its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchRetention {
    /// The delete horizon that the batch gets, in milliseconds, if it needs one and has none.
    pub delete_horizon_ms: i64,
    /// It needs one even if it keeps no tombstone: it is the marker of a transaction of which nothing else is left.
    pub needs_horizon: bool,
    /// The batch stays even if no record does.
    pub keep_empty: bool,
}

/// Limits of a compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactLimits {
    /// Bytes of the new batch, header included.
    pub batch_bytes_max: usize,
    /// Decompressed bytes of the old one.
    pub decompressed_bytes_max: u64,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactedBatch {
    /// Its bytes.
    pub outcome: Compacted,
    /// Records that it had.
    pub records_read: u32,
    /// Records that stay.
    pub records_kept: u32,
}

/// The bytes of a compacted batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compacted {
    /// Nothing stays.
    Gone,
    /// It stays as it is.
    Whole,
    /// It was built anew, perhaps without any record.
    Rebuilt(Bytes),
}

/// Why a batch cannot be compacted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompactError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] BatchError),
    /// The new one cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// Keeps the records of `batch` that `keep` wants. `batch` is exactly one batch whose CRC was checked.
pub fn compact_batch(
    batch: &[u8],
    retention: BatchRetention,
    limits: CompactLimits,
    mut keep: impl FnMut(&RecordRef<'_>) -> bool,
) -> Result<CompactedBatch, CompactError> {
    let mut records = Records::new(batch, limits.decompressed_bytes_max)?;
    let header = *records.header();
    let mut kept: Vec<bool> = Vec::new();
    let mut keeps_tombstone = false;
    while let Some(record) = records.next() {
        let record = record?;
        let is_kept = keep(&record);
        keeps_tombstone |= is_kept && record.value.is_none();
        kept.push(is_kept);
    }
    let records_read = kept.len() as u32;
    let records_kept = kept.iter().filter(|&&is_kept| is_kept).count() as u32;
    let new_horizon = (header.delete_horizon_ms().is_none() && (keeps_tombstone || retention.needs_horizon))
        .then_some(retention.delete_horizon_ms);
    let outcome = match records_kept {
        0 if retention.keep_empty => Compacted::Rebuilt(empty_batch(header)),
        0 => Compacted::Gone,
        _ if records_kept == records_read && new_horizon.is_none() => Compacted::Whole,
        _ => Compacted::Rebuilt(rebuild(batch, header, &kept, new_horizon.or(header.delete_horizon_ms()), limits)?),
    };
    Ok(CompactedBatch { outcome, records_read, records_kept })
}

/// The batch without its records.
fn empty_batch(mut header: BatchHeader) -> Bytes {
    header.length = (BATCH_HEADER_LEN - LOG_OVERHEAD) as i32;
    header.record_count = 0;
    header.base_timestamp = NO_TIMESTAMP;
    header.clear_codec_and_horizon();
    header.crc = crc::of_parts(&header.encode(), &[]);
    Bytes::copy_from_slice(&header.encode())
}

/// The batch with the records that `kept` names, at least one.
fn rebuild(
    batch: &[u8],
    mut header: BatchHeader,
    kept: &[bool],
    horizon: Option<i64>,
    limits: CompactLimits,
) -> Result<Bytes, CompactError> {
    let codec = header.compression()?;
    let head = vec![0; BATCH_HEADER_LEN];
    let mut out = Compressor::new(codec.into(), SnappyFraming::default(), head, limits.batch_bytes_max);
    let mut records = Records::new(batch, limits.decompressed_bytes_max)?;
    let mut base_timestamp = horizon;
    let mut max_timestamp = NO_TIMESTAMP;
    let mut scratch = Vec::new();
    let mut wanted = kept.iter();
    header.record_count = 0;
    while let Some(record) = records.next() {
        let record = record?;
        if wanted.next() != Some(&true) {
            continue;
        }
        let base = *base_timestamp.get_or_insert(record.timestamp);
        let offset_delta = i32::try_from(record.offset.wrapping_sub(header.base_offset));
        let offset_delta = offset_delta.map_err(|_| BatchError::CorruptHeader("an offset leaves its batch"))?;
        let delta = record.timestamp.wrapping_sub(base);
        scratch.clear();
        write_record(delta, offset_delta, record.key, record.value, record.headers, &mut scratch)
            .ok_or(BuildError::TooLarge { limit: limits.batch_bytes_max })?;
        out.write(&scratch)?;
        max_timestamp = max_timestamp.max(record.timestamp);
        header.record_count += 1;
    }
    let mut batch = out.finish()?;
    header.length =
        i32::try_from(batch.len() - LOG_OVERHEAD).map_err(|_| BuildError::TooLarge { limit: batch.len() })?;
    header.base_timestamp = base_timestamp.unwrap_or(NO_TIMESTAMP);
    if header.timestamp_type() == TimestampType::CreateTime {
        header.max_timestamp = max_timestamp;
    }
    if horizon.is_some() {
        header.set_delete_horizon();
    }
    let (head, rest) = batch.split_first_chunk_mut().expect("the compressor keeps room for the header");
    header.crc = crc::of_parts(&header.encode(), rest);
    *head = header.encode();
    Ok(Bytes::from(batch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BatchBuilder, Compression, Record, read_all, stamp};
    use ottla_types::{LeaderEpoch, ProducerEpoch, ProducerId};

    const LIMITS: CompactLimits = CompactLimits { batch_bytes_max: 1 << 20, decompressed_bytes_max: 1 << 20 };
    const KEEP_NONE: BatchRetention =
        BatchRetention { delete_horizon_ms: 5000, needs_horizon: false, keep_empty: false };

    /// Keys k0, k1 ... at offsets from 100; every third value is a tombstone; timestamps fall.
    fn sample(codec: Compression, timestamp_type: TimestampType) -> Bytes {
        let mut builder =
            BatchBuilder::new(codec, timestamp_type).producer(ProducerId(7), ProducerEpoch(2), 40).transactional();
        for i in 0..9_i64 {
            let (key, value) = (format!("k{i}"), vec![b'v'; 40]);
            let value = (i % 3 != 2).then_some(&value[..]);
            builder.append(2000 - 10 * i, Some(key.as_bytes()), value, &[(&b"h"[..], None)]).unwrap();
        }
        let batch = builder.build().unwrap();
        let mut head = batch.stamped_header(0, LeaderEpoch(0));
        stamp(&mut head, 100, LeaderEpoch(5));
        Bytes::from([&head[..], batch.records()].concat())
    }

    fn rebuilt(batch: &Bytes, retention: BatchRetention, keep: impl FnMut(&RecordRef<'_>) -> bool) -> Bytes {
        match compact_batch(batch, retention, LIMITS, keep).unwrap().outcome {
            Compacted::Rebuilt(bytes) => bytes,
            other => panic!("{other:?}"),
        }
    }

    fn same_identity(old: &BatchHeader, new: &BatchHeader) {
        let identity = |h: &BatchHeader| {
            let producer = (h.producer_id, h.producer_epoch, h.base_sequence, h.last_sequence());
            let place = (h.base_offset, h.last_offset(), h.partition_leader_epoch);
            (producer, place, h.timestamp_type(), h.is_transactional(), h.is_control())
        };
        assert_eq!(identity(old), identity(new));
    }

    #[test]
    fn what_stays_keeps_its_place_in_every_codec() {
        for codec in Compression::ALL {
            for timestamp_type in [TimestampType::CreateTime, TimestampType::LogAppendTime] {
                let old = sample(codec, timestamp_type);
                let before = read_all(&old, 1 << 20).unwrap();
                let is_wanted = |offset: i64, has_value: bool| offset >= 103 && offset != 106 && has_value;
                let new = rebuilt(&old, KEEP_NONE, |record| is_wanted(record.offset, record.value.is_some()));
                let header = BatchHeader::parse(&new).unwrap();
                header.check_crc(&new).unwrap();
                same_identity(&BatchHeader::parse(&old).unwrap(), &header);
                assert_eq!((header.compression().unwrap(), header.delete_horizon_ms()), (codec, None));
                let wanted: Vec<Record> =
                    before.into_iter().filter(|record| is_wanted(record.offset, record.value.is_some())).collect();
                assert_eq!(read_all(&new, 1 << 20).unwrap(), wanted);
                let max = wanted.iter().map(|record| record.timestamp).max();
                assert_eq!(Some(header.max_timestamp), max);
            }
        }
    }

    #[test]
    fn a_tombstone_that_stays_brings_a_delete_horizon_once() {
        let old = sample(Compression::Lz4, TimestampType::CreateTime);
        let new = rebuilt(&old, KEEP_NONE, |_| true);
        let header = BatchHeader::parse(&new).unwrap();
        assert_eq!((header.delete_horizon_ms(), header.record_count), (Some(5000), 9));
        assert_eq!(read_all(&new, 1 << 20).unwrap(), read_all(&old, 1 << 20).unwrap(), "timestamps are the same");
        let later = BatchRetention { delete_horizon_ms: 9000, ..KEEP_NONE };
        assert_eq!(compact_batch(&new, later, LIMITS, |_| true).unwrap().outcome, Compacted::Whole);
        let fewer = rebuilt(&new, later, |record| record.offset != 100);
        assert_eq!(BatchHeader::parse(&fewer).unwrap().delete_horizon_ms(), Some(5000));
        assert_eq!(read_all(&fewer, 1 << 20).unwrap()[..], read_all(&old, 1 << 20).unwrap()[1..]);
    }

    #[test]
    fn a_batch_stays_whole_goes_or_stays_empty() {
        let old = sample(Compression::Zstd, TimestampType::CreateTime);
        let values = |record: &RecordRef<'_>| record.value.is_some();
        let all = compact_batch(&rebuilt(&old, KEEP_NONE, values), KEEP_NONE, LIMITS, |_| true).unwrap();
        assert_eq!((all.outcome, all.records_read, all.records_kept), (Compacted::Whole, 6, 6));
        assert_eq!(compact_batch(&old, KEEP_NONE, LIMITS, |_| false).unwrap().outcome, Compacted::Gone);
        let keep_empty = BatchRetention { keep_empty: true, ..KEEP_NONE };
        let empty = rebuilt(&old, keep_empty, |_| false);
        let header = BatchHeader::parse(&empty).unwrap();
        header.check_crc(&empty).unwrap();
        same_identity(&BatchHeader::parse(&old).unwrap(), &header);
        assert_eq!((empty.len(), header.record_count, header.base_timestamp), (BATCH_HEADER_LEN, 0, NO_TIMESTAMP));
        assert_eq!(header.max_timestamp, 2000);
        assert_eq!(compact_batch(&empty, KEEP_NONE, LIMITS, |_| true).unwrap().outcome, Compacted::Gone);
        assert_eq!(rebuilt(&empty, keep_empty, |_| true), empty);
    }

    #[test]
    fn a_batch_that_cannot_be_read_or_built_is_an_error() {
        let old = sample(Compression::None, TimestampType::CreateTime);
        let mut torn = old.to_vec();
        torn[BATCH_HEADER_LEN] ^= 0x7f;
        assert!(matches!(compact_batch(&torn, KEEP_NONE, LIMITS, |_| true), Err(CompactError::Read(_))));
        let tiny = CompactLimits { batch_bytes_max: 100, ..LIMITS };
        assert!(matches!(compact_batch(&old, KEEP_NONE, tiny, |_| true), Err(CompactError::Build(_))));
    }
}
