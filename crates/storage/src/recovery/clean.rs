//! Opening a log after a clean shutdown: only the tail of the last segment is read.

use super::{Checkpointed, Inventory, Loaded, OpenRequest, RecoveryReport, replay};
use crate::LogError;
use crate::files::SegmentFile;
use crate::index::{IndexBuilder, OffsetIndex, TimeIndex};
use crate::limits::{INDEX_FILE_BYTES_MAX, LOCATE_CHUNK_BYTES};
use crate::log::Unflushed;
use crate::segment::{BatchReader, TailBatches, load_aborted, rebuild_indexes};
use crate::txn_index::AbortedTxn;
use ottla_records::BatchHeader;
use ottla_runtime::{Disk, File, OpenMode as FileMode};
use std::path::Path;
use std::sync::Arc;
use tracing::warn;

/// The end of the last segment.
struct Tail {
    indexes: IndexBuilder,
    /// The index files made sense, and were not written again.
    are_indexes_as_found: bool,
    batches: TailBatches,
    first_timestamp: Option<i64>,
    end_offset: i64,
}

impl Tail {
    /// Of an empty segment.
    fn of_nothing(request: &OpenRequest, base_offset: i64) -> Tail {
        Tail {
            indexes: IndexBuilder::new(base_offset, request.config.index_interval_bytes),
            are_indexes_as_found: true,
            batches: TailBatches::default(),
            first_timestamp: None,
            end_offset: base_offset,
        }
    }
}

/// Loads a log that was closed cleanly.
pub(super) async fn load(
    request: &OpenRequest,
    disk: &Disk,
    checkpointed: Checkpointed,
    inventory: &Inventory,
) -> Result<Loaded, LogError> {
    let (&base_offset, &size) = inventory.segments().last_key_value().expect("there is a segment");
    let path = SegmentFile::Log.path(&request.path, base_offset);
    let tail = match size {
        0 => Tail::of_nothing(request, base_offset),
        _ => read_tail(request, disk, &path, base_offset, size).await?,
    };
    if tail.end_offset < checkpointed.recovery_point {
        let reason = format!("the log ends here, but it was flushed up to {}", checkpointed.recovery_point);
        return Err(request.damaged(&path, size, tail.end_offset, reason));
    }
    let state = replay::load_state(request, disk, inventory, tail.end_offset).await?;
    remove_strays(request, disk, inventory, tail.end_offset).await?;
    let older = inventory.segments().range(..base_offset);
    let sealed = older.map(|(&base, &size)| (base, request.sealed(base, size))).collect();
    let aborted = load_active_aborted(request, disk, inventory).await?;
    let active = request.active(base_offset, disk.open_later(&path));
    Ok(Loaded {
        sealed,
        active: active.resumed(size, tail.indexes, tail.batches, tail.first_timestamp, aborted.to_vec()),
        log_end_offset: tail.end_offset,
        producers: state.producers,
        epochs: state.epochs,
        last_snapshot_offset: state.snapshot_offset,
        is_as_closed: tail.are_indexes_as_found,
        unflushed: Unflushed::default(),
        report: RecoveryReport::default(),
    })
}

/// The aborted transactions of the last segment. Its index is there after a clean shutdown of ours.
async fn load_active_aborted(
    request: &OpenRequest,
    disk: &Disk,
    inventory: &Inventory,
) -> Result<Arc<[AbortedTxn]>, LogError> {
    let (&base_offset, &size) = inventory.segments().last_key_value().expect("there is a segment");
    if size == 0 {
        return Ok(Arc::from([]));
    }
    let last = request.sealed(base_offset, size);
    if let Some(aborted) = last.indexed_aborted(disk).await? {
        return Ok(aborted);
    }
    let segments = inventory.segments().iter().map(|(&base, &size)| (base, Arc::new(request.sealed(base, size))));
    load_aborted(disk, &request.path, &segments.collect(), base_offset, request.now_ms()).await
}

