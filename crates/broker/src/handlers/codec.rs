//! From a request's bytes to a typed body, and from a response to the parts that leave.

use super::answer::Answer;
use crate::Broker;
use ottla_net::{Outcome, Reply, Request};
use ottla_protocol::{ApiKey, DecodeError, Message, Reader, RequestHeader, frame};
use ottla_runtime::{FileRange, Part};
use ottla_types::ErrorCode;

/// What a handler answers: an outcome, or a reason to close the connection.
pub(super) type Handled = Result<Outcome, Refused>;

/// A request that no response can answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("{api} version {version} from client '{client}' cannot be decoded: {error}")]
    Malformed { api: &'static str, version: i16, client: String, error: DecodeError },
    #[error("{0} is not served")]
    NotServed(&'static str),
}

impl Refused {
    pub(super) fn not_served(key: ApiKey) -> Refused {
        Refused::NotServed(key.name())
    }
}

/// Decodes the body in the version of its header. Trailing bytes are ignored, as Kafka does: librdkafka asks for the
/// metadata of all topics with three bytes too many.
pub(super) fn decode<M: Message>(request: &Request) -> Result<M, Refused> {
    decode_with(request, M::decode)
}

/// As [`decode`], with a decoder that may borrow from the body.
pub(super) fn decode_with<'a, T>(
    request: &'a Request,
    decode: impl FnOnce(&mut Reader<'a>, i16) -> Result<T, DecodeError>,
) -> Result<T, Refused> {
    let header = &request.header;
    let mut reader = Reader::new(&request.body);
    let decoded = decode(&mut reader, header.api_version).and_then(|body| match reader.finish() {
        Ok(()) | Err(DecodeError::TrailingBytes { .. }) => Ok(body),
        Err(error) => Err(error),
    });
    decoded.map_err(|error| Refused::Malformed {
        api: header.api_key.name(),
        version: header.api_version,
        client: header.client_id.clone().unwrap_or_default(),
        error,
    })
}

/// The reply that carries `body`, in the version of the request. A client above its request quota waits after it.
pub(super) fn respond<A: Answer>(broker: &Broker, header: &RequestHeader, body: &A) -> Reply {
    respond_in_version(broker, header, header.api_version, body)
}

/// As [`respond`], in another version than the request's (ApiVersions only).
pub(super) fn respond_in_version<A: Answer>(broker: &Broker, header: &RequestHeader, version: i16, body: &A) -> Reply {
    let wait_ms = broker.quotas.request_wait_ms(header);
    throttled(broker, header, version, body, wait_ms)
}

/// As [`respond`], to a client that has to wait at least `wait_ms` milliseconds for another reason.
pub(super) fn respond_throttled<A: Answer>(broker: &Broker, header: &RequestHeader, body: &A, wait_ms: i64) -> Reply {
    let wait_ms = wait_ms.max(broker.quotas.request_wait_ms(header));
    throttled(broker, header, header.api_version, body, wait_ms)
}

fn throttled<A: Answer>(broker: &Broker, header: &RequestHeader, version: i16, body: &A, wait_ms: i64) -> Reply {
    count(broker, header, body.first_error());
    if wait_ms <= 0 {
        return encode(header, version, body, &[]);
    }
    let mut body = body.clone();
    body.set_throttle_time_ms(i32::try_from(wait_ms).unwrap_or(i32::MAX));
    encode(header, version, &body, &[]).mute_until(broker.quotas.after_ms(wait_ms))
}

/// As [`respond`]; `Records::External` of index i is replaced by `ranges[i]`.
pub(super) fn respond_with_ranges<A: Answer>(
    broker: &Broker,
    header: &RequestHeader,
    body: &A,
    ranges: Vec<FileRange>,
) -> Reply {
    count(broker, header, body.first_error());
    let parts: Vec<Part> = ranges.into_iter().map(Part::File).collect();
    encode(header, header.api_version, body, &parts)
}

/// Counts an answer, also one that is not sent.
pub(super) fn count(broker: &Broker, header: &RequestHeader, error: i16) {
    let error = ErrorCode::from_code(error).unwrap_or(ErrorCode::UnknownServerError);
    broker.answered.count(broker, header.api_key, error);
}

fn encode<A: Answer>(header: &RequestHeader, version: i16, body: &A, records: &[Part]) -> Reply {
    match frame::response(body, header.api_key, version, header.correlation_id) {
        Ok(encoded) => Reply::encoded(&encoded, records),
        // A response that its own version cannot carry is a bug; the client must not wait for it for ever.
        Err(error) => Reply::none().close(format!("a {} response cannot be encoded: {error}", A::NAME)),
    }
}
