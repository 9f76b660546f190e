//! From a request's bytes to a typed body, and from a response to the parts that leave.

use bytes::Bytes;
use ottla_net::{Outcome, Reply, Request};
use ottla_protocol::{ApiKey, DecodeError, EncodeError, Encoded, Message, Reader, RequestHeader, ResponseHeader, Writer};
use ottla_runtime::{FileRange, Part};

/// What a handler answers: an outcome, or a reason to close the connection.
pub(super) type Handled = Result<Outcome, Refused>;

/// A request that no response can answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("{api} version {version} from client '{client}' cannot be decoded: {error}")]
    Malformed { api: &'static str, version: i16, client: String, error: DecodeError },
    #[error("{api} version {version} is not supported; the ApiVersions response says which are")]
    UnsupportedVersion { api: &'static str, version: i16 },
    #[error("{0} is not served")]
    NotServed(&'static str),
    #[error("{api} version {version} makes no sense: {what}")]
    Unanswerable { api: &'static str, version: i16, what: &'static str },
}

impl Refused {
    pub(super) fn unsupported_version(header: &RequestHeader) -> Refused {
        Refused::UnsupportedVersion { api: header.api_key.name(), version: header.api_version }
    }

    pub(super) fn unanswerable(header: &RequestHeader, what: &'static str) -> Refused {
        Refused::Unanswerable { api: header.api_key.name(), version: header.api_version, what }
    }

    pub(super) fn not_served(key: ApiKey) -> Refused {
        Refused::NotServed(key.name())
    }
}

/// Decodes the body in the version of its header; trailing bytes are an error.
pub(super) fn decode<M: Message>(request: &Request) -> Result<M, Refused> {
    let header = &request.header;
    let mut reader = Reader::new(&request.body);
    let decoded = M::decode(&mut reader, header.api_version).and_then(|body| reader.finish().map(|()| body));
    decoded.map_err(|error| Refused::Malformed {
        api: header.api_key.name(),
        version: header.api_version,
        client: header.client_id.clone().unwrap_or_default(),
        error,
    })
}

/// The reply that carries `body`, in the version of the request.
pub(super) fn respond<M: Message>(header: &RequestHeader, body: &M) -> Reply {
    respond_with_ranges(header, header.api_version, body, &[])
}

/// As [`respond`], in another version than the request's (ApiVersions only).
pub(super) fn respond_in_version<M: Message>(header: &RequestHeader, version: i16, body: &M) -> Reply {
    respond_with_ranges(header, version, body, &[])
}

/// As [`respond`]; `Records::External` of index i is replaced by `ranges[i]`.
pub(super) fn respond_with_ranges<M: Message>(
    header: &RequestHeader,
    version: i16,
    body: &M,
    ranges: &[FileRange],
) -> Reply {
    match encode(header, version, body) {
        Ok(encoded) => Reply::new(interleave(encoded, ranges)),
        // A response that its own version cannot carry is a bug; the client must not wait for it for ever.
        Err(error) => Reply::none().close(format!("a {} response cannot be encoded: {error}", M::NAME)),
    }
}

fn encode<M: Message>(header: &RequestHeader, version: i16, body: &M) -> Result<Encoded, EncodeError> {
    let mut writer = Writer::new();
    let correlation_id = header.correlation_id;
    ResponseHeader { correlation_id }.encode(&mut writer, header.api_key, version);
    body.encode(&mut writer, version)?;
    Ok(writer.finish())
}

fn interleave(encoded: Encoded, ranges: &[FileRange]) -> Vec<Part> {
    let mut parts = Vec::with_capacity(2 * encoded.splices.len() + 1);
    let mut from = 0;
    let push = |slice: Bytes, parts: &mut Vec<Part>| {
        if !slice.is_empty() {
            parts.push(Part::Bytes(slice));
        }
    };
    for splice in &encoded.splices {
        push(encoded.buf.slice(from..splice.position), &mut parts);
        parts.push(Part::File(ranges[splice.index as usize].clone()));
        from = splice.position;
    }
    push(encoded.buf.slice(from..), &mut parts);
    parts
}
