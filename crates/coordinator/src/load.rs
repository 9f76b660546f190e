//! Loading: the log is replayed into an empty shard.

use crate::log::{ReadFailed, ShardLog, Term};
use crate::shard::{Position, Record, ReplayError, Shard};
use bytes::Bytes;
use ottla_records::{BatchError, BatchHeader, DECOMPRESSED_BATCH_BYTES_MAX, EndTxnMarker, Records, scan};
use std::ops::Range;

/// Why a shard could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadFailed {
    #[error(transparent)]
    Read(#[from] ReadFailed),
    #[error("a batch of the log is damaged: {0}")]
    Batch(#[from] BatchError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error("a read at offset {0} gave no whole batch that goes beyond it")]
    Stuck(i64),
}

/// What a load went through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Loaded {
    /// Where the log ended: the offset that the next record gets.
    pub(crate) next_offset: i64,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// Replays the log of `term` from its start to its end, at most about `bytes_max` bytes in memory at a time.
pub(crate) async fn load<S: Shard>(
    shard: &mut S,
    log: &dyn ShardLog,
    term: Term,
    bytes_max: usize,
) -> Result<Loaded, LoadFailed> {
    let (start, end) = log.bounds(term)?;
    let mut loaded = Loaded { next_offset: end, ..Loaded::default() };
    let mut offset = start;
    while offset < end {
        let bytes = log.read(term, offset, bytes_max).await?;
        // Compaction may have left nothing up to the end.
        if bytes.is_empty() {
            break;
        }
        let before = offset;
        for batch in scan(&bytes, true) {
            let (header, range) = batch?;
            offset = header.next_offset();
            loaded.bytes += range.len() as u64;
            loaded.records += replay_batch(shard, &bytes, &header, range, before)?;
        }
        if offset <= before {
            return Err(LoadFailed::Stuck(offset));
        }
    }
    Ok(loaded)
}

/// Replays what lies at `from` or above; the number of records.
fn replay_batch<S: Shard>(
    shard: &mut S,
    bytes: &Bytes,
    header: &BatchHeader,
    range: Range<usize>,
    from: i64,
) -> Result<u64, LoadFailed> {
    let batch = &bytes[range];
    if header.is_control() {
        if let Some(marker) = EndTxnMarker::of_batch(batch)? {
            shard.replay_end_of_transaction(header.producer_id.0, marker.committed);
        }
        return Ok(1);
    }
    let producer_id = header.is_transactional().then_some(header.producer_id.0);
    let mut records = Records::new(batch, DECOMPRESSED_BATCH_BYTES_MAX)?;
    let mut count = 0;
    while let Some(record) = records.next() {
        let record = record?;
        if record.offset < from {
            continue;
        }
        let position = Position { offset: record.offset, timestamp_ms: record.timestamp, producer_id };
        // Copied: a state of small records must not keep whole reads in memory.
        let key = Bytes::copy_from_slice(record.key.unwrap_or_default());
        let value = record.value.map(Bytes::copy_from_slice);
        shard.replay(&Record { key, value }, position)?;
        count += 1;
    }
    Ok(count)
}
