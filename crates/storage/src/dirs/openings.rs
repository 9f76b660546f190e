//! How many logs of a directory are opened at a time, and how many recovered.
//!
//! 1. Every log waits for a place in its directory's window. The window is wide, because a log that has little to read waits for
//!    hardly anything but syncs, which the file system's journal merges.
//! 2. A recovery that has much to read gives its place to the next log and waits for its turn, so that the disk reads a few logs
//!    and not dozens (`num.recovery.threads.per.data.dir`), and no log with little to read stands behind it.
//!
//! Directories share nothing here: one that hangs holds up its own logs only. Whoever waits goes as soon as its log is not wanted
//! any more.

use crate::LogError;
use crate::limits::{OPENINGS_IN_PARALLEL, SCAN_CHUNK_BYTES};
use futures_util::future::BoxFuture;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The window and the turns of one directory.
#[derive(Debug)]
pub(crate) struct Openings {
    window: Semaphore,
    turns: Semaphore,
    turn_count: Mutex<TurnCount>,
}

#[derive(Debug)]
struct TurnCount {
    wanted: usize,
    /// Turns beyond that which are taken: whoever has one does not give it back.
    surplus: usize,
}

/// What one log holds while it is opened; it is given back when this is dropped.
pub(crate) struct Place<'a> {
    openings: &'a Openings,
    /// Resolves when the log is not wanted any more.
    unwanted: BoxFuture<'a, ()>,
    in_window: Option<SemaphorePermit<'a>>,
    /// To read much, in place of the window; [`Openings::take_back`] ends it.
    turn: Option<SemaphorePermit<'a>>,
}

impl Default for Openings {
    fn default() -> Openings {
        Openings {
            window: Semaphore::new(OPENINGS_IN_PARALLEL),
            turns: Semaphore::new(1),
            turn_count: Mutex::new(TurnCount { wanted: 1, surplus: 0 }),
        }
    }
}

impl Openings {
    /// From now on there are so many turns, at least one. Of a surplus those that are taken end with who has them.
    pub(crate) fn set_turns(&self, wanted: usize) {
        let wanted = wanted.clamp(1, Semaphore::MAX_PERMITS);
        let mut count = self.turn_count();
        if wanted > count.wanted {
            let more = wanted - count.wanted;
            let kept = more.min(count.surplus);
            count.surplus -= kept;
            self.turns.add_permits(more - kept);
        } else {
            let fewer = count.wanted - wanted;
            count.surplus += fewer - self.turns.forget_permits(fewer);
        }
        count.wanted = wanted;
    }

    /// A turn ends. It is not for the next in the queue if there are too many.
    fn take_back(&self, turn: SemaphorePermit<'_>) {
        let mut count = self.turn_count();
        if count.surplus > 0 {
            count.surplus -= 1;
            turn.forget();
        }
    }

    /// Every step under the lock leaves the numbers consistent.
    fn turn_count(&self) -> MutexGuard<'_, TurnCount> {
        self.turn_count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place in the window.
    ///
    /// # Errors
    /// [`LogError::Unwanted`] once `unwanted` has resolved.
    pub(crate) async fn enter<'a>(&'a self, mut unwanted: BoxFuture<'a, ()>) -> Result<Place<'a>, LogError> {
        let in_window = Some(wait(&self.window, &mut unwanted).await?);
        Ok(Place { openings: self, unwanted, in_window, turn: None })
    }
}

impl Place<'_> {
    /// Waits for a turn to read so many bytes; nobody has to for a chunk.
    ///
    /// # Errors
    /// [`LogError::Unwanted`], also when the turn has come in the same moment.
    pub(crate) async fn take_turn(&mut self, bytes: u64) -> Result<(), LogError> {
        if bytes > SCAN_CHUNK_BYTES as u64 {
            self.in_window = None;
            self.turn = Some(wait(&self.openings.turns, &mut self.unwanted).await?);
        }
        Ok(())
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(turn) = self.turn.take() {
            self.openings.take_back(turn);
        }
    }
}

async fn wait<'a>(places: &'a Semaphore, unwanted: &mut BoxFuture<'_, ()>) -> Result<SemaphorePermit<'a>, LogError> {
    tokio::select! {
        biased;
        () = unwanted => Err(LogError::Unwanted),
        permit = places.acquire() => Ok(permit.expect("it is never closed")),
    }
}
