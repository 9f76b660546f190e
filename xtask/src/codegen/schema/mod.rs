//! Kafka's message schemas.
//!
//! A message has an API key or record type (or none), the versions that exist, the first flexible version (KIP-482), and
//! fields; a field names the versions in which it exists, may be null or is tagged. Structures are flattened into one
//! list per message, the message itself first. `parse` makes this from a schema file.

mod parse;
mod versions;

use serde::Deserialize;

pub(crate) use parse::parse;
pub(crate) use versions::Versions;

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Request,
    Response,
    Header,
    Metadata,
    CoordinatorKey,
    CoordinatorValue,
    Data,
}

/// The type of a field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Type {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Int64,
    Float64,
    Uuid,
    String,
    Bytes,
    Records,
    Struct(String),
    Array(Box<Type>),
}

impl Type {
    /// The structure that this type is or holds.
    pub(crate) fn structure(&self) -> Option<&str> {
        match self {
            Type::Struct(name) => Some(name),
            Type::Array(element) => element.structure(),
            _ => None,
        }
    }

    pub(super) fn can_be_null(&self) -> bool {
        matches!(self, Type::String | Type::Bytes | Type::Records | Type::Struct(_) | Type::Array(_))
    }
}

/// One field of a structure.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) versions: Versions,
    pub(crate) nullable: Versions,
    pub(crate) tagged: Versions,
    pub(crate) tag: Option<u32>,
    /// The default as text; empty for the type's own (zero, empty), `null` for null.
    pub(crate) default: String,
    pub(crate) ignorable: bool,
}

impl Field {
    /// Whether the Rust field is an `Option` (records say null themselves).
    pub(crate) fn is_option(&self) -> bool {
        !self.nullable.is_empty() && self.ty != Type::Records
    }

    pub(crate) fn default_is_null(&self) -> bool {
        self.default == "null" || self.ty == Type::Records
    }
}

/// A structure: the message itself or one inside it.
#[derive(Debug, Clone)]
pub(crate) struct Struct {
    pub(crate) name: String,
    /// The versions in which it can occur at all.
    pub(crate) versions: Versions,
    pub(crate) fields: Vec<Field>,
}

/// A message with all structures inside it.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// API key of a request or response, type of a record.
    pub(crate) api_key: Option<i16>,
    pub(crate) versions: Versions,
    pub(crate) flexible: Versions,
    pub(crate) latest_version_unstable: bool,
    /// Listeners that serve a request: `broker`, `controller`.
    pub(crate) listeners: Vec<String>,
    /// The message itself first.
    pub(crate) structs: Vec<Struct>,
    /// Which collection of schemas this came from, for example `kafka-clients`.
    pub(crate) source: String,
}

impl Message {
    /// The structure of that name; the parser made sure that it exists.
    pub(crate) fn structure(&self, name: &str) -> &Struct {
        self.structs.iter().find(|s| s.name == name).expect("every structure is known after parsing")
    }
}
