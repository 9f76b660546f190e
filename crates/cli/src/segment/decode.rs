//! What is in records: text, or the records of Kafka's internal topics as JSON.

use bytes::Bytes;
use ottla_protocol::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, DecodeError, GroupRecordKey, GroupRecordValue,
    JsonMessage, JsonWriter, KRaftVersionRecord, LeaderChangeMessage, MetadataRecord, Reader, RemoteLogMetadataRecord,
    ShareRecordKey, ShareRecordValue, SnapshotFooterRecord, SnapshotHeaderRecord, TransactionRecordKey,
    TransactionRecordValue, VotersRecord,
};
use ottla_records::{ControlRecordType, EndTxnMarker, RecordRef};

/// How keys and values are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoder {
    /// Each by itself.
    Plain(Plain, Plain),
    /// `__consumer_offsets`.
    Offsets,
    /// `__transaction_state`.
    Transactions,
    /// `__share_group_state`.
    ShareState,
    /// `__cluster_metadata`.
    Metadata,
    /// `__remote_log_metadata`.
    RemoteLog,
}

/// How bytes that belong to nobody are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plain {
    Text,
    Int,
    Long,
    /// Hexadecimal digits.
    Bytes,
}

/// A record's key and value as text; `None` for null, and for metadata keys, which say nothing.
pub(crate) type Shown = (Option<String>, Option<String>);

impl Decoder {
    /// Shows a record that is no control record.
    pub(crate) fn show(self, record: &RecordRef<'_>) -> Shown {
        let bytes = |part: Option<&[u8]>| part.map(Bytes::copy_from_slice);
        let (key, value) = (bytes(record.key), bytes(record.value));
        match self {
            Decoder::Plain(of_key, of_value) => {
                (record.key.map(|key| of_key.show(key)), record.value.map(|value| of_value.show(value)))
            }
            Decoder::Metadata => (None, Some(value.map_or_else(String::new, |value| metadata(record.offset, &value)))),
            Decoder::RemoteLog => {
                (None, Some(value.map_or_else(String::new, |value| remote_log(record.offset, &value))))
            }
            Decoder::Offsets => coordinator(record.offset, key, value, group_key, group_value),
            Decoder::Transactions => coordinator(record.offset, key, value, transaction_key, transaction_value),
            Decoder::ShareState => coordinator(record.offset, key, value, share_key, share_value),
        }
    }
}

impl Plain {
    fn show(self, bytes: &[u8]) -> String {
        let number = match (self, bytes) {
            (Plain::Int, [a, b, c, d]) => Some(i64::from(i32::from_be_bytes([*a, *b, *c, *d]))),
            (Plain::Long, _) => bytes.try_into().ok().map(i64::from_be_bytes),
            _ => None,
        };
        match (self, number) {
            (_, Some(number)) => number.to_string(),
            (Plain::Bytes, None) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            (_, None) => String::from_utf8_lossy(bytes).into_owned(),
        }
    }
}

/// Type and JSON of a key.
type Key = (i16, String);

/// A record of a coordinator, in the words of Kafka's tool.
fn coordinator(
    offset: i64,
    key: Option<Bytes>,
    value: Option<Bytes>,
    show_key: fn(&Bytes) -> Result<Key, DecodeError>,
    show_value: fn(i16, &Bytes) -> Result<String, DecodeError>,
) -> Shown {
    let Some(key) = key else {
        let text = format!(
            "Failed to decode message at offset {offset} using the specified decoder (message had a missing key)"
        );
        return (Some(text), None);
    };
    let failed = |error: DecodeError| match error {
        DecodeError::UnknownRecordType { record_type, .. } => {
            (Some(format!("Unknown record type {record_type} at offset {offset}, skipping.")), None)
        }
        error => (Some(format!("Error at offset {offset}, skipping. {error}")), None),
    };
    let (record_type, key) = match show_key(&key) {
        Ok(shown) => shown,
        Err(error) => return failed(error),
    };
    match value.map(|value| show_value(record_type, &value)) {
        None => (Some(key), Some("<DELETE>".to_string())),
        Some(Ok(value)) => (Some(key), Some(value)),
        Some(Err(error)) => failed(error),
    }
}

