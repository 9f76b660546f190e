//! Between the two protocols: groups that change their kind while they run, and classic members of KIP-848 groups.
//!
//! A classic group of consumers becomes one of KIP-848 when a member of the new protocol joins ([`upgrade`]). Its classic
//! members stay: JoinGroup, SyncGroup, Heartbeat and LeaveGroup ([`join`], [`sync`], [`heartbeat`], [`leave`]) are answered out
//! of the KIP-848 group, with the member epoch as generation and the coordinator in the place of a leader. When the last member
//! of the new protocol is gone, the group becomes classic again ([`downgrade`]). `group.consumer.migration.policy` says which
//! of the two ways are open.

pub(crate) mod downgrade;
mod embedded;
pub(crate) mod heartbeat;
pub(crate) mod join;
pub(crate) mod leave;
mod member;
mod request;
pub(crate) mod sync;
pub(crate) mod upgrade;
