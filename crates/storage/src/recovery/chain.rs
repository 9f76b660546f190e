//! Whether every sealed segment is there: each one ends where the next one begins.
//!
//! Below the recovery point a gap is damage. Except in logs that Kafka compacted: there a segment may end before the next
//! one begins. This program's own compaction leaves no gaps between segments.

use super::{Checkpointed, Inventory, OpenMode, OpenRequest};
use crate::LogError;
use crate::dirs::Shutdown;
use crate::files::SegmentFile;
use crate::limits::LOCATE_CHUNK_BYTES;
use crate::segment::{BatchReader, ScanStop};
use ottla_runtime::{Disk, File, OpenMode as FileMode};

/// Refuses a log with a gap between its segments. What a scan reads anyway is left to it.
pub(super) async fn check(
    request: &OpenRequest,
    disk: &Disk,
    checkpointed: Checkpointed,
    inventory: &Inventory,
) -> Result<(), LogError> {
    // Below the log start offset there may be holes.
    let Some(first) = inventory.floor(checkpointed.log_start_offset) else { return Ok(()) };
    let end = match request.mode {
        OpenMode::After(Shutdown::Clean) => i64::MAX,
        _ => inventory.floor(checkpointed.recovery_point - 1).unwrap_or(first),
    };
    let nexts = inventory.segments().range(first..).map(|(&base_offset, _)| base_offset).skip(1);
    for ((&base_offset, &size), next) in inventory.segments().range(first..).zip(nexts) {
        if next > end {
            break;
        }
        let path = SegmentFile::Log.path(&request.path, base_offset);
        let found = end_offset(disk, request, base_offset, size).await;
        let found = found.map_err(|stop| stop.into_error(&request.path, &path, base_offset))?;
        if found == next || found < next && request.may_end_early(base_offset, next) {
            continue;
        }
        let reason = format!("the next segment starts at {next}, where {found} should follow");
        return Err(request.damaged(&path, size, found, reason));
    }
    Ok(())
}

/// Whether a segment at `base_offset` may end before the next one begins: Kafka's cleaner was there.
pub(crate) fn may_end_early(base_offset: i64, cleaned_offset: Option<i64>) -> bool {
    cleaned_offset.is_some_and(|cleaned| base_offset < cleaned)
}

impl OpenRequest {
    /// As [`may_end_early`]; the cleaner may also have died before it noted how far it was.
    pub(super) fn may_end_early(&self, base_offset: i64, next: i64) -> bool {
        let is_below_recovery_point = next <= self.checkpointed().recovery_point || !self.was_ours;
        let cleaned_offset = self.dir.cleaned.get(&self.partition);
        may_end_early(base_offset, cleaned_offset) || self.config.compact && is_below_recovery_point
    }
}

/// The offset after the last batch of a sealed segment, found from the end of its index.
async fn end_offset(disk: &Disk, request: &OpenRequest, base_offset: i64, size: u64) -> Result<i64, ScanStop> {
    let open = async |kind: SegmentFile| disk.open(&kind.path(&request.path, base_offset), FileMode::Read).await;
    let file = open(SegmentFile::Log).await.map_err(ScanStop::Io)?;
    let hint = match open(SegmentFile::Index).await {
        Ok(index) => last_position(&index).await.filter(|&(_, position)| position < size),
        Err(_) => None,
    };
    if let Some((relative_offset, position)) = hint
        && let Ok(Some((header, end))) = last_batch(&file, position, size).await
        && header == base_offset + relative_offset
    {
        return Ok(end);
    }
    last_batch(&file, 0, size).await.map(|found| found.map_or(base_offset, |(_, end)| end))
}

/// Relative offset and position of the last index entry.
async fn last_position(index: &File) -> Option<(i64, u64)> {
    let at = index.len().ok()?.checked_sub(8)?;
    let entry: [u8; 8] = index.read_at(at, 8).await.ok()?.as_ref().try_into().ok()?;
    let [o0, o1, o2, o3, p0, p1, p2, p3] = entry;
    Some((u32::from_be_bytes([o0, o1, o2, o3]).into(), u32::from_be_bytes([p0, p1, p2, p3]).into()))
}

/// The last offset of the batch at `position`, and the offset after the last batch from there on.
async fn last_batch(file: &File, position: u64, size: u64) -> Result<Option<(i64, i64)>, ScanStop> {
    let mut reader = BatchReader::new(file.clone(), position, size, LOCATE_CHUNK_BYTES);
    let mut found = None;
    while let Some((_, header)) = reader.next_header().await? {
        let first = found.map_or(header.last_offset(), |(first, _)| first);
        found = Some((first, header.next_offset()));
    }
    Ok(found)
}
