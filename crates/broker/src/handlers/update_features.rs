//! UpdateFeatures (key 57), versions 0 to 2 (KIP-584).
//!
//! v1 kind of the update and validation only (KIP-778), v2 no results of single features. Errors: INVALID_UPDATE_VERSION,
//! NOT_CONTROLLER, REQUEST_TIMED_OUT.

use super::codec::{Handled, decode};
use super::controlled::{submit, timeout_ms};
use crate::Broker;
use ottla_net::Request;
use ottla_protocol::generated::update_features_request::UpdateFeaturesRequest;
use ottla_protocol::generated::update_features_response::UpdateFeaturesResponse;
use std::sync::Arc;

/// First version without results of single features.
const NO_RESULTS_FROM: i16 = 2;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: UpdateFeaturesRequest = decode(&request)?;
    let (timeout, version) = (timeout_ms(body.timeout_ms), request.header.api_version);
    Ok(submit(broker, request.header, timeout, body, move |outcome| match outcome {
        Ok(response) => {
            let mut response = response.into_update_features();
            if version >= NO_RESULTS_FROM {
                response.results.clear();
            }
            response
        }
        Err(error) => UpdateFeaturesResponse {
            error_code: error.code.code(),
            error_message: error.message,
            ..UpdateFeaturesResponse::default()
        },
    }))
}
