//! AlterConfigs (key 33), versions 0 to 2 (KIP-133; deprecated by KIP-339).
//!
//! Replaces everything that was set for a resource. Errors: INVALID_CONFIG, INVALID_REQUEST, UNKNOWN_TOPIC_OR_PARTITION,
//! NOT_CONTROLLER, REQUEST_TIMED_OUT.

use super::codec::{Handled, decode};
use super::controlled::{refuse_each, submit};
use crate::Broker;
use ottla_net::Request;
use ottla_protocol::generated::alter_configs_request::AlterConfigsRequest;
use ottla_protocol::generated::alter_configs_response::{AlterConfigsResourceResponse, AlterConfigsResponse};
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: AlterConfigsRequest = decode(&request)?;
    let asked: Vec<(i8, String)> =
        body.resources.iter().map(|resource| (resource.resource_type, resource.resource_name.clone())).collect();
    let timeout = broker.request_timeout();
    Ok(submit(broker, request.header, timeout, body, move |outcome| match outcome {
        Ok(response) => response.into_alter_configs(),
        Err(error) => {
            let responses = refuse_each(asked, &error, |error_code, error_message, resource_type, resource_name| {
                AlterConfigsResourceResponse { error_code, error_message, resource_type, resource_name }
            });
            AlterConfigsResponse { responses, ..Default::default() }
        }
    }))
}
