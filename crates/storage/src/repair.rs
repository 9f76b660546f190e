//! `ottla log repair`, the library part: what a damaged partition directory would lose, and the cut.
//!
//! Works on the files of a node that is stopped. [`plan`] changes nothing. [`apply`] copies what follows the damage to
//! side files, cuts the log there, and sees to it that the next start recovers the log directory as after a power loss.

use crate::LogError;
use crate::dirs::{cleaned_offset, lock_dir, lower_recovery_point, mark_unclean};
use crate::files::{self, SegmentFile};
use crate::limits::{INDEX_FILE_BYTES_MAX, SCAN_CHUNK_BYTES};
use crate::log::{sync_dir, sync_file};
use crate::recovery::{Inventory, keep_bytes, may_end_early, remove_if_there};
use crate::segment::{BatchReader, ScanStop};
use crate::sites;
use crate::txn_index::TransactionIndex;
use ottla_runtime::{Disk, OpenMode, Runtime};
use std::path::{Path, PathBuf};

/// What a check of every batch in a partition directory found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairPlan {
    /// The partition directory.
    pub directory: PathBuf,
    /// Bytes of valid batches before the damage.
    pub valid_bytes: u64,
    /// The damage; `None` if every batch is valid.
    pub damage: Option<Damage>,
    /// Transaction indexes that cannot be read, with the base offsets of their segments. Nothing is lost with them: the log
    /// says again what was in them.
    pub unreadable_indexes: Vec<(i64, PathBuf)>,
}

impl RepairPlan {
    /// Whether there is nothing to do.
    pub fn is_sound(&self) -> bool {
        self.damage.is_none() && self.unreadable_indexes.is_empty()
    }
}

/// The first thing that is wrong, and what a cut there loses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The segment that would be cut, and where.
    pub segment: PathBuf,
    /// Its base offset.
    pub base_offset: i64,
    /// Position of the first byte that would be cut.
    pub position: u64,
    /// First offset that would be lost: the log would end here.
    pub offset: i64,
    /// What is wrong.
    pub reason: String,
    /// Bytes that would be cut, those of later segments included.
    pub lost_bytes: u64,
    /// Whole segments that would be lost.
    pub lost_segments: usize,
    /// Base offset of the last segment that would be lost: at least up to here records would be missing.
    pub lost_up_to: Option<i64>,
}

/// What [`apply`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairDone {
    /// The log ends here now; `None` if nothing was cut.
    pub end_offset: Option<i64>,
    /// Files that hold the bytes that were cut.
    pub kept_in: Vec<PathBuf>,
    /// Indexes that the next start builds anew.
    pub to_be_rebuilt: Vec<PathBuf>,
}

/// Checks every batch of the partition directory `directory`. `checked` is told the bytes of each batch that is valid.
pub async fn plan(rt: &Runtime, directory: &Path, mut checked: impl FnMut(u64)) -> Result<RepairPlan, LogError> {
    let disk = rt.disk();
    let inventory = Inventory::take(disk, directory).await?;
    let mut plan = RepairPlan {
        directory: directory.to_path_buf(),
        valid_bytes: 0,
        damage: None,
        unreadable_indexes: unreadable_indexes(disk, directory, &inventory).await?,
    };
    let cleaned = cleaned_offset_of(disk, directory).await?;
    let mut end_offset = None;
    let mut previous: Option<(i64, u64)> = None;
    for (&base_offset, &size) in inventory.segments() {
        if let (Some(end), Some((last_base, last_size))) = (end_offset, previous)
            && end < base_offset
            && !may_end_early(last_base, cleaned)
        {
            let reason = format!("the next segment starts at {base_offset}, where {end} should follow");
            plan.damage = Some(damage(&inventory, directory, (last_base, last_size), end, reason));
            break;
        }
        previous = Some((base_offset, size));
        let found = check_segment(disk, directory, (base_offset, size), &mut end_offset, &mut checked).await?;
        plan.valid_bytes += found.as_ref().map_or(size, |(position, _)| *position);
        if let Some((position, reason)) = found {
            let offset = end_offset.unwrap_or(base_offset);
            plan.damage = Some(damage(&inventory, directory, (base_offset, position), offset, reason));
            break;
        }
    }
    Ok(plan)
}

/// Cuts the log at the damage that `plan` names, and has the indexes rebuilt that cannot be read. The node must be stopped:
/// its log directory is locked meanwhile. `None` when there is nothing to do.
///
/// A repair that is interrupted, even by a power loss, is begun again with a new plan: the cut bytes are on disk before
/// anything is cut.
pub async fn apply(rt: &Runtime, plan: &RepairPlan) -> Result<Option<RepairDone>, LogError> {
    if plan.is_sound() {
        return Ok(None);
    }
    let (disk, directory) = (rt.disk(), plan.directory.as_path());
    let log_dir = log_dir_of(directory);
    let _locked = lock_dir(disk, log_dir).await?;
    let inventory = Inventory::take(disk, directory).await?;
    let mut done = RepairDone { end_offset: None, kept_in: Vec::new(), to_be_rebuilt: Vec::new() };
    if let Some(damage) = &plan.damage {
        done.kept_in = keep_lost_bytes(disk, directory, damage, &inventory).await?;
    }
    // The offsets and the marker first: a repair that is interrupted here is found as damage again.
    mark_unclean(disk, log_dir).await?;
    let lowest = plan.unreadable_indexes.iter().map(|(base_offset, _)| *base_offset);
    let lowest = lowest.chain(plan.damage.as_ref().map(|damage| damage.base_offset)).min();
    let partition = directory.file_name().and_then(|name| files::parse_partition_dir(&name.to_string_lossy()));
    if let (Some(partition), Some(lowest)) = (partition, lowest) {
        lower_recovery_point(disk, log_dir, &partition, lowest).await?;
    }
    for (_, path) in &plan.unreadable_indexes {
        remove_if_there(disk, path).await?;
        done.to_be_rebuilt.push(path.clone());
    }
    if let Some(damage) = &plan.damage {
        cut(disk, directory, damage, &inventory).await?;
        done.end_offset = Some(damage.offset);
    }
    sync_dir(disk, directory, sites::PARTITION_DIR).await?;
    Ok(Some(done))
}

