//! What the first invalid batch means.
//!
//! | last run ended by | below the recovery point | above it |
//! |---|---|---|
//! | process crash | damage | a torn last write is cut; anything else is damage |
//! | power loss | damage | the log ends there; what follows is cut and kept |
//! | failed fsync | damage | the same, at the last flushed offset |

use super::scan::Scan;
use super::{OpenMode, OpenRequest};
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
        OpenMode::After(_) if stop.is_torn_write => Ok(Verdict::Cut { keep: false }),
        OpenMode::After(_) => damaged(stop.reason.clone()),
    }
}
