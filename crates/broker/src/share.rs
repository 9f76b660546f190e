//! Share groups (KIP-932) on this node: the share coordinator, and the partitions that share groups fetch here.
//!
//! `coordinator` runs the shards of `__share_group_state`, which `follow` starts and ends with the metadata; `states` asks the
//! coordinator of a share partition, through `Peers`. `partitions` holds the share partitions and sessions of this node; `cached`
//! is one of them with who waits for it, `load` reads its state, `fetch` hands its records out, `acknowledge` takes what members
//! say of them; `locks` ends locks, and sessions whose connections are gone; `initializing` knows which groups have states
//! initialised; `dead_letters` brings what a group gives up to its dead-letter topic; `settings` reads the configs of a group.
//! What a share partition does is in `ottla-share`.

mod acknowledge;
mod cached;
mod coordinator;
mod dead_letters;
mod fetch;
mod follow;
mod initializing;
mod load;
mod locks;
mod partitions;
mod settings;
mod states;

pub(crate) use acknowledge::Acknowledgement;
pub(crate) use coordinator::ShareCoordinator;
pub(crate) use dead_letters::append as append_dead_letters;
pub(crate) use fetch::{Fetched, Wanted};
pub(crate) use follow::follow;
pub(crate) use locks::watch_locks;
pub(crate) use partitions::SharePartitions;
pub(crate) use states::ShareStates;
