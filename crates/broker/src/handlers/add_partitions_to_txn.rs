//! AddPartitionsToTxn (key 24), versions 0 to 5.
//!
//! v2 PRODUCER_FENCED (KIP-588), v4 many transactions and verify-only, from partition leaders (KIP-890), v5
//! TRANSACTION_ABORTABLE. All partitions of a transaction or none: with one that does not exist (UNKNOWN_TOPIC_OR_PARTITION) the
//! others are OPERATION_NOT_ATTEMPTED. INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS, INVALID_REQUEST.

use super::codec::{Handled, decode, respond};
use crate::Broker;
use crate::transactions::add_partitions;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::add_partitions_to_txn_request::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnTransaction,
};
use ottla_protocol::generated::add_partitions_to_txn_response::AddPartitionsToTxnResponse;
use std::sync::Arc;

/// First version with many transactions.
const BATCHED_FROM: i16 = 4;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: AddPartitionsToTxnRequest = decode(&request)?;
    let header = request.header;
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let version = header.api_version;
        let image = broker.image();
        let mut results = add_partitions(broker.transactions(), &image, transactions(body, version), version).await;
        let response = match version >= BATCHED_FROM {
            true => AddPartitionsToTxnResponse { results_by_transaction: results, ..Default::default() },
            false => AddPartitionsToTxnResponse {
                results_by_topic_v3_and_below: results.pop().map(|result| result.topic_results).unwrap_or_default(),
                ..Default::default()
            },
        };
        respond(&broker, &header, &response)
    })))
}

fn transactions(body: AddPartitionsToTxnRequest, version: i16) -> Vec<AddPartitionsToTxnTransaction> {
    if version >= BATCHED_FROM {
        return body.transactions;
    }
    vec![AddPartitionsToTxnTransaction {
        transactional_id: body.v3_and_below_transactional_id,
        producer_id: body.v3_and_below_producer_id,
        producer_epoch: body.v3_and_below_producer_epoch,
        verify_only: false,
        topics: body.v3_and_below_topics,
    }]
}
