//! What is behind a partition's lock, and how its errors read.

use crate::watchers::Watchers;
use ottla_replication::LeaderState;
use ottla_storage::Log;
use ottla_types::{ErrorCode, LeaderEpoch, NodeId};
use std::sync::Arc;
use tokio::sync::Notify;

/// Why a partition cannot do what was asked, in the terms of a response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct PartitionError {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    /// Who leads instead, as far as known (KIP-951).
    pub(crate) leader: Option<(NodeId, LeaderEpoch)>,
}

impl PartitionError {
    pub(crate) fn of(code: ErrorCode, message: impl Into<String>) -> PartitionError {
        PartitionError { code, message: message.into(), leader: None }
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

pub(super) struct State {
    pub(super) leadership: Leadership,
    pub(super) config: Arc<ottla_config::TopicConfig>,
    pub(super) status: Status,
    pub(super) watchers: Watchers,
}

pub(super) enum Status {
    /// The log is being recovered.
    Opening,
    Online(Box<Online>),
    /// Out of service; the text names the cause and the next step.
    Offline(String),
}

/// A partition whose log is open.
pub(super) struct Online {
    pub(super) log: Log,
    pub(super) replication: LeaderState,
    pub(super) flush: FlushPhase,
    /// Notified when the roll that is under way has ended; appends that need the new segment wait for it.
    pub(super) rolled: Arc<Notify>,
    pub(super) is_rolling: bool,
    /// Notified when a flush or a roll has ended; closing waits until neither is under way.
    pub(super) settled: Arc<Notify>,
    /// This partition's share of the node's unflushed bytes.
    pub(super) accounted_bytes: u64,
    /// Whether the partition waits in one of the flush queues.
    pub(super) is_queued: bool,
}

/// At most one flush runs at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlushPhase {
    Idle,
    Running,
    /// Somebody waits for records that the running flush does not cover.
    RunningAgain,
}

impl State {
    /// The open log, if this node leads the partition.
    pub(super) fn leading(&mut self) -> Result<&mut Online, PartitionError> {
        if !self.leadership.is_local {
            return Err(PartitionError {
                code: ErrorCode::NotLeaderOrFollower,
                message: "this node does not lead the partition; refresh the metadata".to_string(),
                leader: self.leadership.leader.map(|leader| (leader, self.leadership.leader_epoch)),
            });
        }
        match &mut self.status {
            Status::Online(online) => Ok(online),
            Status::Opening => {
                let message = "the partition's log is being recovered; try again";
                Err(PartitionError::of(ErrorCode::NotLeaderOrFollower, message))
            }
            Status::Offline(reason) => Err(PartitionError::of(ErrorCode::KafkaStorageError, reason.clone())),
        }
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
        Err(PartitionError::of(code, format!("leader epoch {known} is {which} than the current one, {current}")))
    }
}
