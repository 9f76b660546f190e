//! Kafka's 128-bit ids and their text form: URL-safe base64 without padding, 22 characters.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::str::FromStr;

/// A 128-bit id of a topic, a log directory or a cluster. All zero means "none".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(pub [u8; 16]);

/// A text that is not a Kafka UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a Kafka UUID: expected 22 characters of URL-safe base64")]
pub struct InvalidUuid(String);

impl Uuid {
    /// All zero: no id.
    pub const ZERO: Uuid = Uuid([0; 16]);
    /// The reserved id of the metadata log.
    pub const METADATA_TOPIC: Uuid = Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    /// Whether this is "none".
    pub fn is_zero(self) -> bool {
        self == Uuid::ZERO
    }

    /// An id made of two random halves: version 4, and never one whose text starts with `-`, as Kafka's
    /// `Uuid.randomUuid`. Returns `None` when the halves make a reserved or dash-leading id; draw again.
    pub fn from_random_halves(high: u64, low: u64) -> Option<Uuid> {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&high.to_be_bytes());
        bytes[8..].copy_from_slice(&low.to_be_bytes());
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let id = Uuid(bytes);
        (!id.to_string().starts_with('-')).then_some(id)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Uuid {
    type Err = InvalidUuid;

    fn from_str(text: &str) -> Result<Uuid, InvalidUuid> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidUuid(text.to_string()))?;
        let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| InvalidUuid(text.to_string()))?;
        Ok(Uuid(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips() {
        let id = Uuid::from_random_halves(0x1234_5678_9abc_def0, 42).unwrap();
        assert_eq!(id.to_string().len(), 22);
        assert_eq!(id.to_string().parse::<Uuid>().unwrap(), id);
        assert!("short".parse::<Uuid>().is_err());
        assert!("".parse::<Uuid>().is_err());
    }

    #[test]
    fn ids_that_look_like_flags_are_drawn_again() {
        assert_eq!(Uuid::from_random_halves(0xfb00_0000_0000_0000, 0), None);
    }
}
