//! ListTransactions (key 66), versions 0 to 2 (KIP-664): the transactional ids that this node coordinates.
//!
//! v1 by duration (KIP-994), v2 by a pattern that the whole id matches (KIP-1152). Names that are no states come back as unknown.
//! COORDINATOR_LOAD_IN_PROGRESS while one of the node's shards loads, INVALID_REGULAR_EXPRESSION.

use super::codec::{Handled, decode, respond};
use crate::Broker;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::list_transactions_request::ListTransactionsRequest;
use ottla_protocol::generated::list_transactions_response::{ListTransactionsResponse, TransactionState};
use ottla_txn::{TransactionFilter, TxnReply};
use ottla_types::ErrorCode;
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: ListTransactionsRequest = decode(&request)?;
    let header = request.header;
    let (filter, unknown_state_filters) = match TransactionFilter::new(&body) {
        Ok(parsed) => parsed,
        Err(_) => {
            let error_code = ErrorCode::InvalidRegularExpression.code();
            let refused = ListTransactionsResponse { error_code, ..ListTransactionsResponse::default() };
            return Ok(Outcome::Reply(respond(broker, &header, &refused)));
        }
    };
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let response = match broker.transactions().list(filter).await {
            Ok(replies) => ListTransactionsResponse {
                unknown_state_filters,
                transaction_states: replies.into_iter().flat_map(listed).collect(),
                ..ListTransactionsResponse::default()
            },
            Err(error) => ListTransactionsResponse { error_code: error.code(), ..ListTransactionsResponse::default() },
        };
        respond(&broker, &header, &response)
    })))
}

fn listed(reply: TxnReply) -> Vec<TransactionState> {
    match reply {
        TxnReply::Listed(listed) => listed,
        other => panic!("transactions were listed, and the answer is {other:?}"),
    }
}
