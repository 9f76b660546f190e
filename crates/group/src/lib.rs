//! Consumer groups: classic ones, those of KIP-848, streams groups, and the offsets that all of them commit. Pure: no clock, no lock, no file.
//!
//! [`GroupShard`] is the state of one partition of `__consumer_offsets` as the coordinator runtime keeps it. A
//! [`GroupEvent`] goes in, a decision comes out: records in Kafka's own format, changes that are not in the log, replies,
//! timers. What a group is allowed to do next is written in one file per request:
//!
//! - [`classic`]: JoinGroup, SyncGroup, Heartbeat, LeaveGroup of groups whose members assign partitions themselves;
//! - [`consumer`]: ConsumerGroupHeartbeat and what goes with it (KIP-848);
//! - [`streams`]: StreamsGroupHeartbeat and what goes with it (KIP-1071);
//! - [`offsets`]: OffsetCommit, OffsetFetch, OffsetDelete, expiry;
//! - [`share`]: ShareGroupHeartbeat and what goes with it (KIP-932);
//! - [`admin`]: DescribeGroups, ListGroups, DeleteGroups.

pub mod admin;
pub mod assignor;
pub mod classic;
pub mod config;
pub mod consumer;
mod effect;
pub mod event;
mod failed;
pub mod group;
mod migration;
pub mod offsets;
pub mod records;
pub mod shard;
pub mod share;
pub mod streams;
pub mod timer;
pub mod topics;

pub use admin::{CommittedOffset, Observed};
pub use config::GroupConfig;
pub use consumer::{MatchedRegexes, Matching, RegexTask};
pub use effect::{GroupCount, GroupEffect};
pub use event::{DeletedTopic, GroupEvent, GroupReply, GroupRequest, OffsetFetch, RequestContext};
pub use group::{Group, GroupId, Groups};
pub use shard::{GroupDecision, GroupShard, GroupVolatile};
pub use share::{ShareReply, ShareRequest, StateCall};
pub use streams::{StreamsConfig, StreamsHeartbeat};
pub use timer::{GroupTimer, TimerKind};
pub use topics::{GroupTopics, TopicInfo};
