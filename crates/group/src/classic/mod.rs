//! Classic groups: the leader among the members assigns partitions; the coordinator keeps members and generations.
//!
//! The life of a generation: 1. a change of members sets the group to `PreparingRebalance`, every member has to join
//! again ([`join`]); 2. when all have, or the rebalance timeout has passed, the generation begins with those that did:
//! `CompletingRebalance`, all JoinGroups are answered; 3. the leader's SyncGroup brings the assignment, which is written
//! to the log: `Stable`, all SyncGroups are answered ([`sync`]); 4. members send heartbeats ([`heartbeat`]) until one
//! leaves ([`leave`]), falls silent or wants something else. Without members the group is `Empty`; it is deleted when it
//! has no offsets either.

pub mod group;
pub mod heartbeat;
pub mod join;
mod join_static;
pub mod leave;
pub mod loaded;
pub mod member;
mod rebalance;
pub mod replay;
pub mod state;
pub mod step;
pub mod sync;

pub use group::ClassicGroup;
pub use member::ClassicMember;
pub use state::ClassicState;
pub use step::ClassicStep;
