//! The codecs of record batches, their names and levels.

use std::fmt;
use std::str::FromStr;

/// Codec of a batch: bits 0 to 2 of its attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compression {
    /// Records as they are.
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy, raw or in the xerial framing of Java clients.
    Snappy,
    /// The LZ4 frame format with independent blocks.
    Lz4,
    /// RFC 8878.
    Zstd,
}

/// Codec and level for batches that this process compresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompressionSpec {
    /// The codec.
    pub codec: Compression,
    /// The codec's level, in Kafka's range for it; `None` is Kafka's default. Snappy has no levels, and LZ4 is always
    /// compressed with the fast method, whatever the level.
    pub level: Option<i32>,
}

impl Compression {
    /// Every codec, by id.
    pub const ALL: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    /// The codec for the three bits of the attributes.
    pub fn from_id(id: u8) -> Option<Compression> {
        Compression::ALL.get(usize::from(id)).copied()
    }

    /// The three bits of the attributes.
    pub fn id(self) -> u8 {
        match self {
            Compression::None => 0,
            Compression::Gzip => 1,
            Compression::Snappy => 2,
            Compression::Lz4 => 3,
            Compression::Zstd => 4,
        }
    }

    /// The name in `compression.type`; `none` is also called `uncompressed` there.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    /// Kafka's default level (KIP-390); 0 where the codec has none.
    pub fn default_level(self) -> i32 {
        match self {
            Compression::None | Compression::Snappy => 0,
            Compression::Gzip => -1,
            Compression::Lz4 => 9,
            Compression::Zstd => 3,
        }
    }
}

impl From<Compression> for CompressionSpec {
    fn from(codec: Compression) -> CompressionSpec {
        CompressionSpec { codec, level: None }
    }
}

impl CompressionSpec {
    /// The level, with Kafka's default filled in.
    pub fn level_or_default(self) -> i32 {
        self.level.unwrap_or(self.codec.default_level())
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no codec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a compression codec: expected none, gzip, snappy, lz4 or zstd")]
pub struct UnknownCompression(pub String);

impl FromStr for Compression {
    type Err = UnknownCompression;

    fn from_str(text: &str) -> Result<Compression, UnknownCompression> {
        if text == "uncompressed" {
            return Ok(Compression::None);
        }
        let codec = Compression::ALL.into_iter().find(|codec| codec.name() == text);
        codec.ok_or_else(|| UnknownCompression(text.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_round_trip() {
        for codec in Compression::ALL {
            assert_eq!(Compression::from_id(codec.id()), Some(codec));
            assert_eq!(codec.name().parse(), Ok(codec));
        }
        assert_eq!(Compression::from_id(5), None);
        assert_eq!("uncompressed".parse(), Ok(Compression::None));
        assert!("producer".parse::<Compression>().is_err());
    }
}
