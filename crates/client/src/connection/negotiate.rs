//! ApiVersions, the first request of every connection.

use super::Connection;
use crate::error::ClientError;
use crate::versions::BrokerVersions;
use bytes::Bytes;
use ottla_protocol::{ApiKey, ApiVersionsRequest, ApiVersionsResponse, Message, Reader, ResponseHeader};
use ottla_types::ErrorCode;

const CORRELATION_ID_BYTES: usize = 4;

/// Asks in our highest version; a broker that does not know it says so in version 0, with the versions it knows.
pub(super) async fn negotiate(connection: &Connection) -> Result<BrokerVersions, ClientError> {
    let highest = ApiVersionsRequest::MAX_VERSION;
    let mut response = ask(connection, highest).await?;
    if response.error_code == ErrorCode::UnsupportedVersion.code() {
        let known = response.api_keys.iter().find(|api| api.api_key == ApiKey::ApiVersions.code());
        let version = known.map_or(0, |api| api.max_version.clamp(0, highest));
        response = ask(connection, version).await?;
    }
    ClientError::check(response.error_code, None, || format!("ApiVersions of {}", connection.address()))?;
    Ok(BrokerVersions::from_response(&response))
}

async fn ask(connection: &Connection, version: i16) -> Result<ApiVersionsResponse, ClientError> {
    let request = ApiVersionsRequest {
        client_software_name: "ottla".to_string(),
        client_software_version: env!("CARGO_PKG_VERSION").to_string(),
    };
    let frame = connection.begin(&request, version, &[]).await?.wait_for_frame().await.map_err(unanswered)?;
    read(&frame, version).map_err(|error| ClientError::NotKafka {
        address: connection.address().to_string(),
        found: format!("its answer to ApiVersions cannot be read ({error})"),
    })
}

/// A broker that is ready always answers this; what speaks TLS or something else often ends the connection without a word.
fn unanswered(error: ClientError) -> ClientError {
    match error {
        ClientError::Disconnected { address, reason } => ClientError::Disconnected {
            address,
            reason: format!(
                "{reason}, before any answer: a broker that is stopping does that, a TLS listener, or another program"
            ),
        },
        other => other,
    }
}

fn read(frame: &Bytes, version: i16) -> Result<ApiVersionsResponse, ottla_protocol::DecodeError> {
    let code =
        frame.get(CORRELATION_ID_BYTES..CORRELATION_ID_BYTES + 2).map(|code| i16::from_be_bytes([code[0], code[1]]));
    let unsupported = code == Some(ErrorCode::UnsupportedVersion.code());
    let version = if unsupported { 0 } else { version };
    let mut reader = Reader::new(frame);
    ResponseHeader::decode(&mut reader, ApiKey::ApiVersions, version)?;
    ApiVersionsResponse::decode(&mut reader, version)
}
