//! What all messages have in common.

use crate::{ApiKey, DecodeError, EncodeError, Reader, Writer};

/// A message of the protocol or a record of one of the internal logs.
pub trait Message: Sized + Default + Clone + PartialEq + std::fmt::Debug {
    /// Kafka's name, for example `ProduceRequest`.
    const NAME: &'static str;
    /// The lowest version that exists.
    const MIN_VERSION: i16;
    /// The highest version that exists.
    const MAX_VERSION: i16;
    /// The first version with compact lengths and tagged fields (KIP-482); `i16::MAX` when there is none.
    const FLEXIBLE_FROM: i16;

    /// Writes the fields of a version that exists; errors stay in the writer. Call [`Message::encode`] instead.
    fn write(&self, w: &mut Writer, version: i16);

    /// Reads the fields of a version that exists; errors stay in the reader. Call [`Message::decode`] instead.
    fn read(r: &mut Reader<'_>, version: i16) -> Self;

    /// Appends the message.
    ///
    /// # Errors
    /// When the version does not exist, or cannot carry a field that is set and must not be dropped. The writer then
    /// holds a partial message and is of no further use.
    fn encode(&self, w: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if !Self::has_version(version) {
            return Err(EncodeError::UnsupportedVersion { message: Self::NAME, version });
        }
        self.write(w, version);
        w.check()
    }

    /// Reads the message; what follows it stays in the reader, see [`Reader::finish`].
    ///
    /// # Errors
    /// When the version does not exist or the bytes are not this message.
    fn decode(r: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        r.whole::<Self, Self>(version, Self::read)
    }

    /// Whether the version exists.
    fn has_version(version: i16) -> bool {
        (Self::MIN_VERSION..=Self::MAX_VERSION).contains(&version)
    }
}

/// A request; its versions are also its response's.
pub trait Request: Message {
    /// The key in the request's header.
    const KEY: ApiKey;
    /// What answers it.
    type Response: Message;
}
