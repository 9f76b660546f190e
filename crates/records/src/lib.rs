//! Record batches: read, build, validate, compress. The only place that knows their layout.
//!
//! A batch is [`BatchHeader`] (61 bytes) followed by its records, compressed as one unit. [`scan`] finds batches in a
//! piece of a log; [`Records`] reads the records of one; [`validate_produce`] decides what a leader accepts;
//! [`BatchBuilder`] makes batches; [`compact_batch`] takes records out of one; [`EndTxnMarker`] is the one kind of control
//! record that partitions hold.
//!
//! Everything read here comes from a network or a disk: nothing panics on it, and decompression is bounded by limits
//! that the caller gives, never by what the bytes announce.

mod builder;
mod compact;
mod compress;
mod compression;
mod control;
mod crc;
mod decompress;
mod error;
mod header;
mod iterate;
mod lookup;
mod rebuild;
mod record;
mod scan;
mod sequence;
mod stream;
mod validate;
mod validated;
mod varint;
mod walk;

pub use builder::{BatchBuilder, BuildError};
pub use compact::{BatchRetention, CompactError, CompactLimits, Compacted, CompactedBatch, compact_batch};
pub use compress::SnappyFraming;
pub use compression::{Compression, CompressionSpec, UnknownCompression};
pub use control::{ControlRecordType, EndTxnMarker};
pub use decompress::decompress;
pub use error::BatchError;
pub use header::{BATCH_HEADER_LEN, BatchHeader, LOG_OVERHEAD, MAGIC_V2, NO_TIMESTAMP, TimestampType, stamp};
pub use iterate::{RECORD_BYTES_MAX, Records, read_all};
pub use lookup::{TimestampOffset, find_max_timestamp, find_offset_by_timestamp};
pub use record::{Headers, Record, RecordRef};
pub use scan::{Batches, scan};
pub use sequence::{NO_SEQUENCE, decrement_sequence, follows_sequence, increment_sequence};
pub use validate::{DECOMPRESSED_BATCH_BYTES_MAX, ProduceLimits, ProduceRejected, RECORD_ERRORS_MAX, validate_produce};
pub use validated::ValidatedBatch;
