//! The contract between the runtime and one coordinator's state.

use crate::decision::{Decision, ReplySlot};
use bytes::Bytes;
use std::fmt::Debug;

/// One record of the shard's log, in Kafka's own key and value format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Never empty: the log is compacted.
    pub key: Bytes,
    /// None is a tombstone.
    pub value: Option<Bytes>,
}

/// Where a replayed record stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Its offset; of a record that is being written, the one it will have.
    pub offset: i64,
    /// Its timestamp, milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// The producer id of the transaction that it belongs to, if any.
    pub producer_id: Option<i64>,
}

/// Time and chance, as arguments.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// Wall clock, milliseconds since the epoch.
    pub now_ms: i64,
    /// A fresh random number for this event (member ids are made of it).
    pub random: u128,
    /// The leader epoch of the shard's log: the epoch of this coordinator.
    pub leader_epoch: i32,
}

/// A record of the log could not be replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record at offset {offset} cannot be replayed: {reason}")]
pub struct ReplayError {
    /// Where.
    pub offset: i64,
    /// Why.
    pub reason: String,
}

/// The state of one coordinator shard: pure, without clock, lock, channel or file.
///
/// 1. The log is replayed record by record.
/// 2. [`Shard::loaded`] schedules the timers that the state needs.
/// 3. Events come one at a time: [`Shard::handle`] decides, [`Shard::replay`] and [`Shard::apply`] change.
/// 4. When an append fails or the leadership is lost the shard is dropped, and every slot that it kept is answered with an
///    error by the runtime.
pub trait Shard: Sized + Send + 'static {
    /// A request, or something that follows from a change.
    type Event: Send + 'static;
    /// The answer to a request.
    type Reply: Send + 'static;
    /// A change that is not in the log.
    type Volatile: Send + 'static;
    /// Names a timer.
    type Timer: Ord + Clone + Debug + Send + 'static;
    /// A group id or transactional id: what replies depend on.
    type Subject: Ord + Clone + Debug + Send + 'static;
    /// A call to somebody else, made when what it depends on is committed.
    type Effect: Send + 'static;

    /// Decides about an event. `slot` is None for events that nobody waits for.
    fn handle(&self, event: Self::Event, slot: Option<ReplySlot>, context: &Context) -> Decision<Self>;

    /// Decides about a timer that has fired. It is gone unless the decision schedules it again.
    fn expired(&self, timer: Self::Timer, context: &Context) -> Decision<Self>;

    /// The log has been replayed to its end.
    fn loaded(&self, context: &Context) -> Decision<Self>;

    /// Applies a record of the log, old or just decided. Key and value versions that are unknown are skipped, not an error.
    ///
    /// # Errors
    /// When the record is damaged.
    fn replay(&mut self, record: &Record, position: Position) -> Result<(), ReplayError>;

    /// Applies the end of a transaction: its pending records count now, or never did. Gives the subjects that it changed.
    fn replay_end_of_transaction(&mut self, producer_id: i64, is_commit: bool) -> Vec<Self::Subject>;

    /// Applies a volatile change.
    fn apply(&mut self, change: Self::Volatile);
}
