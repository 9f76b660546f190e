//! What is behind a partition's lock, and how its errors read.

use super::failing::Reopenings;
use super::moving::Moving;
use super::verification::Verifications;
use crate::watchers::Watchers;
use ottla_config::TopicConfig;
use ottla_replication::LeaderState;
use ottla_runtime::Instant;
use ottla_storage::{FoundPartition, Log};
use ottla_telemetry::{BrokerMetrics, Gauge};
use ottla_types::{ErrorCode, LeaderEpoch, NodeId};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Why a partition cannot do what was asked, in the terms of a response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct PartitionError {
    pub(crate) code: ErrorCode,
    pub(crate) message: Cow<'static, str>,
    /// Who leads, where a client that asked the wrong node or in the wrong epoch should know (KIP-951).
    pub(crate) leader: Option<(NodeId, LeaderEpoch)>,
}

impl PartitionError {
    pub(crate) fn of(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> PartitionError {
        PartitionError { code, message: message.into(), leader: None }
    }

    /// KAFKA_STORAGE_ERROR. Whoever reads of a disk must know what to do: `message` names the next step.
    pub(crate) fn storage(message: impl Into<Cow<'static, str>>) -> PartitionError {
        let message = message.into();
        assert!(message.contains("Next step: "), "a storage error names the next step: {message}");
        PartitionError::of(ErrorCode::KafkaStorageError, message)
    }
}

/// Who leads the partition, as the committed metadata says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leadership {
    /// `None` while there is no leader.
    pub(crate) leader: Option<NodeId>,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) replicas: Vec<NodeId>,
    pub(crate) isr: Vec<NodeId>,
    /// Whether this node is that leader, in an epoch that was committed after its start.
    pub(crate) is_local: bool,
}

/// A partition's state. See the lifecycle in [`crate::partition`].
pub(super) struct State {
    pub(super) leadership: Leadership,
    pub(super) config: Arc<TopicConfig>,
    pub(super) status: Status,
    pub(super) watchers: Watchers,
    /// The node shuts down: nothing new begins.
    pub(super) is_closing: bool,
    /// Rises each time that a log comes online. What was begun with one log is never finished with, or acknowledged
    /// from, another.
    pub(super) incarnation: u64,
    /// Everything below was told to be committed; whoever waited for it was woken.
    pub(super) high_watermark: i64,
    /// The directory that was found for the partition, for a deletion that finds no open log.
    pub(super) found: Option<FoundPartition>,
    /// A log that was opened when the partition had already left.
    pub(super) leftover: Option<Log>,
    pub(super) reopenings: Reopenings,
    /// The move to another log directory that is wanted.
    pub(super) moving: Option<Moving>,
    /// What of this partition the node's gauges count.
    pub(super) counted: Counted,
}

pub(super) enum Status {
    /// The log is being created or recovered.
    Opening,
    Online(Box<Online>),
    /// Out of service; the text names the cause and the next step.
    Offline(String),
    /// Out of service for good.
    Retired(Retirement),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Opening => f.write_str("opening"),
            Status::Online(_) => f.write_str("online"),
            Status::Offline(reason) => write!(f, "offline: {reason}"),
            Status::Retired(_) => f.write_str("retired"),
        }
    }
}

/// Why a partition never comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retirement {
    /// Its topic was deleted, or its replica here.
    Deleted,
    /// The node shuts down.
    Closed,
}

/// A partition whose log is open.
pub(super) struct Online {
    pub(super) open: OpenLog,
    /// `None` while this node does not lead.
    pub(super) leader: Option<LeaderState>,
}

/// An open log and what is under way with it.
pub(super) struct OpenLog {
    pub(super) log: Log,
    pub(super) incarnation: u64,
    pub(super) flush: FlushPhase,
    pub(super) is_rolling: bool,
    /// When the last roll failed, and why; the next one comes later.
    pub(super) failed_roll: Option<(Instant, String)>,
    /// The log is about to go on in another log directory: nothing is appended or deleted until it does.
    pub(super) is_switching: bool,
    /// This partition's share of the node's unflushed bytes.
    pub(super) accounted_bytes: u64,
    /// By when the partition will be flushed, if it waits in the flush queue.
    pub(super) queued: Option<Instant>,
    /// Transactions that this partition is being verified to belong to.
    pub(super) verifications: Verifications,
}

/// At most one flush runs at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlushPhase {
    Idle,
    Running,
    /// Somebody waits for records that the running flush may not cover.
    RunningAgain,
}

