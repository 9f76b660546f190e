//! Cutting a log at a batch boundary, without losing a byte: what is cut off is first made durable in side files.

use super::scan::Scan;
use super::{Checkpointed, Cut, Inventory, Loaded, OpenRequest, RecoveryReport};
use crate::LogError;
use crate::files::{self, SegmentFile};
use crate::limits::{CUT_FILES_MAX, SCAN_CHUNK_BYTES};
use crate::log::{sync_dir, sync_file};
use crate::sites;
use ottla_runtime::{Disk, File, OpenMode};
use std::io;
use std::path::{Path, PathBuf};
use tracing::warn;

/// Cuts the log where the scan stopped.
pub(super) async fn apply(
    request: &OpenRequest,
    disk: &Disk,
    scan: &Scan,
    inventory: &Inventory,
    keep: bool,
) -> Result<Cut, LogError> {
    let dir = &request.path;
    let last = scan.segments.last().expect("the scan looked at one segment at least");
    let tail_bytes = last.file_bytes - last.valid_bytes;
    let later: Vec<(i64, u64)> =
        inventory.segments().range(last.base_offset + 1..).map(|(&base_offset, &size)| (base_offset, size)).collect();
    let mut kept_in = Vec::new();
    if keep {
        let offset = scan.end_offset;
        kept_in.extend(keep_bytes(disk, dir, last.base_offset, last.valid_bytes, offset).await?);
        for &(base_offset, _) in &later {
            kept_in.extend(keep_bytes(disk, dir, base_offset, 0, offset).await?);
        }
        if !kept_in.is_empty() {
            sync_dir(disk, dir, sites::CUT_DIR).await?;
        }
    }
    let path = SegmentFile::Log.path(dir, last.base_offset);
    last.file.set_len(last.valid_bytes).map_err(LogError::io("cut", &path))?;
    inventory.remove_segments(disk, dir, |base_offset| base_offset > last.base_offset).await?;
    let reason = scan.stop.as_ref().map(|stop| stop.reason.clone()).unwrap_or_default();
    let bytes = tail_bytes + later.iter().map(|&(_, size)| size).sum::<u64>();
    warn!(
        partition = %request.partition, offset = scan.end_offset, bytes, reason, kept_in = ?kept_in,
        "the log was cut: what followed was not on stable storage"
    );
    Ok(Cut { offset: scan.end_offset, bytes, reason, kept_in })
}

/// Cuts the whole log: what is there follows segments that are not.
pub(super) async fn apply_to_all(
    request: &OpenRequest,
    disk: &Disk,
    checkpointed: Checkpointed,
    inventory: &Inventory,
) -> Result<Loaded, LogError> {
    let offset = checkpointed.log_start_offset;
    let mut kept_in = Vec::new();
    for &base_offset in inventory.segments().keys() {
        kept_in.extend(keep_bytes(disk, &request.path, base_offset, 0, offset).await?);
    }
    if !kept_in.is_empty() {
        sync_dir(disk, &request.path, sites::CUT_DIR).await?;
    }
    inventory.remove_segments(disk, &request.path, |_| true).await?;
    let bytes = inventory.segments().values().sum();
    let reason = "the segments before it are not there".to_string();
    warn!(partition = %request.partition, offset, bytes, reason, kept_in = ?kept_in, "the log was cut");
    let loaded = request.start_empty(disk, checkpointed, inventory).await?;
    let report = RecoveryReport { cut: Some(Cut { offset, bytes, reason, kept_in }), ..loaded.report };
    Ok(Loaded { report, ..loaded })
}

/// Copies what a segment holds from `position` on to a side file, durably but for its name. `None` if there is nothing
/// but zeros, which some file systems show where data never arrived.
pub(crate) async fn keep_bytes(
    disk: &Disk,
    dir: &Path,
    base_offset: i64,
    position: u64,
    offset: i64,
) -> Result<Option<PathBuf>, LogError> {
    let from_path = SegmentFile::Log.path(dir, base_offset);
    let from = disk.open(&from_path, OpenMode::Read).await.map_err(LogError::io("open", &from_path))?;
    let len = from.len().map_err(LogError::io("measure", &from_path))?;
    if is_zero(&from, position, len).await.map_err(LogError::io("read", &from_path))? {
        return Ok(None);
    }
    let (to, to_path) =
        new_cut_file(disk, dir, |number| files::cut_file(dir, base_offset, position, offset, number)).await?;
    let mut at = position;
    while at < len {
        let chunk = read_chunk(&from, at, len).await.map_err(LogError::io("read", &from_path))?;
        to.write_at(at - position, &[&chunk]).map_err(LogError::io("write", &to_path))?;
        at += chunk.len() as u64;
    }
    sync_file(&to, sites::CUT_FILE, &to_path).await?;
    Ok(Some(to_path))
}

/// A file that was not there: an earlier cut at the same place keeps its bytes.
async fn new_cut_file(disk: &Disk, dir: &Path, path: impl Fn(u32) -> PathBuf) -> Result<(File, PathBuf), LogError> {
    for path in (1..=CUT_FILES_MAX).map(path) {
        match disk.open(&path, OpenMode::CreateNew).await {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(LogError::io("create", &path)(error)),
        }
    }
    Err(LogError::Malformed {
        path: dir.to_path_buf(),
        reason: format!("{CUT_FILES_MAX} cut files of the same place are there already"),
        next_step: "find out why the node loses power again and again, and remove cut files that you do not need",
    })
}

async fn is_zero(file: &File, position: u64, len: u64) -> io::Result<bool> {
    let mut at = position;
    while at < len {
        let chunk = read_chunk(file, at, len).await?;
        if chunk.iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        at += chunk.len() as u64;
    }
    Ok(true)
}

/// The next bytes before `len`, at least one.
async fn read_chunk(file: &File, at: u64, len: u64) -> io::Result<bytes::Bytes> {
    let chunk = file.read_at(at, SCAN_CHUNK_BYTES.min((len - at) as usize)).await?;
    if chunk.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(chunk)
}
