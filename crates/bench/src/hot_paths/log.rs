//! A partition's log: batches go in, ranges of its files come out.

use super::batches::{Shape, TIMESTAMP_MS};
use super::measure::Prepared;
use futures_util::FutureExt;
use ottla_records::{Compression, ValidatedBatch};
use ottla_runtime::{RealOptions, Runtime};
use ottla_storage::producer_state::Origin;
use ottla_storage::{AppendError, AppendOutcome, Log, LogConfig, LogDirs, LogDirsOptions, LogSlice};
use ottla_types::{LeaderEpoch, NodeId, TopicPartition, Uuid};
use std::hint::black_box;
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime as Executor};

const EPOCH: LeaderEpoch = LeaderEpoch(3);
/// Appends until a log is large enough.
const APPENDS_MAX: usize = 512;
/// The log that is read: this many segments, of so many batches each.
const SEGMENTS: i64 = 64;
const BATCHES_PER_SEGMENT: i64 = 200;
const SMALL: Shape = Shape { records: 10, value_bytes: 100 };
/// What a fetch wants of a partition. Bytes.
const FETCH_BYTES_MAX: u64 = 1024 * 1024;
/// From one read to the next; no divisor of the number of records, so that reads go everywhere.
const OFFSETS_BETWEEN_READS: i64 = 12_347;

/// One log and the node around it.
struct Stage {
    log: Log,
    _dirs: LogDirs,
    executor: Executor,
    /// Removed with the last of the above.
    _directory: Option<TempDir>,
}

impl Stage {
    /// A log in files of the temporary directory: an append is a system call.
    fn on_disk() -> Stage {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = directory.path().join("data");
        let runtime = || Runtime::real(RealOptions::default()).expect("threads can be started");
        Stage::open(runtime, path, Some(directory))
    }

    /// A log in memory: what is left is our own work.
    fn in_memory() -> Stage {
        Stage::open(Runtime::in_memory, PathBuf::from("/data"), None)
    }

    fn open(runtime: impl FnOnce() -> Runtime, path: PathBuf, directory: Option<TempDir>) -> Stage {
        let executor = Builder::new_current_thread().enable_all().build().expect("an executor can be made");
        let (dirs, log) = executor.block_on(async {
            let options = LogDirsOptions { dirs: vec![path], node_id: NodeId(1), cluster_id: None };
            let dirs = LogDirs::open(&runtime(), options).await.expect("the directory is new");
            dirs.dirs()[0].finish_recovery(true).await.expect("there is nothing to recover");
            let partition = TopicPartition::new("topic", 0);
            let log = dirs.create_log(&partition, Uuid([7; 16]), LogConfig::default()).await;
            (dirs, log.expect("the directory is writable"))
        });
        Stage { log, _dirs: dirs, executor, _directory: directory }
    }

    fn append(&mut self, batch: &ValidatedBatch) -> Result<AppendOutcome, AppendError> {
        self.log.append_as_leader(batch, EPOCH, Origin::Client, TIMESTAMP_MS)
    }

    fn roll(&mut self) {
        let job = self.log.begin_roll().expect("nothing else rolls");
        let done = self.executor.block_on(job.run());
        self.log.finish_roll(done).expect("the log rolls");
    }

    /// A planned read of what starts at `offset`.
    fn read(&self, offset: i64) -> LogSlice {
        let plan = self.log.plan_read(offset, FETCH_BYTES_MAX, self.log.log_end_offset(), true);
        let done = plan.expect("the offset is there").run().now_or_never();
        done.expect("a disk in memory is never waited for").expect("the log is good")
    }
}

/// Batches without a producer.
pub(super) fn append_plain(shape: Shape) -> Prepared {
    append(shape.plain_batches(APPENDS_MAX))
}

/// Batches of an idempotent producer: the sequence is checked and remembered.
pub(super) fn append_idempotent(shape: Shape) -> Prepared {
    append(shape.idempotent_batches(APPENDS_MAX))
}

fn append(batches: Vec<ValidatedBatch>) -> Prepared {
    let mut stage = Stage::on_disk();
    let (bytes, operations_max) = (batches[0].total_len(), batches.len() as u64);
    let mut next = 0;
    let operation = move || {
        let outcome = stage.append(black_box(&batches[next])).expect("the log takes the batch");
        assert!(matches!(outcome, AppendOutcome::Appended(_)), "every batch is a new one");
        next += 1;
    };
    Prepared { operations_max, ..Prepared::new(bytes, operation) }
}

/// A log of many segments.
fn filled() -> Stage {
    let mut stage = Stage::in_memory();
    let batch = SMALL.batch(Compression::None);
    for segment in 0..SEGMENTS {
        if segment > 0 {
            stage.roll();
        }
        for _ in 0..BATCHES_PER_SEGMENT {
            stage.append(&batch).expect("the log takes the batch");
        }
    }
    stage
}

/// Any offset of the log, found through the indexes of its segment; consumers that are behind.
pub(super) fn read_anywhere() -> Prepared {
    let stage = filled();
    let mut offset = 0;
    Prepared::new(0, move || {
        offset = (offset + OFFSETS_BETWEEN_READS) % stage.log.active_base_offset();
        let slice = stage.read(black_box(offset));
        assert!(black_box(slice).range.is_some(), "there are records");
    })
}

/// The last batch: consumers that follow.
pub(super) fn read_tail() -> Prepared {
    let stage = filled();
    let offset = stage.log.log_end_offset() - 1;
    Prepared::new(0, move || {
        let slice = stage.read(black_box(offset));
        assert!(black_box(slice).range.is_some(), "there are records");
    })
}
