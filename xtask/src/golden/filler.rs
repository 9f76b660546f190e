//! Random messages as bytes, made straight from the schemas: a third opinion beside Java and our generated code.
//!
//! The bytes are canonical: tags ascend, and a tagged field is left out rather than written with its default. So both
//! sides must give back exactly these bytes.

use crate::codegen::schema::{Field, Message, Struct, Type};

const TEXTS: &[&str] = &["x", "group-1", "ünï", "日本", "🦀", "._-"];

/// Makes bytes of messages, the same ones for the same seed.
pub(super) struct Filler<'a> {
    message: &'a Message,
    version: i16,
    state: u64,
}

impl<'a> Filler<'a> {
    pub(super) fn new(message: &'a Message, version: i16, seed: u64) -> Filler<'a> {
        let name: u64 = message.name.bytes().fold(seed, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        Filler { message, version, state: name.wrapping_mul(2).wrapping_add(version as u64).wrapping_mul(2) | 1 }
    }

    /// The bytes of a whole message.
    pub(super) fn message(mut self) -> Vec<u8> {
        let mut out = vec![];
        self.structure(&mut out, &self.message.structs[0], false);
        out
    }

    /// xorshift64*: enough to choose values, and nothing to install.
    fn random(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.random() >> 32) % limit
    }

    fn is_flexible(&self) -> bool {
        self.message.flexible.contains(self.version)
    }

    /// `set` asks for a value that differs from the default everywhere.
    fn structure(&mut self, out: &mut Vec<u8>, structure: &Struct, set: bool) {
        for field in &structure.fields {
            let is_here = field.versions.contains(self.version) && !field.tagged.contains(self.version);
            if is_here {
                self.field(out, field, set, false);
            }
        }
        if self.is_flexible() {
            self.tags(out, structure);
        }
    }

    fn tags(&mut self, out: &mut Vec<u8>, structure: &Struct) {
        let mut known: Vec<&Field> = structure.fields.iter().filter(|f| f.tagged.contains(self.version)).collect();
        known.sort_by_key(|field| field.tag);
        known.retain(|_| self.below(3) > 0);
        uvarint(out, known.len() as u64);
        for field in known {
            let mut content = vec![];
            self.field(&mut content, field, true, true);
            uvarint(out, field.tag.unwrap_or_default().into());
            uvarint(out, content.len() as u64);
            out.extend(content);
        }
    }

    fn field(&mut self, out: &mut Vec<u8>, field: &Field, set: bool, tagged: bool) {
        let nullable = field.nullable.contains(self.version);
        let null_is_default = field.default_is_null();
        let is_null = nullable && !(set && null_is_default) && self.below(3) == 0;
        match &field.ty {
            Type::Struct(name) => {
                match (nullable, tagged) {
                    (true, true) => uvarint(out, u64::from(!is_null)),
                    (true, false) => out.push(if is_null { 0xff } else { 1 }),
                    (false, _) => {}
                }
                if !is_null {
                    self.structure(out, self.message.structure(name), set);
                }
            }
            Type::String | Type::Bytes | Type::Records | Type::Array(_) if is_null => self.length(out, &field.ty, None),
            Type::Array(element) => {
                let count = if set { 1 + self.below(2) } else { self.below(4) };
                self.length(out, &field.ty, Some(count as usize));
                for _ in 0..count {
                    self.element(out, element, set);
                }
            }
            Type::Bool if set => out.push(u8::from(field.default != "true")),
            plain => self.plain(out, plain),
        }
    }

    fn element(&mut self, out: &mut Vec<u8>, element: &Type, set: bool) {
        match element {
            Type::Struct(name) => self.structure(out, self.message.structure(name), set),
            plain => self.plain(out, plain),
        }
    }

    /// A value without structure; never a default that occurs in the schemas. Fractions stay small, because Java prints
    /// large ones in another notation.
    fn plain(&mut self, out: &mut Vec<u8>, ty: &Type) {
        let number = (self.random() >> self.below(50)) | 0x40;
        match ty {
            Type::Bool => out.push((number >> 8) as u8 & 1),
            Type::Int8 => out.push((number as u8 & 0xbf) | 0x40),
            Type::Int16 | Type::Uint16 => out.extend((number as u16).to_be_bytes()),
            Type::Int32 | Type::Uint32 => out.extend((number as u32 & !1).to_be_bytes()),
            Type::Int64 => out.extend((number & !1).to_be_bytes()),
            Type::Float64 => out.extend((f64::from(number as u16) / 4.0).to_be_bytes()),
            Type::Uuid => out.extend((u128::from(number) << 64 | u128::from(self.random())).to_be_bytes()),
            Type::String => {
                let text = TEXTS[self.below(TEXTS.len() as u64) as usize].repeat(1 + self.below(60) as usize);
                self.length(out, ty, Some(text.len()));
                out.extend(text.as_bytes());
            }
            Type::Bytes | Type::Records => {
                let bytes: Vec<u8> = (0..1 + self.below(200)).map(|_| self.random() as u8).collect();
                self.length(out, ty, Some(bytes.len()));
                out.extend(bytes);
            }
            Type::Struct(_) | Type::Array(_) => unreachable!("handled by the callers"),
        }
    }

    fn length(&self, out: &mut Vec<u8>, ty: &Type, length: Option<usize>) {
        if self.is_flexible() {
            uvarint(out, length.map_or(0, |length| length as u64 + 1));
        } else if *ty == Type::String {
            out.extend(length.map_or(-1, |length| length as i16).to_be_bytes());
        } else {
            out.extend(length.map_or(-1, |length| length as i32).to_be_bytes());
        }
    }
}

fn uvarint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
