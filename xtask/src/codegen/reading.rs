//! The `read` functions: bytes to structures, owned or borrowing from the frame.

use std::fmt::Write;

use super::message::{Condition, Flexible, condition, default_value, expression, uses};
use super::names;
use super::schema::{Field, Message, Struct, Type, Versions};

/// Which of the two kinds of structure a function fills.
#[derive(Clone, Copy, PartialEq)]
enum Flavor {
    Owned,
    Borrowed,
}

impl Flavor {
    /// The Rust type that holds a structure of the schema.
    fn structure(self, message: &Message, name: &str) -> String {
        let is_borrowed = self == Flavor::Borrowed && borrows(message, message.structure(name));
        format!("{name}{}", if is_borrowed { "Ref" } else { "" })
    }

    /// The reader's function for a string, without its plural ending.
    fn string(self) -> &'static str {
        if self == Flavor::Borrowed { "str" } else { "string" }
    }

    /// A field's default.
    fn default(self, field: &Field) -> String {
        let owned = default_value(field);
        if self == Flavor::Borrowed { owned.replace("String::new()", "Cow::Borrowed(\"\")") } else { owned }
    }
}

/// The `read` function of an owned structure.
pub(crate) fn owned(out: &mut String, message: &Message, structure: &Struct) {
    function(out, message, structure, Flavor::Owned);
}

/// A `...Ref` structure that borrows its strings, and its `read` function.
///
/// A structure without strings has nothing to borrow and stays as it is.
pub(crate) fn borrowed(out: &mut String, message: &Message, structure: &Struct) {
    if !borrows(message, structure) {
        return;
    }
    let name = &structure.name;
    write!(out, "\n/// [`{name}`] read in place.\n#[derive(Debug)]\npub struct {name}Ref<'a> {{\n").unwrap();
    for field in &structure.fields {
        let plain = borrowed_type(message, &field.ty);
        let ty = if field.is_option() { format!("Option<{plain}>") } else { plain };
        let ident = names::field(&field.name);
        write!(out, "    /// As [`{name}::{ident}`].\n    pub {ident}: {ty},\n").unwrap();
    }
    write!(out, "}}\n\nimpl<'a> {name}Ref<'a> {{\n").unwrap();
    if name == &message.name {
        write!(
            out,
            "    /// Decodes a whole request body; see [`Message::decode`].\n    pub fn decode(r: &mut Reader<'a>, version: \
             i16) -> Result<Self, crate::DecodeError> {{\n        r.whole::<{name}, Self>(version, Self::read)\n    }}\n\n"
        )
        .unwrap();
    }
    function(out, message, structure, Flavor::Borrowed);
    out.push_str("}\n");
}

/// Whether a borrowed structure holds a string anywhere.
fn borrows(message: &Message, structure: &Struct) -> bool {
    structure.fields.iter().any(|field| match (&field.ty, field.ty.structure()) {
        (_, Some(inner)) => borrows(message, message.structure(inner)),
        (Type::String, _) => true,
        (Type::Array(element), _) => **element == Type::String,
        _ => false,
    })
}

fn borrowed_type(message: &Message, ty: &Type) -> String {
    match ty {
        Type::String => "Cow<'a, str>".into(),
        Type::Struct(name) => {
            let lifetime = if borrows(message, message.structure(name)) { "<'a>" } else { "" };
            format!("{}{lifetime}", Flavor::Borrowed.structure(message, name))
        }
        Type::Array(element) => format!("Vec<{}>", borrowed_type(message, element)),
        Type::Bytes => "Bytes".into(),
        Type::Records => "Records".into(),
        Type::Uuid => "Uuid".into(),
        other => format!("{other:?}").to_lowercase().replace("uint", "u").replace("int", "i").replace("float", "f"),
    }
}

