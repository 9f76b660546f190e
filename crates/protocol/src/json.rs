//! Records of logs as JSON, byte for byte as Kafka's tools print them: no spaces, bytes in Base64, UUIDs in Kafka's text
//! form, a tagged field only where it differs from its default.

use crate::Message;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ottla_types::Uuid;
use std::fmt::Write;

/// A message that tools show as JSON: what stands in logs.
pub trait JsonMessage: Message {
    /// Writes the fields that `version` has as one JSON object.
    fn write_json(&self, j: &mut JsonWriter<'_>, version: i16);
}

/// What writes a field of bytes in another form: given its name and the bytes; false leaves them to Base64.
type BytesHook<'a> = dyn Fn(&mut JsonWriter<'_>, &str, &[u8]) -> bool + 'a;

/// One JSON document as it grows.
#[derive(Default)]
pub struct JsonWriter<'a> {
    text: String,
    needs_comma: bool,
    bytes_hook: Option<&'a BytesHook<'a>>,
}

impl<'a> JsonWriter<'a> {
    /// An empty document.
    pub fn new() -> JsonWriter<'a> {
        JsonWriter::default()
    }

    /// An empty document; `hook` may write fields of bytes in a form that shows what is in them. When it returns false it
    /// has written nothing.
    pub fn with_bytes_hook(hook: &'a BytesHook<'a>) -> JsonWriter<'a> {
        JsonWriter { bytes_hook: Some(hook), ..JsonWriter::default() }
    }

    /// The document.
    pub fn finish(self) -> String {
        self.text
    }

    /// Opens an object.
    pub fn begin_object(&mut self) {
        self.open('{');
    }

    /// Closes the object that was opened last.
    pub fn end_object(&mut self) {
        self.close('}');
    }

    /// Opens an array.
    pub fn begin_array(&mut self) {
        self.open('[');
    }

    /// Closes the array that was opened last.
    pub fn end_array(&mut self) {
        self.close(']');
    }

    /// Begins a member of an object; its value follows.
    pub fn key(&mut self, name: &str) {
        self.string(name);
        self.text.push(':');
        self.needs_comma = false;
    }

    /// `null`.
    pub fn null(&mut self) {
        self.value("null");
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, value: bool) {
        self.value(if value { "true" } else { "false" });
    }

    /// A whole number.
    pub fn integer(&mut self, value: i64) {
        self.value(&value.to_string());
    }

    /// A number with a fraction, as Java writes small ones.
    pub fn double(&mut self, value: f64) {
        self.value(&format!("{value:?}"));
    }

    /// A text.
    pub fn string(&mut self, value: &str) {
        self.value("\"");
        for c in value.chars() {
            match c {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                '\u{8}' => self.text.push_str("\\b"),
                '\u{c}' => self.text.push_str("\\f"),
                c if u32::from(c) < 0x20 => write!(self.text, "\\u{:04X}", u32::from(c)).expect("a string grows"),
                c => self.text.push(c),
            }
        }
        self.text.push('"');
    }

    /// A UUID in Kafka's text form.
    pub fn uuid(&mut self, value: Uuid) {
        self.string(&value.to_string());
    }

    /// Bytes of the field `name`: as the hook shows them, else in Base64.
    pub fn bytes(&mut self, name: &str, value: &[u8]) {
        if self.bytes_hook.is_some_and(|hook| hook(self, name, value)) {
            return;
        }
        self.string(&STANDARD.encode(value));
    }

    fn value(&mut self, text: &str) {
        if self.needs_comma {
            self.text.push(',');
        }
        self.text.push_str(text);
        self.needs_comma = true;
    }

    fn open(&mut self, bracket: char) {
        self.value("");
        self.text.push(bracket);
        self.needs_comma = false;
    }

    fn close(&mut self, bracket: char) {
        self.text.push(bracket);
        self.needs_comma = true;
    }
}
