//! Facts that Java printed about its messages, one per line, checked against ours. `compat/golden/Golden.java` lists
//! the kinds of line.

use bytes::Bytes;
use ottla_protocol::{
    ApiKey, DecodeError, EncodeError, GroupRecordKey, GroupRecordValue, Listener, Message, MetadataRecord, Reader,
    RequestHeader, ResponseHeader, ShareRecordKey, ShareRecordValue, TransactionRecordKey, TransactionRecordValue,
    Writer, fetch_request::FetchRequestRef, metadata_request::MetadataRequestRef,
    offset_commit_request::OffsetCommitRequestRef, produce_request::ProduceRequestRef,
};

use crate::dump::canonical;

/// Bytes of one version read and written in another: what was read, and what came out.
pub(crate) struct Recoded {
    /// Canonical text of the message.
    pub(crate) dump: String,
    /// Its bytes in the other version.
    pub(crate) bytes: Result<Bytes, EncodeError>,
}

/// What can be done with a message that is known by its name only.
struct Codec {
    name: &'static str,
    default: fn() -> String,
    recode: fn(&Bytes, i16, i16) -> Result<Recoded, DecodeError>,
}

fn default<M: Message>() -> String {
    canonical(&format!("{:?}", M::default()))
}

fn recode<M: Message>(bytes: &Bytes, from: i16, to: i16) -> Result<Recoded, DecodeError> {
    let mut r = Reader::new(bytes);
    let message = M::decode(&mut r, from)?;
    r.finish()?;
    let mut w = Writer::new();
    let result = message.encode(&mut w, to).map(|()| w.finish().buf);
    Ok(Recoded { dump: canonical(&format!("{message:?}")), bytes: result })
}

macro_rules! codecs {
    ($($message:ident)*) => {
        const CODECS: &[Codec] = &[$(Codec {
            name: stringify!($message),
            default: default::<ottla_protocol::$message>,
            recode: recode::<ottla_protocol::$message>,
        },)*];
    };
}

ottla_protocol::every_message!(codecs);

fn codec(name: &str) -> Result<&'static Codec, String> {
    CODECS.iter().find(|codec| codec.name == name).ok_or(format!("no message {name}"))
}

/// Reads bytes of a message in one version and writes it in another.
pub(crate) fn recode_by_name(name: &str, from: i16, bytes: &Bytes, to: i16) -> Result<Recoded, String> {
    (codec(name)?.recode)(bytes, from, to).map_err(|error| format!("cannot be read: {error}"))
}

/// Checks one line.
pub(crate) fn check(line: &str) -> Result<(), String> {
    let (kind, rest) = line.split_once(' ').ok_or("not a line of facts")?;
    let words: Vec<&str> = rest.splitn(if kind == "bytes" { 4 } else { 9 }, ' ').collect();
    match (kind, words.as_slice()) {
        ("default", [name, dump @ ..]) => same("default", &(codec(name)?.default)(), &dump.join(" ")),
        ("bytes", [name, version, hex, dump]) => check_bytes(name, number(version)?, hex, Some(dump)),
        ("bytes", [name, version, hex]) => check_bytes(name, number(version)?, hex, None),
        ("recode", [name, from, hex, to, result]) => check_recode(name, number(from)?, hex, number(to)?, result),
        ("api", [key, name, min, max, unstable, listeners @ ..]) => {
            check_api(number(key)?, &[name, min, max, unstable, &listeners.join(" ")])
        }
        ("header", [key, version, request, response, hex, answer]) => {
            let versions = [number(version)?, number(request)?, number(response)?];
            check_header(number(key)?, versions, hex, answer)
        }
        ("framed", [_, version, hex]) => {
            let (record, found) = MetadataRecord::decode(&bytes(hex)?).map_err(|error| error.to_string())?;
            same("version", &found.to_string(), version)?;
            same("bytes", &text(&record.encode(found).map_err(|error| error.to_string())?), hex)
        }
        ("key", [name, hex]) => check_key(name, hex),
        ("value", [name, version, hex]) => check_value(name, number(version)?, hex),
        _ => Err("not a line of facts".into()),
    }
}

fn check_bytes(name: &str, version: i16, hex: &str, dump: Option<&str>) -> Result<(), String> {
    let wire = bytes(hex)?;
    let recoded = recode_by_name(name, version, &wire, version)?;
    if let Some(dump) = dump {
        same("content", &recoded.dump, dump)?;
    }
    if let Some(borrowed) = borrowed(name, version, &wire) {
        same("borrowed content", &borrowed?, &recoded.dump)?;
    }
    same("bytes", &text(&recoded.bytes.map_err(|error| error.to_string())?), hex)
}

/// The content as the borrowed decoder reads it, for messages that have one.
fn borrowed(name: &str, version: i16, wire: &Bytes) -> Option<Result<String, String>> {
    let mut r = Reader::new(wire);
    let debug = match name {
        "ProduceRequest" => ProduceRequestRef::decode(&mut r, version).map(|message| format!("{message:?}")),
        "FetchRequest" => FetchRequestRef::decode(&mut r, version).map(|message| format!("{message:?}")),
        "MetadataRequest" => MetadataRequestRef::decode(&mut r, version).map(|message| format!("{message:?}")),
        "OffsetCommitRequest" => OffsetCommitRequestRef::decode(&mut r, version).map(|message| format!("{message:?}")),
        _ => return None,
    };
    Some(debug.map(|debug| canonical(&debug)).map_err(|error| error.to_string()))
}

