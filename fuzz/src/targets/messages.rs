//! Headers, requests, responses and metadata records. The first four bytes choose key and version.

use super::{Allocation, Target};
use bytes::Bytes;
use fastrand::Rng;
use ottla_protocol::{AnyRequest, AnyResponse, ApiKey, MetadataRecord, Reader, RequestHeader, Writer};

/// A decoded field may be larger than its encoded form (a struct of many empty strings), by this much.
const BOUND: Allocation = Allocation { per_input_byte: 1024, fixed: 64 * 1024 };

pub(super) const HEADER: Target = Target { name: "header", seed: header_seed, run: header, allocation: BOUND };
pub(super) const REQUEST: Target = Target { name: "request", seed: request_seed, run: request, allocation: BOUND };
pub(super) const RESPONSE: Target = Target { name: "response", seed: response_seed, run: response, allocation: BOUND };
pub(super) const METADATA_RECORD: Target =
    Target { name: "metadata-record", seed: metadata_seed, run: metadata_record, allocation: BOUND };

fn header_seed(rng: &mut Rng) -> Vec<u8> {
    let (api_key, api_version) = any_api(rng);
    let header =
        RequestHeader { api_key, api_version, correlation_id: rng.i32(..), client_id: Some("fuzz".to_string()) };
    let mut writer = Writer::new();
    header.encode(&mut writer).expect("a short client id");
    writer.finish().buf.to_vec()
}

fn header(input: &[u8]) {
    let input = Bytes::copy_from_slice(input);
    let _ = RequestHeader::decode(&mut Reader::new(&input));
}

fn request_seed(rng: &mut Rng) -> Vec<u8> {
    let (api_key, version) = any_api(rng);
    let mut writer = Writer::new();
    let encoded = AnyRequest::default_of(api_key).encode(&mut writer, version);
    encoded.map_or_else(|_| Vec::new(), |()| prefixed(api_key, version, &writer.finish().buf))
}

fn request(input: &[u8]) {
    let Some((api_key, version, body)) = split(input) else { return };
    let Ok(first) = AnyRequest::decode(api_key, version, &body) else { return };
    let mut writer = Writer::new();
    first.encode(&mut writer, version).expect("what was decoded in a version can be encoded in it");
    let again = AnyRequest::decode(api_key, version, &writer.finish().buf).expect("own bytes are valid");
    assert!(same(&first, &again), "{api_key} {version}: decode after encode differs");
}

fn response_seed(rng: &mut Rng) -> Vec<u8> {
    let (api_key, version) = any_api(rng);
    let mut writer = Writer::new();
    let encoded = AnyResponse::default_of(api_key).encode(&mut writer, version);
    encoded.map_or_else(|_| Vec::new(), |()| prefixed(api_key, version, &writer.finish().buf))
}

fn response(input: &[u8]) {
    let Some((api_key, version, body)) = split(input) else { return };
    let Ok(first) = AnyResponse::decode(api_key, version, &body) else { return };
    let mut writer = Writer::new();
    first.encode(&mut writer, version).expect("what was decoded in a version can be encoded in it");
    let again = AnyResponse::decode(api_key, version, &writer.finish().buf).expect("own bytes are valid");
    assert!(same(&first, &again), "{api_key} {version}: decode after encode differs");
}

/// Equality of what is printed: unlike `==` it holds for NaN.
fn same(a: &impl std::fmt::Debug, b: &impl std::fmt::Debug) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

fn metadata_seed(rng: &mut Rng) -> Vec<u8> {
    // Frame version 1, then record type and version: the fuzzer finds the rest.
    vec![1, rng.u8(0..30), rng.u8(0..3), 0, 0, 0, 0, 0, 0, 0, 0]
}

fn metadata_record(input: &[u8]) {
    let _ = MetadataRecord::decode(&Bytes::copy_from_slice(input));
}

fn any_api(rng: &mut Rng) -> (ApiKey, i16) {
    let api_key = ApiKey::ALL[rng.usize(..ApiKey::ALL.len())];
    let info = api_key.info();
    (api_key, rng.i16(info.min_version..=info.max_version))
}

fn prefixed(api_key: ApiKey, version: i16, body: &[u8]) -> Vec<u8> {
    [&api_key.code().to_be_bytes(), &version.to_be_bytes(), body].concat()
}

fn split(input: &[u8]) -> Option<(ApiKey, i16, Bytes)> {
    let (head, body) = input.split_at_checked(4)?;
    let api_key = ApiKey::from_code(i16::from_be_bytes([head[0], head[1]]))?;
    Some((api_key, i16::from_be_bytes([head[2], head[3]]), Bytes::copy_from_slice(body)))
}
