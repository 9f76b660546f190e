//! ApiVersions (key 18), versions 0 to 4.
//!
//! v3 flexible, client software name and version (KIP-511); v4 features with minimum 0 (KAFKA-17011). An unknown version
//! is answered in version 0 with UNSUPPORTED_VERSION and the table, so that any client finds a common version. Works
//! before anything else, on every listener; the table is what that listener serves. The epoch of the finalized features is the
//! offset of the last metadata record, as in Kafka. INVALID_REQUEST: a software name or version with other characters than
//! letters, digits, `-` and `.`.

use super::codec::{Handled, decode, respond, respond_in_version};
use crate::Broker;
use ottla_net::{ClientSoftware, Outcome, Request};
use ottla_protocol::generated::api_versions_request::ApiVersionsRequest;
use ottla_protocol::generated::api_versions_response::{
    ApiVersion, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use ottla_protocol::versions::Row;
use ottla_types::ErrorCode;

/// First version in which the client names its software.
const SOFTWARE_FROM: i16 = 3;
/// First version that may carry supported features with minimum 0; older Java clients fail on them.
const ZERO_FEATURES_FROM: i16 = 4;

pub(super) fn handle(broker: &Broker, request: &Request, table: &[Row]) -> Handled {
    let header = &request.header;
    let is_served = table
        .iter()
        .any(|row| row.api_key == header.api_key && (row.served_from..=row.max).contains(&header.api_version));
    if !is_served {
        let response = ApiVersionsResponse {
            error_code: ErrorCode::UnsupportedVersion.code(),
            api_keys: api_keys(table),
            ..ApiVersionsResponse::default()
        };
        return Ok(Outcome::Reply(respond_in_version(broker, header, 0, &response)));
    }
    let body: ApiVersionsRequest = decode(request)?;
    if header.api_version >= SOFTWARE_FROM {
        let (name, version) = (body.client_software_name, body.client_software_version);
        if !is_software_text(&name) || !is_software_text(&version) {
            let error_code = ErrorCode::InvalidRequest.code();
            let response = ApiVersionsResponse { error_code, ..ApiVersionsResponse::default() };
            return Ok(Outcome::Reply(respond(broker, header, &response)));
        }
        // A client may ask again; what it said first stays.
        let _ = request.connection.software.set(ClientSoftware { name, version });
    }
    Ok(Outcome::Reply(respond(broker, header, &advertised(broker, header.api_version, table))))
}

fn advertised(broker: &Broker, version: i16, table: &[Row]) -> ApiVersionsResponse {
    let image = broker.image();
    let supported = ottla_metadata::features::SUPPORTED.iter().map(|&(name, min_version, max_version)| {
        SupportedFeatureKey { name: name.to_string(), min_version, max_version }
    });
    let finalized = image.features().map(|(name, level)| FinalizedFeatureKey {
        name: name.to_string(),
        max_version_level: level,
        min_version_level: level,
    });
    ApiVersionsResponse {
        api_keys: api_keys(table),
        supported_features: supported.filter(|f| version >= ZERO_FEATURES_FROM || f.min_version > 0).collect(),
        finalized_features_epoch: image.highest_offset(),
        finalized_features: finalized.collect(),
        ..ApiVersionsResponse::default()
    }
}

fn api_keys(table: &[Row]) -> Vec<ApiVersion> {
    let api = |row: &Row| ApiVersion { api_key: row.api_key.code(), min_version: row.min, max_version: row.max };
    table.iter().map(api).collect()
}

/// KIP-511: `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`.
fn is_software_text(text: &str) -> bool {
    let is_edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    is_edge(text.chars().next()) && is_edge(text.chars().next_back()) && text.chars().all(is_inner)
}

#[cfg(test)]
mod tests {
    use super::is_software_text;

    #[test]
    fn software_names_follow_kip_511() {
        for good in ["apache-kafka-java", "4.3.0", "a"] {
            assert!(is_software_text(good), "{good}");
        }
        for bad in ["", "-a", "a.", "a b", "ä"] {
            assert!(!is_software_text(bad), "{bad}");
        }
    }
}
