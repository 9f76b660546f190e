//! Records that another version of Kafka wrote, or a disk damaged.

use super::rig::{Rig, config};
use bytes::Bytes;
use ottla_coordinator::{Position, Record, Shard};
use ottla_group::records;
use ottla_protocol::{
    GroupMetadataKey, GroupMetadataValue, GroupRecordKey, GroupRecordValue, LegacyOffsetCommitKey,
    LegacyOffsetCommitValue, group_metadata_value::MemberMetadata,
};

const POSITION: Position = Position { offset: 7, timestamp_ms: 1, producer_id: None };

fn legacy_key() -> GroupRecordKey {
    GroupRecordKey::LegacyOffsetCommit(LegacyOffsetCommitKey {
        group: "g".to_string(),
        topic: "t".to_string(),
        partition: 1,
    })
}

#[test]
fn offsets_of_the_oldest_format_are_read() {
    let mut rig = Rig::new(config(&[]));
    let value = LegacyOffsetCommitValue { offset: 5, metadata: "m".to_string(), commit_timestamp: 9 };
    let record = records::record(legacy_key(), GroupRecordValue::LegacyOffsetCommit(value)).unwrap();
    assert_eq!(record.key[..2], [0, 0]);
    rig.shard.replay(&record, POSITION).unwrap();
    let offset = rig.shard.offsets.get("g", "t", 1).unwrap();
    assert_eq!((offset.committed_offset, offset.commit_timestamp_ms, offset.record_offset), (5, 9, 7));
    rig.shard.replay(&records::tombstone(legacy_key()).unwrap(), POSITION).unwrap();
    assert!(rig.shard.offsets.get("g", "t", 1).is_none());
}

#[test]
fn record_types_and_versions_from_the_future_are_skipped() {
    let mut rig = Rig::new(config(&[]));
    let unknown_type = Record { key: Bytes::from_static(&[0x7f, 0, 1, 2]), value: None };
    rig.shard.replay(&unknown_type, POSITION).unwrap();
    let unknown_version = Record { key: legacy_key().encode().unwrap(), value: Some(Bytes::from_static(&[0x7f, 0])) };
    rig.shard.replay(&unknown_version, POSITION).unwrap();
    assert!(rig.shard.groups.is_empty());
}

#[test]
fn damaged_records_are_named_by_their_offset() {
    let mut rig = Rig::new(config(&[]));
    for (key, value) in
        [(&[0_u8, 1, 0][..], None), (&[0][..], None), (&[0, 2, 0, 1, b'g'][..], Some(&[0_u8, 3, 0][..]))]
    {
        let record = Record { key: Bytes::copy_from_slice(key), value: value.map(Bytes::copy_from_slice) };
        assert_eq!(rig.shard.replay(&record, POSITION).unwrap_err().offset, 7);
    }
}

#[test]
fn a_member_that_stands_twice_in_a_record_is_taken_once() {
    let mut rig = Rig::new(config(&[]));
    let member = |member_id: &str| MemberMetadata {
        member_id: member_id.to_string(),
        group_instance_id: Some("i".to_string()),
        ..MemberMetadata::default()
    };
    let value = GroupMetadataValue {
        protocol_type: "consumer".to_string(),
        protocol: Some("range".to_string()),
        members: vec![member("a"), member("a"), member("b")],
        ..GroupMetadataValue::default()
    };
    let key = GroupRecordKey::GroupMetadata(GroupMetadataKey { group: "g".to_string() });
    let record = records::record_of_version(key, GroupRecordValue::GroupMetadata(value), 3).unwrap();
    rig.shard.replay(&record, POSITION).unwrap();
    assert_eq!(rig.shard.groups.classic("g").unwrap().members.len(), 1);
}
