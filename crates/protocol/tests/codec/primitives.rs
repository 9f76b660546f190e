//! Lengths, counts, nulls, tags and headers, by example.

use bytes::Bytes;
use ottla_protocol::api_versions_request::ApiVersionsRequest;
use ottla_protocol::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use ottla_protocol::fetch_request::{FetchRequest, ForgottenTopic};
use ottla_protocol::{
    AnyRequest, ApiKey, DecodeError, EncodeError, Message, MetadataRequest, Reader, RequestHeader, ResponseHeader,
    Writer,
};

fn decode<M: Message>(bytes: &[u8], version: i16) -> Result<M, DecodeError> {
    let bytes = Bytes::copy_from_slice(bytes);
    let mut r = Reader::new(&bytes);
    let message = M::decode(&mut r, version)?;
    r.finish()?;
    Ok(message)
}

fn encode<M: Message>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut w = Writer::new();
    message.encode(&mut w, version)?;
    Ok(w.finish().buf)
}

#[test]
fn a_count_beyond_the_frame_is_refused_by_name() {
    let error = decode::<MetadataRequest>(&[0x7f, 0xff, 0xff, 0xff, 0, 0], 0).unwrap_err();
    let expected =
        DecodeError::TooManyElements { field: "MetadataRequest.topics", offset: 4, count: 0x7fff_ffff, remaining: 2 };
    assert_eq!(error, expected);
}

#[test]
fn a_frame_of_empty_elements_is_refused_before_it_takes_memory() {
    // FindCoordinator 6 names any number of keys: one byte each on the wire when empty, a string each in memory.
    let count = 2_000_000u32;
    let mut frame = vec![0];
    let mut left = count + 1;
    while left >= 0x80 {
        frame.push(left as u8 | 0x80);
        left >>= 7;
    }
    frame.push(left as u8);
    frame.resize(frame.len() + count as usize, 1);
    frame.push(0);
    let error = AnyRequest::decode(ApiKey::FindCoordinator, 6, &Bytes::from(frame)).unwrap_err();
    assert!(matches!(error, DecodeError::TooMuchMemory { .. }), "{error}");
}

#[test]
fn bytes_after_a_request_are_an_error() {
    let bytes = encode(&ApiVersionsRequest::default(), 3).unwrap();
    let longer = Bytes::from([&bytes[..], &[0, 0]].concat());
    assert_eq!(
        AnyRequest::decode(ApiKey::ApiVersions, 3, &longer).unwrap_err(),
        DecodeError::TrailingBytes { count: 2 }
    );
}

#[test]
fn null_is_refused_where_the_version_has_none() {
    // A null list of topics means "all" from version 1 on.
    assert_eq!(decode::<MetadataRequest>(&[0xff; 4], 1).unwrap().topics, None);
    let error = decode::<MetadataRequest>(&[0xff; 4], 0).unwrap_err();
    assert_eq!(error, DecodeError::Null { field: "MetadataRequest.topics", offset: 0 });
    let all = MetadataRequest { topics: None, ..Default::default() };
    assert_eq!(encode(&all, 0).unwrap_err(), EncodeError::Null { field: "MetadataRequest.topics" });
}

#[test]
fn unknown_tags_are_skipped() {
    // Two empty strings, then tags 5 (two bytes) and 9 (none).
    let request = decode::<ApiVersionsRequest>(&[1, 1, 2, 5, 2, 0xaa, 0xbb, 9, 0], 3).unwrap();
    assert_eq!(request, ApiVersionsRequest::default());
}

#[test]
fn a_tag_that_does_not_end_where_it_says_is_refused() {
    let request = FetchRequest { cluster_id: Some("abc".into()), ..Default::default() };
    let mut bytes = encode(&request, 12).unwrap().to_vec();
    let size = bytes.len() - 5;
    assert_eq!(bytes[size..], [4, 4, b'a', b'b', b'c']);
    bytes[size] = 5;
    bytes.push(0);
    assert!(matches!(decode::<FetchRequest>(&bytes, 12).unwrap_err(), DecodeError::TagSize { tag: 0, .. }));
}