fn function(out: &mut String, message: &Message, structure: &Struct, flavor: Flavor) {
    let mut body = String::new();
    let flexible = Flexible::of(message, structure);
    for field in &structure.fields {
        let value = value(message, structure, field, flexible.expression, flavor);
        let untagged = untagged_versions(field, structure.versions);
        let default = flavor.default(field);
        let text = match condition(untagged, structure.versions) {
            Condition::Never => default,
            Condition::Always => value,
            Condition::When(when) => format!("if {when} {{ {value} }} else {{ {default} }}"),
        };
        let mutable = if field.tagged.intersect(structure.versions).is_empty() { "" } else { "mut " };
        writeln!(body, "        let {mutable}{} = {text};", names::local(&field.name)).unwrap();
    }
    tags(&mut body, message, structure, &flexible, flavor);
    let fields: Vec<String> = structure.fields.iter().map(assignment).collect();
    writeln!(body, "        Self {{ {} }}", fields.join(", ")).unwrap();
    if let Some(when) = flexible.condition.filter(|_| uses(&body, "flex")) {
        body = format!("        let flex = {when};\n{body}");
    }
    let lifetime = if flavor == Flavor::Owned { "'_" } else { "'a" };
    let r = if uses(&body, "r") { "r" } else { "_r" };
    let version = if uses(&body, "version") { "version" } else { "_version" };
    let signature = format!("    fn read({r}: &mut Reader<{lifetime}>, {version}: i16) -> Self {{\n");
    out.push_str(&signature);
    out.push_str(&body);
    out.push_str("    }\n");
}

fn assignment(field: &Field) -> String {
    let (ident, local) = (names::field(&field.name), names::local(&field.name));
    if ident == local { ident } else { format!("{ident}: {local}") }
}

/// The versions in which a field stands at its place in the structure.
pub(crate) fn untagged_versions(field: &Field, possible: Versions) -> Versions {
    let present = field.versions.intersect(possible);
    let rest = present.subtract(field.tagged);
    assert!(rest.len() <= 1, "{}: tagged in the middle of its versions", field.name);
    rest.first().copied().unwrap_or(Versions::NONE)
}

/// The tagged section: the fields that this structure knows, and a skip for the others.
fn tags(body: &mut String, message: &Message, structure: &Struct, flexible: &Flexible, flavor: Flavor) {
    if flexible.expression == "false" {
        return;
    }
    let open = if flexible.condition.is_some() { "        if flex {\n" } else { "        {\n" };
    let known: Vec<&Field> =
        structure.fields.iter().filter(|field| !field.tagged.intersect(structure.versions).is_empty()).collect();
    if known.is_empty() {
        let skip = "r.skip_tags();";
        let line = if flexible.condition.is_some() {
            format!("        if flex {{ {skip} }}\n")
        } else {
            format!("        {skip}\n")
        };
        body.push_str(&line);
        return;
    }
    body.push_str(open);
    body.push_str(
        "            let mut tags = r.begin_tags();\n            while let Some(tag) = r.next_tag(&mut tags) {\n",
    );
    body.push_str("                match tag {\n");
    for field in known {
        let present = field.tagged.intersect(structure.versions);
        let guard = match condition(present, structure.versions.intersect(message.flexible)) {
            Condition::When(when) => format!(" if {when}"),
            _ => String::new(),
        };
        let value = tagged_value(message, structure, field, flavor);
        let tag = field.tag.unwrap_or_default();
        writeln!(body, "                    {tag}{guard} => {} = {value},", names::local(&field.name)).unwrap();
    }
    body.push_str("                    _ => r.skip_tag(&tags),\n                }\n            }\n        }\n");
}

/// Reads a tagged field; only a nullable structure looks different there (a count instead of a sign byte).
fn tagged_value(message: &Message, structure: &Struct, field: &Field, flavor: Flavor) -> String {
    match &field.ty {
        Type::Struct(name) if field.is_option() => {
            let ty = flavor.structure(message, name);
            format!("if r.tagged_struct_is_present() {{ Some({ty}::read(r, version)) }} else {{ None }}")
        }
        _ => value(message, structure, field, "true", flavor),
    }
}

