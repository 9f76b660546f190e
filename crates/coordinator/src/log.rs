//! What a shard's owner asks of the log.

use crate::transactional::BatchKind;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use ottla_records::ValidatedBatch;
use ottla_types::{ErrorCode, LeaderEpoch};

/// One time of leading one open log. Offsets that were given out in another term may belong to other records now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// The leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// Rises each time that the log is opened: after a failed fsync it may be shorter than before.
    pub incarnation: u64,
}

/// The log as this node sees it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogView {
    /// This node does not lead it.
    NotLeading,
    /// This node shall lead it, and it is not open (yet, or again).
    NotReady,
    /// This node leads it.
    Leading {
        /// Since when.
        term: Term,
        /// Everything below is committed.
        high_watermark: i64,
    },
}

/// An append that did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendFailed {
    /// The term is over.
    #[error("the log is led by another node, or was opened again")]
    TermEnded,
    /// Fewer replicas are in sync than min.insync.replicas asks for.
    #[error("fewer replicas are in sync than min.insync.replicas asks for")]
    NotEnoughReplicas,
    /// By the rules of producers and transactions; only for batches of those. The log is as it was.
    #[error("{0}")]
    Refused(ErrorCode),
    /// The disk refused it, or the log the batch.
    #[error("{0}")]
    Storage(String),
}

/// A read that found nothing usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReadFailed(pub String);

/// The log of one shard. Its owner is the only one who writes to it.
pub trait ShardLog: Send + Sync + 'static {
    /// How it stands now.
    fn view(&self) -> LogView;

    /// Resolves, with how it stands, once that is no longer as `seen`. The high watermark only rises within a term.
    /// Dropping the future loses nothing.
    fn changed(&self, seen: LogView) -> BoxFuture<'_, LogView>;

    /// Largest batch that an append takes, in bytes (max.message.bytes).
    fn batch_bytes_max(&self) -> usize;

    /// Where the log begins and ends in this term: its first offset, and the one after its last.
    ///
    /// # Errors
    /// When the term is over.
    fn bounds(&self, term: Term) -> Result<(i64, i64), ReadFailed>;

    /// Whole batches from the one that holds `offset` on: about `bytes_max` bytes, at least one batch, none only at the end
    /// of the log. Also what is not committed yet.
    fn read(&self, term: Term, offset: i64, bytes_max: usize) -> BoxFuture<'_, Result<Bytes, ReadFailed>>;

    /// Appends a batch, and has it flushed and replicated: at once, or within a moment if nothing waits for it. Answers the offset of its first record.
    fn append(&self, term: Term, batch: ValidatedBatch, kind: BatchKind) -> BoxFuture<'_, Result<i64, AppendFailed>>;
}
