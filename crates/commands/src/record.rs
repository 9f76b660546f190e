//! A record as one JSON object: what `ottla consume --output json` prints and `ottla produce --json` reads.
//!
//! Keys, values and header values that are UTF-8 are strings under `key` and `value`; others are base64 under `key_base64` and
//! `value_base64`. A null is null.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use ottla_client::{ConsumerRecord, ProducerRecord};
use serde::{Deserialize, Serialize};

/// A record in JSON.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct JsonRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) partition: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp: Option<i64>,
    /// In a share group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delivery_count: Option<i16>,
    #[serde(default)]
    key: serde_json::Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(default)]
    pub(crate) value: serde_json::Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<JsonHeader>,
}

/// A header in JSON.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct JsonHeader {
    name: String,
    #[serde(default)]
    value: serde_json::Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

impl JsonRecord {
    /// A record that was read.
    pub(crate) fn of(record: &ConsumerRecord) -> JsonRecord {
        let (key, key_base64) = to_json(record.key.as_deref());
        let (value, value_base64) = to_json(record.value.as_deref());
        let headers = record.headers.iter().map(|(name, value)| {
            let (value, value_base64) = to_json(value.as_deref());
            JsonHeader { name: String::from_utf8_lossy(name).into_owned(), value, value_base64 }
        });
        JsonRecord {
            topic: Some(record.topic.to_string()),
            partition: Some(record.partition),
            offset: Some(record.offset),
            timestamp: Some(record.timestamp),
            delivery_count: record.delivery_count,
            key,
            key_base64,
            value,
            value_base64,
            headers: headers.collect(),
        }
    }

    /// A record to be sent to `topic`. A key or value that is no string is sent as the JSON that it is. The offset is not
    /// used.
    pub(crate) fn into_record(self, topic: &str) -> Result<ProducerRecord, String> {
        let header = |header: JsonHeader| {
            Ok((header.name.into_bytes().into(), from_json("value", header.value, header.value_base64)?))
        };
        let headers: Result<Vec<(Bytes, Option<Bytes>)>, String> = self.headers.into_iter().map(header).collect();
        Ok(ProducerRecord {
            topic: topic.to_string(),
            partition: self.partition,
            timestamp: self.timestamp,
            key: from_json("key", self.key, self.key_base64)?,
            value: from_json("value", self.value, self.value_base64)?,
            headers: headers?,
        })
    }
}

fn to_json(bytes: Option<&[u8]>) -> (serde_json::Value, Option<String>) {
    match bytes.map(std::str::from_utf8) {
        None => (serde_json::Value::Null, None),
        Some(Ok(text)) => (text.into(), None),
        Some(Err(_)) => (serde_json::Value::Null, bytes.map(|bytes| BASE64.encode(bytes))),
    }
}

fn from_json(name: &str, value: serde_json::Value, base64: Option<String>) -> Result<Option<Bytes>, String> {
    match (value, base64) {
        (serde_json::Value::Null, None) => Ok(None),
        (serde_json::Value::Null, Some(text)) => {
            let bytes = BASE64.decode(text).map_err(|error| format!("{name}_base64: {error}"))?;
            Ok(Some(bytes.into()))
        }
        (serde_json::Value::String(text), None) => Ok(Some(text.into())),
        (other, None) => Ok(Some(other.to_string().into())),
        (_, Some(_)) => Err(format!("{name} and {name}_base64 are both there")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::read_record;

    #[test]
    fn what_is_printed_can_be_sent_again() {
        let read = ConsumerRecord {
            key: Some(Bytes::from_static(b"\xff\x00")),
            value: Some("text \"x\"".into()),
            headers: vec![("h".into(), None), ("h".into(), Some(Bytes::from_static(b"\xfe")))],
            ..read_record()
        };
        let text = serde_json::to_string(&JsonRecord::of(&read)).unwrap();
        let sent: JsonRecord = serde_json::from_str(&text).unwrap();
        let sent = sent.into_record("u").unwrap();
        assert_eq!((sent.key, sent.value, sent.headers), (read.key, read.value, read.headers));
        assert_eq!((sent.topic.as_str(), sent.partition, sent.timestamp), ("u", Some(1), Some(1000)));
    }

    #[test]
    fn values_that_are_no_strings_are_sent_as_json() {
        let value = |text: &str| {
            let record: JsonRecord = serde_json::from_str(text).unwrap();
            record.into_record("t").map(|record| record.value.map(|value| String::from_utf8_lossy(&value).into_owned()))
        };
        assert_eq!(value(r#"{"value": {"a": [1, 2.5]}}"#), Ok(Some(r#"{"a":[1,2.5]}"#.to_string())));
        assert_eq!(value(r#"{"key": "k"}"#), Ok(None));
        assert!(value(r#"{"value": "a", "value_base64": "YQ=="}"#).is_err());
        assert!(serde_json::from_str::<JsonRecord>(r#"{"valeu": 1}"#).is_err());
    }
}
