//! AlterClientQuotas (key 49), versions 0 and 1 (KIP-546).
//!
//! Entities are altered independently of each other. INVALID_REQUEST with Kafka's texts for what cannot be set; NOT_CONTROLLER,
//! REQUEST_TIMED_OUT.

use super::codec::{Handled, decode};
use super::controlled::submit;
use crate::Broker;
use ottla_metadata::ApiError;
use ottla_net::Request;
use ottla_protocol::generated::alter_client_quotas_request::{self, AlterClientQuotasRequest};
use ottla_protocol::generated::alter_client_quotas_response::{AlterClientQuotasResponse, EntityData, EntryData};
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: AlterClientQuotasRequest = decode(&request)?;
    let asked = body.entries.clone();
    let timeout = broker.request_timeout();
    Ok(submit(broker, request.header, timeout, body, move |outcome| match outcome {
        Ok(response) => response.into_alter_client_quotas(),
        Err(error) => refused(asked, &error),
    }))
}

fn refused(asked: Vec<alter_client_quotas_request::EntryData>, error: &ApiError) -> AlterClientQuotasResponse {
    let part = |part: alter_client_quotas_request::EntityData| EntityData {
        entity_type: part.entity_type,
        entity_name: part.entity_name,
    };
    let entry = |entry: alter_client_quotas_request::EntryData| EntryData {
        error_code: error.code.code(),
        error_message: error.message.clone(),
        entity: entry.entity.into_iter().map(part).collect(),
    };
    AlterClientQuotasResponse { entries: asked.into_iter().map(entry).collect(), ..Default::default() }
}
