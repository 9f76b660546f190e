//! Records of the internal logs: which type they are, and how type and version stand in front of the body.

/// Records of a log of framed messages, as Kafka's metadata log: frame version 1, record type and message version as
/// unsigned varints, then the body (KIP-631).
macro_rules! framed_records {
    ($name:ident $($code:literal $variant:ident($message:ident),)*) => {
        #[doc = concat!("Any ", stringify!($name), " that Kafka defines, by type.")]
        #[derive(Debug, Clone, PartialEq)]
        pub enum $name {
            $(#[doc = concat!("Type ", $code, ".")] $variant($message),)*
        }

        $(
            impl From<$message> for $name {
                fn from(record: $message) -> Self {
                    $name::$variant(record)
                }
            }
        )*

        impl $name {
            /// The record's type.
            pub fn record_type(&self) -> i16 {
                match self {
                    $($name::$variant(_) => $code,)*
                }
            }

            /// Kafka's name of the record's schema.
            pub fn name(&self) -> &'static str {
                match self {
                    $($name::$variant(_) => <$message as crate::Message>::NAME,)*
                }
            }

            /// The highest version of the record's schema.
            pub fn max_version(&self) -> i16 {
                match self {
                    $($name::$variant(_) => <$message as crate::Message>::MAX_VERSION,)*
                }
            }

            /// The record's fields as JSON, of the version that it was written in.
            pub fn write_json(&self, j: &mut crate::JsonWriter<'_>, version: i16) {
                match self {
                    $($name::$variant(record) => crate::JsonMessage::write_json(record, j, version),)*
                }
            }

            /// The record with frame version, type and version in front.
            ///
            /// # Errors
            /// When the version does not exist or cannot carry a field that is set.
            pub fn encode(&self, version: i16) -> Result<bytes::Bytes, crate::EncodeError> {
                let mut w = crate::Writer::new();
                w.uvarint(crate::record_types::FRAME_VERSION);
                w.uvarint(self.record_type() as u32);
                w.uvarint(version as u32);
                match self {
                    $($name::$variant(record) => crate::Message::encode(record, &mut w, version)?,)*
                }
                Ok(w.finish().buf)
            }

            /// Reads a whole record; the second value is the version that it was written in.
            ///
            /// # Errors
            /// When frame, type or version are unknown, or the bytes are not exactly this record.
            pub fn decode(bytes: &bytes::Bytes) -> Result<(Self, i16), crate::DecodeError> {
                let mut r = crate::Reader::new(bytes);
                let (record_type, version) = crate::record_types::frame(&mut r)?;
                let record = match record_type {
                    $($code => $name::$variant(crate::Message::decode(&mut r, version)?),)*
                    other => {
                        let record_type = i64::from(other);
                        return Err(crate::DecodeError::UnknownRecordType { log: stringify!($name), record_type });
                    }
                };
                r.finish()?;
                Ok((record, version))
            }
        }
    };
}

