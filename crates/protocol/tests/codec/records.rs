//! Record batches inside messages, and the frames of records in the internal logs.

use bytes::Bytes;
use ottla_protocol::fetch_response::{FetchResponse, FetchableTopicResponse, PartitionData};
use ottla_protocol::produce_request::{PartitionProduceData, ProduceRequest, ProduceRequestRef, TopicProduceData};
use ottla_protocol::{
    ApiKey, DecodeError, GroupRecordKey, Message, MetadataRecord, OffsetCommitKey, Reader, Records, Splice,
    TopicRecord, Writer, frame,
};

fn fetched(records: Records) -> FetchResponse {
    let partition = PartitionData { records, ..Default::default() };
    let topic = FetchableTopicResponse { topic: "t".into(), partitions: vec![partition], ..Default::default() };
    FetchResponse { responses: vec![topic], ..Default::default() }
}

#[test]
fn external_records_leave_a_hole_of_their_size() {
    let content = Bytes::from(vec![7; 300]);
    let inline = frame::response(&fetched(Records::Inline(content.clone())), ApiKey::Fetch, 12, 5).unwrap();
    let external = frame::response(&fetched(Records::External { len: 300, index: 9 }), ApiKey::Fetch, 12, 5).unwrap();
    let [Splice { position, index: 9, len: 300 }] = external.splices[..] else { panic!("{:?}", external.splices) };
    assert_eq!(external.len(), inline.buf.len());
    let joined = [&external.buf[..position], &content, &external.buf[position..]].concat();
    assert_eq!(joined, inline.buf);
    assert_eq!(joined[..4], (joined.len() as u32 - 4).to_be_bytes());
}

#[test]
fn produced_records_share_the_memory_of_the_frame() {
    let batch = Bytes::from_static(b"not really a batch");
    let partition = PartitionProduceData { index: 3, records: Records::Inline(batch.clone()) };
    let topic = TopicProduceData { name: "t".into(), partition_data: vec![partition], ..Default::default() };
    let request = ProduceRequest { topic_data: vec![topic], ..Default::default() };
    let mut w = Writer::new();
    request.encode(&mut w, 9).unwrap();
    let body = w.finish().buf;
    let range = body.as_ptr_range();
    let owned = ProduceRequest::decode(&mut Reader::new(&body), 9).unwrap();
    let borrowed = ProduceRequestRef::decode(&mut Reader::new(&body), 9).unwrap();
    for records in [&owned.topic_data[0].partition_data[0].records, &borrowed.topic_data[0].partition_data[0].records] {
        let bytes = records.bytes().unwrap();
        assert_eq!(*bytes, batch);
        assert!(range.contains(&bytes.as_ptr()));
    }
    assert!(range.contains(&borrowed.topic_data[0].name.as_ptr()));
}

#[test]
fn metadata_records_carry_frame_type_and_version() {
    let record = MetadataRecord::from(TopicRecord { name: "orders".into(), ..Default::default() });
    let bytes = record.encode(0).unwrap();
    assert_eq!(bytes[..3], [1, 2, 0]);
    assert_eq!(MetadataRecord::decode(&bytes).unwrap(), (record, 0));
    let with = |at: usize, byte: u8| {
        let mut changed = bytes.to_vec();
        changed[at] = byte;
        MetadataRecord::decode(&Bytes::from(changed)).unwrap_err()
    };
    assert_eq!(with(0, 0), DecodeError::UnknownFrameVersion(0));
    assert_eq!(with(1, 99), DecodeError::UnknownRecordType { log: "MetadataRecord", record_type: 99 });
    assert_eq!(with(2, 9), DecodeError::UnsupportedVersion { message: "TopicRecord", version: 9 });
    let longer = Bytes::from([&bytes[..], &[0]].concat());
    assert_eq!(MetadataRecord::decode(&longer).unwrap_err(), DecodeError::TrailingBytes { count: 1 });
}

#[test]
fn keys_of_coordinator_records_start_with_their_type() {
    let key = GroupRecordKey::OffsetCommit(OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 1 });
    let bytes = key.encode().unwrap();
    assert_eq!(bytes, Bytes::from_static(&[0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 1]));
    assert_eq!(GroupRecordKey::decode(&bytes).unwrap(), key);
    let unknown = GroupRecordKey::decode(&Bytes::from_static(&[0, 9])).unwrap_err();
    assert_eq!(unknown, DecodeError::UnknownRecordType { log: "GroupRecordKey", record_type: 9 });
}