/// `{"type":"1","data":{...}}`
fn key_json(record_type: i16, write: impl FnOnce(&mut JsonWriter<'_>)) -> Key {
    let mut j = JsonWriter::new();
    j.begin_object();
    j.key("type");
    j.string(&record_type.to_string());
    j.key("data");
    write(&mut j);
    j.end_object();
    (record_type, j.finish())
}

/// `{"version":"3","data":{...}}`
fn value_json(version: i16, mut j: JsonWriter<'_>, write: impl FnOnce(&mut JsonWriter<'_>)) -> String {
    j.begin_object();
    j.key("version");
    j.string(&version.to_string());
    j.key("data");
    write(&mut j);
    j.end_object();
    j.finish()
}

fn group_key(bytes: &Bytes) -> Result<Key, DecodeError> {
    let key = GroupRecordKey::decode(bytes)?;
    Ok(key_json(key.record_type(), |j| key.write_json(j)))
}

fn group_value(record_type: i16, bytes: &Bytes) -> Result<String, DecodeError> {
    let (value, version) = GroupRecordValue::decode(record_type, bytes)?;
    let is_of_consumers = matches!(&value, GroupRecordValue::GroupMetadata(group) if group.protocol_type == "consumer");
    let writer = if is_of_consumers { JsonWriter::with_bytes_hook(&embedded) } else { JsonWriter::new() };
    Ok(value_json(version, writer, |j| value.write_json(j, version)))
}

/// Subscriptions and assignments are messages inside of bytes.
fn embedded(j: &mut JsonWriter<'_>, name: &str, bytes: &[u8]) -> bool {
    match name {
        "subscription" => write_versioned::<ConsumerProtocolSubscription>(j, bytes),
        "assignment" => write_versioned::<ConsumerProtocolAssignment>(j, bytes),
        _ => false,
    }
}

/// Writes a message that stands behind its version; false when the bytes are none.
fn write_versioned<M: JsonMessage>(j: &mut JsonWriter<'_>, bytes: &[u8]) -> bool {
    let Some((version, body)) = bytes.split_first_chunk() else { return false };
    let version = i16::from_be_bytes(*version);
    let body = Bytes::copy_from_slice(body);
    match M::decode(&mut Reader::new(&body), version.min(M::MAX_VERSION)) {
        Ok(message) => message.write_json(j, version.min(M::MAX_VERSION)),
        Err(_) => return false,
    }
    true
}

fn transaction_key(bytes: &Bytes) -> Result<Key, DecodeError> {
    let key = TransactionRecordKey::decode(bytes)?;
    Ok(key_json(key.record_type(), |j| key.write_json(j)))
}

fn transaction_value(record_type: i16, bytes: &Bytes) -> Result<String, DecodeError> {
    let (value, version) = TransactionRecordValue::decode(record_type, bytes)?;
    Ok(value_json(version, JsonWriter::new(), |j| value.write_json(j, version)))
}

fn share_key(bytes: &Bytes) -> Result<Key, DecodeError> {
    let key = ShareRecordKey::decode(bytes)?;
    Ok(key_json(key.record_type(), |j| key.write_json(j)))
}

fn share_value(record_type: i16, bytes: &Bytes) -> Result<String, DecodeError> {
    let (value, version) = ShareRecordValue::decode(record_type, bytes)?;
    Ok(value_json(version, JsonWriter::new(), |j| value.write_json(j, version)))
}

fn metadata(offset: i64, bytes: &Bytes) -> String {
    match MetadataRecord::decode(bytes) {
        Ok((record, version)) => framed_json(record.name(), version, |j| record.write_json(j, version)),
        Err(error) => format!("Error at {offset}, skipping. {error}"),
    }
}

fn remote_log(offset: i64, bytes: &Bytes) -> String {
    match RemoteLogMetadataRecord::decode(bytes) {
        Ok((record, version)) => framed_json(record.name(), version, |j| record.write_json(j, version)),
        Err(error) => format!("Error at offset {offset}, skipping. {error}"),
    }
}

/// `{"type":"TOPIC_RECORD","version":0,"data":{...}}`
fn framed_json(name: &str, version: i16, write: impl FnOnce(&mut JsonWriter<'_>)) -> String {
    let mut screaming = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !screaming.is_empty() {
            screaming.push('_');
        }
        screaming.extend(c.to_uppercase());
    }
    let mut j = JsonWriter::new();
    j.begin_object();
    j.key("type");
    j.string(&screaming);
    j.key("version");
    j.integer(i64::from(version));
    j.key("data");
    write(&mut j);
    j.end_object();
    j.finish()
}

