//! What the first invalid batch means.
//!
//! | last run ended by | below the recovery point | above it |
//! |---|---|---|
//! | process crash | damage | a torn last write is cut, and so are lost pages; anything else is damage |
//! | power loss | damage | the log ends there; what follows is cut and kept |
//! | failed fsync | damage | the same, at the last flushed offset |
//!
//! Lost pages: after a failed fsync the system may drop what it could not store, and the process may die before it could
//! note the failure. Nobody was told that those records are safe. They are kept in a side file where they are not zeros.
//!
//! Segments that are missing at the start of the log are judged in the same way.

use super::scan::Scan;
use super::{Checkpointed, Inventory, OpenMode, OpenRequest};
use crate::LogError;
use crate::dirs::Shutdown;
use crate::files::SegmentFile;

/// What to do with the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All of it is valid.
    Whole,
    /// It ends at the first invalid batch.
    Cut {
        /// Whether what follows is kept in a side file. A single torn write was never a batch.
        keep: bool,
    },
}

/// Whether the segments at the log start offset are missing, and with them everything that follows; or refuses the log as
/// damaged.
pub(super) fn judge_start(
    request: &OpenRequest,
    inventory: &Inventory,
    checkpointed: Checkpointed,
) -> Result<bool, LogError> {
    let Checkpointed { log_start_offset, recovery_point, .. } = checkpointed;
    let Some(first_offset) = inventory.first_offset() else { return Ok(false) };
    // Kafka checkpoints log start offsets after it has deleted segments: the first one there is the start.
    if first_offset <= log_start_offset || !request.was_ours {
        return Ok(false);
    }
    match request.mode {
        OpenMode::After(Shutdown::OtherBoot) if recovery_point <= log_start_offset => Ok(true),
        _ => {
            let path = SegmentFile::Log.path(&request.path, first_offset);
            let reason = format!("the segments before it, from offset {log_start_offset} on, are gone");
            Err(request.damaged(&path, 0, log_start_offset, reason))
        }
    }
}

/// Judges a scan, or refuses the log as damaged.
pub(super) fn judge(request: &OpenRequest, scan: &Scan, recovery_point: i64) -> Result<Verdict, LogError> {
    let last = scan.segments.last().expect("the scan looked at one segment at least");
    let damaged = |reason: String| {
        let path = SegmentFile::Log.path(&request.path, last.base_offset);
        Err(request.damaged(&path, last.valid_bytes, scan.end_offset, reason))
    };
    let Some(stop) = &scan.stop else {
        if scan.end_offset < recovery_point {
            return damaged(format!("the log ends here, but it was flushed up to {recovery_point}"));
        }
        return Ok(Verdict::Whole);
    };
    if scan.end_offset < recovery_point {
        return damaged(format!("{} (the log was flushed up to {recovery_point})", stop.reason));
    }
    match request.mode {
        OpenMode::After(Shutdown::OtherBoot) | OpenMode::FlushedTo(_) => Ok(Verdict::Cut { keep: true }),
        OpenMode::After(_) if stop.is_lost_page => Ok(Verdict::Cut { keep: true }),
        OpenMode::After(_) if stop.is_torn_write => Ok(Verdict::Cut { keep: false }),
        OpenMode::After(_) => damaged(stop.reason.clone()),
    }
}
