//! EndTxn, versions 0-5. Answered when the end is decided for good; markers go out afterwards.
//!
//! v2: PRODUCER_FENCED. v4: TRANSACTION_ABORTABLE. v5: every end raises the epoch, and the answer says who the producer is from
//! then on (KIP-890). A retry is then known by its epoch, which is one below; an abort is allowed when nothing is open, because
//! the client does not know whether anything was added.
//!
//! Errors: INVALID_REQUEST (empty id), INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS, INVALID_TXN_STATE.

use crate::event::{EndTxn, Producer, TxnReply};
use crate::shard::{TxnDecision, TxnShard};
use crate::state::TransactionState;
use crate::transaction::{EPOCH_BUMP_FROM, EPOCH_LAST, Transaction};
use ottla_coordinator::{Context, Decision, ReplySlot};
use ottla_types::ErrorCode;
use std::sync::Arc;

/// What the request leads to.
enum Outcome {
    /// The transaction ends.
    End,
    /// It has ended so already.
    Ended,
}

pub(crate) fn handle(
    shard: &TxnShard,
    request: &EndTxn,
    fresh_producer_id: Option<i64>,
    slot: ReplySlot,
    context: &Context,
) -> TxnDecision {
    let nothing = || Decision::about(Arc::clone(&request.transactional_id));
    let decided = find(shard, request).and_then(|transaction| match judge(transaction, request)? {
        Outcome::Ended => {
            let producer = Producer { id: transaction.producer_id, epoch: transaction.producer_epoch };
            Ok(nothing().reply(slot, TxnReply::Producer(Ok(producer))))
        }
        Outcome::End => {
            let needs_producer_id = transaction.end_needs_producer_id(request.client_version);
            if needs_producer_id && fresh_producer_id.is_none() {
                return Ok(nothing().reply(slot, TxnReply::ProducerIdNeeded));
            }
            let next_producer_id = fresh_producer_id.filter(|_| needs_producer_id);
            let version = request.client_version;
            let next = transaction.prepare(request.committed, version, next_producer_id, context.now_ms);
            // Who the producer is once this is complete; it may use that at once.
            let after = next.complete(context.now_ms);
            let producer = Producer { id: after.producer_id, epoch: after.producer_epoch };
            let decision = shard.put_prepared(&request.transactional_id, &next, context)?;
            Ok(decision.reply(slot, TxnReply::Producer(Ok(producer))))
        }
    });
    decided.unwrap_or_else(|error| nothing().reply(slot, TxnReply::Producer(Err(error))))
}

fn find<'s>(shard: &'s TxnShard, request: &EndTxn) -> Result<&'s Transaction, ErrorCode> {
    if request.transactional_id.is_empty() {
        return Err(ErrorCode::InvalidRequest);
    }
    shard.transactions.get(&request.transactional_id).ok_or(ErrorCode::InvalidProducerIdMapping)
}

fn judge(transaction: &Transaction, request: &EndTxn) -> Result<Outcome, ErrorCode> {
    match request.client_version >= EPOCH_BUMP_FROM {
        true => judge_version_2(transaction, request),
        false => judge_version_1(transaction, request),
    }
}

fn judge_version_1(transaction: &Transaction, request: &EndTxn) -> Result<Outcome, ErrorCode> {
    if transaction.producer_id != request.producer.id {
        return Err(ErrorCode::InvalidProducerIdMapping);
    }
    if transaction.producer_epoch != request.producer.epoch {
        return Err(ErrorCode::ProducerFenced);
    }
    match (transaction.state, request.committed) {
        (TransactionState::Ongoing, _) => Ok(Outcome::End),
        (TransactionState::PrepareCommit | TransactionState::PrepareAbort, _) => Err(ErrorCode::ConcurrentTransactions),
        (TransactionState::CompleteCommit, true) | (TransactionState::CompleteAbort, false) => Ok(Outcome::Ended),
        _ => Err(ErrorCode::InvalidTxnState),
    }
}

fn judge_version_2(transaction: &Transaction, request: &EndTxn) -> Result<Outcome, ErrorCode> {
    // First, because the producer may already use an id that only counts when this is over.
    if transaction.state.is_preparing() {
        return Err(ErrorCode::ConcurrentTransactions);
    }
    let Producer { id, epoch } = request.producer;
    let is_complete = matches!(transaction.state, TransactionState::CompleteCommit | TransactionState::CompleteAbort);
    // The last end raised the epoch, or gave the producer another id because there was none left.
    let is_retry_of_raise = transaction.producer_epoch == epoch.saturating_add(1);
    let is_retry_of_rotation =
        transaction.previous_producer_id == id && epoch == EPOCH_LAST && transaction.producer_epoch == 0;
    if transaction.producer_id != id && !is_retry_of_rotation {
        return Err(ErrorCode::InvalidProducerIdMapping);
    }
    let is_retry = is_complete && (is_retry_of_raise || is_retry_of_rotation);
    if transaction.producer_epoch != epoch && !is_retry {
        return Err(ErrorCode::ProducerFenced);
    }
    match (transaction.state, request.committed) {
        (TransactionState::Ongoing, _) => Ok(Outcome::End),
        (TransactionState::CompleteCommit, true) | (TransactionState::CompleteAbort, false) if is_retry => {
            Ok(Outcome::Ended)
        }
        (TransactionState::Empty, false) => Ok(Outcome::End),
        (TransactionState::CompleteCommit | TransactionState::CompleteAbort, false) if !is_retry => Ok(Outcome::End),
        _ => Err(ErrorCode::InvalidTxnState),
    }
}
