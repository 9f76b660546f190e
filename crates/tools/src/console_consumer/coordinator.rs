//! Records of the coordinators' own topics as JSON: `__consumer_offsets`, `__share_group_state` and `__transaction_state`.

use bytes::Bytes;
use ottla_client::ConsumerRecord;
use ottla_protocol::{
    DecodeError, GroupRecordKey, GroupRecordValue, JsonWriter, ShareRecordKey, ShareRecordValue, TransactionRecordKey,
    TransactionRecordValue,
};

/// Which records are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coordinator {
    /// OffsetsMessageFormatter.
    Offsets,
    /// GroupMetadataMessageFormatter.
    GroupMetadata,
    /// ShareGroupMessageFormatter: share groups themselves.
    ShareGroups,
    /// ShareGroupStateMessageFormatter: what they have delivered, in `__share_group_state`.
    ShareGroupStates,
    /// TransactionLogMessageFormatter.
    Transactions,
}

/// Types of records in `__consumer_offsets`.
const OFFSET_COMMIT_TYPES: [i16; 2] = [0, 1];
const GROUP_METADATA_TYPE: i16 = 2;
const SHARE_GROUP_TYPES: std::ops::RangeInclusive<i16> = 10..=15;

impl Coordinator {
    /// Adds a record of the wanted kind; as in Kafka, without a line break behind it. Others, and types that nobody knows
    /// yet, are left out.
    pub(super) fn write(self, record: &ConsumerRecord, out: &mut Vec<u8>) -> Result<(), String> {
        let Some(key) = &record.key else { return Ok(()) };
        let written = match self {
            Coordinator::Transactions => transaction(key, record.value.as_ref()),
            Coordinator::ShareGroupStates => share_state(key, record.value.as_ref()),
            _ => self.group(key, record.value.as_ref()),
        };
        match written {
            Ok(text) => out.extend(text.unwrap_or_default().into_bytes()),
            Err(DecodeError::UnknownRecordType { .. }) => {}
            Err(error) => return Err(format!("Could not read record at offset {} due to: {error}", record.offset)),
        }
        Ok(())
    }

    fn group(self, key: &Bytes, value: Option<&Bytes>) -> Result<Option<String>, DecodeError> {
        let key = GroupRecordKey::decode(key)?;
        let record_type = key.record_type();
        let is_wanted = match self {
            Coordinator::Offsets => OFFSET_COMMIT_TYPES.contains(&record_type),
            Coordinator::GroupMetadata => record_type == GROUP_METADATA_TYPE,
            Coordinator::ShareGroups => SHARE_GROUP_TYPES.contains(&record_type),
            Coordinator::Transactions | Coordinator::ShareGroupStates => true,
        };
        if !is_wanted {
            return Ok(None);
        }
        let value = value.map(|value| GroupRecordValue::decode(record_type, value)).transpose()?;
        let write_key = |j: &mut JsonWriter<'_>| key.write_json(j);
        Ok(Some(document(record_type, write_key, value, |value, j, version| value.write_json(j, version))))
    }
}

fn transaction(key: &Bytes, value: Option<&Bytes>) -> Result<Option<String>, DecodeError> {
    let key = TransactionRecordKey::decode(key)?;
    let record_type = key.record_type();
    let value = value.map(|value| TransactionRecordValue::decode(record_type, value)).transpose()?;
    let write_key = |j: &mut JsonWriter<'_>| key.write_json(j);
    Ok(Some(document(record_type, write_key, value, |value, j, version| value.write_json(j, version))))
}

fn share_state(key: &Bytes, value: Option<&Bytes>) -> Result<Option<String>, DecodeError> {
    let key = ShareRecordKey::decode(key)?;
    let record_type = key.record_type();
    let value = value.map(|value| ShareRecordValue::decode(record_type, value)).transpose()?;
    let write_key = |j: &mut JsonWriter<'_>| key.write_json(j);
    Ok(Some(document(record_type, write_key, value, |value, j, version| value.write_json(j, version))))
}