/// Reads what the indexes do not cover, and checks it.
async fn read_tail(
    request: &OpenRequest,
    disk: &Disk,
    path: &Path,
    base_offset: i64,
    size: u64,
) -> Result<Tail, LogError> {
    let broken = |stop: crate::segment::ScanStop| stop.into_error(&request.path, path, base_offset);
    let interval = request.config.index_interval_bytes;
    let file = disk.open(path, FileMode::Read).await.map_err(LogError::io("open", path))?;
    let mut first_header = BatchReader::new(file.clone(), 0, size, LOCATE_CHUNK_BYTES);
    let first_timestamp = first_header.next_header().await.map_err(broken)?.map(|(_, header)| header.max_timestamp);
    let found = read_indexes(request, disk, &file, base_offset, size).await;
    let are_indexes_as_found = found.is_ok();
    let mut indexes = match found {
        Ok((offsets, times)) => IndexBuilder::resume(interval, offsets, times),
        Err(reason) => {
            warn!(segment = %path.display(), reason, "rebuilding the indexes of a segment");
            let (offsets, times) =
                rebuild_indexes(&file, base_offset, size, interval).await.map_err(broken)?.into_parts();
            IndexBuilder::resume(interval, offsets, times)
        }
    };
    let indexed = indexes.offsets().last();
    let mut reader = BatchReader::new(file, indexed.map_or(0, |(_, position)| position), size, LOCATE_CHUNK_BYTES);
    let (mut batches, mut end_offset) = (TailBatches::default(), base_offset);
    while let Some(batch) = reader.next_batch().await.map_err(broken)? {
        let header: &BatchHeader = &batch.header;
        if header.base_offset < end_offset {
            let reason = format!("offset {} stands where {end_offset} should follow", header.base_offset);
            return Err(request.damaged(path, batch.position, end_offset, reason));
        }
        match indexed {
            Some((_, position)) if batch.position == position => indexes.add_indexed(header),
            _ => indexes.add(header, batch.position),
        }
        batches.push(header.base_offset, batch.position);
        end_offset = header.next_offset();
    }
    Ok(Tail { indexes, are_indexes_as_found, batches, first_timestamp, end_offset })
}

async fn read_indexes(
    request: &OpenRequest,
    disk: &Disk,
    file: &File,
    base_offset: i64,
    size: u64,
) -> Result<(OffsetIndex, TimeIndex), String> {
    let read = async |kind: SegmentFile| {
        let read = disk.read(&kind.path(&request.path, base_offset), INDEX_FILE_BYTES_MAX).await;
        read.map_err(|error| error.to_string())
    };
    let (offsets, times) = (read(SegmentFile::Index).await?, read(SegmentFile::TimeIndex).await?);
    let offsets = OffsetIndex::parse(base_offset, &offsets, size).map_err(|error| error.to_string())?;
    let times = TimeIndex::parse(base_offset, &times).map_err(|error| error.to_string())?;
    check_last_entry(file, &offsets, size).await?;
    Ok((offsets, times))
}

/// The last entry must point to the batch that it names.
async fn check_last_entry(file: &File, offsets: &OffsetIndex, size: u64) -> Result<(), String> {
    let Some((last_offset, position)) = offsets.last() else { return Ok(()) };
    let mut reader = BatchReader::new(file.clone(), position, size, LOCATE_CHUNK_BYTES);
    match reader.next_header().await {
        Ok(Some((_, header))) if header.last_offset() == last_offset => Ok(()),
        _ => Err("its last entry does not point to its batch".to_string()),
    }
}

/// Removes producer snapshots that belong to no segment, but for the last one, which the shutdown wrote.
async fn remove_strays(
    request: &OpenRequest,
    disk: &Disk,
    inventory: &Inventory,
    end_offset: i64,
) -> Result<(), LogError> {
    let is_kept = |offset: i64| offset == end_offset || inventory.segments().contains_key(&offset);
    inventory.remove_snapshots(disk, &request.path, |offset| !is_kept(offset)).await
}
