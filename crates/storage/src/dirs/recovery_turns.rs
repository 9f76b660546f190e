//! How many logs of a directory are recovered at a time.
//!
//! Many logs are opened side by side, because one that has little to read waits for hardly anything but syncs, which the file
//! system's journal merges. A recovery that has much to read waits for its turn, so that the disk reads a few logs and not dozens
//! (`num.recovery.threads.per.data.dir`).

use crate::LogError;
use crate::limits::SCAN_CHUNK_BYTES;
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The turns of one directory.
#[derive(Debug)]
pub(crate) struct RecoveryTurns {
    turns: Semaphore,
    /// Those that are free or taken.
    count: Mutex<usize>,
}

impl Default for RecoveryTurns {
    fn default() -> RecoveryTurns {
        RecoveryTurns { turns: Semaphore::new(1), count: Mutex::new(1) }
    }
}

impl RecoveryTurns {
    /// From now on there are so many, at least one. Of a surplus those stay that are taken now, until this is called again.
    pub(super) fn set(&self, wanted: usize) {
        let wanted = wanted.clamp(1, Semaphore::MAX_PERMITS);
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted > *count {
            self.turns.add_permits(wanted - *count);
            *count = wanted;
        } else {
            *count -= self.turns.forget_permits(*count - wanted);
        }
    }

    /// Waits for a turn to read so many bytes; nobody has to for a chunk.
    ///
    /// # Errors
    /// The node ends.
    pub(crate) async fn take(&self, bytes: u64) -> Result<Option<SemaphorePermit<'_>>, LogError> {
        if bytes <= SCAN_CHUNK_BYTES as u64 {
            return Ok(None);
        }
        let ended = |_| LogError::Offline { reason: "the node ended before the recovery of the log began".to_string() };
        self.turns.acquire().await.map(Some).map_err(ended)
    }

    /// Whoever waits is refused.
    pub(super) fn close(&self) {
        self.turns.close();
    }
}
