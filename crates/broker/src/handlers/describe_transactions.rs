//! DescribeTransactions (key 65), version 0 (KIP-664): what the coordinator knows of transactional ids.
//!
//! TRANSACTIONAL_ID_NOT_FOUND, INVALID_REQUEST (empty id), NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS.

use super::codec::{Handled, decode, respond};
use super::groups::ask_each;
use crate::Broker;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::describe_transactions_request::DescribeTransactionsRequest;
use ottla_protocol::generated::describe_transactions_response::{DescribeTransactionsResponse, TransactionState};
use ottla_txn::{TxnReply, TxnRequest};
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: DescribeTransactionsRequest = decode(&request)?;
    let header = request.header;
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let transaction_states = ask_each(body.transactional_ids, |id| describe(&broker, id)).await;
        let response = DescribeTransactionsResponse { transaction_states, ..DescribeTransactionsResponse::default() };
        respond(&broker, &header, &response)
    })))
}

async fn describe(broker: &Broker, transactional_id: String) -> TransactionState {
    let asked = TxnRequest::Describe(Arc::from(transactional_id.as_str()));
    match broker.transactions().ask(&transactional_id, asked).await {
        Ok(TxnReply::Described(described)) => described,
        Ok(other) => panic!("a transaction was described, and the answer is {other:?}"),
        Err(error) => TransactionState { error_code: error.code(), transactional_id, ..TransactionState::default() },
    }
}
