//! How far one replica has got.

use crate::Counted;
use ottla_types::NodeId;

/// What a follower tells with its fetches and after each flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowerReport {
    /// The end of its log: it fetches from here.
    pub log_end_offset: i64,
    /// What it has on stable storage.
    pub flushed_offset: i64,
    /// The start of its log.
    pub log_start_offset: i64,
    /// Its broker epoch: which life of the node this report is from (KIP-903).
    pub broker_epoch: i64,
}

/// How far a replica has got, as far as the leader knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaProgress {
    /// The end of its log; -1 before its first report.
    pub log_end_offset: i64,
    /// What it has on stable storage; -1 before its first report.
    pub flushed_offset: i64,
    /// The start of its log; -1 before its first report.
    pub log_start_offset: i64,
    /// The life of the node that reported; `None` before its first report.
    pub broker_epoch: Option<i64>,
    /// When it last had everything that the leader had, in milliseconds of the leader's monotonic clock; `None` if never.
    pub last_caught_up_ms: Option<i64>,
    /// The last report: when it came, and the leader's log end then.
    last_report: Option<(i64, i64)>,
}

/// A report of a node that is no replica of the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("node {0} is not a replica of the partition")]
pub struct UnknownReplica(pub NodeId);

impl ReplicaProgress {
    /// Nothing is known. A member of the ISR counts as caught up when its leader starts, at `caught_up_ms`.
    pub(crate) fn unknown(caught_up_ms: Option<i64>) -> ReplicaProgress {
        ReplicaProgress {
            log_end_offset: -1,
            flushed_offset: -1,
            log_start_offset: -1,
            broker_epoch: None,
            last_caught_up_ms: caught_up_ms,
            last_report: None,
        }
    }

    /// The offset that counts.
    pub fn counted(&self, counted: Counted) -> i64 {
        match counted {
            Counted::Flushed => self.flushed_offset,
            Counted::LogEnd => self.log_end_offset,
        }
    }

    /// Takes in a report. The replica has caught up now if it has everything, or at its last report if it has
    /// everything that the leader had then: under load nobody ever has everything.
    pub(crate) fn on_report(&mut self, report: &FollowerReport, counted: Counted, leader_end_offset: i64, now_ms: i64) {
        if self.broker_epoch.is_some_and(|known| known != report.broker_epoch) {
            *self = ReplicaProgress::unknown(None);
        }
        self.log_end_offset = report.log_end_offset;
        self.flushed_offset = report.flushed_offset;
        self.log_start_offset = report.log_start_offset;
        self.broker_epoch = Some(report.broker_epoch);
        let reached = self.counted(counted);
        let caught_up_ms = match self.last_report {
            _ if reached >= leader_end_offset => Some(now_ms),
            Some((then_ms, end_then)) if reached >= end_then => Some(then_ms),
            _ => None,
        };
        self.last_caught_up_ms = self.last_caught_up_ms.max(caught_up_ms);
        self.last_report = Some((now_ms, leader_end_offset));
    }

    /// Whether it has everything, or had so within `lag_ms_max`.
    pub(crate) fn is_caught_up(&self, counted: Counted, leader_end_offset: i64, now_ms: i64, lag_ms_max: i64) -> bool {
        let is_recent = |caught_up_ms: i64| now_ms.saturating_sub(caught_up_ms) <= lag_ms_max;
        self.counted(counted) == leader_end_offset || self.last_caught_up_ms.is_some_and(is_recent)
    }
}
