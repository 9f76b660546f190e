//! InitProducerId (key 22), versions 0 to 5, for idempotent and transactional producers (KIP-98).
//!
//! v3 producer id and epoch of a producer that goes on after an error (KIP-360), v4 PRODUCER_FENCED (KIP-588), v5
//! TRANSACTION_ABORTABLE (KIP-890). v6, two-phase commit (KIP-939), is unstable in Kafka 4.3 and not advertised.
//!
//! Without a transactional id: a fresh producer id with epoch 0, whatever id the producer had, as in Kafka. With one: the
//! coordinator decides, see `ottla-txn`. INVALID_REQUEST when only one of id and epoch is given. COORDINATOR_LOAD_IN_PROGRESS
//! (retriable) while no block of ids can be had from the controller.

use super::codec::{Handled, decode, respond};
use crate::Broker;
use crate::producer_ids::NoProducerId;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::init_producer_id_request::InitProducerIdRequest;
use ottla_protocol::generated::init_producer_id_response::InitProducerIdResponse;
use ottla_txn::{InitProducerId, Producer, TxnReply, TxnRequest};
use ottla_types::ErrorCode;
use std::sync::Arc;

/// First version whose clients know PRODUCER_FENCED.
const PRODUCER_FENCED_FROM: i16 = 4;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: InitProducerIdRequest = decode(&request)?;
    let header = request.header;
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let response = match init(&broker, body).await {
            Ok(Producer { id, epoch }) => {
                InitProducerIdResponse { producer_id: id, producer_epoch: epoch, ..InitProducerIdResponse::default() }
            }
            Err(ErrorCode::ProducerFenced) if header.api_version < PRODUCER_FENCED_FROM => {
                refused(ErrorCode::InvalidProducerEpoch)
            }
            Err(error) => refused(error),
        };
        respond(&broker, &header, &response)
    })))
}

async fn init(broker: &Broker, body: InitProducerIdRequest) -> Result<Producer, ErrorCode> {
    let (id, epoch) = (body.producer_id, body.producer_epoch);
    if (id == -1) != (epoch == -1) {
        return Err(ErrorCode::InvalidRequest);
    }
    let Some(transactional_id) = body.transactional_id else {
        let allocated = broker.producer_ids.next().await;
        let id = allocated.map_err(|NoProducerId| ErrorCode::CoordinatorLoadInProgress)?;
        return Ok(Producer { id: id.0, epoch: 0 });
    };
    let request = InitProducerId {
        transactional_id: Arc::from(transactional_id.as_str()),
        timeout_ms: body.transaction_timeout_ms,
        expected: (id != -1).then_some(Producer { id, epoch }),
        two_phase_commit: body.enable2_pc,
        keep_prepared: body.keep_prepared_txn,
    };
    match broker.transactions().ask(&transactional_id, TxnRequest::InitProducerId(request)).await? {
        TxnReply::Producer(outcome) => outcome,
        other => panic!("a producer was initialised, and the answer is {other:?}"),
    }
}

fn refused(error: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse {
        error_code: error.code(),
        producer_id: -1,
        producer_epoch: -1,
        ..InitProducerIdResponse::default()
    }
}
