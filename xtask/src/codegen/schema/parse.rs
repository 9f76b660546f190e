//! From a schema file, JSON with `//` comment lines, to a checked [`Message`].

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::{Field, Kind, Message, Struct, Type, Versions};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawMessage {
    #[serde(rename = "type")]
    kind: Kind,
    name: String,
    api_key: Option<i16>,
    valid_versions: String,
    flexible_versions: Option<String>,
    #[serde(default)]
    latest_version_unstable: bool,
    #[serde(default)]
    listeners: Vec<String>,
    #[serde(default)]
    fields: Vec<RawField>,
    #[serde(default)]
    common_structs: Vec<RawStruct>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawStruct {
    name: String,
    versions: String,
    fields: Vec<RawField>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawField {
    name: String,
    #[serde(rename = "type")]
    ty: String,
    versions: Option<String>,
    nullable_versions: Option<String>,
    tagged_versions: Option<String>,
    flexible_versions: Option<String>,
    tag: Option<u32>,
    #[serde(default)]
    default: Value,
    #[serde(default)]
    ignorable: bool,
    #[serde(default)]
    fields: Vec<RawField>,
    // Known and without meaning for the bytes.
    #[serde(default, rename = "about")]
    _about: String,
    #[serde(default, rename = "mapKey")]
    _map_key: bool,
    #[serde(default, rename = "zeroCopy")]
    _zero_copy: bool,
    #[serde(default, rename = "entityType")]
    _entity_type: String,
}

impl Type {
    fn parse(text: &str) -> Result<Type> {
        if let Some(element) = text.strip_prefix("[]") {
            let element = Type::parse(element)?;
            ensure!(!matches!(element, Type::Array(_) | Type::Records | Type::Bytes), "no arrays of {text}");
            return Ok(Type::Array(Box::new(element)));
        }
        Ok(match text {
            "bool" => Type::Bool,
            "int8" => Type::Int8,
            "int16" => Type::Int16,
            "uint16" => Type::Uint16,
            "int32" => Type::Int32,
            "uint32" => Type::Uint32,
            "int64" => Type::Int64,
            "float64" => Type::Float64,
            "uuid" => Type::Uuid,
            "string" => Type::String,
            "bytes" => Type::Bytes,
            "records" => Type::Records,
            name if name.starts_with(|c: char| c.is_ascii_uppercase()) => Type::Struct(name.to_string()),
            other => bail!("unknown type '{other}'"),
        })
    }
}

/// Parses one schema file.
pub(crate) fn parse(text: &str, source: &str) -> Result<Message> {
    let lines: Vec<&str> =
        text.lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line }).collect();
    let raw: RawMessage = serde_json::from_str(&lines.join("\n"))?;
    let versions = Versions::parse(&raw.valid_versions)?;
    let flexible = raw.flexible_versions.as_deref().map_or(Ok(Versions::NONE), Versions::parse)?;
    let mut message = Message {
        name: raw.name.clone(),
        kind: raw.kind,
        api_key: raw.api_key,
        versions,
        flexible,
        latest_version_unstable: raw.latest_version_unstable,
        listeners: raw.listeners,
        structs: vec![],
        source: source.to_string(),
    };
    message.add_struct(&raw.name, versions, &raw.fields).with_context(|| format!("message {}", raw.name))?;
    for common in &raw.common_structs {
        let common_versions = Versions::parse(&common.versions)?.intersect(versions);
        message.add_struct(&common.name, common_versions, &common.fields)?;
    }
    message.check()?;
    Ok(message)
}

impl Message {
    fn add_struct(&mut self, name: &str, versions: Versions, raw: &[RawField]) -> Result<()> {
        ensure!(self.structs.iter().all(|s| s.name != name), "structure {name} is defined twice");
        let fields = raw.iter().map(|field| self.field(field)).collect::<Result<Vec<_>>>();
        let fields = fields.with_context(|| format!("structure {name}"))?;
        self.structs.push(Struct { name: name.to_string(), versions, fields: fields.clone() });
        for (field, raw) in fields.iter().zip(raw) {
            if let (Some(inner), false) = (field.ty.structure(), raw.fields.is_empty()) {
                self.add_struct(inner, versions.intersect(field.versions), &raw.fields)?;
            }
        }
        Ok(())
    }

    fn field(&self, raw: &RawField) -> Result<Field> {
        let parse = |text: &Option<String>| text.as_deref().map_or(Ok(Versions::NONE), Versions::parse);
        let tagged = parse(&raw.tagged_versions)?;
        let field = Field {
            name: raw.name.clone(),
            ty: Type::parse(&raw.ty)?,
            versions: if raw.versions.is_some() { parse(&raw.versions)? } else { tagged },
            nullable: parse(&raw.nullable_versions)?,
            tagged,
            tag: raw.tag,
            // Kafka's generator takes a JSON null as "no default given", only the text "null" as null.
            default: match &raw.default {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            },
            ignorable: raw.ignorable,
        };
        ensure!(
            field.tag.is_some() != field.tagged.is_empty(),
            "{}: tag and taggedVersions belong together",
            field.name
        );
        ensure!(field.nullable.is_empty() || field.ty.can_be_null(), "{} cannot be null", field.name);
        ensure!(field.ty != Type::Records || field.tagged.is_empty(), "{}: records cannot be tagged", field.name);
        ensure!(raw.flexible_versions.is_none() || self.kind == Kind::Header, "{}: only headers mix", field.name);
        Ok(field)
    }

    /// What the generated code relies on: known structures, no recursion, tags in flexible versions only.
    fn check(&self) -> Result<()> {
        for structure in &self.structs {
            let mut seen = BTreeSet::new();
            self.refuse_recursion(&structure.name, &mut seen)?;
            for field in &structure.fields {
                let tagged = field.tagged.intersect(structure.versions);
                let in_flexible = tagged.is_empty() || tagged.intersect(self.flexible) == tagged;
                ensure!(in_flexible, "{}.{} is tagged in a version that is not flexible", self.name, field.name);
            }
        }
        Ok(())
    }

    fn refuse_recursion(&self, name: &str, path: &mut BTreeSet<String>) -> Result<()> {
        ensure!(path.insert(name.to_string()), "{}: structure {name} contains itself", self.name);
        let structure = self.structs.iter().find(|s| s.name == name);
        let structure = structure.with_context(|| format!("{}: unknown structure {name}", self.name))?;
        for inner in structure.fields.iter().filter_map(|field| field.ty.structure()) {
            self.refuse_recursion(inner, path)?;
        }
        path.remove(name);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_structure_that_contains_itself_is_refused() {
        let text = r#"{ "type": "data", "name": "Tree", "validVersions": "0", "flexibleVersions": "0+",
            "fields": [{ "name": "Root", "type": "Node", "versions": "0+" }],
            "commonStructs": [{ "name": "Node", "versions": "0+", "fields": [
                { "name": "Children", "type": "[]Node", "versions": "0+" }]}] }"#;
        assert!(format!("{:#}", parse(text, "test").unwrap_err()).contains("contains itself"));
    }
}
