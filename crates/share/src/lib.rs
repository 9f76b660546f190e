//! Share groups (KIP-932) where records are handed out one by one. Pure: no clock, no lock, no file.
//!
//! - [`SharePartition`]: which records of one partition a share group has in flight, and what became of them;
//! - [`ShareSessions`]: which partitions each member of a share group fetches from this node;
//! - [`StateShard`]: the coordinator that keeps the state of share partitions in `__share_group_state`.
//!
//! Who is a member of a share group, and which partitions it is to fetch, is decided in `ottla-group`.

mod partition;
mod runs;
mod session;
pub mod state;

pub use partition::{
    AckBatch, AckError, AckType, AcquireMode, Acquired, Acquiring, Damaged, DeadLetters, GivenUp, Limits, LoadedState,
    SharePartition, Write, WriteId,
};
pub use session::{FINAL_EPOCH, INITIAL_EPOCH, Opened, SessionError, SessionKey, ShareSessions, TopicIdPartition};
pub use state::{DeliveryState, StateBatch, StateShard};
