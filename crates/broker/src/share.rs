//! Share groups (KIP-932) on this node: the share coordinator, and the partitions that share groups fetch here.
//!
//! `states` runs the shards of `__share_group_state` and asks them; `follow` starts and ends them with the metadata.
//! `partitions` holds the share partitions and sessions of this node; `cached` is one of them with who waits for it, `load`
//! reads its state, `fetch` hands its records out, `acknowledge` takes what members say of them; `locks` ends locks, and
//! sessions whose connections are gone; `settings` reads the configs of a group. What a share partition does is in
//! `ottla-share`.

mod acknowledge;
mod cached;
mod fetch;
mod follow;
mod load;
mod locks;
mod partitions;
mod settings;
mod states;

pub(crate) use acknowledge::Acknowledgement;
pub(crate) use fetch::{Fetched, Wanted};
pub(crate) use follow::follow;
pub(crate) use locks::watch_locks;
pub(crate) use partitions::SharePartitions;
pub(crate) use states::ShareStates;
