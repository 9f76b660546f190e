//! Deleted files and partition directories that wait to be removed.

use ottla_runtime::{Instant, is_disk_full, is_out_of_files};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Pause before something is tried again that could not be removed; it doubles up to the maximum.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(640);

/// What waits in one log directory. Nothing is in it twice: it is taken out, and put back at most once.
#[derive(Debug, Default)]
pub(super) struct Removals {
    waiting: Vec<Removal>,
}

/// Something to remove later.
#[derive(Debug)]
pub(super) struct Removal {
    due: Instant,
    pub(super) path: PathBuf,
    pub(super) is_dir: bool,
    /// Before the next try; `None` until one has failed.
    pause: Option<Duration>,
}

impl Removals {
    pub(super) fn push(&mut self, due: Instant, path: PathBuf, is_dir: bool) {
        self.waiting.push(Removal { due, path, is_dir, pause: None });
    }

    /// What is due at `now`.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Removal> {
        self.waiting.extract_if(.., |removal| removal.due <= now).collect()
    }

    /// Leaves all directories that wait to the next start; how many.
    pub(super) fn forget_dirs(&mut self) -> usize {
        self.waiting.extract_if(.., |removal| removal.is_dir).count()
    }

    /// Puts back what could not be removed because of `error`, if that may pass; whether it does. Else the next start removes it.
    pub(super) fn put_back(&mut self, removal: Removal, now: Instant, error: &io::Error) -> bool {
        if !may_pass(error) {
            return false;
        }
        let pause = removal.pause.map_or(AGAIN_AFTER, |pause| AGAIN_AFTER_MAX.min(2 * pause));
        self.waiting.push(Removal { due: now + pause, pause: Some(pause), ..removal });
        true
    }
}

/// Not an error of the disk: a sync that met one is not repeated, because the next would say that all is well.
fn may_pass(error: &io::Error) -> bool {
    use io::ErrorKind::{DirectoryNotEmpty, Interrupted, ResourceBusy};
    is_out_of_files(error)
        || is_disk_full(error)
        || matches!(error.kind(), DirectoryNotEmpty | Interrupted | ResourceBusy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_runtime::Runtime;

    fn one_due(now: Instant) -> (Removals, Removal) {
        let mut removals = Removals::default();
        removals.push(now, PathBuf::from("/a/t-0.0-delete"), true);
        let removal = removals.take_due(now).pop().unwrap();
        assert_eq!(removals.waiting.len(), 0);
        (removals, removal)
    }

    #[tokio::test]
    async fn what_could_not_be_removed_for_a_reason_that_passes_is_tried_again_less_and_less_often() {
        let mut now = Runtime::in_memory().now();
        let emfile = io::Error::from_raw_os_error(24);
        for error in [emfile, io::ErrorKind::StorageFull.into(), io::ErrorKind::DirectoryNotEmpty.into()] {
            let (mut removals, mut removal) = one_due(now);
            let mut pauses = Vec::new();
            for _ in 0..9 {
                assert!(removals.put_back(removal, now, &error), "{error}");
                let pause = removals.waiting[0].pause.unwrap();
                assert_eq!(removals.take_due(now + pause - Duration::from_nanos(1)).len(), 0);
                now += pause;
                removal = removals.take_due(now).pop().unwrap();
                assert_eq!(removals.waiting.len(), 0);
                pauses.push(pause.as_secs());
            }
            assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 640, 640]);
        }
    }

    #[tokio::test]
    async fn what_the_disk_refuses_is_left_to_the_next_start() {
        let now = Runtime::in_memory().now();
        let (mut removals, removal) = one_due(now);
        let eio = io::Error::from_raw_os_error(5);
        assert!(!removals.put_back(removal, now, &eio));
        assert_eq!(removals.waiting.len(), 0);
    }
}
