//! What the tests of logs share.

use crate::leader_epoch_cache::EpochEntry;
use crate::limits::HOUSEKEEPING_INTERVAL;
use crate::producer_state::Origin;
use crate::{
    AppendError, AppendOutcome, Appended, FoundPartition, Log, LogConfig, LogDirs, LogDirsOptions, LogError, ReadPlan,
    RecoveryReport, Retention,
};
use bytes::Bytes;
use futures_util::future::{join, join_all};
use ottla_records::{BatchBuilder, Compression, TimestampType, ValidatedBatch};
use ottla_runtime::{FileRange, Runtime};
use ottla_types::{LeaderEpoch, NodeId, ProducerEpoch, ProducerId, TopicPartition, Uuid};
use std::path::{Path, PathBuf};

/// The topic id of test partitions.
pub(crate) const TOPIC_ID: Uuid = Uuid([7; 16]);
/// The epoch that tests append in, unless they say otherwise.
pub(crate) const EPOCH: LeaderEpoch = LeaderEpoch(3);
/// Where the log directories of tests are.
pub(crate) const DATA: &str = "/data";

/// Runs a test on the real clock and a disk in memory.
pub(crate) fn in_memory<F: Future<Output = ()>>(test: impl FnOnce(Runtime) -> F) {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio.block_on(async { test(Runtime::in_memory()).await });
}

pub(crate) fn partition() -> TopicPartition {
    TopicPartition::new("topic", 0)
}

/// Where the partition of most tests is.
pub(crate) fn partition_path() -> PathBuf {
    Path::new(DATA).join("topic-0")
}

/// A leader whose first record is, or will be, at `start_offset`.
pub(crate) fn since(epoch: LeaderEpoch, start_offset: i64) -> EpochEntry {
    EpochEntry { epoch, start_offset }
}

/// Small segments with dense indexes.
pub(crate) fn small_segments() -> LogConfig {
    LogConfig { segment_bytes: 4096, index_interval_bytes: 256, file_delete_delay_ms: 0, ..LogConfig::default() }
}

pub(crate) async fn open_dirs(rt: &Runtime) -> LogDirs {
    let options = LogDirsOptions { dirs: vec![PathBuf::from(DATA)], node_id: NodeId(1), cluster_id: None };
    LogDirs::open(rt, options).await.unwrap()
}

/// Opens the directories and creates the test partition.
pub(crate) async fn new_log(rt: &Runtime, config: LogConfig) -> (LogDirs, Log) {
    let dirs = open_dirs(rt).await;
    dirs.finish_recovery(true).await.unwrap();
    let log = dirs.create_log(&partition(), TOPIC_ID, config).await.unwrap();
    (dirs, log)
}

/// Opens the one partition that is there.
pub(crate) async fn open_found(dirs: &LogDirs, config: LogConfig) -> Result<(Log, RecoveryReport), LogError> {
    let found = dirs.discover().await?;
    assert_eq!(found.len(), 1, "one partition: {found:?}");
    open(dirs, &found[0], config).await
}

/// Opens a log that is wanted for good.
pub(crate) async fn open(
    dirs: &LogDirs,
    found: &FoundPartition,
    config: LogConfig,
) -> Result<(Log, RecoveryReport), LogError> {
    dirs.open_log(found, config, Box::pin(std::future::pending())).await
}

impl LogDirs {
    /// Ends the recovery of each directory.
    pub(crate) async fn finish_recovery(&self, all_opened: bool) -> Result<(), LogError> {
        for dir in self.dirs() {
            dir.finish_recovery(all_opened).await?;
        }
        Ok(())
    }

    /// What a broker's tasks do for the directories, for as long as it is polled.
    pub(crate) async fn housekeeping(&self) {
        let rt = self.dirs()[0].rt.clone();
        join_all(self.dirs().iter().map(async |dir| {
            let checkpoints = async {
                loop {
                    dir.checkpoint_due().await;
                    dir.checkpoint().await;
                }
            };
            let removals = async {
                loop {
                    rt.sleep(HOUSEKEEPING_INTERVAL).await;
                    dir.remove_due().await;
                }
            };
            join(checkpoints, removals).await;
        }))
        .await;
    }

    /// One round of [`LogDirs::housekeeping`].
    pub(crate) async fn housekeeping_round(&self) {
        join_all(self.dirs().iter().map(|dir| dir.checkpoint())).await;
        join_all(self.dirs().iter().map(|dir| dir.remove_due())).await;
    }
}

/// A batch with one record for each timestamp; values of `value_bytes` bytes.
pub(crate) fn batch_at(timestamps: &[i64], value_bytes: usize) -> ValidatedBatch {
    fill(BatchBuilder::new(Compression::None, TimestampType::CreateTime), timestamps, value_bytes)
}

