//! The `write` functions: structures to bytes.

use std::fmt::Write;

use super::message::{Condition, Flexible, condition, expression, integer, uses};
use super::names;
use super::reading::untagged_versions;
use super::schema::{Field, Message, Struct, Type};

/// The `write` function of a structure.
pub(crate) fn function(out: &mut String, message: &Message, structure: &Struct) {
    let flexible = Flexible::of(message, structure);
    let mut body = String::new();
    for field in &structure.fields {
        plain_field(&mut body, structure, field, flexible.expression);
    }
    tags(&mut body, message, structure, &flexible);
    if let Some(when) = flexible.condition.filter(|_| uses(&body, "flex")) {
        body = format!("        let flex = {when};\n{body}");
    }
    let w = if uses(&body, "w") { "w" } else { "_w" };
    let version = if uses(&body, "version") { "version" } else { "_version" };
    write!(out, "    fn write(&self, {w}: &mut Writer, {version}: i16) {{\n{body}    }}\n").unwrap();
}

/// Writes a field where it stands in the structure, and refuses a value that this version cannot carry.
fn plain_field(body: &mut String, structure: &Struct, field: &Field, flex: &str) {
    let untagged = untagged_versions(field, structure.versions);
    let write = value(structure, field, flex);
    let absent = structure.versions.subtract(field.versions);
    let refuse =
        format!("if {} {{ w.unsupported({}, version); }}", differs_from_default(field), place(structure, field));
    let mut missing =
        absent.iter().map(|range| expression(*range, structure.versions)).collect::<Vec<_>>().join(" || ");
    if field.ignorable {
        missing.clear();
    }
    let is_tagged = !field.tagged.intersect(structure.versions).is_empty();
    match condition(untagged, structure.versions) {
        Condition::Always => writeln!(body, "        {write}").unwrap(),
        Condition::When(when) if !missing.is_empty() && !is_tagged => {
            writeln!(body, "        if {when} {{ {write} }} else {refuse}").unwrap();
            return;
        }
        Condition::When(when) => writeln!(body, "        if {when} {{ {write} }}").unwrap(),
        Condition::Never => {}
    }
    match missing.as_str() {
        "" => {}
        "true" => writeln!(body, "        {refuse}").unwrap(),
        when => writeln!(body, "        if {when} {{ {refuse} }}").unwrap(),
    }
}

/// The tagged section: the count, then each field that differs from its default, by ascending tag.
fn tags(body: &mut String, message: &Message, structure: &Struct, flexible: &Flexible) {
    let mut known: Vec<&Field> =
        structure.fields.iter().filter(|field| !field.tagged.intersect(structure.versions).is_empty()).collect();
    known.sort_by_key(|field| field.tag);
    assert!(known.len() < 128, "the count of known tags must fit one byte");
    let mut lines = String::new();
    for field in &known {
        let present = field.tagged.intersect(structure.versions);
        let when = match condition(present, structure.versions.intersect(message.flexible)) {
            Condition::When(when) => format!("{when} && "),
            _ => String::new(),
        };
        let differs = differs_from_default(field);
        let differs = if when.is_empty() || !differs.contains("||") { differs } else { format!("({differs})") };
        let tag = field.tag.unwrap_or_default();
        let write = tagged_value(structure, field);
        writeln!(lines, "if {when}{differs} {{ let t = w.begin_tag(tags, {tag}); {write} w.end_tag(t); }}").unwrap();
    }
    let (open, close, indent) = match (flexible.expression, flexible.condition.is_some()) {
        ("false", _) => return,
        (_, true) if known.is_empty() => {
            body.push_str("        if flex { w.no_tags(); }\n");
            return;
        }
        (_, false) if known.is_empty() => {
            body.push_str("        w.no_tags();\n");
            return;
        }
        (_, true) => ("        if flex {\n", "        }\n", "            "),
        (_, false) => ("", "", "        "),
    };
    body.push_str(open);
    writeln!(body, "{indent}let tags = w.begin_tags();").unwrap();
    for line in lines.lines() {
        writeln!(body, "{indent}{line}").unwrap();
    }
    body.push_str(close);
}

