//! The transaction coordinator: transactional ids, their producer ids and epochs, and how transactions end. Pure: no clock, no
//! lock, no file, no network.
//!
//! [`TxnShard`] is the state of one partition of `__transaction_state` as the coordinator runtime keeps it. A [`TxnEvent`] goes
//! in, a decision comes out: records in Kafka's own format, replies, timers, and effects (markers to write).
//!
//! The life of a transaction, and what survives a crash in between:
//! 1. `Empty` or `Complete…`: none is open.
//! 2. `Ongoing` from the first partition on, which is added before anything is written to it.
//! 3. `PrepareCommit` or `PrepareAbort`, once committed to the log, decides how it ends; the client is answered then.
//! 4. Markers go to every partition. Those that are written are only remembered in memory: after a crash all are written
//!    again, which changes nothing where they stand already.
//! 5. `CompleteCommit` or `CompleteAbort` after the last marker. In version 2 the producer's epoch was raised by 3, so that
//!    nothing late can get into the next transaction (KIP-890).

mod add_partitions;
mod admin;
mod config;
mod end_txn;
mod event;
mod init_producer_id;
mod markers;
mod records;
mod shard;
mod state;
mod timeouts;
mod transaction;

pub use admin::{FilterError, TransactionFilter};
pub use config::TxnConfig;
pub use event::{
    AddPartitions, EndTxn, InitProducerId, MarkersAnswered, MarkersToWrite, ObservedTransactions, Producer,
    TransactionalId, TxnEffect, TxnEvent, TxnReply, TxnRequest, Wanted,
};
pub use records::{decode, encode, tombstone};
pub use shard::{PendingMarkers, TxnDecision, TxnShard, TxnTimer, TxnVolatile};
pub use state::TransactionState;
pub use transaction::{EPOCH_BUMP_FROM, EPOCH_LAST, Transaction, is_epoch_exhausted};
