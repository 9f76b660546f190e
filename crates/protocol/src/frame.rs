//! Whole frames: a 4-byte size, a header, a body.

use crate::{AnyResponse, ApiKey, EncodeError, Encoded, Message, Request, RequestHeader, ResponseHeader, Writer};

/// Bytes of the size in front of every frame; the size does not count them.
pub const SIZE_LEN: usize = 4;

/// A request as it is sent.
///
/// # Errors
/// When the version does not exist or cannot carry a field that is set, or the frame is too long for its size.
pub fn request<R: Request>(
    body: &R,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
) -> Result<Encoded, EncodeError> {
    let mut w = begin();
    let client_id = client_id.map(str::to_string);
    RequestHeader { api_key: R::KEY, api_version: version, correlation_id, client_id }.encode(&mut w)?;
    body.encode(&mut w, version)?;
    end(w)
}

/// A response as it is sent, to a request of `api_key` and `version`.
///
/// # Errors
/// As for [`request`].
pub fn response<M: Message>(
    body: &M,
    api_key: ApiKey,
    version: i16,
    correlation_id: i32,
) -> Result<Encoded, EncodeError> {
    let mut w = begin();
    ResponseHeader { correlation_id }.encode(&mut w, api_key, version);
    body.encode(&mut w, version)?;
    end(w)
}

/// As [`response`], for a response of any key.
///
/// # Errors
/// As for [`request`].
pub fn any_response(body: &AnyResponse, version: i16, correlation_id: i32) -> Result<Encoded, EncodeError> {
    let mut w = begin();
    ResponseHeader { correlation_id }.encode(&mut w, body.api_key(), version);
    body.encode(&mut w, version)?;
    end(w)
}

/// A writer with the size still to come.
fn begin() -> Writer {
    let mut w = Writer::with_capacity(256);
    w.int32(0);
    w
}

fn end(mut w: Writer) -> Result<Encoded, EncodeError> {
    let length = w.wire_len() - SIZE_LEN;
    let size = i32::try_from(length).map_err(|_| EncodeError::TooLong { field: "frame", length })?;
    w.patch_int32(0, size);
    Ok(w.finish())
}
