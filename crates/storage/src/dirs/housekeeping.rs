//! What a log directory needs while the node runs: the end of its recovery, checkpoints, a look at the free space, and the removal
//! of what was deleted.
//!
//! Whoever drives it gives each directory two tasks. A disk that hangs then holds up only its own logs, and recovery points do not
//! wait behind the removal of a large log.

use super::log_dir::lock;
use super::{LogDir, Shutdown, marker};
use crate::LogError;
use crate::limits::HOUSEKEEPING_INTERVAL;
use crate::sites;
use std::io;
use std::sync::atomic::Ordering;
use tracing::warn;

impl LogDir {
    /// Every log that was found here is open, or (`all_opened` false) some could not be opened. From now on a process crash
    /// counts as one; before, a start after a power loss is repeated as such.
    pub async fn finish_recovery(&self, all_opened: bool) -> Result<(), LogError> {
        self.has_unopened_logs.store(!all_opened, Ordering::Relaxed);
        self.checkpoint_recovery_points().await;
        self.log_starts.flush(self.disk()).await?;
        let needs_marker = all_opened && self.last_run.shutdown != Shutdown::Clean;
        let _marking = self.marking.lock().await;
        if needs_marker && !self.had_failed_flush.load(Ordering::Relaxed) {
            marker::write_dirty(self.disk(), &self.path, &self.rt.boot_id()).await?;
        }
        Ok(())
    }

    /// Resolves when it is time for [`LogDir::checkpoint`]: after a while, or when many bytes were flushed since the last one.
    pub async fn checkpoint_due(&self) {
        // Whether the time passed or a log asked for it makes no difference.
        let _ = self.rt.timeout(HOUSEKEEPING_INTERVAL, self.many_flushed.notified()).await;
    }

    /// Brings the recovery points to disk that have moved, and looks at the free space. Not to be dropped half done.
    pub async fn checkpoint(&self) {
        self.checkpoint_recovery_points().await;
        self.probe_space().await;
    }

    /// Removes what was deleted and is due. What this was at when it is dropped, the next start removes.
    pub async fn remove_due(&self) {
        let mut due = lock(&self.removals).take_due(self.rt.now());
        if due.iter().any(|removal| removal.is_dir) {
            // Else a power loss may bring a directory back under its old name, without the topic id and with records.
            if let Err(error) = self.disk().sync_dir(&self.path, sites::DELETED_NAMES).await {
                let (mut partitions, mut is_tried_again) = (0, true);
                for removal in due.extract_if(.., |removal| removal.is_dir) {
                    partitions += 1;
                    is_tried_again &= lock(&self.removals).put_back(removal, self.rt.now(), &error);
                }
                if !is_tried_again {
                    // This sync was for the names of all of them, and the next would say that all is well.
                    partitions += lock(&self.removals).forget_dirs();
                }
                warn!(
                    log_dir = %self.path.display(), %error, partitions, is_tried_again,
                    "deleted partitions are not removed now; if it is not tried again, the next start removes them"
                );
            }
        }
        for removal in due {
            let result = match removal.is_dir {
                true => self.disk().remove_dir_all(&removal.path).await,
                false => self.disk().remove_file(&removal.path).await,
            };
            match result {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    let path = removal.path.clone();
                    let is_tried_again = lock(&self.removals).put_back(removal, self.rt.now(), &error);
                    warn!(
                        path = %path.display(), %error, is_tried_again,
                        "a deleted file cannot be removed; if it is not tried again, the next start removes it"
                    );
                }
                _ => {}
            }
        }
    }
}
