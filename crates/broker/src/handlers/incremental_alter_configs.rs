//! IncrementalAlterConfigs (key 44), versions 0 and 1 (KIP-339).
//!
//! SET, DELETE, APPEND and SUBTRACT (the last two for lists). Errors: INVALID_CONFIG, INVALID_REQUEST (a key twice),
//! UNKNOWN_TOPIC_OR_PARTITION, NOT_CONTROLLER, REQUEST_TIMED_OUT.

use super::codec::{Handled, decode};
use super::controlled::{refuse_each, submit};
use crate::Broker;
use ottla_net::Request;
use ottla_protocol::generated::incremental_alter_configs_request::IncrementalAlterConfigsRequest;
use ottla_protocol::generated::incremental_alter_configs_response::{
    AlterConfigsResourceResponse, IncrementalAlterConfigsResponse,
};
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: IncrementalAlterConfigsRequest = decode(&request)?;
    let asked: Vec<(i8, String)> =
        body.resources.iter().map(|resource| (resource.resource_type, resource.resource_name.clone())).collect();
    let timeout = broker.request_timeout();
    Ok(submit(broker, request.header, timeout, body, move |outcome| match outcome {
        Ok(response) => response.into_incremental_alter_configs(),
        Err(error) => {
            let responses = refuse_each(asked, &error, |error_code, error_message, resource_type, resource_name| {
                AlterConfigsResourceResponse { error_code, error_message, resource_type, resource_name }
            });
            IncrementalAlterConfigsResponse { responses, ..Default::default() }
        }
    }))
}
