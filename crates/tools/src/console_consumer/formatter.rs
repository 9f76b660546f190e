//! Kafka's message formatters that need no Java.

use super::coordinator::Coordinator;
use super::deserializer::Deserializer;
use ottla_client::{ClientProperties, ConsumerRecord, TimestampType};
use ottla_terminal::failure::Failure;

const FORMATTERS: &str = "org.apache.kafka.tools.consumer.";

/// How records are printed.
#[derive(Debug)]
pub(crate) enum Formatter {
    /// DefaultMessageFormatter.
    Default(DefaultFormatter),
    /// LoggingMessageFormatter: the same, and a line on stderr.
    Logging(DefaultFormatter),
    /// NoOpMessageFormatter.
    Nothing,
    /// Those for the coordinators' own topics.
    Coordinator(Coordinator),
}

/// DefaultMessageFormatter with its properties.
#[derive(Debug)]
pub(crate) struct DefaultFormatter {
    timestamp: bool,
    partition: bool,
    offset: bool,
    delivery: bool,
    epoch: bool,
    headers: bool,
    key: bool,
    value: bool,
    key_separator: String,
    line_separator: String,
    headers_separator: String,
    null_literal: String,
    key_deserializer: Option<Deserializer>,
    value_deserializer: Option<Deserializer>,
    headers_deserializer: Option<Deserializer>,
}

impl Formatter {
    /// The one with this class name.
    pub(crate) fn new(class: &str, properties: &ClientProperties) -> Result<Formatter, Failure> {
        // Until Kafka 4.0 they lived elsewhere.
        let name = class.rsplit_once(['.', '$']).map_or(class, |(_, name)| name);
        match name {
            "DefaultMessageFormatter" => Ok(Formatter::Default(DefaultFormatter::new(properties)?)),
            "LoggingMessageFormatter" => Ok(Formatter::Logging(DefaultFormatter::new(properties)?)),
            "NoOpMessageFormatter" => Ok(Formatter::Nothing),
            "OffsetsMessageFormatter" => Ok(Formatter::Coordinator(Coordinator::Offsets)),
            "GroupMetadataMessageFormatter" => Ok(Formatter::Coordinator(Coordinator::GroupMetadata)),
            "ShareGroupMessageFormatter" => Ok(Formatter::Coordinator(Coordinator::ShareGroups)),
            "ShareGroupStateMessageFormatter" => Ok(Formatter::Coordinator(Coordinator::ShareGroupStates)),
            "TransactionLogMessageFormatter" => Ok(Formatter::Coordinator(Coordinator::Transactions)),
            _ => Err(Failure {
                next_step: Some(format!(
                    "use one of {FORMATTERS}Default, Logging, NoOp, Offsets, GroupMetadata, ShareGroup or TransactionLog with \
                     MessageFormatter behind it, or org.apache.kafka.tools.consumer.group.share.ShareGroupStateMessageFormatter"
                )),
                ..Failure::new(format!("there is no formatter {class}: this tool runs no Java classes"))
            }),
        }
    }

    /// Adds a record to `out`, or says why it cannot be printed.
    pub(crate) fn write(&self, record: &ConsumerRecord, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Formatter::Default(formatter) => formatter.write(record, out),
            Formatter::Logging(formatter) => {
                formatter.write(record, out)?;
                let text =
                    |bytes: &Option<bytes::Bytes>| bytes.as_ref().map(|b| String::from_utf8_lossy(b).into_owned());
                let timestamp = timestamp(record).map_or(String::new(), |text| text + ", ");
                let key = text(&record.key).map_or("null ".to_string(), |key| key + ", ");
                eprintln!("INFO {timestamp}key:{key}value:{}", text(&record.value).unwrap_or("null".to_string()));
                Ok(())
            }
            Formatter::Nothing => Ok(()),
            Formatter::Coordinator(coordinator) => coordinator.write(record, out),
        }
    }
}

impl DefaultFormatter {
    fn new(properties: &ClientProperties) -> Result<DefaultFormatter, Failure> {
        let is_true = |name: &str, default: bool| {
            properties.get(name).map_or(default, |text| text.trim().eq_ignore_ascii_case("true"))
        };
        let text = |name: &str, default: &str| properties.get(name).unwrap_or(default).to_string();
        let deserializer = |name: &str| properties.get(name).map(Deserializer::of_class).transpose();
        Ok(DefaultFormatter {
            timestamp: is_true("print.timestamp", false),
            partition: is_true("print.partition", false),
            offset: is_true("print.offset", false),
            delivery: is_true("print.delivery", false),
            epoch: is_true("print.epoch", false),
            headers: is_true("print.headers", false),
            key: is_true("print.key", false),
            value: is_true("print.value", true),
            key_separator: text("key.separator", "\t"),
            line_separator: text("line.separator", "\n"),
            headers_separator: text("headers.separator", ","),
            null_literal: text("null.literal", "null"),
            key_deserializer: deserializer("key.deserializer")?,
            value_deserializer: deserializer("value.deserializer")?,
            headers_deserializer: deserializer("headers.deserializer")?,
        })
    }

