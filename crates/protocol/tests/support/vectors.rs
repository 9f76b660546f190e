//! The committed golden bytes as a list of messages.

use std::sync::OnceLock;

use bytes::Bytes;

/// Bytes of one message that Kafka's Java code made.
pub(crate) struct Vector {
    /// Kafka's name of the message.
    pub(crate) name: String,
    pub(crate) version: i16,
    pub(crate) bytes: Bytes,
}

/// All of them.
pub(crate) fn all() -> &'static [Vector] {
    static ALL: OnceLock<Vec<Vector>> = OnceLock::new();
    ALL.get_or_init(|| include_str!("../../../../compat/golden/vectors.txt").lines().filter_map(parse).collect())
}

#[allow(dead_code, reason = "not every test binary draws at random")]
pub(crate) fn count() -> usize {
    all().len()
}

#[allow(dead_code, reason = "not every test binary draws at random")]
pub(crate) fn nth(index: usize) -> &'static Vector {
    &all()[index]
}

fn parse(line: &str) -> Option<Vector> {
    let mut words = line.split(' ');
    if words.next()? != "bytes" {
        return None;
    }
    let (name, version, hex) = (words.next()?.to_string(), words.next()?.parse().ok()?, words.next()?);
    let pair = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let bytes = if hex == "." { Some(vec![]) } else { (0..hex.len()).step_by(2).map(pair).collect() };
    Some(Vector { name, version, bytes: Bytes::from(bytes?) })
}
