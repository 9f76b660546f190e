//! EndTxn (key 26), versions 0 to 5: commit or abort. Answered when that is decided for good; the markers follow.
//!
//! v2 PRODUCER_FENCED (KIP-588), v4 TRANSACTION_ABORTABLE, v5 the epoch rises at every end, and the answer has the producer's id
//! and epoch from then on (KIP-890). INVALID_TXN_STATE, CONCURRENT_TRANSACTIONS, INVALID_PRODUCER_ID_MAPPING, INVALID_REQUEST.

use super::codec::{Handled, decode, respond};
use crate::Broker;
use crate::transactions::code_in_version;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::end_txn_request::EndTxnRequest;
use ottla_protocol::generated::end_txn_response::EndTxnResponse;
use ottla_txn::{EPOCH_BUMP_FROM, EndTxn, Producer, TxnReply, TxnRequest};
use std::sync::Arc;

/// First version whose clients take a new epoch from the answer.
const EPOCH_IN_ANSWER_FROM: i16 = 5;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: EndTxnRequest = decode(&request)?;
    let header = request.header;
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let ending = EndTxn {
            transactional_id: Arc::from(body.transactional_id.as_str()),
            producer: Producer { id: body.producer_id, epoch: body.producer_epoch },
            committed: body.committed,
            client_version: if header.api_version >= EPOCH_IN_ANSWER_FROM { EPOCH_BUMP_FROM } else { 0 },
        };
        let ended = match broker.transactions().ask(&body.transactional_id, TxnRequest::EndTxn(ending)).await {
            Ok(TxnReply::Producer(ended)) => ended,
            Ok(other) => panic!("a transaction was ended, and the answer is {other:?}"),
            Err(error) => Err(error),
        };
        let response = match ended {
            Ok(Producer { id, epoch }) if header.api_version >= EPOCH_IN_ANSWER_FROM => {
                EndTxnResponse { producer_id: id, producer_epoch: epoch, ..EndTxnResponse::default() }
            }
            Ok(_) => EndTxnResponse::default(),
            Err(error) => {
                let error_code = code_in_version(error, header.api_version).code();
                EndTxnResponse { error_code, ..EndTxnResponse::default() }
            }
        };
        respond(&broker, &header, &response)
    })))
}
