//! Every limit of the log that is not a config, with its unit.

use std::time::Duration;

/// The largest segment: positions in an index are 31 bits.
pub const SEGMENT_BYTES_MAX: u64 = i32::MAX as u64;
/// The largest batch that is appended, or believed in when read back: nothing larger can arrive in one request.
pub const BATCH_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Boundaries of the last batches that a log remembers, so that a read at the tail needs no scan.
pub const TAIL_BATCHES_MAX: usize = 128;
/// Bytes that one read of a scan over a segment takes at least.
pub const SCAN_CHUNK_BYTES: usize = 1024 * 1024;
/// The unit in which a system loses what it could not store.
pub const PAGE_BYTES: u64 = 4096;
/// Bytes that one read takes when a position is looked for between two index entries.
pub const LOCATE_CHUNK_BYTES: usize = 8 * 1024;
/// Memory for the indexes of older segments, over all logs of the node.
pub const INDEX_CACHE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Older segments that are held open, over all logs of the node; each takes one file descriptor. Fewer where the process may open
/// few files ([`ottla_runtime::Disk::lazy_files_max`]).
pub const OPEN_SEGMENTS_MAX: usize = 2048;
/// Writeback is started each time this many bytes were appended.
pub const WRITEBACK_CHUNK_BYTES: u64 = 4 * 1024 * 1024;
/// A write-caching log is flushed in the background once it has this many unflushed bytes.
pub const BACKGROUND_FLUSH_BYTES: u64 = 32 * 1024 * 1024;
/// A write-caching log is flushed in the background once its oldest unflushed record is this old.
pub const BACKGROUND_FLUSH_INTERVAL: Duration = Duration::from_secs(5);
/// Logs of a directory that are opened at the same time. `num.recovery.threads.per.data.dir` bounds how many of them read much.
pub const OPENINGS_IN_PARALLEL: usize = 32;
/// How often recovery points are checkpointed and the space of log directories is probed.
pub const HOUSEKEEPING_INTERVAL: Duration = Duration::from_millis(500);
/// The recovery points of a log directory are checkpointed at once when so many bytes were flushed in it since the last time.
pub const CHECKPOINT_LAG_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Small files of partitions that are read at once when a start looks for them.
pub const READS_IN_PARALLEL: usize = 32;
/// Appends to a log directory are refused while its file system has less space than this.
pub const FREE_BYTES_MIN: u64 = 16 * 1024 * 1024;
/// On a small file system the limit is this part of it instead.
pub const FREE_PART_MIN: u64 = 32;
/// Log compaction leaves so much of a log directory free, of what it has when it takes no appends any more (or that part): a
/// full directory can still be compacted, and other files still grow.
pub const CLEANER_FREE_PART: u64 = 4;
/// Appends to a full log directory are accepted again above this (or twice that part).
pub const FREE_BYTES_RESUME: u64 = 32 * 1024 * 1024;
/// The largest small file (checkpoint, marker, properties, producer snapshot) that is read whole.
pub const SMALL_FILE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The largest index file that is read whole: `segment.index.bytes` cannot be set higher.
pub const INDEX_FILE_BYTES_MAX: usize = i32::MAX as usize;
/// Partitions whose log directory was chosen before they were created; further choices are forgotten.
pub const PREFERRED_DIRS_MAX: usize = 10_000;
/// Files with bytes that recovery cut from the same place of a log.
pub const CUT_FILES_MAX: u32 = 1000;
/// Bytes before a producer snapshot in which the earlier batches of its producers are looked for.
pub const RECALL_BYTES: u64 = 4 * 1024 * 1024;
/// Segments in which they are looked for: more than one only where segments are small, or were rolled by time.
pub const RECALL_SEGMENTS_MAX: usize = 64;
