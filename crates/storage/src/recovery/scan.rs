//! Reads and checks every batch from the segment that holds the last record below the recovery point on.

use super::verdict::{self, Verdict};
use super::{Checkpointed, Inventory, Loaded, OpenMode, OpenRequest, RecoveryReport, cut, replay, save};
use crate::LogError;
use crate::dirs::Place;
use crate::files::SegmentFile;
use crate::index::IndexBuilder;
use crate::leader_epoch_cache::LeaderEpochCache;
use crate::limits::{BATCH_BYTES_MAX, PAGE_BYTES, SCAN_CHUNK_BYTES};
use crate::log::Unflushed;
use crate::producer_state::ProducerState;
use crate::segment::{BatchReader, ScanStop, ScannedBatch, TailBatches};
use crate::txn_index::AbortedTxn;
use ottla_records::{BATCH_HEADER_LEN, BatchHeader};
use ottla_runtime::{Disk, File, OpenMode as FileMode};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// What the scan of the segments found. Nothing was changed on disk.
#[derive(Debug)]
pub(super) struct Scan {
    /// The segments, in order; the last one may end with what follows in `stop`.
    pub(super) segments: Vec<ScannedSegment>,
    /// The offset after the last valid batch.
    pub(super) end_offset: i64,
    /// Producer state at the end.
    pub(super) producers: ProducerState,
    /// Leader epochs at the end.
    pub(super) epochs: LeaderEpochCache,
    /// The first invalid batch, if the scan did not reach the end.
    pub(super) stop: Option<Stop>,
    /// Producer state at the base offsets of the segments after the first.
    pub(super) snapshots: Vec<(i64, Vec<u8>)>,
    /// Segment (as an index) and position of the first batch that may not be synced.
    pub(super) unflushed_from: Option<(usize, u64)>,
    scanned_bytes: u64,
}

/// One segment that was scanned.
#[derive(Debug)]
pub(super) struct ScannedSegment {
    pub(super) base_offset: i64,
    pub(super) file: File,
    /// Bytes of valid batches.
    pub(super) valid_bytes: u64,
    /// Bytes of the file.
    pub(super) file_bytes: u64,
    pub(super) indexes: IndexBuilder,
    pub(super) aborted: Vec<AbortedTxn>,
    pub(super) tail: TailBatches,
    pub(super) first_timestamp: Option<i64>,
}

/// Where the valid log ends before the files do.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) reason: String,
    /// The file ends before the batch does, and there is nothing behind.
    pub(super) is_torn_write: bool,
    /// A page of the batch is all zeros: it was written, but an fsync failed and the system dropped it.
    pub(super) is_lost_page: bool,
}

/// Opens a log after anything but a clean shutdown.
pub(super) async fn recover(
    request: &OpenRequest,
    disk: &Disk,
    checkpointed: Checkpointed,
    inventory: &Inventory,
    place: Option<&mut Place<'_>>,
) -> Result<Loaded, LogError> {
    // A segment that starts exactly at the recovery point may be new, and what the seal of the one before it wrote may not
    // be durable: that one is looked at, too.
    let floor = inventory.floor(checkpointed.recovery_point - 1).expect("there is a segment");
    if let Some(place) = place {
        let bytes = inventory.segments().range(floor..).map(|(_, &bytes)| bytes).sum();
        place.take_turn(bytes).await?;
    }
    let state = replay::load_state(request, disk, inventory, floor).await?;
    let loaded_snapshot = state.snapshot_offset;
    let mut scan = Scan {
        segments: Vec::new(),
        end_offset: floor,
        producers: state.producers,
        epochs: state.epochs,
        stop: None,
        snapshots: Vec::new(),
        unflushed_from: None,
        scanned_bytes: 0,
    };
    for (&base_offset, &file_bytes) in inventory.segments().range(floor..) {
        scan.add_segment(request, disk, checkpointed, base_offset, file_bytes).await?;
        if scan.stop.is_some() {
            break;
        }
    }
    scan.note_torn_write(inventory);
    let cut = match verdict::judge(request, &scan, checkpointed.recovery_point)? {
        Verdict::Whole => None,
        Verdict::Cut { keep } => Some(cut::apply(request, disk, &scan, inventory, keep).await?),
    };
    save::save(request, disk, &mut scan, inventory, floor).await?;
    let report = RecoveryReport { scanned_bytes: scan.scanned_bytes, cut, emptied_at: None };
    let last_snapshot_offset = scan.snapshots.last().map(|&(offset, _)| offset);
    let last_snapshot_offset = last_snapshot_offset.or(loaded_snapshot.filter(|&offset| offset == floor));
    scan.into_loaded(request, disk, inventory, last_snapshot_offset, report).await
}

/// Whether a page of the invalid batch at `position` holds nothing but zeros: so file systems show what was never stored.
async fn has_lost_page(file: &File, position: u64, file_bytes: u64) -> io::Result<bool> {
    let head = file.read_at(position, BATCH_HEADER_LEN).await?;
    let batch_bytes = BatchHeader::parse(&head).map_or(PAGE_BYTES, |header| header.total_len() as u64);
    let end = position.saturating_add(batch_bytes.min(BATCH_BYTES_MAX)).saturating_add(PAGE_BYTES).min(file_bytes);
    let mut at = position;
    while at < end {
        let page_end = ((at / PAGE_BYTES + 1) * PAGE_BYTES).min(end);
        let page = file.read_at(at, (page_end - at) as usize).await?;
        if page.len() >= BATCH_HEADER_LEN && page.iter().all(|&byte| byte == 0) {
            return Ok(true);
        }
        at = page_end;
    }
    Ok(false)
}

