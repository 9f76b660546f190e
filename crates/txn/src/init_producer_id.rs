//! InitProducerId with a transactional id, versions 0-6: who the producer is from now on; whoever had the id before is fenced.
//!
//! v3: producer id and epoch of a producer that goes on after an error (KIP-360). v4: PRODUCER_FENCED. v6: two-phase commit
//! (KIP-939), of which Kafka 4.3 has the timeout and refuses the rest.
//!
//! An open transaction is aborted first, with an epoch that nobody gets; the client asks again until that is done.
//!
//! Errors: INVALID_REQUEST (empty id), TRANSACTIONAL_ID_AUTHORIZATION_FAILED (two-phase commit is switched off),
//! UNSUPPORTED_VERSION (keep a prepared transaction), INVALID_TRANSACTION_TIMEOUT, CONCURRENT_TRANSACTIONS, PRODUCER_FENCED.
//!
//! Unlike Kafka's, a producer with an old epoch does not abort the transaction of whoever came after it: it is fenced at once.

use crate::event::{InitProducerId, Producer, TxnReply};
use crate::shard::{TxnDecision, TxnShard};
use crate::state::TransactionState;
use crate::transaction::{Transaction, is_epoch_exhausted};
use ottla_coordinator::{Context, Decision, ReplySlot};
use ottla_types::ErrorCode;
use std::sync::Arc;

/// What the request leads to.
enum Outcome {
    /// This state, and the producer gets its id and epoch.
    Begin(Transaction),
    /// This state, and the client asks again.
    Fence(Transaction),
    NeedsProducerId,
}

pub(crate) fn handle(
    shard: &TxnShard,
    request: &InitProducerId,
    fresh_producer_id: Option<i64>,
    slot: ReplySlot,
    context: &Context,
) -> TxnDecision {
    let id = &request.transactional_id;
    let decided = decide(shard, request, fresh_producer_id, context).and_then(|outcome| match outcome {
        Outcome::Begin(next) => {
            let producer = Producer { id: next.producer_id, epoch: next.producer_epoch };
            Ok(shard.put(id, &next)?.reply(slot, TxnReply::Producer(Ok(producer))))
        }
        Outcome::Fence(next) => {
            let reply = TxnReply::Producer(Err(ErrorCode::ConcurrentTransactions));
            Ok(shard.put_prepared(id, &next, context)?.reply(slot, reply))
        }
        Outcome::NeedsProducerId => Ok(Decision::about(Arc::clone(id)).reply(slot, TxnReply::ProducerIdNeeded)),
    });
    decided.unwrap_or_else(|error| Decision::about(Arc::clone(id)).reply(slot, TxnReply::Producer(Err(error))))
}

fn decide(
    shard: &TxnShard,
    request: &InitProducerId,
    fresh_producer_id: Option<i64>,
    context: &Context,
) -> Result<Outcome, ErrorCode> {
    let timeout_ms = timeout_ms(shard, request)?;
    let Some(transaction) = shard.transactions.get(&request.transactional_id) else {
        let begun = fresh_producer_id.map(|id| Outcome::Begin(Transaction::first(id, timeout_ms, context.now_ms)));
        return Ok(begun.unwrap_or(Outcome::NeedsProducerId));
    };
    if transaction.state.is_preparing() {
        return Err(ErrorCode::ConcurrentTransactions);
    }
    if request.expected.is_some_and(|expected| !is_known(transaction, expected)) {
        return Err(ErrorCode::ProducerFenced);
    }
    let expected_epoch = request.expected.map(|expected| expected.epoch);
    if transaction.state == TransactionState::Ongoing {
        return fence(shard, transaction, request.expected, fresh_producer_id, context);
    }
    let is_rotation_due = is_epoch_exhausted(transaction.producer_epoch)
        && expected_epoch.is_none_or(|epoch| epoch == transaction.producer_epoch);
    if is_rotation_due {
        let rotate = |id| transaction.rotate(id, timeout_ms, request.expected.is_some(), context.now_ms);
        return Ok(fresh_producer_id.map_or(Outcome::NeedsProducerId, |id| Outcome::Begin(rotate(id))));
    }
    transaction.raise_epoch(timeout_ms, expected_epoch, context.now_ms).map(Outcome::Begin)
}

fn timeout_ms(shard: &TxnShard, request: &InitProducerId) -> Result<i32, ErrorCode> {
    if request.transactional_id.is_empty() {
        return Err(ErrorCode::InvalidRequest);
    }
    if request.two_phase_commit && !shard.config.two_phase_commit {
        return Err(ErrorCode::TransactionalIdAuthorizationFailed);
    }
    if request.keep_prepared {
        return Err(ErrorCode::UnsupportedVersion);
    }
    if request.two_phase_commit {
        return Ok(i32::MAX);
    }
    match (1..=shard.config.max_timeout_ms).contains(&request.timeout_ms) {
        true => Ok(request.timeout_ms),
        false => Err(ErrorCode::InvalidTransactionTimeout),
    }
}

/// Whether the client's producer id is the present one, or the one before whose last answer it may have missed.
fn is_known(transaction: &Transaction, expected: Producer) -> bool {
    expected.id == transaction.producer_id
        || expected.id == transaction.previous_producer_id && is_epoch_exhausted(expected.epoch)
}

fn fence(
    shard: &TxnShard,
    transaction: &Transaction,
    expected: Option<Producer>,
    fresh_producer_id: Option<i64>,
    context: &Context,
) -> Result<Outcome, ErrorCode> {
    let current = Producer { id: transaction.producer_id, epoch: transaction.producer_epoch };
    if expected.is_some_and(|expected| expected != current) {
        return Err(ErrorCode::ProducerFenced);
    }
    let version = shard.config.transaction_version;
    if transaction.end_needs_producer_id(version) && fresh_producer_id.is_none() {
        return Ok(Outcome::NeedsProducerId);
    }
    let next = fresh_producer_id.filter(|_| transaction.end_needs_producer_id(version));
    Ok(Outcome::Fence(transaction.fence(version, next, context.now_ms)))
}
