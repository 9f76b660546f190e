//! The `write_json` functions: records of logs as JSON, field for field as Kafka's `*JsonConverter` classes write them.

use std::fmt::Write;

use super::message::{Condition, condition};
use super::names;
use super::schema::{Field, Kind, Message, Struct, Type, Versions};
use super::writing::differs_from_default;

/// Whether a message is shown as JSON by a tool: what stands in logs, not what travels.
pub(crate) fn is_shown(message: &Message) -> bool {
    matches!(message.kind, Kind::Metadata | Kind::CoordinatorKey | Kind::CoordinatorValue | Kind::Data)
}

/// The implementation for a structure of a message that is shown.
pub(crate) fn implement(out: &mut String, message: &Message, structure: &Struct) {
    let mut body = String::new();
    for field in &structure.fields {
        body += &statement(structure, field);
    }
    let version = if super::message::uses(&body, "version") { "version" } else { "_version" };
    let (head, visibility) = match structure.name == message.name {
        true => (format!("impl JsonMessage for {}", structure.name), ""),
        false => (format!("impl {}", structure.name), "pub(crate) "),
    };
    write!(
        out,
        "\n{head} {{\n{visibility}fn write_json(&self, j: &mut JsonWriter<'_>, {version}: i16) {{\n\
         j.begin_object();\n{body}j.end_object();\n}}\n}}\n"
    )
    .unwrap();
}

/// Writes a field in the versions that have it; a tagged one only where it differs from its default.
fn statement(structure: &Struct, field: &Field) -> String {
    let write = format!("j.key({:?}); {}", camel_case(&field.name), value(field));
    let present = field.versions.intersect(structure.versions);
    let tagged = field.tagged.intersect(present);
    let mut text = String::new();
    for plain in present.subtract(tagged) {
        text += &when(plain, structure.versions, &write);
    }
    if !tagged.is_empty() {
        text += &when(tagged, structure.versions, &format!("if {} {{ {write} }}", differs_from_default(field)));
    }
    text
}

fn when(range: Versions, possible: Versions, write: &str) -> String {
    match condition(range, possible) {
        Condition::Never => String::new(),
        Condition::Always => format!("{write}\n"),
        Condition::When(condition) => format!("if {condition} {{ {write} }}\n"),
    }
}

fn value(field: &Field) -> String {
    let ident = names::field(&field.name);
    let name = camel_case(&field.name);
    match field.is_option() {
        true => {
            let write = element(&field.ty, ["x", "*x", "x"], &name);
            format!("match &self.{ident} {{ Some(x) => {{ {write} }} None => j.null(), }}")
        }
        false => {
            let place = format!("self.{ident}");
            element(&field.ty, [&format!("&{place}"), &place, &place], &name)
        }
    }
}

/// The statement that writes a value; `place` is how it is referred to, copied, and called.
fn element(ty: &Type, place: [&str; 3], name: &str) -> String {
    let [reference, copy, receiver] = place;
    match ty {
        Type::Bool => format!("j.boolean({copy});"),
        Type::Float64 => format!("j.double({copy});"),
        Type::Uuid => format!("j.uuid({copy});"),
        Type::String => format!("j.string({reference});"),
        Type::Bytes => format!("j.bytes({name:?}, {reference});"),
        Type::Records => panic!("records stand in no log record"),
        Type::Struct(_) => format!("{receiver}.write_json(j, version);"),
        Type::Array(inner) => {
            let write = element(inner, ["e", "*e", "e"], name);
            format!("j.begin_array(); for e in {reference} {{ {write} }} j.end_array();")
        }
        _ => format!("j.integer(i64::from({copy}));"),
    }
}

/// `ThrottleTimeMs` becomes `throttleTimeMs`.
fn camel_case(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect())
}