/// Key and value with their type and version; a value that is not there is null.
fn document<V>(
    record_type: i16,
    write_key: impl FnOnce(&mut JsonWriter<'_>),
    value: Option<(V, i16)>,
    write_value: impl FnOnce(&V, &mut JsonWriter<'_>, i16),
) -> String {
    let mut j = JsonWriter::new();
    j.begin_object();
    j.key("key");
    j.begin_object();
    j.key("type");
    j.integer(record_type.into());
    j.key("data");
    write_key(&mut j);
    j.end_object();
    j.key("value");
    match value {
        Some((value, version)) => {
            j.begin_object();
            j.key("version");
            j.integer(version.into());
            j.key("data");
            write_value(&value, &mut j, version);
            j.end_object();
        }
        None => j.null(),
    }
    j.end_object();
    j.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_client::TimestampType;
    use ottla_protocol::{
        GroupMetadataKey, OffsetCommitKey, OffsetCommitValue, ShareGroupMetadataKey, ShareGroupMetadataValue,
        ShareSnapshotKey,
    };

    #[test]
    fn share_groups_and_their_states_are_shown_apart() {
        let metadata = ShareGroupMetadataKey { group_id: "g".to_string() };
        let group = GroupRecordKey::ShareGroupMetadata(metadata);
        let value = GroupRecordValue::ShareGroupMetadata(ShareGroupMetadataValue { epoch: 4, ..Default::default() });
        let value = value.encode(0).unwrap();
        let text = shown(Coordinator::ShareGroups, &group, Some(value));
        let expected = r#"{"key":{"type":11,"data":{"groupId":"g"}},"value":{"version":0,"data":{"epoch":4"#;
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(shown(Coordinator::Offsets, &group, None), "");
        let topic_id = ottla_types::Uuid::ZERO;
        let state = ShareSnapshotKey { group_id: "g".to_string(), topic_id, partition: 2 };
        let state = ShareRecordKey::ShareSnapshot(state).encode().unwrap();
        let expected = r#"{"key":{"type":0,"data":{"groupId":"g","topicId":"AAAAAAAAAAAAAAAAAAAAAA","partition":2}},"value":null}"#;
        assert_eq!(shown_bytes(Coordinator::ShareGroupStates, state, None), expected);
    }

    fn shown(formatter: Coordinator, key: &GroupRecordKey, value: Option<Bytes>) -> String {
        shown_bytes(formatter, key.encode().unwrap(), value)
    }

    fn shown_bytes(formatter: Coordinator, key: Bytes, value: Option<Bytes>) -> String {
        let record = ConsumerRecord {
            topic: "__consumer_offsets".into(),
            partition: 0,
            offset: 7,
            timestamp: 0,
            timestamp_type: TimestampType::CreateTime,
            leader_epoch: 0,
            delivery_count: None,
            key: Some(key),
            value,
            headers: vec![],
        };
        let mut out = Vec::new();
        let written = formatter.write(&record, &mut out);
        written.map_or_else(|why| why, |()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn only_records_of_the_kind_are_shown() {
        let key = OffsetCommitKey { group: "g".to_string(), topic: "t".to_string(), partition: 3 };
        let key = GroupRecordKey::OffsetCommit(key);
        let value = OffsetCommitValue { offset: 5, metadata: "m".to_string(), ..OffsetCommitValue::default() };
        let value = GroupRecordValue::OffsetCommit(value).encode(3).unwrap();
        let expected =
            r#"{"key":{"type":1,"data":{"group":"g","topic":"t","partition":3}},"value":{"version":3,"data":{"#;
        let text = shown(Coordinator::Offsets, &key, Some(value.clone()));
        assert!(text.starts_with(expected) && text.contains(r#""offset":5"#), "{text}");
        assert_eq!(shown(Coordinator::GroupMetadata, &key, Some(value)), "");
        let tombstone = GroupRecordKey::GroupMetadata(GroupMetadataKey { group: "g".to_string() });
        let expected = r#"{"key":{"type":2,"data":{"group":"g"}},"value":null}"#;
        assert_eq!(shown(Coordinator::GroupMetadata, &tombstone, None), expected);
        let broken = shown(Coordinator::Offsets, &key, Some(Bytes::from_static(&[0, 3, 1])));
        assert!(broken.starts_with("Could not read record at offset 7 due to: "), "{broken}");
    }
}
