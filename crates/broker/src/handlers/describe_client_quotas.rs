//! DescribeClientQuotas (key 48), versions 0 and 1 (KIP-546).
//!
//! The entities that fit every part of the filter; with `strict` only those without other parts. INVALID_REQUEST for filters
//! that mean nothing, UNSUPPORTED_VERSION for unknown types of entities.

use super::codec::{Handled, decode, respond};
use crate::Broker;
use ottla_metadata::{ApiError, MetadataImage};
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::describe_client_quotas_request::{ComponentData, DescribeClientQuotasRequest};
use ottla_protocol::generated::describe_client_quotas_response::{
    DescribeClientQuotasResponse, EntityData, EntryData, ValueData,
};
use ottla_security::quotas::QuotaEntity;
use ottla_types::ErrorCode;
use std::collections::BTreeMap;

const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const SPECIFIED: i8 = 2;
const IP: &str = "ip";
const TYPES: [&str; 3] = ["user", "client-id", IP];

/// What a part of an entity has to be called; `None` takes any name, `Some(None)` is the default.
type Filter<'a> = BTreeMap<&'a str, Option<Option<&'a str>>>;

pub(super) fn handle(broker: &Broker, request: &Request) -> Handled {
    let body: DescribeClientQuotasRequest = decode(request)?;
    let response = match filter(&body.components) {
        Ok(filter) => {
            let entries = matching(&broker.image(), &filter, body.strict);
            DescribeClientQuotasResponse { entries: Some(entries), ..Default::default() }
        }
        Err(error) => DescribeClientQuotasResponse {
            error_code: error.code.code(),
            error_message: error.message,
            entries: None,
            ..Default::default()
        },
    };
    Ok(Outcome::Reply(respond(broker, &request.header, &response)))
}

fn filter(components: &[ComponentData]) -> Result<Filter<'_>, ApiError> {
    let invalid = |text: String| Err(ApiError::new(ErrorCode::InvalidRequest, text));
    let mut filter = Filter::new();
    for component in components {
        let (kind, name) = (component.entity_type.as_str(), component.r#match.as_deref());
        if kind.is_empty() {
            return invalid("Invalid empty entity type.".to_string());
        }
        if !TYPES.contains(&kind) {
            return Err(ApiError::new(ErrorCode::UnsupportedVersion, format!("Unsupported entity type {kind}")));
        }
        let wanted = match (component.match_type, name) {
            (EXACT, Some(name)) => Some(Some(name)),
            (EXACT, None) => {
                return invalid("Request specified MATCH_TYPE_EXACT, but set match string to null.".to_string());
            }
            (DEFAULT, None) => Some(None),
            (DEFAULT, Some(_)) => {
                return invalid("Request specified MATCH_TYPE_DEFAULT, but also specified a match string.".to_string());
            }
            (SPECIFIED, None) => None,
            (SPECIFIED, Some(_)) => {
                return invalid(
                    "Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.".to_string(),
                );
            }
            (other, _) => return invalid(format!("Unknown match type {other}")),
        };
        if filter.insert(kind, wanted).is_some() {
            return invalid(format!("Entity type {kind} cannot appear more than once in the filter."));
        }
    }
    if filter.contains_key(IP) && filter.len() > 1 {
        return invalid(
            "Invalid entity filter component combination. IP filter component should not be used with user or clientId \
             filter component."
                .to_string(),
        );
    }
    Ok(filter)
}

fn matching(image: &MetadataImage, filter: &Filter<'_>, strict: bool) -> Vec<EntryData> {
    let found = image.client_quotas().filter(|(entity, _)| fits(entity, filter, strict));
    let part = |(kind, name): (&str, Option<&str>)| EntityData {
        entity_type: kind.to_string(),
        entity_name: name.map(str::to_string),
    };
    let entry = found.map(|(entity, limits)| EntryData {
        entity: entity.parts().into_iter().map(part).collect(),
        values: limits.iter().map(|(key, value)| ValueData { key: key.name().to_string(), value: *value }).collect(),
    });
    entry.collect()
}

fn fits(entity: &QuotaEntity, filter: &Filter<'_>, strict: bool) -> bool {
    let parts = entity.parts();
    let is_there = |(kind, wanted): (&&str, &Option<Option<&str>>)| {
        let part = parts.iter().find(|(other, _)| other == kind);
        part.is_some_and(|(_, name)| wanted.is_none_or(|wanted| wanted == *name))
    };
    filter.iter().all(is_there) && (!strict || parts.len() == filter.len())
}
