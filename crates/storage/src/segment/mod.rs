//! Segments: the files that a log is cut into.
//!
//! The last one is [`ActiveSegment`]: it grows, its indexes are in memory. All others are [`Segment`]: sealed, shared
//! with running reads, opened when one needs them and kept in the [`SegmentCache`].

mod aborted;
mod active;
mod cache;
mod scan;
mod sealed;
mod sealing;
mod tail;

pub(crate) use aborted::{is_open_below, load_aborted};
pub(crate) use active::{ActiveSegment, EncodedIndexes, SegmentFiles, StampedBatch, WriteFailed, create_log_file};
pub(crate) use cache::SegmentCache;
pub(crate) use scan::{BatchReader, ScanStop, ScannedBatch};
pub(crate) use sealed::{OpenSegment, Segment, rebuild_indexes};
pub(crate) use sealing::SealedFiles;
pub(crate) use tail::{TailBatches, TailPosition};