/// The log directory that a partition directory is in.
fn log_dir_of(directory: &Path) -> &Path {
    match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Copies everything that a cut takes away to side files, durably.
async fn keep_lost_bytes(
    disk: &Disk,
    directory: &Path,
    damage: &Damage,
    inventory: &Inventory,
) -> Result<Vec<PathBuf>, LogError> {
    let mut kept_in = Vec::new();
    kept_in.extend(keep_bytes(disk, directory, damage.base_offset, damage.position, damage.offset).await?);
    for &base_offset in inventory.segments().range(damage.base_offset + 1..).map(|(base_offset, _)| base_offset) {
        kept_in.extend(keep_bytes(disk, directory, base_offset, 0, damage.offset).await?);
    }
    sync_dir(disk, directory, sites::CUT_DIR).await?;
    Ok(kept_in)
}

async fn cut(disk: &Disk, directory: &Path, damage: &Damage, inventory: &Inventory) -> Result<(), LogError> {
    let file = disk.open(&damage.segment, OpenMode::ReadWrite).await.map_err(LogError::io("open", &damage.segment))?;
    file.set_len(damage.position).map_err(LogError::io("cut", &damage.segment))?;
    sync_file(&file, sites::SEGMENT, &damage.segment).await?;
    inventory.remove_segments(disk, directory, |base_offset| base_offset > damage.base_offset).await
}

/// The transaction indexes that no reader would take.
async fn unreadable_indexes(
    disk: &Disk,
    directory: &Path,
    inventory: &Inventory,
) -> Result<Vec<(i64, PathBuf)>, LogError> {
    let mut unreadable = Vec::new();
    for &base_offset in inventory.segments().keys() {
        let path = SegmentFile::TxnIndex.path(directory, base_offset);
        if !disk.exists(&path).await.map_err(LogError::io("find", &path))? {
            continue;
        }
        let bytes = disk.read(&path, INDEX_FILE_BYTES_MAX).await.map_err(LogError::io("read", &path))?;
        if TransactionIndex::parse(base_offset, &bytes).is_err() {
            unreadable.push((base_offset, path));
        }
    }
    Ok(unreadable)
}

/// How far the partition's log is compacted, if it ever was.
async fn cleaned_offset_of(disk: &Disk, directory: &Path) -> Result<Option<i64>, LogError> {
    let name = directory.file_name().and_then(|name| files::parse_partition_dir(&name.to_string_lossy()));
    match (name, directory.parent()) {
        (Some(partition), Some(log_dir)) => cleaned_offset(disk, log_dir, &partition).await,
        _ => Ok(None),
    }
}

/// Checks one segment, which should start at `end_offset`, and moves that behind its last valid batch. Returns where and
/// how it is damaged.
async fn check_segment(
    disk: &Disk,
    directory: &Path,
    (base_offset, size): (i64, u64),
    end_offset: &mut Option<i64>,
    checked: &mut impl FnMut(u64),
) -> Result<Option<(u64, String)>, LogError> {
    if end_offset.is_some_and(|end_offset| end_offset > base_offset) {
        return Ok(Some((0, format!("the segment starts before offset {}, where the last one ends", base_offset))));
    }
    let path = SegmentFile::Log.path(directory, base_offset);
    let file = disk.open(&path, OpenMode::Read).await.map_err(LogError::io("open", &path))?;
    let mut reader = BatchReader::new(file, 0, size, SCAN_CHUNK_BYTES);
    let mut expected = base_offset;
    let found = loop {
        match reader.next_batch().await {
            Ok(Some(batch)) if batch.header.base_offset < expected => {
                break Some((batch.position, format!("offset {} comes again", batch.header.base_offset)));
            }
            Ok(Some(batch)) => {
                expected = batch.header.next_offset();
                checked(batch.header.total_len() as u64);
            }
            Ok(None) => break None,
            Err(ScanStop::Invalid { position, reason, .. }) => break Some((position, reason)),
            Err(ScanStop::Io(source)) => return Err(LogError::Io { action: "read", path, source }),
        }
    };
    *end_offset = Some(expected);
    Ok(found)
}

fn damage(
    inventory: &Inventory,
    directory: &Path,
    (base_offset, position): (i64, u64),
    offset: i64,
    reason: String,
) -> Damage {
    let size = inventory.segments()[&base_offset];
    let later: Vec<(i64, u64)> =
        inventory.segments().range(base_offset + 1..).map(|(&base_offset, &size)| (base_offset, size)).collect();
    Damage {
        segment: SegmentFile::Log.path(directory, base_offset),
        base_offset,
        position,
        offset,
        reason,
        lost_bytes: size - position + later.iter().map(|(_, size)| size).sum::<u64>(),
        lost_segments: later.len(),
        lost_up_to: later.last().map(|&(base_offset, _)| base_offset),
    }
}
