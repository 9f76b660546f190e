//! Incremental fetch sessions (KIP-227), pure.
//!
//! A consumer that polls many partitions names them once; later requests carry only what changed and
//! answers only what has news. [`FetchSessions::begin`] turns a request into the full list of partitions
//! to read, [`FetchSessions::complete`] drops the answers without news and opens new sessions.
//!
//! Lifecycle of a session: 1. created by a full fetch with epoch 0, if the cache has room or something
//! less valuable to evict; 2. each incremental fetch must carry the expected epoch, which then rises by
//! one (after 2147483647 comes 1); 3. closed by a full fetch that names it, by forgetting its last
//! partition, or by eviction.

mod cache;
mod session;
#[cfg(test)]
mod tests;

pub(crate) use cache::{FetchSessions, Fetching, SessionRequest};
pub(crate) use session::{FetchPartition, News, PartitionKey, TopicKey};

/// Session id of "no session".
pub(crate) const NO_SESSION: i32 = 0;
/// Request epoch of a full fetch that asks for a new session.
pub(crate) const INITIAL_EPOCH: i32 = 0;
/// Request epoch of a full fetch that wants no session.
pub(crate) const FINAL_EPOCH: i32 = -1;
/// A session that was idle for this long may be evicted by any newcomer.
pub(crate) const EVICTION_IDLE_MS: i64 = 120_000;

/// The epoch that follows `epoch`; wraps to 1, because 0 and -1 have meanings of their own.
fn next_epoch(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}