fn check_recode(name: &str, from: i16, hex: &str, to: i16, result: &str) -> Result<(), String> {
    let recoded = recode_by_name(name, from, &bytes(hex)?, to)?;
    let ours = recoded.bytes.as_ref().map_or("-".into(), text);
    same("bytes in the other version", &ours, result)
}

fn check_api(key: i16, facts: &[&str]) -> Result<(), String> {
    let key = ApiKey::from_code(key).ok_or("unknown key")?;
    let info = key.info();
    let listeners: Vec<&str> = [(Listener::Broker, "BROKER"), (Listener::Controller, "CONTROLLER")]
        .into_iter()
        .filter_map(|(listener, name)| info.listeners.contains(&listener).then_some(name))
        .collect();
    let listeners = format!("[{}]", listeners.join(", "));
    let (min, max) = (info.min_version.to_string(), info.max_version.to_string());
    let ours = [info.name, &min, &max, if info.latest_version_unstable { "true" } else { "false" }, &listeners];
    same("facts", &ours.join(" "), &facts.join(" "))
}

fn check_header(key: i16, versions: [i16; 3], hex: &str, answer: &str) -> Result<(), String> {
    let key = ApiKey::from_code(key).ok_or("unknown key")?;
    let [version, request, response] = versions;
    let ours = [key.request_header_version(version), key.response_header_version(version)];
    same("header versions", &format!("{ours:?}"), &format!("{:?}", [request, response]))?;
    let expected = RequestHeader {
        api_key: key,
        api_version: version,
        correlation_id: 77 + i32::from(version),
        client_id: (version % 2 == 0).then(|| "client".to_string()),
    };
    let (wire, answer_wire) = (bytes(hex)?, bytes(answer)?);
    let mut r = Reader::new(&wire);
    let header = RequestHeader::decode(&mut r).map_err(|error| error.to_string())?;
    r.finish().map_err(|error| error.to_string())?;
    same("header", &format!("{header:?}"), &format!("{expected:?}"))?;
    let mut w = Writer::new();
    header.encode(&mut w).map_err(|error| error.to_string())?;
    same("header bytes", &text(&w.finish().buf), hex)?;
    let mut r = Reader::new(&answer_wire);
    let header = ResponseHeader::decode(&mut r, key, version).map_err(|error| error.to_string())?;
    r.finish().map_err(|error| error.to_string())?;
    same("response header", &header.correlation_id.to_string(), &expected.correlation_id.to_string())?;
    let mut w = Writer::new();
    header.encode(&mut w, key, version);
    same("response header bytes", &text(&w.finish().buf), answer)
}

fn check_key(name: &str, hex: &str) -> Result<(), String> {
    let wire = bytes(hex)?;
    let encoded = if name.starts_with("TransactionLog") {
        TransactionRecordKey::decode(&wire).map(|key| key.encode())
    } else if is_share_state(name) {
        ShareRecordKey::decode(&wire).map(|key| key.encode())
    } else {
        GroupRecordKey::decode(&wire).map(|key| key.encode())
    };
    same("bytes", &coded(encoded)?, hex)
}

fn check_value(name: &str, version: i16, hex: &str) -> Result<(), String> {
    let wire = bytes(hex)?;
    let record_type =
        (-1..64).find(|candidate| value_name(name, *candidate, &wire).is_some()).ok_or("unknown value")?;
    let encoded = if name.starts_with("TransactionLog") {
        TransactionRecordValue::decode(record_type, &wire).map(|(value, found)| (value.encode(found), found))
    } else if is_share_state(name) {
        ShareRecordValue::decode(record_type, &wire).map(|(value, found)| (value.encode(found), found))
    } else {
        GroupRecordValue::decode(record_type, &wire).map(|(value, found)| (value.encode(found), found))
    };
    let (encoded, found) = encoded.map_err(|error| error.to_string())?;
    same("version", &found.to_string(), &version.to_string())?;
    same("bytes", &coded(Ok(encoded))?, hex)
}

/// The record type under which the bytes of the value called `name` can be read as that value.
fn value_name(name: &str, record_type: i16, wire: &Bytes) -> Option<()> {
    let debug = if name.starts_with("TransactionLog") {
        format!("{:?}", TransactionRecordValue::decode(record_type, wire).ok()?.0)
    } else if is_share_state(name) {
        format!("{:?}", ShareRecordValue::decode(record_type, wire).ok()?.0)
    } else {
        format!("{:?}", GroupRecordValue::decode(record_type, wire).ok()?.0)
    };
    debug.contains(&format!("({name} ")).then_some(())
}

fn is_share_state(name: &str) -> bool {
    name.starts_with("ShareSnapshot") || name.starts_with("ShareUpdate")
}

fn coded(result: Result<Result<Bytes, EncodeError>, DecodeError>) -> Result<String, String> {
    let bytes = result.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    Ok(text(&bytes))
}

fn same(what: &str, ours: &str, theirs: &str) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("{what}: ours {ours}, Java's {theirs}")) }
}

fn number(text: &str) -> Result<i16, String> {
    text.parse().map_err(|_| format!("'{text}' is not a number"))
}

/// Hexadecimal, or a dot for no bytes at all.
pub(crate) fn bytes(hex: &str) -> Result<Bytes, String> {
    if hex == "." {
        return Ok(Bytes::new());
    }
    let pair = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(pair).collect();
    bytes.map(Bytes::from).ok_or(format!("'{hex}' is not hexadecimal"))
}

/// The opposite of [`bytes`].
pub(crate) fn text(bytes: &Bytes) -> String {
    if bytes.is_empty() { ".".into() } else { bytes.iter().map(|byte| format!("{byte:02x}")).collect() }
}
