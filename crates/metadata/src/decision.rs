//! What a decision is made of.

use ottla_config::BrokerConfig;
use ottla_protocol::MetadataRecord;

/// Limits of what one request may do.
pub mod limits {
    /// Partitions that one CreateTopics request may create, Kafka's.
    pub const PARTITIONS_PER_REQUEST_MAX: usize = 10_000;
    /// Records in one entry of the metadata log; more are split over several, where they are independent.
    pub const ENTRY_RECORDS_MAX: usize = 10_000;
    /// Longest value of a config, in bytes.
    pub const CONFIG_VALUE_BYTES_MAX: usize = i16::MAX as usize;
    /// Producer ids that a broker gets at a time, Kafka's.
    pub const PRODUCER_ID_BLOCK_SIZE: i32 = 1000;
}

/// Records that are committed together or not at all.
pub type Entry = Vec<MetadataRecord>;

/// What beside the image and the request goes into a decision.
#[derive(Debug, Clone, Copy)]
pub struct DecideContext<'a> {
    /// The controller's own configs.
    pub config: &'a BrokerConfig,
    /// Chance: another number for every decision. Equal numbers give equal decisions.
    pub random: u64,
    /// A number that is higher than in any earlier decision, also after restarts: the next index of the metadata log.
    pub metadata_index: i64,
    /// How the metadata quorum is.
    pub quorum: QuorumView,
}

/// What the metadata quorum says of itself to who asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuorumView {
    /// The Raft term, which Kafka calls the leader epoch of the quorum.
    pub leader_epoch: i32,
    /// Wall clock, milliseconds.
    pub now_ms: i64,
}

/// What a request leads to: entries to commit, in this order, and the reply, which leaves when the last is committed.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<R> {
    /// The entries; empty when nothing changes.
    pub entries: Vec<Entry>,
    /// The reply.
    pub response: R,
}

impl<R> Decision<R> {
    /// Nothing changes.
    pub fn none(response: R) -> Decision<R> {
        Decision { entries: Vec::new(), response }
    }

    /// All records together, or nothing when there are none.
    pub fn atomic(records: Entry, response: R) -> Decision<R> {
        let entries = if records.is_empty() { Vec::new() } else { vec![records] };
        Decision { entries, response }
    }

    /// Records that need not be together, in entries of at most [`limits::ENTRY_RECORDS_MAX`].
    pub fn split(records: Entry, response: R) -> Decision<R> {
        let entries = records.chunks(limits::ENTRY_RECORDS_MAX).map(<[MetadataRecord]>::to_vec).collect();
        Decision { entries, response }
    }

    /// The same entries with another reply.
    pub fn map<S>(self, change: impl FnOnce(R) -> S) -> Decision<S> {
        Decision { entries: self.entries, response: change(self.response) }
    }

    /// All records of all entries, in order.
    pub fn records(&self) -> impl Iterator<Item = &MetadataRecord> {
        self.entries.iter().flatten()
    }
}
