//! Brings what a recovery found to disk: from here on all of it counts as flushed.
//!
//! 1. Batches that no sync has covered are written again where this boot's page cache may show what never reached the
//!    disk, and all scanned segments are synced.
//! 2. Producer snapshots, the indexes of sealed segments and leader epochs are written from the scan, and synced. The indexes of the
//!    active segment stay in memory until its seal, or the log's close.
//! 3. The names are synced.

use super::scan::{Scan, ScannedSegment};
use super::{Inventory, OpenRequest};
use crate::LogError;
use crate::files::{LEADER_EPOCH_CHECKPOINT, PARTITION_METADATA, SegmentFile};
use crate::leader_epoch_cache::LeaderEpochCache;
use crate::limits::SCAN_CHUNK_BYTES;
use crate::log::{sync_dir, sync_file};
use crate::segment::{ActiveSegment, SealedFiles, SegmentFiles};
use crate::sites;
use ottla_runtime::{Disk, File, OpenMode};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Makes the result of a scan durable. `floor` is the base offset of the first scanned segment.
pub(super) async fn save(
    request: &OpenRequest,
    disk: &Disk,
    scan: &mut Scan,
    inventory: &Inventory,
    floor: i64,
) -> Result<(), LogError> {
    if request.is_cache_suspect {
        rewrite_unflushed(request, scan).await?;
    }
    let bases: BTreeSet<i64> = scan.segments.iter().map(|segment| segment.base_offset).collect();
    scan.snapshots.retain(|(offset, _)| bases.contains(offset));
    let is_kept = |offset: i64| offset <= floor && inventory.segments().contains_key(&offset);
    inventory.remove_snapshots(disk, &request.path, |offset| !is_kept(offset)).await?;
    for (offset, bytes) in &scan.snapshots {
        let path = SegmentFile::Snapshot.path(&request.path, *offset);
        let file = write_new(disk, &path, bytes).await?;
        sync_file(&file, sites::SNAPSHOT, &path).await?;
    }
    let last = scan.segments.len() - 1;
    for (slot, segment) in scan.segments.iter_mut().enumerate() {
        save_segment(request, disk, segment, slot < last).await?;
    }
    sync_metadata(request, disk).await?;
    // Last: it syncs the names in the directory.
    write_epochs(request, disk, &scan.epochs).await
}

/// Syncs the names in the partition directory, and its topic id.
pub(super) async fn sync_names(request: &OpenRequest, disk: &Disk) -> Result<(), LogError> {
    sync_metadata(request, disk).await?;
    sync_dir(disk, &request.path, sites::RECOVERED_DIR).await
}

async fn sync_metadata(request: &OpenRequest, disk: &Disk) -> Result<(), LogError> {
    let path = request.path.join(PARTITION_METADATA);
    match disk.open(&path, OpenMode::ReadWrite).await {
        Ok(metadata) => sync_file(&metadata, sites::RECOVERED_METADATA, &path).await,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(LogError::io("open", &path)(error)),
    }
}

/// Writes the leader epoch checkpoint, durably, and with it the names in the partition directory.
pub(super) async fn write_epochs(
    request: &OpenRequest,
    disk: &Disk,
    epochs: &LeaderEpochCache,
) -> Result<(), LogError> {
    let path = request.path.join(LEADER_EPOCH_CHECKPOINT);
    let written = disk.write_atomic(&path, &epochs.encode(), sites::LEADER_EPOCHS).await;
    written.map_err(LogError::io("write", &path))
}

/// The last scanned segment as the active one.
pub(super) fn open_active(request: &OpenRequest, disk: &Disk, segment: ScannedSegment) -> ActiveSegment {
    let log = disk.open_later(&SegmentFile::Log.path(&request.path, segment.base_offset));
    let active = request.active(segment.base_offset, log);
    active.resumed(segment.valid_bytes, segment.indexes, segment.tail, segment.first_timestamp, segment.aborted)
}

/// Syncs the batches of a segment, and writes and syncs the indexes of a sealed one.
async fn save_segment(
    request: &OpenRequest,
    disk: &Disk,
    segment: &mut ScannedSegment,
    is_sealed: bool,
) -> Result<(), LogError> {
    let (dir, base_offset) = (&request.path, segment.base_offset);
    let log_path = SegmentFile::Log.path(dir, base_offset);
    sync_file(&segment.file, sites::RECOVERED_SEGMENT, &log_path).await?;
    let txn_path = SegmentFile::TxnIndex.path(dir, base_offset);
    super::inventory::remove_if_there(disk, &txn_path).await?;
    if !is_sealed {
        return Ok(());
    }
    segment.indexes.seal();
    let write_index =
        async |kind: SegmentFile, bytes: Vec<u8>| write_new(disk, &kind.path(dir, base_offset), &bytes).await;
    let index = write_index(SegmentFile::Index, segment.indexes.offsets().encode_from(0)).await?;
    let time_index = write_index(SegmentFile::TimeIndex, segment.indexes.times().encode_from(0)).await?;
    let files = SegmentFiles { log: segment.file.clone(), index, time_index };
    let aborted = Arc::from(segment.aborted.as_slice());
    let size = segment.valid_bytes;
    let sealed = SealedFiles { base_offset, size, dirty_bytes: 0, files, aborted, snapshot: None };
    let txn_index = sealed.write_txn_index(disk, dir).await.map_err(LogError::io("write", &txn_path))?;
    sealed.sync(txn_index, dir).await
}

/// Writes the batches above the recovery point over themselves: pages that a failed fsync left clean become dirty again.
async fn rewrite_unflushed(request: &OpenRequest, scan: &Scan) -> Result<(), LogError> {
    let Some((first, first_position)) = scan.unflushed_from else { return Ok(()) };
    for (slot, segment) in scan.segments.iter().enumerate().skip(first) {
        let path = SegmentFile::Log.path(&request.path, segment.base_offset);
        let mut at = if slot == first { first_position } else { 0 };
        while at < segment.valid_bytes {
            let wanted = SCAN_CHUNK_BYTES.min((segment.valid_bytes - at) as usize);
            let chunk = segment.file.read_at(at, wanted).await.map_err(LogError::io("read", &path))?;
            if chunk.len() < wanted {
                return Err(request.damaged(&path, at, segment.base_offset, "the file became shorter".to_string()));
            }
            segment.file.write_at(at, &[&chunk]).map_err(LogError::io("write", &path))?;
            at += wanted as u64;
        }
    }
    Ok(())
}

/// Writes a file that can be built again: in place.
async fn write_new(disk: &Disk, path: &Path, bytes: &[u8]) -> Result<File, LogError> {
    let file = disk.open(path, OpenMode::Create).await.map_err(LogError::io("create", path))?;
    file.set_len(0).map_err(LogError::io("cut", path))?;
    file.write_at(0, &[bytes]).map_err(LogError::io("write", path))?;
    Ok(file)
}
