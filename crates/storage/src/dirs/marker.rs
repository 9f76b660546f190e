//! How the last run of a log directory ended.
//!
//! While a directory is in use `.ottla_dirty` stands in it, with the id of the machine's boot. After a clean shutdown it
//! is gone and Kafka's `.kafka_cleanshutdown` is there instead. So a start knows: clean; the process died (same boot: the
//! page cache survived); the machine died (another boot: what was not synced may be gone). In doubt it is the last.

use crate::LogError;
use crate::limits::SMALL_FILE_BYTES_MAX;
use crate::sites;
use ottla_runtime::{Disk, OpenMode};
use std::io;
use std::path::{Path, PathBuf};

const DIRTY: &str = ".ottla_dirty";
const CLEAN: &str = ".kafka_cleanshutdown";
/// Kafka's content of the clean marker, with "no broker epoch".
const CLEAN_CONTENT: &[u8] = br#"{"version":0,"brokerEpoch":-1}"#;
const VERSION: i64 = 1;
/// Stands in for a boot id after a failed fsync: the page cache of this boot may not be believed either.
const FAILED_FLUSH: &str = "failed-flush";

/// How the last run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Everything was flushed and closed.
    Clean,
    /// The process died; everything it wrote is there, but the last write may be torn.
    SameBoot,
    /// The machine died; writes after the last fsync may be missing, in any order.
    OtherBoot,
}

/// What the markers say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastRun {
    /// How it ended.
    pub(crate) shutdown: Shutdown,
    /// Whether it was a run of this program that did not end cleanly: its rules about what is durable when hold.
    pub(crate) was_ours: bool,
    /// Whether this boot's page cache may hold what that run wrote and never brought to the disk.
    pub(crate) was_this_boot: bool,
}

/// Reads how the last run of `dir` ended.
pub(super) async fn read(disk: &Disk, dir: &Path, boot_id: &str) -> Result<LastRun, LogError> {
    let path = dir.join(DIRTY);
    let text = match disk.read(&path, SMALL_FILE_BYTES_MAX).await {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let clean = dir.join(CLEAN);
            let is_clean = disk.exists(&clean).await.map_err(LogError::io("find", &clean))?;
            let shutdown = if is_clean { Shutdown::Clean } else { Shutdown::OtherBoot };
            return Ok(LastRun { shutdown, was_ours: false, was_this_boot: false });
        }
        Err(error) => return Err(LogError::io("read", &path)(error)),
    };
    let boots = parse(&path, &text)?;
    let is_same = boots.iter().all(|boot| boot == boot_id) && !boots.is_empty();
    let shutdown = if is_same { Shutdown::SameBoot } else { Shutdown::OtherBoot };
    Ok(LastRun { shutdown, was_ours: true, was_this_boot: boots.iter().any(|boot| boot == boot_id) })
}

/// From now on the directory is in use by this boot. Durable before anything is written to the directory's logs.
pub(super) async fn write_dirty(disk: &Disk, dir: &Path, boot_id: &str) -> Result<(), LogError> {
    let clean = dir.join(CLEAN);
    // Where both stand the dirty one counts, so this removal needs no sync of its own.
    remove_if_there(disk, &clean).await?;
    write(disk, dir, &[boot_id]).await
}

/// A fsync failed: after a process crash, too, the page cache may show what is not on the disk.
pub(super) async fn write_failed_flush(disk: &Disk, dir: &Path, boot_id: &str) -> Result<(), LogError> {
    write(disk, dir, &[boot_id, FAILED_FLUSH]).await
}

/// Everything is closed and durable. If a power loss takes these two changes back, the next start recovers for nothing.
pub(super) async fn write_clean(disk: &Disk, dir: &Path) -> Result<(), LogError> {
    let clean = dir.join(CLEAN);
    let file = disk.open(&clean, OpenMode::Create).await.map_err(LogError::io("create", &clean))?;
    file.write_at(0, &[CLEAN_CONTENT]).map_err(LogError::io("write", &clean))?;
    remove_if_there(disk, &dir.join(DIRTY)).await
}

async fn write(disk: &Disk, dir: &Path, boots: &[&str]) -> Result<(), LogError> {
    let path: PathBuf = dir.join(DIRTY);
    let mut text = format!("version={VERSION}\n");
    for boot in boots {
        text.push_str(&format!("boot.id={boot}\n"));
    }
    disk.write_atomic(&path, text.as_bytes(), sites::DIRTY_MARKER).await.map_err(LogError::io("write", &path))
}

async fn remove_if_there(disk: &Disk, path: &Path) -> Result<(), LogError> {
    match disk.remove_file(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LogError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

fn parse(path: &Path, text: &str) -> Result<Vec<String>, LogError> {
    let malformed = |reason: &str| LogError::Malformed {
        path: path.to_path_buf(),
        reason: reason.to_string(),
        next_step: "remove the file: the next start then recovers the directory as after a power loss",
    };
    let mut boots = Vec::new();
    let mut version = None;
    for line in text.lines() {
        match line.split_once('=') {
            Some(("version", value)) => version = value.parse::<i64>().ok(),
            Some(("boot.id", value)) => boots.push(value.to_string()),
            _ => return Err(malformed("a line is not of the form key=value")),
        }
    }
    match version {
        Some(VERSION) => Ok(boots),
        Some(found) if found > VERSION => {
            Err(LogError::NewerFormat { path: path.to_path_buf(), found, supported: VERSION })
        }
        _ => Err(malformed("the format version is missing")),
    }
}