/// The expression that reads a field's value.
fn value(message: &Message, structure: &Struct, field: &Field, flex: &str, flavor: Flavor) -> String {
    let place = format!("\"{}.{}\"", structure.name, names::snake_case(&field.name));
    let nullable = || expression(field.nullable, field.versions.intersect(structure.versions));
    let string = flavor.string();
    match &field.ty {
        Type::Bool => format!("r.bool({place})"),
        Type::Int8 => format!("r.int8({place})"),
        Type::Int16 => format!("r.int16({place})"),
        Type::Uint16 => format!("r.uint16({place})"),
        Type::Int32 => format!("r.int32({place})"),
        Type::Uint32 => format!("r.uint32({place})"),
        Type::Int64 => format!("r.int64({place})"),
        Type::Float64 => format!("r.float64({place})"),
        Type::Uuid => format!("r.uuid({place})"),
        Type::String if field.is_option() => format!("r.nullable_{string}({flex}, {}, {place})", nullable()),
        Type::String => format!("r.{string}({flex}, {place})"),
        Type::Bytes if field.is_option() => format!("r.nullable_bytes({flex}, {}, {place})", nullable()),
        Type::Bytes => format!("r.bytes({flex}, {place})"),
        Type::Records => format!("r.records({flex}, {}, {place})", nullable()),
        Type::Struct(name) if field.is_option() => {
            let read = format!("Some({}::read(r, version))", flavor.structure(message, name));
            let present = format!("if r.struct_is_present({place}) {{ {read} }} else {{ None }}");
            match nullable().as_str() {
                "true" => present,
                "false" => read,
                when => format!("if {when} {{ {present} }} else {{ {read} }}"),
            }
        }
        Type::Struct(name) => format!("{}::read(r, version)", flavor.structure(message, name)),
        Type::Array(element) => {
            let count = if field.is_option() {
                format!("r.nullable_count({flex}, {}, {}, {place})", nullable(), minimal_size(message, element))
            } else {
                format!("r.count({flex}, {}, {place})", minimal_size(message, element))
            };
            let read = elements(message, element, flex, &place, flavor);
            if field.is_option() {
                format!("match {count} {{ Some(n) => Some({read}), None => None }}")
            } else {
                // The count is read first: one reader cannot be lent out twice in one call.
                format!("{{ let n = {count}; {read} }}")
            }
        }
    }
}

/// The expression that reads the `n` elements of an array.
fn elements(message: &Message, element: &Type, flex: &str, place: &str, flavor: Flavor) -> String {
    match element {
        Type::Struct(name) => format!("r.structs(n, version, {}::read)", flavor.structure(message, name)),
        Type::String => format!("r.{}s(n, {flex}, {place})", flavor.string()),
        other => format!("r.{}s(n, {place})", format!("{other:?}").to_lowercase()),
    }
}

/// The fewest bytes that a value of this type takes in any version: what bounds an announced count.
fn minimal_size(message: &Message, ty: &Type) -> usize {
    match ty {
        Type::Struct(name) => {
            let structure = message.structure(name);
            let versions = structure.versions.intersect(message.versions);
            let sizes = (versions.low..=versions.high).map(|version| struct_size(message, structure, version));
            sizes.min().unwrap_or(1).max(1)
        }
        other => size(message, other, false, message.flexible.low),
    }
}

fn struct_size(message: &Message, structure: &Struct, version: i16) -> usize {
    let flexible = message.flexible.contains(version);
    let fields = structure.fields.iter().filter(|field| untagged_versions(field, structure.versions).contains(version));
    let size_of = |field: &Field| size(message, &field.ty, field.nullable.contains(version), version);
    fields.map(size_of).sum::<usize>() + usize::from(flexible)
}

fn size(message: &Message, ty: &Type, nullable: bool, version: i16) -> usize {
    let flexible = message.flexible.contains(version);
    match ty {
        Type::Bool | Type::Int8 => 1,
        Type::Int16 | Type::Uint16 => 2,
        Type::Int32 | Type::Uint32 => 4,
        Type::Int64 | Type::Float64 => 8,
        Type::Uuid => 16,
        Type::Struct(_) if nullable => 1,
        Type::Struct(name) => struct_size(message, message.structure(name), version),
        _ if flexible => 1,
        Type::String => 2,
        Type::Bytes | Type::Records | Type::Array(_) => 4,
    }
}