impl Scan {
    async fn add_segment(
        &mut self,
        request: &OpenRequest,
        disk: &Disk,
        checkpointed: Checkpointed,
        base_offset: i64,
        file_bytes: u64,
    ) -> Result<(), LogError> {
        let previous = self.segments.last().map(|segment| segment.base_offset);
        let is_compacted = previous.is_some_and(|previous| request.may_end_early(previous, base_offset));
        if base_offset != self.end_offset && !(base_offset > self.end_offset && is_compacted) {
            let reason = format!("the next segment starts at {base_offset}, where {} should follow", self.end_offset);
            self.stop = Some(Stop { reason, is_torn_write: false, is_lost_page: false });
            return Ok(());
        }
        self.end_offset = base_offset;
        if !self.segments.is_empty() {
            self.snapshots.push((base_offset, self.producers.encode_snapshot()));
        }
        let path = SegmentFile::Log.path(&request.path, base_offset);
        let file = disk.open(&path, FileMode::ReadWrite).await.map_err(LogError::io("open", &path))?;
        let mut segment = ScannedSegment {
            base_offset,
            file: file.clone(),
            valid_bytes: 0,
            file_bytes,
            indexes: IndexBuilder::new(base_offset, request.config.index_interval_bytes),
            aborted: Vec::new(),
            tail: TailBatches::default(),
            first_timestamp: None,
        };
        let mut reader = BatchReader::new(file, 0, file_bytes, SCAN_CHUNK_BYTES);
        loop {
            let batch = match reader.next_batch().await {
                Ok(Some(batch)) => batch,
                Ok(None) => break,
                Err(ScanStop::Io(source)) => return Err(LogError::Io { action: "read", path, source }),
                Err(ScanStop::Invalid { position, reason, is_torn }) => {
                    let is_lost_page = has_lost_page(&segment.file, position, file_bytes).await;
                    let is_lost_page = is_lost_page.map_err(LogError::io("read", &path))?;
                    self.stop = Some(Stop { reason, is_torn_write: is_torn, is_lost_page });
                    break;
                }
            };
            if let Err(reason) = self.add_batch(request, checkpointed, &mut segment, &batch) {
                self.stop = Some(Stop { reason, is_torn_write: false, is_lost_page: false });
                break;
            }
        }
        self.scanned_bytes += segment.valid_bytes;
        self.segments.push(segment);
        Ok(())
    }

    /// Takes a batch in, or says why it does not belong to the log.
    fn add_batch(
        &mut self,
        request: &OpenRequest,
        checkpointed: Checkpointed,
        segment: &mut ScannedSegment,
        batch: &ScannedBatch,
    ) -> Result<(), String> {
        let header = &batch.header;
        if header.base_offset < self.end_offset {
            return Err(format!("offset {} stands where {} should follow", header.base_offset, self.end_offset));
        }
        if !segment.indexes.offsets().can_hold(header.last_offset()) {
            return Err(format!("offset {} does not belong into this segment", header.last_offset()));
        }
        let is_unflushed = header.base_offset >= checkpointed.recovery_point;
        if is_unflushed && matches!(request.mode, OpenMode::FlushedTo(_)) {
            return Err("it was not on stable storage when an fsync failed".to_string());
        }
        let aborted = replay::apply(&mut self.producers, header, &batch.bytes, request.now_ms())?;
        segment.aborted.extend(aborted);
        if header.base_offset >= checkpointed.synced_offset && self.unflushed_from.is_none() {
            self.unflushed_from = Some((self.segments.len(), batch.position));
        }
        replay::assign_epoch(&mut self.epochs, header);
        segment.indexes.add(header, batch.position);
        segment.tail.push(header.base_offset, batch.position);
        segment.first_timestamp.get_or_insert(header.max_timestamp);
        segment.valid_bytes = batch.position + header.total_len() as u64;
        self.end_offset = header.next_offset();
        self.producers.advance_to(self.end_offset);
        Ok(())
    }

    /// A batch that the file's end cuts short is a torn write only in the last segment.
    fn note_torn_write(&mut self, inventory: &Inventory) {
        let last_scanned = self.segments.last().map(|segment| segment.base_offset);
        let last = inventory.segments().last_key_value().map(|(&base_offset, _)| base_offset);
        if let Some(stop) = &mut self.stop {
            stop.is_torn_write &= last_scanned == last;
        }
    }

    async fn into_loaded(
        mut self,
        request: &OpenRequest,
        disk: &Disk,
        inventory: &Inventory,
        last_snapshot_offset: Option<i64>,
        report: RecoveryReport,
    ) -> Result<Loaded, LogError> {
        let last = self.segments.pop().expect("the scan looked at one segment at least");
        let active = save::open_active(request, disk, last);
        let first_scanned = self.segments.first().map_or(active.base_offset(), |segment| segment.base_offset);
        let older = inventory.segments().range(..first_scanned);
        let mut sealed: BTreeMap<_, _> =
            older.map(|(&base_offset, &size)| (base_offset, request.sealed(base_offset, size))).collect();
        for segment in self.segments {
            let known = request.sealed(segment.base_offset, segment.valid_bytes);
            let known = known.with_known(segment.indexes.max_timestamp(), Arc::from(segment.aborted));
            sealed.insert(segment.base_offset, known);
        }
        Ok(Loaded {
            sealed,
            active,
            log_end_offset: self.end_offset,
            producers: self.producers,
            epochs: self.epochs,
            last_snapshot_offset,
            is_as_closed: false,
            unflushed: Unflushed::default(),
            report,
        })
    }
}
