//! The markers of a transaction that ends: sent until every partition has its own, then the transaction is complete.
//!
//! What a partition leader answers: NONE is done. INVALID_PRODUCER_EPOCH is done as well: the partition has seen a newer epoch, so
//! this transaction is not open there (Kafka gives up sending then, and the id hangs until the coordinator moves).
//! TRANSACTION_COORDINATOR_FENCED means that another coordinator has taken over; everything else passes. Both are tried again,
//! with a pause that doubles.

use crate::event::{MarkersAnswered, Producer, TransactionalId};
use crate::shard::{self, TxnDecision, TxnShard, TxnTimer, TxnVolatile};
use crate::transaction::Transaction;
use ottla_coordinator::{Context, Decision};
use ottla_types::{ErrorCode, TopicPartition};
use std::sync::Arc;

/// First pause before markers are sent again; it doubles up to the longest one.
const RETRY_PAUSE_MS: u64 = 20;
const RETRY_PAUSE_MAX_MS: u64 = 2_000;
/// After so many attempts, and each time that they double, an operator is told.
const ATTEMPTS_BEFORE_WARNING: u32 = 8;

/// Partition leaders have answered.
pub(crate) fn answered(shard: &TxnShard, answered: &MarkersAnswered, context: &Context) -> TxnDecision {
    let id = &answered.transactional_id;
    let (Some(transaction), Some(pending)) = (shard.transactions.get(id), shard.pending_markers.get(id)) else {
        return Decision::none();
    };
    // Of an earlier transaction of the id.
    if (Producer { id: transaction.producer_id, epoch: transaction.producer_epoch }) != answered.producer {
        return Decision::none();
    }
    let written: Vec<TopicPartition> = answered
        .results
        .iter()
        .filter(|(_, code)| is_done(id, *code))
        .map(|(partition, _)| partition.clone())
        .collect();
    let is_complete = pending.partitions.iter().all(|partition| written.contains(partition));
    if is_complete {
        return complete_of(shard, id, transaction, context);
    }
    let attempts = pending.attempts + 1;
    if attempts >= ATTEMPTS_BEFORE_WARNING && attempts.is_power_of_two() {
        let failed = answered.results.iter().find(|(_, code)| *code != ErrorCode::None);
        tracing::warn!(
            transactional_id = %id, producer_id = transaction.producer_id, attempts, last = ?failed,
            "markers of a transaction cannot be written; consumers of read_committed wait at these partitions"
        );
    }
    let pause_ms = (RETRY_PAUSE_MS << pending.attempts.min(16)).min(RETRY_PAUSE_MAX_MS);
    Decision::about(Arc::clone(id))
        .volatile(TxnVolatile::MarkersWritten(Arc::clone(id), written))
        .schedule(TxnTimer::RetryMarkers(Arc::clone(id)), pause_ms)
}

fn is_done(id: &TransactionalId, code: ErrorCode) -> bool {
    if code == ErrorCode::InvalidProducerEpoch {
        tracing::warn!(transactional_id = %id, "a partition has a newer producer epoch than the end of a transaction");
    }
    matches!(code, ErrorCode::None | ErrorCode::InvalidProducerEpoch)
}

/// No marker is left to write.
pub(crate) fn complete(shard: &TxnShard, id: &TransactionalId, context: &Context) -> TxnDecision {
    let pending = shard.pending_markers.get(id).is_some_and(|pending| pending.partitions.is_empty());
    match shard.transactions.get(id).filter(|_| pending) {
        Some(transaction) => complete_of(shard, id, transaction, context),
        None => Decision::none(),
    }
}

fn complete_of(shard: &TxnShard, id: &TransactionalId, transaction: &Transaction, context: &Context) -> TxnDecision {
    let completed = shard.put(id, &transaction.complete(context.now_ms));
    let completed = completed.expect("the id was written before");
    completed.cancel(TxnTimer::RetryMarkers(Arc::clone(id)))
}

/// Those that are left are sent again.
pub(crate) fn retry(shard: &TxnShard, id: &TransactionalId, context: &Context) -> TxnDecision {
    let mut decision = Decision::about(Arc::clone(id));
    if let (Some(transaction), Some(pending)) = (shard.transactions.get(id), shard.pending_markers.get(id)) {
        decision.effects.push(shard::markers(id, transaction, &pending.partitions, context));
    }
    decision
}
