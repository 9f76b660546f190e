//! Log compaction: of the records of a key only the last one stays.
//!
//! 1. [`Cleaner`] chooses the filthiest log among those that ask for it ([`crate::Log::log_to_clean`]); no IO.
//! 2. [`crate::Log::begin_cleaning`] takes the plan under the log's lock: which sealed segments, up to which offset.
//! 3. [`CleanJob::next_group`] runs without the lock. The first call reads the dirty part of the log into an
//!    [`OffsetMap`], key to last offset, in bounded memory: what does not fit is left for the next time. Each call then
//!    writes one group of neighbouring segments anew, without the records that the map supersedes, and puts the result in
//!    their place on disk.
//! 4. [`crate::Log::finish_group`] puts it in their place in memory; [`CleanJob::complete`] checkpoints how far the log
//!    is clean; [`crate::Log::finish_cleaning`] ends it.
//!
//! Offsets stay, so logs get gaps. Never touched: the active segment, what is not below the last stable offset, and what
//! is not wholly below the recovery point: recovery never has to look into a segment that is being replaced. The last
//! batch of each new segment stays, without records if need be, so that a segment always ends where the next one begins
//! and a missing one is noticed.
//!
//! What stays of a batch is decided in [`filter`], transactions are followed in [`transactions`], the crash-safe swap is
//! [`swap`].

mod choice;
mod config;
mod filter;
mod groups;
mod hash;
mod job;
mod offset_map;
mod source;
mod swap;
mod throttle;
mod transactions;
mod writer;

pub use choice::{Cleaner, LogToClean};
pub use config::CleanerConfig;
pub(crate) use filter::LastRecord;
pub(crate) use job::CleanPlan;
pub use job::{CleanContext, CleanJob, CleanStats, CleanedGroup, CleaningError};
pub use offset_map::OffsetMap;
pub(crate) use swap::{PendingSwap, complete_swap};
pub use throttle::Throttle;

#[cfg(test)]
pub(crate) mod tests;
