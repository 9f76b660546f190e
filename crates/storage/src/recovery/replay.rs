//! Producer state and leader epochs at an offset: from the last valid snapshot and the checkpoint, and from the batches
//! between there and the offset.

use super::{Inventory, OpenRequest};
use crate::LogError;
use crate::checkpoints::CheckpointError;
use crate::files::{LEADER_EPOCH_CHECKPOINT, SegmentFile};
use crate::index::OffsetIndex;
use crate::leader_epoch_cache::LeaderEpochCache;
use crate::limits::{
    INDEX_FILE_BYTES_MAX, LOCATE_CHUNK_BYTES, RECALL_BYTES, RECALL_SEGMENTS_MAX, SMALL_FILE_BYTES_MAX,
};
use crate::log::{sync_dir, sync_file};
use crate::producer_state::{ProducerBatch, ProducerState};
use crate::segment::BatchReader;
use crate::sites;
use crate::txn_index::AbortedTxn;
use ottla_records::{BatchHeader, EndTxnMarker};
use ottla_runtime::{Disk, OpenMode};
use std::io;
use tracing::warn;

/// Producer state and leader epochs at an offset.
#[derive(Debug)]
pub(super) struct State {
    pub(super) producers: ProducerState,
    pub(super) epochs: LeaderEpochCache,
    /// The snapshot that the producer state was loaded from.
    pub(super) snapshot_offset: Option<i64>,
}

/// The state at `end_offset`, from files that are below it. The batches there are believed, not checked.
pub(super) async fn load_state(
    request: &OpenRequest,
    disk: &Disk,
    inventory: &Inventory,
    end_offset: i64,
) -> Result<State, LogError> {
    let (snapshot_offset, mut producers) = load_snapshot(request, disk, inventory, end_offset).await?;
    let first = inventory.first_offset().unwrap_or(end_offset);
    if let Some(snapshot_offset) = snapshot_offset.filter(|_| producers.producers().len() > 0) {
        let batches = batches_before(request, disk, inventory, snapshot_offset).await?;
        producers.recall(&batches);
    }
    let producers_from = snapshot_offset.unwrap_or(first);
    let (mut epochs, epochs_from) = match load_epochs(request, disk).await? {
        // They are written before the recovery point rises, and may lag behind what else was flushed.
        Some(epochs) => (epochs, request.recovery_point().unwrap_or(end_offset).min(end_offset)),
        None => (LeaderEpochCache::new(), first),
    };
    // What the file has beyond that is found again.
    epochs.truncate_from_end(epochs_from);
    let from = producers_from.min(epochs_from);
    let first_base = inventory.floor(from).unwrap_or(end_offset);
    for (&base_offset, &size) in inventory.segments().range(first_base..end_offset.max(first_base)) {
        let path = SegmentFile::Log.path(&request.path, base_offset);
        let file = disk.open(&path, OpenMode::Read).await.map_err(LogError::io("open", &path))?;
        let mut reader = BatchReader::new(file, 0, size, LOCATE_CHUNK_BYTES);
        let broken = |stop: crate::segment::ScanStop| stop.into_error(&request.path, &path, base_offset);
        while let Some((position, header)) = reader.next_header().await.map_err(broken)? {
            if header.base_offset >= end_offset {
                break;
            }
            if header.base_offset >= epochs_from {
                assign_epoch(&mut epochs, &header);
            }
            if header.base_offset >= producers_from && header.has_producer_id() {
                let batch = match header.is_control() {
                    true => reader.batch_at(position, &header).await.map_err(broken)?,
                    false => bytes::Bytes::new(),
                };
                let applied = apply(&mut producers, &header, &batch, request.now_ms());
                applied.map_err(|reason| request.damaged(&path, position, header.base_offset, reason))?;
            }
        }
    }
    producers.advance_to(end_offset);
    Ok(State { producers, epochs, snapshot_offset })
}

/// Removes the segments that lie wholly below the log start offset: their deletion was not finished, or was taken back.
/// There may be holes among them, but only before a segment whose producer state is durable: retention waits for that. So
/// those from the last durable producer state on are whole, and are kept for it.
pub(super) async fn drop_deleted(
    request: &OpenRequest,
    disk: &Disk,
    inventory: &mut Inventory,
    log_start_offset: i64,
) -> Result<(), LogError> {
    let Some(start) = inventory.floor(log_start_offset).filter(|&start| inventory.first_offset() < Some(start)) else {
        return Ok(());
    };
    let (snapshot_offset, _) = load_snapshot(request, disk, inventory, start).await?;
    let Some(snapshot_offset) = snapshot_offset else { return Ok(()) };
    // A log that is opened again may have a log start offset that was only set, and would go back with a power loss.
    request.dir.log_starts.flush(disk).await?;
    // What this boot's page cache shows of it may not be durable yet.
    let path = SegmentFile::Snapshot.path(&request.path, snapshot_offset);
    let snapshot = disk.open(&path, OpenMode::ReadWrite).await.map_err(LogError::io("open", &path))?;
    sync_file(&snapshot, sites::SNAPSHOT, &path).await?;
    sync_dir(disk, &request.path, sites::RECOVERED_DIR).await?;
    let first_kept = inventory.floor(snapshot_offset).unwrap_or(start);
    inventory.drop_before(first_kept, disk, &request.path).await
}

