//! Kafka's deserializers by class name: what bytes mean, as text.

use crate::java_text;
use ottla_terminal::failure::Failure;
use ottla_types::Uuid;

/// One of Kafka's deserializers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deserializer {
    /// The bytes as they are.
    Raw,
    String,
    Boolean,
    Short,
    Integer,
    Long,
    Float,
    Double,
    Uuid,
    /// Printable ASCII, everything else as `\xHH`.
    Escaped,
    Void,
}

impl Deserializer {
    /// The one with this class name (or its last part without `Deserializer`).
    pub(crate) fn of_class(class: &str) -> Result<Deserializer, Failure> {
        let name = class.rsplit_once('.').map_or(class, |(_, name)| name);
        Ok(match name.strip_suffix("Deserializer").unwrap_or(name).to_ascii_lowercase().as_str() {
            "bytearray" | "bytebuffer" => Deserializer::Raw,
            "string" => Deserializer::String,
            "boolean" => Deserializer::Boolean,
            "short" => Deserializer::Short,
            "integer" | "int" => Deserializer::Integer,
            "long" => Deserializer::Long,
            "float" => Deserializer::Float,
            "double" => Deserializer::Double,
            "uuid" => Deserializer::Uuid,
            "bytes" => Deserializer::Escaped,
            "void" => Deserializer::Void,
            _ => {
                return Err(Failure {
                    next_step: Some(
                        "use one of org.apache.kafka.common.serialization: String, ByteArray, Bytes, Boolean, Short, Integer, \
                         Long, Float, Double, UUID or Void with Deserializer behind it"
                            .to_string(),
                    ),
                    ..Failure::new(format!("there is no deserializer {class}: this tool runs no Java classes"))
                });
            }
        })
    }

    /// The text, as bytes; or why these bytes have no such meaning.
    pub(crate) fn text(self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let text = match self {
            Deserializer::Raw => return Ok(bytes.to_vec()),
            Deserializer::String => String::from_utf8_lossy(bytes).into_owned(),
            Deserializer::Boolean => match bytes {
                [0] => "false".to_string(),
                [1] => "true".to_string(),
                _ => return Err("Unexpected byte received by BooleanDeserializer".to_string()),
            },
            Deserializer::Short => i16::from_be_bytes(sized(bytes, "ShortDeserializer")?).to_string(),
            Deserializer::Integer => i32::from_be_bytes(sized(bytes, "IntegerDeserializer")?).to_string(),
            Deserializer::Long => i64::from_be_bytes(sized(bytes, "LongDeserializer")?).to_string(),
            Deserializer::Float => java_text::float(f32::from_be_bytes(sized(bytes, "FloatDeserializer")?)),
            Deserializer::Double => java_text::double(f64::from_be_bytes(sized(bytes, "DoubleDeserializer")?)),
            // Kafka's serializer writes the text of the UUID.
            Deserializer::Uuid => uuid(bytes)?,
            Deserializer::Escaped => escaped(bytes),
            Deserializer::Void => return Err("Data should be null for a VoidDeserializer.".to_string()),
        };
        Ok(text.into_bytes())
    }
}

fn sized<const SIZE: usize>(bytes: &[u8], name: &str) -> Result<[u8; SIZE], String> {
    bytes.try_into().map_err(|_| format!("Size of data received by {name} is not {SIZE}"))
}

fn uuid(bytes: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    let is_uuid = lengths == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit());
    match is_uuid || text.parse::<Uuid>().is_ok() {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(format!("Error parsing data into UUID: {text}")),
    }
}

fn escaped(bytes: &[u8]) -> String {
    let one = |byte: &u8| match byte {
        b'\\' => "\\\\".to_string(),
        b' '..=b'~' => char::from(*byte).to_string(),
        byte => format!("\\x{byte:02X}"),
    };
    bytes.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(class: &str, bytes: &[u8]) -> String {
        let deserializer = Deserializer::of_class(class).unwrap();
        deserializer.text(bytes).map_or_else(|why| why, |text| String::from_utf8_lossy(&text).into_owned())
    }

    #[test]
    fn classes_give_bytes_a_meaning() {
        assert_eq!(text("org.apache.kafka.common.serialization.IntegerDeserializer", &[0, 0, 1, 0]), "256");
        assert_eq!(text("LongDeserializer", &[0xff; 8]), "-1");
        assert_eq!(text("IntegerDeserializer", b"12345"), "Size of data received by IntegerDeserializer is not 4");
        assert_eq!(text("BytesDeserializer", b"a\x00\\"), "a\\x00\\\\");
        assert_eq!(
            text("UUIDDeserializer", b"123E4567-e89b-12d3-a456-426614174000"),
            "123e4567-e89b-12d3-a456-426614174000"
        );
        assert_eq!(text("ByteArrayDeserializer", b"raw"), "raw");
        assert!(Deserializer::of_class("com.example.Mine").unwrap_err().cause.contains("no Java classes"));
    }
}
