//! The two sparse indexes of a segment, byte for byte as Kafka keeps them, but in memory: no mmap.
//!
//! Both are pure: they parse, look up, take entries and encode. Who writes the bytes to the files, and when, is the
//! segment's business. An index is only a help: every position that it gives is checked against the batch header
//! found there, and a missing or senseless index is rebuilt from the log.

mod builder;
mod offset_index;
mod time_index;

pub(crate) use builder::IndexBuilder;
pub(crate) use offset_index::OffsetIndex;
pub(crate) use time_index::{TimeIndex, TimestampEntry};

/// An index file whose bytes make no sense; it has to be rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("corrupt index: {0}")]
pub(crate) struct CorruptIndex(pub(crate) &'static str);