/// Takes a batch of the log into the producer state. `batch` is needed for control batches only. Returns the transaction
/// that it aborts, if it does.
pub(crate) fn apply(
    producers: &mut ProducerState,
    header: &BatchHeader,
    batch: &[u8],
    now_ms: i64,
) -> Result<Option<AbortedTxn>, String> {
    let Some(mut producer_batch) = ProducerBatch::of(header, header.base_offset) else { return Ok(None) };
    if header.is_control() {
        let marker = EndTxnMarker::of_batch(batch).map_err(|error| error.to_string())?;
        let Some(marker) = marker else { return Ok(None) };
        producer_batch = producer_batch.with_marker(marker);
    }
    let completed = producers.replay(&producer_batch, now_ms);
    Ok(completed.and_then(|completed| completed.aborted_txn()))
}

/// Takes the epoch of a batch in. It lies outside the checksum, so it may be senseless.
pub(super) fn assign_epoch(epochs: &mut LeaderEpochCache, header: &BatchHeader) {
    if header.partition_leader_epoch.0 >= 0 {
        epochs.assign(header.partition_leader_epoch, header.base_offset);
    }
}

/// The last valid snapshot at or below `end_offset`. Invalid ones are passed over: they were not durable yet.
async fn load_snapshot(
    request: &OpenRequest,
    disk: &Disk,
    inventory: &Inventory,
    end_offset: i64,
) -> Result<(Option<i64>, ProducerState), LogError> {
    let first_offset = inventory.first_offset().unwrap_or(end_offset);
    let is_usable = |&offset: &i64| ProducerState::is_usable_snapshot(offset, first_offset, end_offset);
    for offset in inventory.snapshots().rev().filter(is_usable) {
        let path = SegmentFile::Snapshot.path(&request.path, offset);
        let bytes = disk.read(&path, SMALL_FILE_BYTES_MAX).await.map_err(LogError::io("read", &path))?;
        match ProducerState::parse_snapshot(&bytes, offset, request.producer_config(), request.now_ms()) {
            Ok(producers) => return Ok((Some(offset), producers)),
            Err(error) => warn!(snapshot = %path.display(), %error, "passing over an invalid producer snapshot"),
        }
    }
    Ok((None, ProducerState::new(request.producer_config(), first_offset)))
}

/// The last batches before `offset` that have producers, within [`RECALL_BYTES`] of log. Only a help: damage is for others
/// to find.
async fn batches_before(
    request: &OpenRequest,
    disk: &Disk,
    inventory: &Inventory,
    offset: i64,
) -> Result<Vec<ProducerBatch>, LogError> {
    let mut bytes_left = RECALL_BYTES;
    let mut newest_first: Vec<Vec<ProducerBatch>> = Vec::new();
    for (&base_offset, &size) in inventory.segments().range(..offset).rev().take(RECALL_SEGMENTS_MAX) {
        newest_first.push(last_batches(request, disk, (base_offset, size), bytes_left, offset).await?);
        bytes_left = bytes_left.saturating_sub(size);
        if bytes_left == 0 {
            break;
        }
    }
    Ok(newest_first.into_iter().rev().flatten().collect())
}

/// Those of one segment that start below `offset`, in its last `bytes`.
async fn last_batches(
    request: &OpenRequest,
    disk: &Disk,
    (base_offset, size): (i64, u64),
    bytes: u64,
    offset: i64,
) -> Result<Vec<ProducerBatch>, LogError> {
    let index_path = SegmentFile::Index.path(&request.path, base_offset);
    let index = disk.read(&index_path, INDEX_FILE_BYTES_MAX).await.unwrap_or_default();
    let index = OffsetIndex::parse(base_offset, &index, size).unwrap_or(OffsetIndex::new(base_offset));
    let from = index.position_at_or_before(size.saturating_sub(bytes));
    let path = SegmentFile::Log.path(&request.path, base_offset);
    let file = disk.open(&path, OpenMode::Read).await.map_err(LogError::io("open", &path))?;
    let mut reader = BatchReader::new(file, from, size, LOCATE_CHUNK_BYTES);
    let mut batches = Vec::new();
    while let Ok(Some((_, header))) = reader.next_header().await {
        if header.base_offset >= offset {
            break;
        }
        batches.extend(ProducerBatch::of(&header, header.base_offset).filter(|_| !header.is_control()));
    }
    Ok(batches)
}

/// The leader epoch checkpoint; `None` if it is missing or makes no sense: epochs are then found in the log.
async fn load_epochs(request: &OpenRequest, disk: &Disk) -> Result<Option<LeaderEpochCache>, LogError> {
    let path = request.path.join(LEADER_EPOCH_CHECKPOINT);
    match disk.read(&path, SMALL_FILE_BYTES_MAX).await {
        Ok(bytes) => match LeaderEpochCache::parse(&bytes) {
            Ok(epochs) => Ok(Some(epochs)),
            Err(CheckpointError::UnknownVersion { found, expected }) if found > expected => {
                Err(LogError::NewerFormat { path, found: found.into(), supported: expected.into() })
            }
            Err(error) => {
                warn!(file = %path.display(), %error, "leader epochs are found in the log: their checkpoint is invalid");
                Ok(None)
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LogError::io("read", &path)(error)),
    }
}
