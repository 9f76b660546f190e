//! Bytes that no honest peer sends: nothing panics, and what decodes at all stays the same through a round trip.

use bytes::Bytes;
use ottla_protocol::{
    AnyRequest, AnyResponse, ApiKey, GroupRecordKey, GroupRecordValue, Message, MetadataRecord, MetadataRequest,
    Reader, RequestHeader, ShareRecordValue, TransactionRecordValue, Writer, fetch_request::FetchRequestRef,
    metadata_request::MetadataRequestRef, offset_commit_request::OffsetCommitRequestRef,
    produce_request::ProduceRequestRef,
};
use proptest::prelude::*;

use crate::vectors;

/// Decodes as whatever the name says; what decodes is encoded, and that decodes and encodes to itself.
fn survive<M: Message>(bytes: &Bytes, version: i16) {
    let Some(first) = recode::<M>(bytes, version) else { return };
    assert_eq!(recode::<M>(&first, version), Some(first), "{} {version}", M::NAME);
}

fn recode<M: Message>(bytes: &Bytes, version: i16) -> Option<Bytes> {
    let mut r = Reader::new(bytes);
    let message = M::decode(&mut r, version).ok()?;
    r.finish().ok()?;
    let mut w = Writer::new();
    // A string whose invalid bytes grew into U+FFFD can become too long to be sent on.
    message.encode(&mut w, version).ok()?;
    Some(w.finish().buf)
}

type Survive = fn(&Bytes, i16);

macro_rules! all {
    ($($message:ident)*) => {
        &[$((<ottla_protocol::$message as Message>::NAME, survive::<ottla_protocol::$message>),)*]
    };
}

const ALL: &[(&str, Survive)] = ottla_protocol::every_message!(all);

fn borrowed(bytes: &Bytes, version: i16) {
    let _ = ProduceRequestRef::decode(&mut Reader::new(bytes), version);
    let _ = FetchRequestRef::decode(&mut Reader::new(bytes), version);
    let _ = MetadataRequestRef::decode(&mut Reader::new(bytes), version);
    let _ = OffsetCommitRequestRef::decode(&mut Reader::new(bytes), version);
}

fn records_and_headers(bytes: &Bytes, record_type: i16) {
    let _ = RequestHeader::decode(&mut Reader::new(bytes));
    let _ = MetadataRecord::decode(bytes);
    let _ = GroupRecordKey::decode(bytes);
    let _ = GroupRecordValue::decode(record_type, bytes);
    let _ = TransactionRecordValue::decode(record_type, bytes);
    let _ = ShareRecordValue::decode(record_type, bytes);
}

/// Bytes as they occur in frames: small numbers far more often than others.
fn frame_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![3 => 0..4u8, 1 => Just(0xff), 2 => any::<u8>()];
    proptest::collection::vec(byte, 0..400)
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(key in 0..ApiKey::ALL.len(), version in -1..20i16, bytes in frame_bytes()) {
        let bytes = Bytes::from(bytes);
        let _ = AnyRequest::decode(ApiKey::ALL[key], version, &bytes);
        let _ = AnyResponse::decode(ApiKey::ALL[key], version, &bytes);
        borrowed(&bytes, version);
        records_and_headers(&bytes, version + (key as i16 % 30));
    }

    #[test]
    fn damaged_messages_never_panic(
        line in 0..vectors::count(),
        at in any::<prop::sample::Index>(),
        replacement in proptest::collection::vec(prop_oneof![0..3u8, Just(0xffu8), Just(0x7fu8), any::<u8>()], 0..6),
        cut in 0..6usize,
    ) {
        let vector = vectors::nth(line);
        let mut bytes = vector.bytes.to_vec();
        let at = at.index(bytes.len() + 1);
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, replacement);
        let bytes = Bytes::from(bytes);
        let survive = ALL.iter().find(|(name, _)| *name == vector.name).map(|(_, survive)| survive);
        survive.expect("every vector names a message")(&bytes, vector.version);
        borrowed(&bytes, vector.version);
    }
}

#[test]
fn every_cut_of_every_message_is_refused() {
    for vector in vectors::all() {
        let survive = ALL.iter().find(|(name, _)| *name == vector.name).expect("a message");
        for length in 0..vector.bytes.len() {
            survive.1(&vector.bytes.slice(..length), vector.version);
        }
        let refused =
            recode_any(&vector.name, &vector.bytes.slice(..vector.bytes.len().saturating_sub(1)), vector.version);
        assert!(refused || vector.bytes.is_empty(), "{} {}", vector.name, vector.version);
    }
}

/// Whether a request or response is refused; other messages count as refused.
fn recode_any(name: &str, bytes: &Bytes, version: i16) -> bool {
    let key = |suffix: &str| {
        let api = name.strip_suffix(suffix)?;
        ApiKey::ALL.iter().copied().find(|key| key.name() == api)
    };
    match (key("Request"), key("Response")) {
        (Some(key), _) => AnyRequest::decode(key, version, bytes).is_err(),
        (_, Some(key)) => AnyResponse::decode(key, version, bytes).is_err(),
        _ => true,
    }
}

#[test]
fn text_that_is_not_utf8_is_replaced_as_in_kafka() {
    // Version 0: one topic with a name of two bytes.
    let bytes = Bytes::from_static(&[0, 0, 0, 1, 0, 2, 0xff, b'a']);
    let request = MetadataRequest::decode(&mut Reader::new(&bytes), 0).unwrap();
    assert_eq!(request.topics.unwrap()[0].name.as_deref(), Some("\u{fffd}a"));
}
