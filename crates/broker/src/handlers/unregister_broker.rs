//! UnregisterBroker (key 64), version 0.
//!
//! Takes a broker that will not come back out of the cluster. Errors: BROKER_ID_NOT_REGISTERED; INVALID_REQUEST for the node that
//! answers (unlike Kafka, where it then serves nothing until it is restarted); NOT_CONTROLLER, REQUEST_TIMED_OUT.

use super::codec::{Handled, decode};
use super::controlled::submit;
use crate::Broker;
use ottla_net::Request;
use ottla_protocol::generated::unregister_broker_request::UnregisterBrokerRequest;
use ottla_protocol::generated::unregister_broker_response::UnregisterBrokerResponse;
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: UnregisterBrokerRequest = decode(&request)?;
    let timeout = broker.request_timeout();
    Ok(submit(broker, request.header, timeout, body, |outcome| match outcome {
        Ok(response) => response.into_unregister_broker(),
        Err(error) => UnregisterBrokerResponse {
            error_code: error.code.code(),
            error_message: error.message,
            ..UnregisterBrokerResponse::default()
        },
    }))
}
