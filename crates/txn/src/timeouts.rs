//! What happens by itself: transactions that are open for too long are aborted, ids that are unused for too long forgotten.
//!
//! A check goes over the shard's ids in Kafka's intervals. Each finding is an event of its own, so that later answers about the
//! id depend on it.

use crate::event::{TransactionalId, TxnEffect, TxnEvent};
use crate::records;
use crate::shard::{TxnDecision, TxnShard, TxnTimer};
use ottla_coordinator::{Context, Decision};
use std::sync::Arc;

/// The first checks.
pub(crate) fn schedule(shard: &TxnShard) -> TxnDecision {
    Decision::none()
        .schedule(TxnTimer::AbortTimedOut, shard.config.abort_timed_out_interval_ms)
        .schedule(TxnTimer::RemoveExpired, shard.config.remove_expired_interval_ms)
}

pub(crate) fn find_timed_out(shard: &TxnShard, context: &Context) -> TxnDecision {
    let timed_out = shard.transactions.iter().filter(|(_, transaction)| transaction.has_timed_out(context.now_ms));
    let mut decision = Decision::none().schedule(TxnTimer::AbortTimedOut, shard.config.abort_timed_out_interval_ms);
    decision.next.extend(timed_out.map(|(id, _)| TxnEvent::AbortTimedOut(Arc::clone(id), None)));
    decision
}

/// Aborts a transaction that has timed out, and fences its producer.
pub(crate) fn abort(
    shard: &TxnShard,
    id: &TransactionalId,
    fresh_producer_id: Option<i64>,
    context: &Context,
) -> TxnDecision {
    let nothing = || Decision::about(Arc::clone(id));
    let found = shard.transactions.get(id).filter(|transaction| transaction.has_timed_out(context.now_ms));
    let Some(transaction) = found else { return nothing() };
    let version = shard.config.transaction_version;
    let needs_producer_id = transaction.end_needs_producer_id(version);
    if needs_producer_id && fresh_producer_id.is_none() {
        let mut decision = nothing();
        decision.effects.push(TxnEffect::AllocateProducerId(Arc::clone(id)));
        return decision;
    }
    let next = transaction.fence(version, fresh_producer_id.filter(|_| needs_producer_id), context.now_ms);
    shard.put_prepared(id, &next, context).expect("the id was written before")
}

fn is_expired(shard: &TxnShard, id: &TransactionalId, context: &Context) -> bool {
    shard.transactions.get(id).is_some_and(|transaction| {
        transaction.state.may_expire()
            && transaction.last_update_ms <= context.now_ms.saturating_sub(shard.config.id_expiration_ms)
    })
}

pub(crate) fn find_expired(shard: &TxnShard, context: &Context) -> TxnDecision {
    let expired = shard.transactions.keys().filter(|id| is_expired(shard, id, context));
    let mut decision = Decision::none().schedule(TxnTimer::RemoveExpired, shard.config.remove_expired_interval_ms);
    decision.next.extend(expired.map(|id| TxnEvent::RemoveExpired(Arc::clone(id))));
    decision
}

pub(crate) fn remove(shard: &TxnShard, id: &TransactionalId, context: &Context) -> TxnDecision {
    let decision = Decision::about(Arc::clone(id));
    match is_expired(shard, id, context) {
        true => decision.record(records::tombstone(id).expect("the id was written before")),
        false => decision,
    }
}
