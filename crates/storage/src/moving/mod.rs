//! A partition's log moves from one of `log.dirs` to another (AlterReplicaLogDirs, KIP-113) while it is in use.
//!
//! 1. [`LogDirs::create_future`] makes `<topic>-<partition>.<unique>-future` in the target ([`FutureLog`]).
//! 2. [`FutureLog::copy`] brings over what is durable at the source, segment by segment, byte for byte, as often as it takes
//!    until little is missing. Meanwhile retention and compaction leave the log alone ([`Log::begin_move`]), as in Kafka: a
//!    sealed segment stays as it is.
//! 3. The caller stops appends, rolls and flushes ([`Log::is_settled`]). [`FutureLog::prepare`] then copies the rest and the
//!    state behind it (producer snapshot, leader epochs, checkpoints), and syncs all of it. [`FutureLog::take_place`] a. writes the
//!    marker `.ottla_move` into the source, durably; b. renames the future directory to `<topic>-<partition>`, durably. **That rename is the
//!    decision**: before it the source is the log, after it the target is.
//! 4. [`Log::adopt`] under the partition's lock: the open log goes on in the target, with everything that it has in memory.
//!    Appends are taken again. [`LogDirs::remove_moved`] removes the source.
//!
//! A directory with the marker may have been replaced. Wherever the run ends, the next start finds out by the names
//! ([`start`]): two directories of one partition are never both opened, and a source is never opened while nobody can say
//! what became of its copy.
//!
//! | at the start | what is done |
//! |---|---|
//! | future directory, no marker | the source is the log; the move begins again from nothing |
//! | marker; the target has only a future directory, or none | the same; the marker is removed |
//! | marker; the target, or any other directory, has the partition | that is the log; the marked directory is deleted |
//! | marker; the target is offline and nobody else has the partition | the partition is offline, until the target is back |
//! | the source is offline; the target has the partition | the target is the log; the source goes when it is back |

mod copy;
mod decide;
mod marker;
mod source;
mod start;

pub use copy::{CopyProgress, FutureLog, MoveContext};
pub use decide::{Moved, PreparedMove};
pub(crate) use marker::check_not_moved;
pub use source::{MoveSource, MovedFrom};
pub use start::FoundFuture;

use crate::LogError;
#[cfg(doc)]
use crate::{Log, LogDirs};

/// Why a log was not moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// It was told to stop.
    #[error("the move was stopped")]
    Stopped,
    /// It did not work. The source is the log, as before.
    #[error("{0}")]
    Failed(#[from] LogError),
    /// Nobody can say whether the target took the source's place, because its directory fails. Neither may be used before a
    /// start has looked. Nothing is lost: both hold the same records.
    #[error("the target failed in the moment of the switch: {0}")]
    Undecided(LogError),
}
