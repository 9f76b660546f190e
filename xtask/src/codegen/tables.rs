//! The lists over all messages: the module tree, API keys, metadata-log and coordinator record types.
//!
//! Each list is one macro call; what the macros make of it is written by hand in `crates/protocol`.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::jars::{OWN, Schemas};
use super::message::header;
use super::names;
use super::schema::{Kind, Message};

/// The files that are not one message each.
pub(crate) fn generate(schemas: &Schemas) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut module = header(&schemas.kafka_origin());
    module += "mod api_keys;\nmod record_types;\n\npub use api_keys::{AnyRequest, AnyResponse, ApiKey};\n";
    module += "pub use record_types::*;\n\n";
    for message in &schemas.messages {
        let name = names::module(&message.name);
        writeln!(module, "pub mod {name};").unwrap();
    }
    module.push('\n');
    for message in &schemas.messages {
        writeln!(module, "pub use {}::{};", names::module(&message.name), message.name).unwrap();
    }
    module += &every_message(schemas);
    files.insert("mod.rs".to_string(), module);
    files.insert("api_keys.rs".to_string(), header(&schemas.kafka_origin()) + &api_keys(schemas));
    files.insert("record_types.rs".to_string(), header(&schemas.kafka_origin()) + &record_types(schemas));
    files
}

/// A macro that hands the name of every message to another macro: for tests over all of them.
fn every_message(schemas: &Schemas) -> String {
    let names: Vec<&str> = schemas.messages.iter().map(|message| message.name.as_str()).collect();
    let own = schemas.messages.iter().filter(|message| message.source == OWN);
    let own: Vec<String> = own.map(|message| format!("{:?}", message.name)).collect();
    format!(
        "\n/// Messages that are ours alone, and that no other implementation can check.\n#[doc(hidden)]\n\
         pub const OWN_MESSAGES: &[&str] = &[{}];\n\n/// Calls a macro with the names of all message types.\n#[doc(hidden)]\n#[macro_export]\n\
         macro_rules! every_message {{\n    ($callback:ident) => {{\n        $callback! {{ {} }}\n    }};\n}}\n",
        own.join(", "),
        names.join(" ")
    )
}

/// `0 Produce(ProduceRequest, ProduceResponse) unstable=false [Broker]` and so on, by ascending key.
fn api_keys(schemas: &Schemas) -> String {
    let mut requests: Vec<&Message> = schemas.messages.iter().filter(|m| m.kind == Kind::Request).collect();
    requests.sort_by_key(|message| message.api_key);
    let mut text = String::from("use super::*;\n\ncrate::api_key::api_keys! {\n");
    for request in requests {
        let name = request.name.strip_suffix("Request").unwrap_or(&request.name);
        let key = request.api_key.unwrap_or_default();
        let unstable = request.latest_version_unstable;
        let listeners: Vec<String> = request.listeners.iter().map(|name| names::capitalized(name)).collect();
        let listeners = listeners.join(" ");
        writeln!(text, "    {key} {name}({name}Request, {name}Response) unstable={unstable} [{listeners}],").unwrap();
    }
    text + "}\n"
}

fn record_types(schemas: &Schemas) -> String {
    let mut text = String::from("use super::*;\n");
    framed(&mut text, schemas, "MetadataRecord", "kafka-metadata");
    framed(&mut text, schemas, "RemoteLogMetadataRecord", "kafka-storage");
    coordinator(&mut text, schemas, "Group", "kafka-group-coordinator");
    coordinator(&mut text, schemas, "Transaction", "kafka-transaction-coordinator");
    coordinator(&mut text, schemas, "Share", "kafka-share-coordinator");
    text
}

/// Messages of one kind from one jar, by ascending record type.
fn of_kind<'a>(schemas: &'a Schemas, source: &str, kind: Kind) -> Vec<&'a Message> {
    let mut messages: Vec<&Message> =
        schemas.messages.iter().filter(|m| m.source == source && m.kind == kind).collect();
    messages.sort_by_key(|message| message.api_key);
    messages
}

fn framed(text: &mut String, schemas: &Schemas, name: &str, source: &str) {
    writeln!(text, "\ncrate::record_types::framed_records! {{ {name}").unwrap();
    for record in of_kind(schemas, source, Kind::Metadata) {
        let variant = record.name.strip_suffix("Record").unwrap_or(&record.name);
        writeln!(text, "    {} {variant}({}),", record.api_key.unwrap_or_default(), record.name).unwrap();
    }
    text.push_str("}\n");
}

fn coordinator(text: &mut String, schemas: &Schemas, name: &str, source: &str) {
    let keys = of_kind(schemas, source, Kind::CoordinatorKey);
    let values = of_kind(schemas, source, Kind::CoordinatorValue);
    writeln!(text, "\ncrate::record_types::coordinator_records! {{ {name}RecordKey {name}RecordValue").unwrap();
    for key in keys {
        let value = values.iter().find(|value| value.api_key == key.api_key);
        let value = value.unwrap_or_else(|| panic!("no value schema for {}", key.name));
        let variant = key.name.strip_suffix("Key").unwrap_or(&key.name);
        let record_type = key.api_key.unwrap_or_default();
        writeln!(text, "    {record_type} {variant}({}, {}),", key.name, value.name).unwrap();
    }
    text.push_str("}\n");
}
