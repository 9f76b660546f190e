//! The transaction index of a sealed segment: read, or built again from the batches.
//!
//! Every sealed or cleanly closed segment has a `.txnindex`, an empty one if no transaction was aborted in it. So one that is
//! missing says nothing, and is built again when a reader first needs it: from the producer state at the segment's start
//! and the headers of its batches. Segments that Kafka wrote have none where nothing was aborted; theirs are made in the
//! same way.

use super::{BatchReader, ScanStop, Segment};
use crate::LogError;
use crate::files::SegmentFile;
use crate::limits::{LOCATE_CHUNK_BYTES, SMALL_FILE_BYTES_MAX};
use crate::producer_state::{ProducerState, ProducerStateConfig};
use crate::recovery::apply_batch;
use crate::txn_index::AbortedTxn;
use ottla_runtime::Disk;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tracing::warn;

/// Segments of one log, by base offset.
type Segments = BTreeMap<i64, Arc<Segment>>;

/// The aborted transactions whose markers are in the segment at `base_offset`, which is one of `segments`.
pub(crate) async fn load_aborted(
    disk: &Disk,
    dir: &Path,
    segments: &Segments,
    base_offset: i64,
    now_ms: i64,
) -> Result<Arc<[AbortedTxn]>, LogError> {
    let segment = segments.get(&base_offset).expect("the caller names one of the segments");
    match segment.indexed_aborted(disk).await? {
        Some(aborted) => Ok(aborted),
        None => rebuild(disk, dir, segments, base_offset, now_ms).await,
    }
}

/// Whether a transaction that began below `upper_offset` is open where the segment at `base_offset` starts, so that its
/// marker may be in that segment or behind it; `None` if there is no producer snapshot to say so.
pub(crate) async fn is_open_below(
    disk: &Disk,
    dir: &Path,
    base_offset: i64,
    upper_offset: i64,
    now_ms: i64,
) -> Result<Option<bool>, LogError> {
    let producers = read_snapshot(disk, dir, base_offset, now_ms).await?;
    Ok(producers.map(|producers| producers.oldest_open_txn().is_some_and(|(_, first)| first < upper_offset)))
}

/// Builds the index of the segment at `target`, and of those that are read on the way and miss theirs.
async fn rebuild(
    disk: &Disk,
    dir: &Path,
    segments: &Segments,
    target: i64,
    now_ms: i64,
) -> Result<Arc<[AbortedTxn]>, LogError> {
    let (from, mut producers) = state_before(disk, dir, segments, target, now_ms).await?;
    let mut found = None;
    for (&base_offset, segment) in segments.range(from..=target) {
        let aborted = replay(disk, dir, segment, &mut producers, now_ms).await?;
        if segment.indexed_aborted(disk).await?.is_none() {
            warn!(segment = %segment.path(SegmentFile::Log).display(), aborted = aborted.len(), "rebuilt a transaction index");
            segment.put_aborted(disk, aborted).await;
        }
        found = segment.indexed_aborted(disk).await?.filter(|_| base_offset == target);
    }
    Ok(found.expect("the index of the target was put there"))
}

/// The producer state at the start of the last segment up to `target` that has a snapshot, or of the first one.
async fn state_before(
    disk: &Disk,
    dir: &Path,
    segments: &Segments,
    target: i64,
    now_ms: i64,
) -> Result<(i64, ProducerState), LogError> {
    for &base_offset in segments.range(..=target).map(|(base_offset, _)| base_offset).rev() {
        if let Some(producers) = read_snapshot(disk, dir, base_offset, now_ms).await? {
            return Ok((base_offset, producers));
        }
    }
    let first = segments.first_key_value().map_or(target, |(&base_offset, _)| base_offset);
    Ok((first, ProducerState::new(ProducerStateConfig::default(), first)))
}

async fn read_snapshot(disk: &Disk, dir: &Path, offset: i64, now_ms: i64) -> Result<Option<ProducerState>, LogError> {
    let path = SegmentFile::Snapshot.path(dir, offset);
    let bytes = match disk.read(&path, SMALL_FILE_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LogError::io("read", &path)(error)),
    };
    Ok(ProducerState::parse_snapshot(&bytes, offset, ProducerStateConfig::default(), now_ms).ok())
}

/// Takes the batches of one segment in; the transactions that were aborted in it.
async fn replay(
    disk: &Disk,
    dir: &Path,
    segment: &Segment,
    producers: &mut ProducerState,
    now_ms: i64,
) -> Result<Vec<AbortedTxn>, LogError> {
    let path = segment.path(SegmentFile::Log);
    let broken = |stop: ScanStop| stop.into_error(dir, &path, segment.base_offset());
    let opened = segment.open(disk).await?;
    let mut reader = BatchReader::new(opened.file.clone(), 0, segment.size(), LOCATE_CHUNK_BYTES);
    let mut aborted = Vec::new();
    while let Some((position, header)) = reader.next_header().await.map_err(broken)? {
        if !header.has_producer_id() {
            continue;
        }
        let batch = match header.is_control() {
            true => reader.batch_at(position, &header).await.map_err(broken)?,
            false => bytes::Bytes::new(),
        };
        let applied = apply_batch(producers, &header, &batch, now_ms);
        aborted.extend(applied.map_err(|reason| LogError::Damaged {
            directory: dir.to_path_buf(),
            path: path.clone(),
            position,
            offset: header.base_offset,
            reason,
        })?);
    }
    Ok(aborted)
}