    fn write(&self, record: &ConsumerRecord, out: &mut Vec<u8>) -> Result<(), String> {
        let mut columns: Vec<Vec<u8>> = Vec::new();
        if self.timestamp {
            columns.push(timestamp(record).unwrap_or("NO_TIMESTAMP".to_string()).into_bytes());
        }
        if self.partition {
            columns.push(format!("Partition:{}", record.partition).into_bytes());
        }
        if self.offset {
            columns.push(format!("Offset:{}", record.offset).into_bytes());
        }
        // Deliveries are counted for share groups only, and Kafka's tools do not pass on the epoch.
        if self.delivery {
            let count = record.delivery_count.map_or("NOT_PRESENT".to_string(), |count| count.to_string());
            columns.push(format!("Delivery:{count}").into_bytes());
        }
        if self.epoch {
            columns.push(b"Epoch:NOT_PRESENT".to_vec());
        }
        if self.headers {
            columns.push(self.headers(record)?);
        }
        if self.key {
            columns.push(self.field(record.key.as_deref(), self.key_deserializer)?);
        }
        if self.value {
            columns.push(self.field(record.value.as_deref(), self.value_deserializer)?);
        }
        if !columns.is_empty() {
            out.extend(columns.join(self.key_separator.as_bytes()));
            out.extend(self.line_separator.as_bytes());
        }
        Ok(())
    }

    fn headers(&self, record: &ConsumerRecord) -> Result<Vec<u8>, String> {
        if record.headers.is_empty() {
            return Ok(b"NO_HEADERS".to_vec());
        }
        let header = |(name, value): &(bytes::Bytes, Option<bytes::Bytes>)| {
            let value = self.field(value.as_deref(), self.headers_deserializer)?;
            Ok([name.as_ref(), b":", &value].concat())
        };
        let headers: Result<Vec<Vec<u8>>, String> = record.headers.iter().map(header).collect();
        Ok(headers?.join(self.headers_separator.as_bytes()))
    }

    /// Null is the literal, whatever the deserializer. (Kafka's tool deserializes the literal: an Integer that is null prints
    /// as 1853189228.)
    fn field(&self, bytes: Option<&[u8]>, deserializer: Option<Deserializer>) -> Result<Vec<u8>, String> {
        match (bytes, deserializer) {
            (None, _) => Ok(self.null_literal.clone().into_bytes()),
            (Some(bytes), None) => Ok(bytes.to_vec()),
            (Some(bytes), Some(deserializer)) => deserializer.text(bytes),
        }
    }
}

fn timestamp(record: &ConsumerRecord) -> Option<String> {
    let kind = match record.timestamp_type {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    };
    (record.timestamp >= 0).then(|| format!("{kind}:{}", record.timestamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(properties: &[(&str, &str)]) -> String {
        let mut all = ClientProperties::new();
        properties.iter().for_each(|(name, value)| all.set(*name, *value));
        let record = ConsumerRecord {
            topic: "t".into(),
            partition: 3,
            offset: 7,
            timestamp: 1000,
            timestamp_type: TimestampType::CreateTime,
            leader_epoch: 0,
            delivery_count: None,
            key: None,
            value: Some(bytes::Bytes::from_static(&[0, 0, 0, 5])),
            headers: vec![(bytes::Bytes::from_static(b"h"), None), (bytes::Bytes::from_static(b"i"), Some("v".into()))],
        };
        let mut out = Vec::new();
        let formatter = Formatter::new("org.apache.kafka.tools.consumer.DefaultMessageFormatter", &all).unwrap();
        match formatter.write(&record, &mut out) {
            Ok(()) => String::from_utf8_lossy(&out).into_owned(),
            Err(why) => why,
        }
    }

    #[test]
    fn columns_come_in_kafkas_order() {
        let all = ["timestamp", "partition", "offset", "delivery", "epoch", "headers", "key"]
            .map(|name| format!("print.{name}"));
        let mut properties: Vec<(&str, &str)> = all.iter().map(|name| (name.as_str(), "true")).collect();
        properties.push(("value.deserializer", "org.apache.kafka.common.serialization.IntegerDeserializer"));
        let expected =
            "CreateTime:1000\tPartition:3\tOffset:7\tDelivery:NOT_PRESENT\tEpoch:NOT_PRESENT\th:null,i:v\tnull\t5\n";
        assert_eq!(shown(&properties), expected);
        let other = [
            ("print.key", "true"),
            ("key.separator", "="),
            ("null.literal", "-"),
            ("line.separator", ";"),
            ("value.deserializer", "Integer"),
        ];
        assert_eq!(shown(&other), "-=5;");
        assert_eq!(shown(&[("print.value", "false")]), "");
        assert_eq!(
            shown(&[("value.deserializer", "LongDeserializer")]),
            "Size of data received by LongDeserializer is not 8"
        );
    }
}
