//! Kafka's small text files: checkpoints of offsets (one line each), and `partition.metadata`.
//!
//! A checkpoint is a version, a number of entries, and that many lines. The number makes a cut-off file recognisable.

use ottla_types::{TopicPartition, Uuid};
use std::collections::BTreeMap;

/// Version of `recovery-point-offset-checkpoint`, `log-start-offset-checkpoint`, `replication-offset-checkpoint` and
/// `cleaner-offset-checkpoint`.
const OFFSETS_VERSION: i32 = 0;
/// Version of `partition.metadata`.
const METADATA_VERSION: i32 = 0;
/// The longest part of a senseless line that an error repeats, in characters.
const SHOWN_CHARS_MAX: usize = 80;

/// Why a file is not what its name says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Written by another version.
    #[error("version {found} is not supported: only {expected} is")]
    UnknownVersion {
        /// The version in the file.
        found: i32,
        /// The only one known.
        expected: i32,
    },
    /// A line that makes no sense.
    #[error("line {number} makes no sense: '{line}'")]
    MalformedLine {
        /// Counted from 1.
        number: usize,
        /// Its beginning.
        line: String,
    },
    /// The file was cut off, or grew.
    #[error("the file announces {announced} entries but holds {found}")]
    WrongCount {
        /// The number on the second line.
        announced: usize,
        /// The lines that follow.
        found: usize,
    },
    /// A file that must not be empty is.
    #[error("the file is empty")]
    Empty,
}

/// An offset for each partition of a log directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OffsetCheckpoint {
    /// The offsets.
    pub offsets: BTreeMap<TopicPartition, i64>,
}

/// `partition.metadata`: which topic a partition directory belongs to (KIP-516).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// The topic's id.
    pub topic_id: Uuid,
}

impl OffsetCheckpoint {
    /// The file's bytes: version, number of entries, then `topic partition offset` on a line each.
    pub fn encode(&self) -> Vec<u8> {
        let lines = self.offsets.iter().map(|(partition, offset)| {
            let TopicPartition { topic, partition } = partition;
            format!("{topic} {partition} {offset}")
        });
        checkpoint_text(OFFSETS_VERSION, lines).into_bytes()
    }

    /// Reads the file's bytes. An empty file has no offsets: Kafka creates it so.
    pub fn parse(bytes: &[u8]) -> Result<OffsetCheckpoint, CheckpointError> {
        let entries = parse_checkpoint(bytes, OFFSETS_VERSION, |fields| match fields {
            [topic, partition, offset] => {
                Some((TopicPartition::new(*topic, partition.parse().ok()?), offset.parse().ok()?))
            }
            _ => None,
        })?;
        Ok(OffsetCheckpoint { offsets: entries.into_iter().collect() })
    }
}

impl PartitionMetadata {
    /// The file's bytes.
    pub fn encode(&self) -> Vec<u8> {
        format!("version: {METADATA_VERSION}\ntopic_id: {}", self.topic_id).into_bytes()
    }

    /// Reads the file's bytes.
    pub fn parse(bytes: &[u8]) -> Result<PartitionMetadata, CheckpointError> {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.lines().enumerate();
        let (_, version_line) = lines.next().ok_or(CheckpointError::Empty)?;
        let version = version_line.strip_prefix("version:").and_then(|value| value.trim().parse().ok());
        let found = version.ok_or_else(|| malformed(0, version_line))?;
        if found != METADATA_VERSION {
            return Err(CheckpointError::UnknownVersion { found, expected: METADATA_VERSION });
        }
        let (number, id_line) = lines.next().ok_or(CheckpointError::WrongCount { announced: 2, found: 1 })?;
        let topic_id = id_line.strip_prefix("topic_id:").and_then(|value| value.trim().parse::<Uuid>().ok());
        match topic_id {
            Some(topic_id) if !topic_id.is_zero() => Ok(PartitionMetadata { topic_id }),
            _ => Err(malformed(number, id_line)),
        }
    }
}

/// A checkpoint file of these lines.
pub(crate) fn checkpoint_text(version: i32, lines: impl ExactSizeIterator<Item = String>) -> String {
    let mut text = format!("{version}\n{}\n", lines.len());
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// The entries of a checkpoint file; `entry` reads the fields of a line. An empty file has none.
pub(crate) fn parse_checkpoint<T>(
    bytes: &[u8],
    expected: i32,
    entry: impl Fn(&[&str]) -> Option<T>,
) -> Result<Vec<T>, CheckpointError> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines().enumerate();
    let Some((_, version_line)) = lines.next() else { return Ok(Vec::new()) };
    let found: i32 = version_line.trim().parse().map_err(|_| malformed(0, version_line))?;
    if found != expected {
        return Err(CheckpointError::UnknownVersion { found, expected });
    }
    let Some((number, count_line)) = lines.next() else { return Ok(Vec::new()) };
    let announced: usize = count_line.trim().parse().map_err(|_| malformed(number, count_line))?;
    let mut entries = Vec::new();
    for (number, line) in lines {
        let fields: Vec<&str> = line.split_whitespace().collect();
        entries.push(entry(&fields).ok_or_else(|| malformed(number, line))?);
    }
    match entries.len() == announced {
        true => Ok(entries),
        false => Err(CheckpointError::WrongCount { announced, found: entries.len() }),
    }
}

fn malformed(index: usize, line: &str) -> CheckpointError {
    CheckpointError::MalformedLine { number: index + 1, line: line.chars().take(SHOWN_CHARS_MAX).collect() }
}

#[cfg(test)]
mod tests;