/// Records of a coordinator's log: a key that starts with its type and a value that starts with its version, both as
/// int16. The value's type is the key's.
macro_rules! coordinator_records {
    ($keys:ident $values:ident $($code:literal $variant:ident($key:ident, $value:ident),)*) => {
        #[doc = concat!("Any key of Kafka's ", stringify!($keys), "s, by type.")]
        #[derive(Debug, Clone, PartialEq)]
        pub enum $keys {
            $(#[doc = concat!("Type ", $code, ".")] $variant($key),)*
        }

        #[doc = concat!("Any value of Kafka's ", stringify!($values), "s, by type.")]
        #[derive(Debug, Clone, PartialEq)]
        pub enum $values {
            $(#[doc = concat!("Type ", $code, ".")] $variant($value),)*
        }

        impl $keys {
            /// The record's type.
            pub fn record_type(&self) -> i16 {
                match self {
                    $($keys::$variant(_) => $code,)*
                }
            }

            /// The key's fields as JSON.
            pub fn write_json(&self, j: &mut crate::JsonWriter<'_>) {
                match self {
                    $($keys::$variant(key) => crate::JsonMessage::write_json(key, j, 0),)*
                }
            }

            /// The key as it stands in a record. Keys have one version, 0.
            ///
            /// # Errors
            /// When a string is too long.
            pub fn encode(&self) -> Result<bytes::Bytes, crate::EncodeError> {
                let mut w = crate::Writer::new();
                w.int16(self.record_type());
                match self {
                    $($keys::$variant(key) => crate::Message::encode(key, &mut w, 0)?,)*
                }
                Ok(w.finish().buf)
            }

            /// Reads a whole key.
            ///
            /// # Errors
            /// When the type is unknown (a newer Kafka wrote it), or the bytes are not exactly this key.
            pub fn decode(bytes: &bytes::Bytes) -> Result<Self, crate::DecodeError> {
                let mut r = crate::Reader::of_log(bytes);
                let record_type = r.int16("record type");
                r.check()?;
                let key = match record_type {
                    $($code => $keys::$variant(crate::Message::decode(&mut r, 0)?),)*
                    other => {
                        let record_type = i64::from(other);
                        return Err(crate::DecodeError::UnknownRecordType { log: stringify!($keys), record_type });
                    }
                };
                r.finish()?;
                Ok(key)
            }
        }

        impl $values {
            /// The record's type.
            pub fn record_type(&self) -> i16 {
                match self {
                    $($values::$variant(_) => $code,)*
                }
            }

            /// The highest version of the value's schema.
            pub fn max_version(&self) -> i16 {
                match self {
                    $($values::$variant(_) => <$value as crate::Message>::MAX_VERSION,)*
                }
            }

            /// The value's fields as JSON, of the version that it was written in.
            pub fn write_json(&self, j: &mut crate::JsonWriter<'_>, version: i16) {
                match self {
                    $($values::$variant(value) => crate::JsonMessage::write_json(value, j, version),)*
                }
            }

            /// The value as it stands in a record.
            ///
            /// # Errors
            /// When the version does not exist or cannot carry a field that is set.
            pub fn encode(&self, version: i16) -> Result<bytes::Bytes, crate::EncodeError> {
                let mut w = crate::Writer::new();
                w.int16(version);
                match self {
                    $($values::$variant(value) => crate::Message::encode(value, &mut w, version)?,)*
                }
                Ok(w.finish().buf)
            }

            /// Reads a whole value of the type that its key has; the second value is the version it was written in.
            ///
            /// # Errors
            /// When type or version are unknown, or the bytes are not exactly this value.
            pub fn decode(record_type: i16, bytes: &bytes::Bytes) -> Result<(Self, i16), crate::DecodeError> {
                let mut r = crate::Reader::of_log(bytes);
                let version = r.int16("value version");
                r.check()?;
                let value = match record_type {
                    $($code => $values::$variant(crate::Message::decode(&mut r, version)?),)*
                    other => {
                        let record_type = i64::from(other);
                        return Err(crate::DecodeError::UnknownRecordType { log: stringify!($values), record_type });
                    }
                };
                r.finish()?;
                Ok((value, version))
            }
        }
    };
}

pub(crate) use {coordinator_records, framed_records};

use crate::{DecodeError, Reader};

/// The only frame version that Kafka has used since its first production release of the metadata log.
pub(crate) const FRAME_VERSION: u32 = 1;

/// The frame in front of a record's body: type and version.
pub(crate) fn frame(r: &mut Reader<'_>) -> Result<(u32, i16), DecodeError> {
    let frame_version = r.uvarint("frame version");
    let record_type = r.uvarint("record type");
    let version = r.uvarint("record version");
    r.check()?;
    if frame_version != FRAME_VERSION {
        return Err(DecodeError::UnknownFrameVersion(frame_version));
    }
    // A version beyond int16 exists in no schema; the message refuses -1.
    Ok((record_type, i16::try_from(version).unwrap_or(-1)))
}
