//! The runtime that all coordinators share: groups, transactions, share groups.
//!
//! A coordinator is a [`Shard`]: pure state that turns events into a [`Decision`] and is changed only by replaying what the
//! decision holds. Each shard belongs to one partition of an internal topic and has one owner task here, started by
//! [`Shards::start`] (or [`start`]) where this node leads that partition.
//!
//! The life of an owner task: 1. it waits until the node leads the log; 2. it makes an empty shard and replays the log
//! (COORDINATOR_LOAD_IN_PROGRESS meanwhile); 3. it serves rounds: all events that wait are handled one after another, each
//! decision is applied at once, and what they all wrote is appended as one batch; replies and effects leave when the high
//! watermark passes what they depend on; 4. when an append fails, the log was cut or the leadership changes, the shard is
//! dropped with everything that waited on it, and 1. follows, after a failure with a pause that doubles. It ends when
//! the last [`ShardHandle`] is gone.

mod batch;
mod decision;
mod error;
mod handle;
pub mod limits;
mod load;
mod log;
mod replies;
mod round;
mod serve;
mod shard;
mod shards;
mod task;
mod timers;
mod transactional;
mod write;

pub use decision::{Change, Decision, ReplySlot, TimerChange};
pub use error::CoordinatorError;
pub use handle::ShardHandle;
pub use log::{AppendFailed, LogView, ReadFailed, ShardLog, Term};
pub use shard::{Context, Position, Record, ReplayError, Shard};
pub use shards::Shards;
pub use task::{ShardParts, start};
pub use transactional::{BatchKind, EndTransaction, TransactionalWrite, VerificationGuard};

#[cfg(test)]
mod tests;