#[test]
fn a_long_tag_moves_behind_its_size() {
    let request = FetchRequest { cluster_id: Some("c".repeat(30_000)), ..Default::default() };
    assert_eq!(decode::<FetchRequest>(&encode(&request, 12).unwrap(), 12).unwrap(), request);
}

#[test]
fn a_field_that_must_not_be_lost_is_refused_by_name() {
    let forgotten = ForgottenTopic { topic: "t".into(), partitions: vec![1], ..Default::default() };
    let request = FetchRequest { forgotten_topics_data: vec![forgotten], ..Default::default() };
    let error = encode(&request, 6).unwrap_err();
    assert_eq!(error, EncodeError::UnsupportedField { field: "FetchRequest.forgotten_topics_data", version: 6 });
    assert_eq!(error.to_string(), "FetchRequest.forgotten_topics_data is set, but version 6 does not have it");
}

#[test]
fn an_ignorable_field_is_dropped_from_versions_without_it() {
    let request = FetchRequest { rack_id: "r1".into(), ..Default::default() };
    assert_eq!(decode::<FetchRequest>(&encode(&request, 10).unwrap(), 10).unwrap().rack_id, "");
    assert_eq!(decode::<FetchRequest>(&encode(&request, 11).unwrap(), 11).unwrap(), request);
}

#[test]
fn a_string_too_long_for_any_version_is_refused() {
    let topic = CreatableTopic { name: "n".repeat(32_768), ..Default::default() };
    let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
    for version in [2, 7] {
        let error = encode(&request, version).unwrap_err();
        assert_eq!(error, EncodeError::TooLong { field: "CreatableTopic.name", length: 32_768 });
    }
    // 32768 bytes in compact form.
    let long = [&[0x81, 0x80, 2][..], &[b'x'; 32_768], &[1, 0]].concat();
    let error = decode::<ApiVersionsRequest>(&long, 3).unwrap_err();
    assert!(matches!(error, DecodeError::StringTooLong { length: 32_768, .. }), "{error}");
}

#[test]
fn versions_that_do_not_exist_are_refused() {
    assert!(matches!(decode::<MetadataRequest>(&[], 14), Err(DecodeError::UnsupportedVersion { version: 14, .. })));
    assert!(matches!(decode::<FetchRequest>(&[], 3), Err(DecodeError::UnsupportedVersion { version: 3, .. })));
    let error = encode(&MetadataRequest::default(), -1).unwrap_err();
    assert_eq!(error.to_string(), "MetadataRequest has no version -1");
}

#[test]
fn a_varint_of_more_than_32_bits_is_refused() {
    let error = decode::<ApiVersionsRequest>(&[0xff, 0xff, 0xff, 0xff, 0x1f], 3).unwrap_err();
    assert_eq!(error, DecodeError::Varint { field: "ApiVersionsRequest.client_software_name", offset: 0 });
}

#[test]
fn an_api_versions_header_of_a_later_release_can_be_read_and_answered() {
    let bytes = Bytes::from_static(&[0, 18, 0, 99, 0, 0, 0, 7, 0, 2, b'm', b'e', 0, 1, 1, 0]);
    let mut r = Reader::new(&bytes);
    let header = RequestHeader::decode(&mut r).unwrap();
    assert_eq!((header.api_key, header.api_version, header.correlation_id), (ApiKey::ApiVersions, 99, 7));
    assert_eq!(header.client_id.as_deref(), Some("me"));
    assert_eq!(r.remaining(), 3);
    let mut w = Writer::new();
    ResponseHeader { correlation_id: 7 }.encode(&mut w, ApiKey::ApiVersions, 99);
    assert_eq!(w.finish().buf, Bytes::from_static(&[0, 0, 0, 7]));
}

#[test]
fn an_unknown_key_is_refused() {
    let bytes = Bytes::from_static(&[0, 4, 0, 0, 0, 0, 0, 7, 0xff, 0xff]);
    assert_eq!(RequestHeader::decode(&mut Reader::new(&bytes)), Err(DecodeError::UnknownApiKey(4)));
}
