//! IncrementalAlterConfigs (key 44), versions 0 and 1 (KIP-339).
//!
//! SET, DELETE, APPEND and SUBTRACT (the last two for lists). Log levels (BROKER_LOGGER, KIP-412) are changed here, all else
//! by the controller. Errors: INVALID_CONFIG, INVALID_REQUEST (a key twice),
//! UNKNOWN_TOPIC_OR_PARTITION, NOT_CONTROLLER, REQUEST_TIMED_OUT.

use super::broker_loggers::{self, BROKER_LOGGER};
use super::codec::{Handled, decode, respond};
use super::controlled::{refuse_each, submit};
use crate::Broker;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::incremental_alter_configs_request::{
    AlterConfigsResource, IncrementalAlterConfigsRequest,
};
use ottla_protocol::generated::incremental_alter_configs_response::{
    AlterConfigsResourceResponse, IncrementalAlterConfigsResponse,
};
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let mut body: IncrementalAlterConfigsRequest = decode(&request)?;
    let loggers = alter_loggers(broker, &mut body);
    if body.resources.is_empty() {
        let response = IncrementalAlterConfigsResponse { responses: loggers, ..Default::default() };
        return Ok(Outcome::Reply(respond(broker, &request.header, &response)));
    }
    let asked: Vec<(i8, String)> =
        body.resources.iter().map(|resource| (resource.resource_type, resource.resource_name.clone())).collect();
    let timeout = broker.request_timeout();
    Ok(submit(broker, request.header, timeout, body, move |outcome| {
        let mut response = match outcome {
            Ok(response) => response.into_incremental_alter_configs(),
            Err(error) => {
                let responses =
                    refuse_each(asked, &error, |error_code, error_message, resource_type, resource_name| {
                        AlterConfigsResourceResponse { error_code, error_message, resource_type, resource_name }
                    });
                IncrementalAlterConfigsResponse { responses, ..Default::default() }
            }
        };
        response.responses.extend(loggers);
        response
    }))
}

/// Log levels are this broker's own affair: takes them out of the request and answers them. A resource that comes twice is
/// left to the controller, which refuses it.
fn alter_loggers(broker: &Broker, body: &mut IncrementalAlterConfigsRequest) -> Vec<AlterConfigsResourceResponse> {
    let is_logger = |resource: &AlterConfigsResource| resource.resource_type == BROKER_LOGGER;
    if body.resources.iter().filter(|resource| is_logger(resource)).count() > 1 {
        return Vec::new();
    }
    let validate_only = body.validate_only;
    let loggers = body.resources.extract_if(.., |resource| is_logger(resource));
    let answer = |resource: AlterConfigsResource| {
        let error = broker_loggers::alter(broker, &resource, validate_only).err();
        AlterConfigsResourceResponse {
            error_code: error.as_ref().map_or(0, |error| error.code.code()),
            error_message: error.and_then(|error| error.message),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
        }
    };
    loggers.map(answer).collect()
}