/// A batch of `records` records of about 100 bytes.
pub(crate) fn batch(records: usize) -> ValidatedBatch {
    batch_at(&vec![1000; records], 90)
}

/// A batch of an idempotent producer.
pub(crate) fn idempotent(producer_id: i64, epoch: i16, base_sequence: i32, records: usize) -> ValidatedBatch {
    let builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    let builder = builder.producer(ProducerId(producer_id), ProducerEpoch(epoch), base_sequence);
    fill(builder, &vec![1000; records], 50)
}

/// A batch of a transactional producer.
pub(crate) fn transactional(producer_id: i64, base_sequence: i32, records: usize) -> ValidatedBatch {
    transactional_in(producer_id, 0, base_sequence, records)
}

/// The same in another epoch than the first.
pub(crate) fn transactional_in(producer_id: i64, epoch: i16, base_sequence: i32, records: usize) -> ValidatedBatch {
    let builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    let builder = builder.producer(ProducerId(producer_id), ProducerEpoch(epoch), base_sequence).transactional();
    fill(builder, &vec![1000; records], 50)
}

fn fill(mut builder: BatchBuilder, timestamps: &[i64], value_bytes: usize) -> ValidatedBatch {
    for (index, &timestamp) in timestamps.iter().enumerate() {
        let value = vec![b'a' + (index % 26) as u8; value_bytes];
        builder.append(timestamp, None, Some(&value), &[]).unwrap();
    }
    builder.build().unwrap()
}

/// Appends as a client would make the broker do it, rolling if need be.
pub(crate) async fn append(log: &mut Log, batch: &ValidatedBatch) -> Appended {
    match try_append(log, batch, EPOCH, Origin::Client).await.unwrap() {
        AppendOutcome::Appended(appended) => appended,
        AppendOutcome::Duplicate { .. } => panic!("a duplicate"),
    }
}

pub(crate) async fn try_append(
    log: &mut Log,
    batch: &ValidatedBatch,
    epoch: LeaderEpoch,
    origin: Origin,
) -> Result<AppendOutcome, AppendError> {
    match log.append_as_leader(batch, epoch, origin, 1000) {
        Err(AppendError::RollNeeded) => {
            roll(log).await?;
            log.append_as_leader(batch, epoch, origin, 1000)
        }
        outcome => outcome,
    }
}

pub(crate) async fn roll(log: &mut Log) -> Result<(), AppendError> {
    let job = log.begin_roll().expect("nothing else rolls");
    let done = job.run().await;
    log.finish_roll(done)
}

/// Flushes everything; the flushed offset.
pub(crate) async fn flush(log: &mut Log) -> Result<i64, LogError> {
    match log.begin_flush() {
        Some(job) => {
            let done = job.run().await;
            log.finish_flush(done)
        }
        None => Ok(log.flushed_offset()),
    }
}

/// Runs retention until nothing is due; how many segments it deleted.
pub(crate) async fn retain(log: &mut Log, now_ms: i64, high_watermark: i64) -> usize {
    let before = log.segment_count();
    let mut rolls = 0;
    loop {
        match log.retention(now_ms, high_watermark) {
            Retention::Nothing => return before + rolls - log.segment_count(),
            Retention::LoadNeeded(load) => load.run().await.unwrap(),
            Retention::RollNeeded => {
                roll(log).await.unwrap();
                flush(log).await.unwrap();
                rolls += 1;
            }
            Retention::Delete(job) => job.run().await.unwrap(),
        }
    }
}

/// The bytes of a planned read.
pub(crate) async fn bytes_of(plan: ReadPlan) -> Bytes {
    match plan.run().await.unwrap().range {
        Some(FileRange { file, offset, len }) => file.read_at(offset, len as usize).await.unwrap(),
        None => Bytes::new(),
    }
}

/// First and last offset of every batch that a reader sees who starts at `offset` and reads on to the end.
pub(crate) async fn read_all(log: &Log, mut offset: i64, max_bytes: u64) -> Vec<(i64, i64)> {
    let mut batches = Vec::new();
    while offset < log.log_end_offset() {
        let plan = log.plan_read(offset, max_bytes, log.log_end_offset(), true).unwrap();
        let bytes = bytes_of(plan).await;
        let before = offset;
        for found in ottla_records::scan(&bytes, true) {
            let (header, _) = found.unwrap();
            batches.push((header.base_offset, header.last_offset()));
            offset = header.next_offset();
        }
        assert!(offset > before, "the reader at {offset} makes no progress");
    }
    batches
}
