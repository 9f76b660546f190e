//! What can be wrong with bytes that arrive, and with a message that is to be sent.

/// Bytes that are not the message they should be. The sender is at fault: close the connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The message exists, but not in this version.
    #[error("{message} has no version {version}")]
    UnsupportedVersion {
        /// Name of the message.
        message: &'static str,
        /// The version that was asked for.
        version: i16,
    },
    /// An API key that Kafka 4.3 does not define.
    #[error("unknown API key {0}")]
    UnknownApiKey(i16),
    /// A record type that the log's schema does not define.
    #[error("unknown {log} type {record_type}")]
    UnknownRecordType {
        /// Which kind of record.
        log: &'static str,
        /// The type that was found.
        record_type: i64,
    },
    /// The frame of a metadata record is not version 1.
    #[error("unknown frame version {0} of a metadata record")]
    UnknownFrameVersion(u32),
    /// The bytes end inside a field.
    #[error("{field} at byte {offset} needs {needed} bytes, {remaining} are left")]
    Short {
        /// Structure and field.
        field: &'static str,
        /// Where the field's content starts.
        offset: usize,
        /// Its length in bytes.
        needed: usize,
        /// What remains of the frame.
        remaining: usize,
    },
    /// Null where the version does not allow it.
    #[error("{field} at byte {offset} is null, which its version does not allow")]
    Null {
        /// Structure and field.
        field: &'static str,
        /// Where the length stood.
        offset: usize,
    },
    /// A string longer than 32767 bytes, which no version can carry.
    #[error("{field} at byte {offset} is a string of {length} bytes")]
    StringTooLong {
        /// Structure and field.
        field: &'static str,
        /// Where the string starts.
        offset: usize,
        /// Its length in bytes.
        length: usize,
    },
    /// An array that announces more elements than the rest of the frame can hold.
    #[error("{field} at byte {offset} announces {count} elements, {remaining} bytes are left")]
    TooManyElements {
        /// Structure and field.
        field: &'static str,
        /// Where the elements start.
        offset: usize,
        /// The announced number.
        count: usize,
        /// What remains of the frame.
        remaining: usize,
    },
    /// A frame whose arrays would take far more memory than the frame itself.
    #[error("the arrays of this frame take too much memory at byte {offset}")]
    TooMuchMemory {
        /// Where the elements start that went over the bound.
        offset: usize,
    },
    /// A variable-length integer of more than 32 bits.
    #[error("{field} at byte {offset} is not an unsigned 32-bit varint")]
    Varint {
        /// Structure and field.
        field: &'static str,
        /// Where the integer starts.
        offset: usize,
    },
    /// A tagged field whose content does not end where its size says.
    #[error("tag {tag} ends at byte {end}, its size says {expected}")]
    TagSize {
        /// The tag.
        tag: u32,
        /// Where the content ended.
        end: usize,
        /// Where it should have.
        expected: usize,
    },
    /// Bytes after the end of the message.
    #[error("{count} bytes follow the message")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
}

/// A message that cannot be written in the wanted version. The caller is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The message exists, but not in this version.
    #[error("{message} has no version {version}")]
    UnsupportedVersion {
        /// Name of the message.
        message: &'static str,
        /// The version that was asked for.
        version: i16,
    },
    /// A field was set that this version does not have, and whose loss would change the meaning.
    #[error("{field} is set, but version {version} does not have it")]
    UnsupportedField {
        /// Structure and field.
        field: &'static str,
        /// The version that was asked for.
        version: i16,
    },
    /// Null where the version does not allow it.
    #[error("{field} is null, which its version does not allow")]
    Null {
        /// Structure and field.
        field: &'static str,
    },
    /// A string over 32767 bytes, or an array or byte string over 2147483647.
    #[error("{field} is too long: {length}")]
    TooLong {
        /// Structure and field.
        field: &'static str,
        /// Its length in bytes or elements.
        length: usize,
    },
}
