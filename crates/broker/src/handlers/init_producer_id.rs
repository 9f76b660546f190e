//! InitProducerId (key 22), versions 0 to 5, for idempotent producers (KIP-98, KIP-360).
//!
//! Without a transactional id: a fresh producer id with epoch 0, whatever id the producer had, as in Kafka. With one:
//! INVALID_REQUEST, at once and not retriable, until transactions land. COORDINATOR_LOAD_IN_PROGRESS (retriable) while no
//! block of ids can be had from the controller.

use super::codec::{Handled, decode, respond};
use crate::Broker;
use crate::producer_ids::NoProducerId;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::init_producer_id_request::InitProducerIdRequest;
use ottla_protocol::generated::init_producer_id_response::InitProducerIdResponse;
use ottla_types::{ErrorCode, ProducerId};
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: InitProducerIdRequest = decode(&request)?;
    let header = request.header;
    if body.transactional_id.is_some() || (body.producer_id == -1) != (body.producer_epoch == -1) {
        return Ok(Outcome::Reply(respond(broker, &header, &refused(ErrorCode::InvalidRequest))));
    }
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let response = match broker.producer_ids.next().await {
            Ok(ProducerId(producer_id)) => {
                InitProducerIdResponse { producer_id, producer_epoch: 0, ..InitProducerIdResponse::default() }
            }
            Err(NoProducerId) => refused(ErrorCode::CoordinatorLoadInProgress),
        };
        respond(&broker, &header, &response)
    })))
}

fn refused(error: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse {
        error_code: error.code(),
        producer_id: -1,
        producer_epoch: -1,
        ..InitProducerIdResponse::default()
    }
}
