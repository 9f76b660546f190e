//! AddPartitionsToTxn for one transactional id, versions 0-5, and AddOffsetsToTxn.
//!
//! v2: PRODUCER_FENCED. v4: from partition leaders, which only verify what the client has added, or add it themselves
//! (KIP-890). v5: TRANSACTION_ABORTABLE.
//!
//! Errors: INVALID_REQUEST (empty id), INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS; of a partition
//! that is verified and not in the transaction TRANSACTION_ABORTABLE.

use crate::event::{AddPartitions, TxnReply};
use crate::shard::{TxnDecision, TxnShard};
use crate::state::TransactionState;
use crate::transaction::Transaction;
use ottla_coordinator::{Context, Decision, ReplySlot};
use ottla_types::ErrorCode;
use std::sync::Arc;

pub(crate) fn handle(shard: &TxnShard, request: &AddPartitions, slot: ReplySlot, context: &Context) -> TxnDecision {
    let nothing = || Decision::about(Arc::clone(&request.transactional_id));
    if request.verify_only {
        return nothing().reply(slot, TxnReply::Verified(verify(shard, request)));
    }
    match add(shard, request, context) {
        Ok(decision) => decision.unwrap_or_else(nothing).reply(slot, TxnReply::Added(Ok(()))),
        Err(error) => nothing().reply(slot, TxnReply::Added(Err(error))),
    }
}

fn find<'s>(shard: &'s TxnShard, request: &AddPartitions) -> Result<&'s Transaction, ErrorCode> {
    if request.transactional_id.is_empty() {
        return Err(ErrorCode::InvalidRequest);
    }
    shard.transactions.get(&request.transactional_id).ok_or(ErrorCode::InvalidProducerIdMapping)
}

fn check(transaction: &Transaction, request: &AddPartitions) -> Result<(), ErrorCode> {
    if transaction.producer_id != request.producer.id {
        return Err(ErrorCode::InvalidProducerIdMapping);
    }
    if transaction.producer_epoch != request.producer.epoch {
        return Err(ErrorCode::ProducerFenced);
    }
    Ok(())
}

fn verify(
    shard: &TxnShard,
    request: &AddPartitions,
) -> Result<Vec<(ottla_types::TopicPartition, ErrorCode)>, ErrorCode> {
    let transaction = find(shard, request)?;
    check(transaction, request)?;
    if transaction.state.is_preparing() {
        return Err(ErrorCode::ConcurrentTransactions);
    }
    let found = |partition: &ottla_types::TopicPartition| match transaction.partitions.contains(partition) {
        true => (partition.clone(), ErrorCode::None),
        false => (partition.clone(), ErrorCode::TransactionAbortable),
    };
    Ok(request.partitions.iter().map(found).collect())
}

/// None when they are in it already.
fn add(shard: &TxnShard, request: &AddPartitions, context: &Context) -> Result<Option<TxnDecision>, ErrorCode> {
    let transaction = find(shard, request)?;
    // First, because the producer may have been given an id that only counts when this is over.
    if transaction.state.is_preparing() {
        return Err(ErrorCode::ConcurrentTransactions);
    }
    check(transaction, request)?;
    let are_there = request.partitions.iter().all(|partition| transaction.partitions.contains(partition));
    if transaction.state == TransactionState::Ongoing && are_there {
        return Ok(None);
    }
    let next = transaction.add(&request.partitions, request.client_version, context.now_ms);
    shard.put(&request.transactional_id, &next).map(Some)
}
