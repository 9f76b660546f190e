//! From a frame to a request header and a body, or to why it is none.

use crate::malformed::Malformed;
use bytes::Bytes;
use ottla_protocol::{ApiKey, DecodeError, Reader, RequestHeader};

/// API key, version and correlation id: what every header starts with.
const SHORTEST_HEADER: usize = 8;

/// Reads the header and judges key and version; `served` says which versions of an API the listener serves. The body is
/// what follows, not looked at. ApiVersions passes in every version.
pub(crate) fn parse_header(
    frame: Bytes,
    served: impl Fn(ApiKey) -> Option<(i16, i16)>,
) -> Result<(RequestHeader, Bytes), Malformed> {
    if frame.len() < SHORTEST_HEADER {
        return Err(Malformed::TooShort(frame.len()));
    }
    let mut reader = Reader::new(&frame);
    let header = RequestHeader::decode(&mut reader).map_err(|error| unreadable(&frame, &error))?;
    let body = reader.rest();
    let (api, version) = (header.api_key, header.api_version);
    if api == ApiKey::ApiVersions {
        return Ok((header, body));
    }
    match served(api) {
        Some((min, max)) if (min..=max).contains(&version) => Ok((header, body)),
        Some((min, max)) => Err(Malformed::from_version(api, version, min, max)),
        None => Err(Malformed::NotServedHere(api)),
    }
}

fn unreadable(frame: &Bytes, error: &DecodeError) -> Malformed {
    if let DecodeError::UnknownApiKey(key) = error {
        return Malformed::from_unknown_key(*key);
    }
    let api = ApiKey::from_code(i16::from_be_bytes([frame[0], frame[1]])).map_or("unknown", ApiKey::name);
    Malformed::Header { api, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<(RequestHeader, Bytes), String> {
        let served = |api| (api == ApiKey::Metadata).then_some((4, 13));
        parse_header(Bytes::copy_from_slice(bytes), served).map_err(|malformed| malformed.to_string())
    }

    fn header(key: i16, version: i16, rest: &[u8]) -> Vec<u8> {
        [&key.to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 9], rest].concat()
    }

    #[test]
    fn a_served_request_is_cut_into_header_and_body() {
        let (parsed, body) = parse(&header(3, 8, b"\0\x02mebody")).unwrap();
        assert_eq!((parsed.api_key, parsed.api_version, parsed.correlation_id), (ApiKey::Metadata, 8, 9));
        assert_eq!(parsed.client_id.as_deref(), Some("me"));
        assert_eq!(&body[..], b"body");
    }

    #[test]
    fn api_versions_passes_in_any_version() {
        assert_eq!(parse(&header(18, 99, b"\xff\xff\0rest")).unwrap().0.api_version, 99);
        assert_eq!(parse(&header(18, -3, b"\xff\xffrest")).unwrap().0.api_version, -3);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases: &[(Vec<u8>, &str)] = &[
            (vec![], "frame of 0 bytes is too short"),
            (vec![0; 7], "frame of 7 bytes is too short"),
            (header(3, 8, b""), "header of a Metadata request cannot be read"),
            (header(3, 8, b"\0\x09me"), "header of a Metadata request cannot be read"),
            (header(3, 9, b"\0\x02me\x05"), "header of a Metadata request cannot be read"),
            (header(300, 0, b"\xff\xff"), "unknown API key 300"),
            (header(-1, 0, b"\xff\xff"), "unknown API key -1"),
            (header(6, 0, b"\xff\xff"), "removed in Apache Kafka 4.0"),
            (
                header(3, 3, b"\xff\xff"),
                "Metadata version 3 is not supported (supported: 4 to 13): the client is too old",
            ),
            (header(3, 14, b"\xff\xff\0"), "Metadata version 14 is not supported"),
            (header(0, 9, b"\xff\xff\0"), "Produce is not served on this listener"),
        ];
        for (bytes, expected) in cases {
            let text = parse(bytes).unwrap_err();
            assert!(text.contains(expected), "{text:?} should contain {expected:?}");
        }
    }
}