/// A control record, in the words of Kafka's tool.
pub(crate) fn control(record: &RecordRef<'_>) -> String {
    if let Ok(Some(marker)) = EndTxnMarker::parse(record) {
        let outcome = if marker.committed { "COMMIT" } else { "ABORT" };
        return format!("endTxnMarker: {outcome} coordinatorEpoch: {}", marker.coordinator_epoch);
    }
    let code = match ControlRecordType::parse(record.key.unwrap_or_default()) {
        Ok(ControlRecordType::Other(code)) => code,
        _ => return "controlType: UNKNOWN(-1)".to_string(),
    };
    let value = record.value.unwrap_or_default();
    let shown = match code {
        2 => quorum_json::<LeaderChangeMessage>(value).map(|json| format!("LeaderChange: {json}")),
        3 => quorum_json::<SnapshotHeaderRecord>(value).map(|json| format!("SnapshotHeader {json}")),
        4 => quorum_json::<SnapshotFooterRecord>(value).map(|json| format!("SnapshotFooter {json}")),
        5 => quorum_json::<KRaftVersionRecord>(value).map(|json| format!("KRaftVersion {json}")),
        6 => quorum_json::<VotersRecord>(value).map(|json| format!("KRaftVoters {json}")),
        _ => None,
    };
    shown.unwrap_or_else(|| format!("controlType: UNKNOWN({code})"))
}

/// A record of the quorum; its version is its own first field.
fn quorum_json<M: JsonMessage>(value: &[u8]) -> Option<String> {
    let bytes = Bytes::copy_from_slice(value);
    let version = i16::from_be_bytes(*value.first_chunk()?).clamp(M::MIN_VERSION, M::MAX_VERSION);
    let message = M::decode(&mut Reader::new(&bytes), version).ok()?;
    let mut j = JsonWriter::new();
    message.write_json(&mut j, version);
    Some(j.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::{OffsetCommitKey, OffsetCommitValue, TopicRecord};
    use ottla_records::Headers;
    use ottla_types::Uuid;

    fn shown(decoder: Decoder, key: Option<&[u8]>, value: Option<&[u8]>) -> Shown {
        decoder.show(&RecordRef { offset: 5, timestamp: 0, sequence: -1, key, value, headers: Headers::EMPTY })
    }

    #[test]
    fn committed_offsets_are_shown_as_kafka_shows_them() {
        let key = OffsetCommitKey { group: "g\"".to_string(), topic: "t".to_string(), partition: 3 };
        let key = GroupRecordKey::OffsetCommit(key).encode().unwrap();
        let value =
            OffsetCommitValue { offset: 7, metadata: "m".to_string(), commit_timestamp: 9, ..Default::default() };
        let value = GroupRecordValue::OffsetCommit(value).encode(3).unwrap();
        let (key_text, value_text) = shown(Decoder::Offsets, Some(&key), Some(&value));
        assert_eq!(key_text.unwrap(), r#"{"type":"1","data":{"group":"g\"","topic":"t","partition":3}}"#);
        assert_eq!(
            value_text.unwrap(),
            r#"{"version":"3","data":{"offset":7,"leaderEpoch":-1,"metadata":"m","commitTimestamp":9}}"#
        );
        assert_eq!(shown(Decoder::Offsets, Some(&key), None).1.unwrap(), "<DELETE>");
        let unknown = shown(Decoder::Offsets, Some(&[0x7f, 0x7f]), None);
        assert_eq!(unknown.0.unwrap(), "Unknown record type 32639 at offset 5, skipping.");
    }

    #[test]
    fn metadata_records_are_named_as_kafka_names_them() {
        let record = MetadataRecord::from(TopicRecord { name: "t".to_string(), topic_id: Uuid::METADATA_TOPIC });
        let bytes = record.encode(0).unwrap();
        let text = shown(Decoder::Metadata, None, Some(&bytes)).1.unwrap();
        let expected = r#"{"type":"TOPIC_RECORD","version":0,"data":{"name":"t","topicId":"AAAAAAAAAAAAAAAAAAAAAQ"}}"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn plain_bytes_are_text_or_numbers() {
        let of = |plain, bytes: &[u8]| shown(Decoder::Plain(plain, plain), None, Some(bytes)).1.unwrap();
        assert_eq!(of(Plain::Text, b"abc"), "abc");
        assert_eq!(of(Plain::Int, &[0, 0, 1, 0]), "256");
        assert_eq!(of(Plain::Long, &(-2_i64).to_be_bytes()), "-2");
        assert_eq!(of(Plain::Bytes, &[1, 0xff]), "01ff");
    }
}
