//! What a consumer goes by, with Kafka's names and defaults.

use crate::assign::Assignor;
use crate::error::ClientError;
use crate::fetch::Isolation;
use std::time::Duration;

/// Where to begin when there is no committed offset, or when the position is not in the log any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OffsetReset {
    /// `earliest`.
    Earliest,
    /// `latest`.
    #[default]
    Latest,
    /// `none`: polling fails with `NoOffset`.
    None,
    /// `by_duration:PnDTnHnMn.nS`: at the first record that is not older than this (KIP-1106).
    ByDuration(Duration),
}

/// `group.protocol`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupProtocol {
    /// `classic`: one member assigns for all, with the first assignor that all offer.
    Classic {
        /// `partition.assignment.strategy`, the preferred one first.
        assignors: Vec<Assignor>,
    },
    /// `consumer`: the broker assigns (KIP-848).
    Consumer {
        /// `group.remote.assignor`; `None` leaves it to the broker.
        assignor: Option<String>,
    },
}

/// Settings of a [`Consumer`](crate::Consumer).
#[derive(Debug, Clone)]
pub struct ConsumerOptions {
    /// `group.id`; needed to subscribe and to commit.
    pub group_id: Option<String>,
    /// `group.instance.id`: a static member (KIP-345).
    pub group_instance_id: Option<String>,
    /// `group.protocol` and its assignors.
    pub protocol: GroupProtocol,
    /// `session.timeout.ms` of the classic protocol.
    pub session_timeout: Duration,
    /// `heartbeat.interval.ms` of the classic protocol.
    pub heartbeat_interval: Duration,
    /// `max.poll.interval.ms`: who does not poll for this long leaves the group. Also the time for a rebalance.
    pub max_poll_interval: Duration,
    /// `max.poll.records`.
    pub max_poll_records: usize,
    /// `enable.auto.commit`.
    pub auto_commit: bool,
    /// `auto.commit.interval.ms`.
    pub auto_commit_interval: Duration,
    /// `auto.offset.reset`.
    pub offset_reset: OffsetReset,
    /// `fetch.min.bytes`.
    pub fetch_min_bytes: i32,
    /// `fetch.max.bytes`.
    pub fetch_max_bytes: i32,
    /// `max.partition.fetch.bytes`.
    pub partition_fetch_bytes_max: i32,
    /// `fetch.max.wait.ms`.
    pub fetch_wait_max: Duration,
    /// `isolation.level`.
    pub isolation: Isolation,
    /// `client.rack`: near replicas are read from when the broker offers one (KIP-392), and the group's leader or the broker
    /// prefers partitions that have one (KIP-881).
    pub rack: Option<String>,
    /// `check.crcs`.
    pub check_crcs: bool,
    /// `metadata.max.age.ms`.
    pub metadata_age_max: Duration,
    /// `allow.auto.create.topics`: a topic that is named and missing is made when the broker does that.
    pub allow_auto_create_topics: bool,
}

impl Default for ConsumerOptions {
    fn default() -> ConsumerOptions {
        ConsumerOptions {
            group_id: None,
            group_instance_id: None,
            protocol: GroupProtocol::Classic { assignors: vec![Assignor::Range, Assignor::CooperativeSticky] },
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            max_poll_interval: Duration::from_secs(300),
            max_poll_records: 500,
            auto_commit: true,
            auto_commit_interval: Duration::from_secs(5),
            offset_reset: OffsetReset::Latest,
            fetch_min_bytes: 1,
            fetch_max_bytes: 50 * 1024 * 1024,
            partition_fetch_bytes_max: 1024 * 1024,
            fetch_wait_max: Duration::from_millis(500),
            isolation: Isolation::ReadUncommitted,
            rack: None,
            check_crcs: true,
            metadata_age_max: Duration::from_secs(300),
            allow_auto_create_topics: true,
        }
    }
}

impl ConsumerOptions {
    /// The defaults with a group id.
    pub fn group(group_id: impl Into<String>) -> ConsumerOptions {
        ConsumerOptions { group_id: Some(group_id.into()), ..ConsumerOptions::default() }
    }

    /// # Errors
    /// `Invalid` for settings that do not go together.
    pub(crate) fn check(&self) -> Result<(), ClientError> {
        let refuse = |why: &str| Err(ClientError::Invalid(why.to_string()));
        if self.heartbeat_interval >= self.session_timeout {
            return refuse("heartbeat.interval.ms is below session.timeout.ms");
        }
        if self.max_poll_records == 0 {
            return refuse("max.poll.records is at least 1");
        }
        if matches!(&self.protocol, GroupProtocol::Classic { assignors } if assignors.is_empty()) {
            return refuse("partition.assignment.strategy names no assignor");
        }
        Ok(())
    }
}