/// Which gauges count the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counted {
    leads: bool,
    is_offline: bool,
    is_under_min_isr: bool,
}

impl State {
    pub(super) fn new(leadership: Leadership, config: Arc<TopicConfig>, found: Option<FoundPartition>) -> State {
        State {
            leadership,
            config,
            status: Status::Opening,
            watchers: Watchers::default(),
            is_closing: false,
            incarnation: 0,
            high_watermark: 0,
            found,
            leftover: None,
            reopenings: Reopenings::default(),
            moving: None,
            counted: Counted::default(),
        }
    }

    /// The open log and the leader's view of it, if this node leads the partition.
    pub(super) fn leading(&mut self) -> Result<(&mut OpenLog, &mut LeaderState), PartitionError> {
        let not_here = |message: &'static str| PartitionError::of(ErrorCode::NotLeaderOrFollower, message);
        match &mut self.status {
            Status::Retired(Retirement::Deleted) => {
                Err(PartitionError::of(ErrorCode::UnknownTopicOrPartition, "the partition was deleted"))
            }
            Status::Retired(Retirement::Closed) => Err(not_here("the node shuts down")),
            _ if self.is_closing => Err(not_here("the node shuts down")),
            Status::Offline(reason) => Err(PartitionError::storage(reason.clone())),
            Status::Opening => Err(not_here("the partition's log is being opened; try again")),
            // The flush that found out is still under way, and what it did not write may read as zeros.
            Status::Online(online) if online.open.log.has_failed_sync() => Err(PartitionError::storage(
                "a flush failed. Next step: look at the disk of the log directory; the partition is opened again by itself",
            )),
            Status::Online(online) => match &mut **online {
                Online { open, leader: Some(leader) } => Ok((open, leader)),
                Online { leader: None, .. } => Err(PartitionError {
                    leader: self.leadership.leader.map(|leader| (leader, self.leadership.leader_epoch)),
                    ..not_here("this node does not lead the partition; refresh the metadata")
                }),
            },
        }
    }

    /// The open log, if it is still the one of `incarnation`.
    pub(super) fn open(&mut self, incarnation: u64) -> Option<&mut OpenLog> {
        match &mut self.status {
            Status::Online(online) if online.open.incarnation == incarnation => Some(&mut online.open),
            _ => None,
        }
    }

    /// Whether the partition is about to end, or has.
    pub(super) fn is_leaving(&self) -> bool {
        self.is_closing || matches!(self.status, Status::Retired(_))
    }

    /// Whether its topic was deleted, or its replica here.
    pub(super) fn is_deleted(&self) -> bool {
        matches!(self.status, Status::Retired(Retirement::Deleted))
    }

    /// Checks the leader epoch that a client knows (KIP-320); -1 is no check.
    pub(super) fn check_epoch(&self, known: i32) -> Result<(), PartitionError> {
        let current = self.leadership.leader_epoch.0;
        if known == LeaderEpoch::NONE.0 || known == current {
            return Ok(());
        }
        let (code, which) = match known < current {
            true => (ErrorCode::FencedLeaderEpoch, "older"),
            false => (ErrorCode::UnknownLeaderEpoch, "newer"),
        };
        let fenced = code == ErrorCode::FencedLeaderEpoch;
        Err(PartitionError {
            leader: self.leadership.leader.filter(|_| fenced).map(|leader| (leader, self.leadership.leader_epoch)),
            ..PartitionError::of(code, format!("leader epoch {known} is {which} than the current one, {current}"))
        })
    }

    /// Brings the node's gauges to what the partition is now.
    pub(super) fn recount(&mut self, metrics: &BrokerMetrics) {
        let leads = self.leadership.is_local && !self.is_leaving();
        let has_min_isr = match &self.status {
            Status::Online(online) => online.leader.as_ref().is_none_or(LeaderState::has_min_isr),
            _ => true,
        };
        let now = Counted {
            leads,
            is_offline: matches!(self.status, Status::Offline(_)),
            is_under_min_isr: leads && !has_min_isr,
        };
        let before = std::mem::replace(&mut self.counted, now);
        move_gauge(&metrics.partitions_leader, before.leads, now.leads);
        move_gauge(&metrics.partitions_offline, before.is_offline, now.is_offline);
        move_gauge(&metrics.partitions_under_min_isr, before.is_under_min_isr, now.is_under_min_isr);
    }
}

fn move_gauge(gauge: &Gauge, before: bool, now: bool) {
    match (before, now) {
        (false, true) => gauge.increment(),
        (true, false) => gauge.decrement(),
        (true, true) | (false, false) => {}
    }
}