fn tagged_value(structure: &Struct, field: &Field) -> String {
    match &field.ty {
        Type::Struct(_) if field.is_option() => {
            let ident = names::field(&field.name);
            format!(
                "w.tagged_presence(self.{ident}.is_some()); if let Some(s) = &self.{ident} {{ s.write(w, version); }}"
            )
        }
        _ => value(structure, field, "true"),
    }
}

fn place(structure: &Struct, field: &Field) -> String {
    format!("\"{}.{}\"", structure.name, names::snake_case(&field.name))
}

/// The statement that writes a field's value.
fn value(structure: &Struct, field: &Field, flex: &str) -> String {
    let place = place(structure, field);
    let ident = names::field(&field.name);
    let nullable = || expression(field.nullable, field.versions.intersect(structure.versions));
    match &field.ty {
        Type::String if field.is_option() => {
            format!("w.nullable_string(self.{ident}.as_deref(), {flex}, {}, {place});", nullable())
        }
        Type::String => format!("w.string(&self.{ident}, {flex}, {place});"),
        Type::Bytes if field.is_option() => {
            format!("w.nullable_bytes(self.{ident}.as_deref(), {flex}, {}, {place});", nullable())
        }
        Type::Bytes => format!("w.bytes(&self.{ident}, {flex}, {place});"),
        Type::Records => format!("w.records(&self.{ident}, {flex}, {}, {place});", nullable()),
        Type::Struct(_) if field.is_option() => {
            let write = format!("if let Some(s) = &self.{ident} {{ s.write(w, version); }}");
            format!("w.presence(self.{ident}.is_some(), {}, {place}); {write}", nullable())
        }
        Type::Struct(_) => format!("self.{ident}.write(w, version);"),
        Type::Array(element) => {
            let write = elements(element, flex, &place);
            if field.is_option() {
                let begin =
                    format!("w.nullable_count(self.{ident}.as_ref().map(Vec::len), {flex}, {}, {place});", nullable());
                format!("{begin} for e in self.{ident}.iter().flatten() {{ {write} }}")
            } else {
                format!("w.count(self.{ident}.len(), {flex}, {place}); for e in &self.{ident} {{ {write} }}")
            }
        }
        Type::Uuid => format!("w.uuid(self.{ident});"),
        other => format!("w.{}(self.{ident});", format!("{other:?}").to_lowercase()),
    }
}

fn elements(element: &Type, flex: &str, place: &str) -> String {
    match element {
        Type::Struct(_) => "e.write(w, version);".into(),
        Type::String => format!("w.string(e, {flex}, {place});"),
        other => format!("w.{}(*e);", format!("{other:?}").to_lowercase()),
    }
}

/// The condition that a field does not hold its default.
pub(super) fn differs_from_default(field: &Field) -> String {
    let ident = names::field(&field.name);
    let optional = field.is_option();
    match &field.ty {
        Type::Records => format!("!self.{ident}.is_null()"),
        _ if optional && field.default_is_null() => format!("self.{ident}.is_some()"),
        Type::Struct(name) if optional => format!("self.{ident}.as_ref() != Some(&{name}::default())"),
        Type::String if optional => format!("self.{ident}.as_deref() != Some({:?})", field.default),
        Type::Bytes | Type::Array(_) if optional => format!("self.{ident}.as_ref().is_none_or(|x| !x.is_empty())"),
        Type::Struct(name) => format!("self.{ident} != {name}::default()"),
        Type::String if !field.default.is_empty() => format!("self.{ident} != {:?}", field.default),
        Type::String | Type::Bytes | Type::Array(_) => format!("!self.{ident}.is_empty()"),
        Type::Uuid => format!("!self.{ident}.is_zero()"),
        Type::Bool if field.default == "true" => format!("!self.{ident}"),
        Type::Bool => format!("self.{ident}"),
        Type::Float64 if field.default.is_empty() => format!("self.{ident} != 0.0"),
        Type::Float64 => format!("self.{ident} != {}", field.default),
        _ => format!("self.{ident} != {}", integer(&field.default)),
    }
}
