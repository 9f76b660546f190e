//! The headers in front of requests and responses.
//!
//! A request header is read before anything is known about the sender: only key and version decide how long it is. Its
//! client id keeps the classic encoding even where the rest is flexible, so that any broker can read the header of an
//! ApiVersions request of a later release.

use crate::{ApiKey, DecodeError, EncodeError, Reader, Writer};

/// What precedes the body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// Which request follows.
    pub api_key: ApiKey,
    /// Its version; not yet judged.
    pub api_version: i16,
    /// The client's number for the request, which the response repeats.
    pub correlation_id: i32,
    /// The client's name for itself.
    pub client_id: Option<String>,
}

impl RequestHeader {
    /// Reads a header.
    ///
    /// # Errors
    /// When the key is unknown or the bytes end early. Whether the version is served is for [`crate::versions`] to say.
    pub fn decode(r: &mut Reader<'_>) -> Result<RequestHeader, DecodeError> {
        let code = r.int16("RequestHeader.api_key");
        let api_version = r.int16("RequestHeader.api_version");
        let correlation_id = r.int32("RequestHeader.correlation_id");
        r.check()?;
        let api_key = ApiKey::from_code(code).ok_or(DecodeError::UnknownApiKey(code))?;
        let client_id = r.nullable_string(false, true, "RequestHeader.client_id");
        if api_key.request_header_version(api_version) >= 2 {
            r.skip_tags();
        }
        r.check()?;
        Ok(RequestHeader { api_key, api_version, correlation_id, client_id })
    }

    /// Appends the header.
    ///
    /// # Errors
    /// When the client id is too long.
    pub fn encode(&self, w: &mut Writer) -> Result<(), EncodeError> {
        w.int16(self.api_key.code());
        w.int16(self.api_version);
        w.int32(self.correlation_id);
        w.nullable_string(self.client_id.as_deref(), false, true, "RequestHeader.client_id");
        if self.api_key.request_header_version(self.api_version) >= 2 {
            w.no_tags();
        }
        w.check()
    }
}

/// What precedes the body of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseHeader {
    /// The number of the request that is answered.
    pub correlation_id: i32,
}

impl ResponseHeader {
    /// Reads the header of a response to a request of this key and version.
    ///
    /// # Errors
    /// When the bytes end early.
    pub fn decode(r: &mut Reader<'_>, api_key: ApiKey, api_version: i16) -> Result<ResponseHeader, DecodeError> {
        let correlation_id = r.int32("ResponseHeader.correlation_id");
        if api_key.response_header_version(api_version) >= 1 {
            r.skip_tags();
        }
        r.check()?;
        Ok(ResponseHeader { correlation_id })
    }

    /// Appends the header of a response to a request of this key and version.
    pub fn encode(&self, w: &mut Writer, api_key: ApiKey, api_version: i16) {
        w.int32(self.correlation_id);
        if api_key.response_header_version(api_version) >= 1 {
            w.no_tags();
        }
    }
}
