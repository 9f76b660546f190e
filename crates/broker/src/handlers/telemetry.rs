//! GetTelemetrySubscriptions (key 71) and PushTelemetry (key 72), version 0 (KIP-714).
//!
//! Errors: THROTTLING_QUOTA_EXCEEDED for who comes too early, UNKNOWN_SUBSCRIPTION_ID after a change, UNSUPPORTED_COMPRESSION_TYPE,
//! TELEMETRY_TOO_LARGE (`telemetry.max.bytes`), INVALID_RECORD for what is no OTLP, INVALID_REQUEST for a client without
//! an instance id or one that said it was its last push. Unlike Kafka, which needs a plugin for it, every broker takes
//! pushes, and asks for totals rather than for deltas.

use super::codec::{Handled, decode, respond};
use crate::Broker;
use crate::client_telemetry::{ClientAttributes, Push};
use ottla_net::{ConnectionInfo, Outcome, Request};
use ottla_protocol::RequestHeader;
use ottla_protocol::generated::get_telemetry_subscriptions_request::GetTelemetrySubscriptionsRequest;
use ottla_protocol::generated::get_telemetry_subscriptions_response::GetTelemetrySubscriptionsResponse;
use ottla_protocol::generated::push_telemetry_request::PushTelemetryRequest;
use ottla_protocol::generated::push_telemetry_response::PushTelemetryResponse;
use ottla_records::{Compression, decompress};
use ottla_telemetry::client_metrics::{self, ClientIdentity};
use ottla_types::{ErrorCode, Uuid};

/// Best first, as Kafka announces them: zstd, lz4, gzip, snappy.
const COMPRESSIONS: [Compression; 4] = [Compression::Zstd, Compression::Lz4, Compression::Gzip, Compression::Snappy];
/// How much larger than `telemetry.max.bytes` metrics may be when they are decompressed.
const EXPANSION_MAX: usize = 10;

pub(super) fn subscribe(broker: &Broker, request: &Request) -> Handled {
    let body: GetTelemetrySubscriptionsRequest = decode(request)?;
    let id = match is_reserved(body.client_instance_id) {
        true => broker.runtime().random_uuid(),
        false => body.client_instance_id,
    };
    let address = request.connection.peer.ip().to_string();
    let client = attributes(&request.header, &request.connection, &address);
    let now_ms = broker.quotas.now_ms();
    let response = match broker.client_instances.subscribe(&broker.image(), id, &client, now_ms) {
        Ok(subscription) => GetTelemetrySubscriptionsResponse {
            client_instance_id: id,
            subscription_id: subscription.id,
            accepted_compression_types: COMPRESSIONS.iter().map(|codec| codec.id().cast_signed()).collect(),
            push_interval_ms: subscription.interval_ms,
            telemetry_max_bytes: i32::try_from(bytes_max(broker)).unwrap_or(i32::MAX),
            delta_temporality: false,
            requested_metrics: subscription.metrics,
            ..Default::default()
        },
        Err(error) => GetTelemetrySubscriptionsResponse { error_code: error.code(), ..Default::default() },
    };
    Ok(Outcome::Reply(respond(broker, &request.header, &response)))
}

pub(super) fn push(broker: &Broker, request: &Request) -> Handled {
    let body: PushTelemetryRequest = decode(request)?;
    let taken = take(broker, request, &body);
    if taken.is_err() {
        broker.telemetry().refused.increment();
    }
    let error_code = taken.err().unwrap_or(ErrorCode::None).code();
    let response = PushTelemetryResponse { error_code, ..Default::default() };
    Ok(Outcome::Reply(respond(broker, &request.header, &response)))
}

fn take(broker: &Broker, request: &Request, body: &PushTelemetryRequest) -> Result<(), ErrorCode> {
    let id = body.client_instance_id;
    if is_reserved(id) {
        return Err(ErrorCode::InvalidRequest);
    }
    let compression = u8::try_from(body.compression_type).ok().and_then(Compression::from_id);
    let push = Push {
        subscription_id: body.subscription_id,
        is_terminating: body.terminating,
        is_known_compression: compression.is_some(),
        bytes: body.metrics.len(),
        bytes_max: bytes_max(broker),
    };
    let address = request.connection.peer.ip().to_string();
    let client = attributes(&request.header, &request.connection, &address);
    let now_ms = broker.quotas.now_ms();
    let expires_ms = broker.client_instances.push(&broker.image(), id, &client, &push, now_ms)?;
    let codec = compression.unwrap_or(Compression::None);
    let points = decompress(codec, &body.metrics, EXPANSION_MAX * push.bytes_max)
        .and_then(|bytes| {
            let points_max = client_metrics::limits::SERIES_PER_CLIENT_MAX;
            client_metrics::decode(&bytes, points_max).map_err(|error| error.to_string())
        })
        .inspect_err(|error| tracing::debug!(%error, client_instance_id = %id, "a push of client metrics is refused"));
    let Ok((points, left_out)) = points else {
        broker.client_instances.failed(id, ErrorCode::InvalidRecord);
        return Err(ErrorCode::InvalidRecord);
    };
    let identity = ClientIdentity { instance_id: id.to_string(), client_id: client.client_id.to_string() };
    broker.client_metrics.push(&identity, points, left_out, now_ms, expires_ms);
    Ok(())
}

fn attributes<'a>(header: &'a RequestHeader, connection: &'a ConnectionInfo, address: &'a str) -> ClientAttributes<'a> {
    let software = connection.software.get();
    ClientAttributes {
        client_id: header.client_id.as_deref().unwrap_or_default(),
        software_name: software.map_or("", |software| &software.name),
        software_version: software.map_or("", |software| &software.version),
        source_address: address,
        source_port: connection.peer.port(),
    }
}

/// Kafka's reserved ids: none, and the metadata topic's.
fn is_reserved(id: Uuid) -> bool {
    id == Uuid::default() || id == Uuid::METADATA_TOPIC
}

fn bytes_max(broker: &Broker) -> usize {
    usize::try_from(broker.static_config().long("telemetry.max.bytes")).unwrap_or(0)
}
