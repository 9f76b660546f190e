//! Random operations against a list of batches.

use super::kit::*;
use crate::producer_state::Origin;
use crate::{Log, LogConfig, LogDirs, OffsetOutOfRange};
use ottla_runtime::Runtime;
use ottla_types::LeaderEpoch;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Operation {
    Append {
        records: usize,
        value_bytes: usize,
    },
    Roll,
    Flush,
    /// Everything that is not flushed is cut off: a failed fsync.
    Reopen,
    CleanRestart,
    Crash,
    DeleteRecords {
        percent: u64,
    },
    Retain,
    Read {
        percent: u64,
        max_bytes: u64,
        min_one_batch: bool,
    },
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        10 => (1..6usize, 0..300usize).prop_map(|(records, value_bytes)| Operation::Append { records, value_bytes }),
        1 => Just(Operation::Roll),
        3 => Just(Operation::Flush),
        1 => Just(Operation::Reopen),
        1 => Just(Operation::CleanRestart),
        1 => Just(Operation::Crash),
        1 => (0..=100u64).prop_map(|percent| Operation::DeleteRecords { percent }),
        1 => Just(Operation::Retain),
        8 => (0..=110u64, 0..3000u64, any::<bool>())
            .prop_map(|(percent, max_bytes, min_one_batch)| Operation::Read { percent, max_bytes, min_one_batch }),
    ]
}

/// The log as a list: first offset, records and bytes of each batch.
#[derive(Debug, Default)]
struct Model {
    batches: Vec<(i64, i64, u64)>,
    start: i64,
    end: i64,
    flushed: i64,
}

struct Tested {
    dirs: LogDirs,
    log: Log,
    model: Model,
    epoch: i32,
}

fn config() -> LogConfig {
    LogConfig { segment_bytes: 3000, retention_bytes: Some(9000), retention_ms: None, ..small_segments() }
}

impl Tested {
    async fn apply(mut self, rt: &Runtime, operation: Operation) -> Tested {
        match operation {
            Operation::Append { records, value_bytes } => {
                let batch = batch_at(&vec![1000; records], value_bytes);
                let epoch = LeaderEpoch(self.epoch);
                try_append(&mut self.log, &batch, epoch, Origin::Client).await.unwrap();
                self.model.batches.push((self.model.end, records as i64, batch.total_len() as u64));
                self.model.end += records as i64;
            }
            Operation::Roll => {
                if let Some(job) = self.log.begin_roll() {
                    let done = job.run().await;
                    self.log.finish_roll(done).unwrap();
                }
            }
            Operation::Flush => {
                assert_eq!(flush(&mut self.log).await.unwrap(), self.model.end);
                self.model.flushed = self.model.end;
            }
            Operation::Reopen => {
                self.log = self.dirs.reopen_log(&self.log.into_failed()).await.unwrap().0;
                self.epoch += 1;
                let flushed = self.model.flushed;
                self.model.batches.retain(|&(first_offset, ..)| first_offset < flushed);
                self.model.end = flushed;
            }
            Operation::CleanRestart | Operation::Crash => {
                let Tested { dirs, log, .. } = self;
                if matches!(operation, Operation::CleanRestart) {
                    log.close().await.unwrap();
                    dirs.shutdown().await;
                } else {
                    drop((log, dirs));
                }
                let dirs = open_dirs(rt).await;
                let (log, _) = open_found(&dirs, config()).await.unwrap();
                dirs.finish_recovery(true).await.unwrap();
                self.model.flushed = self.model.end;
                self = Tested { dirs, log, model: self.model, epoch: self.epoch + 1 };
            }
            Operation::DeleteRecords { percent } => {
                let offset = self.model.flushed * percent as i64 / 100;
                if let Some(job) = self.log.delete_records_to(offset) {
                    job.run().await.unwrap();
                }
                self.model.start = self.model.start.max(offset);
            }
            Operation::Retain => {
                retain(&mut self.log, 2000, self.model.flushed).await;
                self.model.flushed = self.log.flushed_offset();
                assert!(self.log.log_start_offset() >= self.model.start);
                self.model.start = self.log.log_start_offset();
            }
            Operation::Read { percent, max_bytes, min_one_batch } => self.read(percent, max_bytes, min_one_batch).await,
        }
        self.check();
        self
    }

    fn check(&self) {
        let (log, model) = (&self.log, &self.model);
        let offsets = (log.log_start_offset(), log.log_end_offset(), log.flushed_offset());
        assert_eq!(offsets, (model.start, model.end, model.flushed));
        assert_eq!(log.dirty_bytes(), self.dirs.dirty_bytes());
        assert_eq!(log.dirty_bytes() > 0, log.dirty_since().is_some());
    }

    async fn read(&self, percent: u64, max_bytes: u64, min_one_batch: bool) {
        let model = &self.model;
        let offset = model.start + (model.end - model.start) * percent as i64 / 100 + i64::from(percent > 100);
        let plan = self.log.plan_read(offset, max_bytes, model.flushed, min_one_batch);
        if offset < model.start || offset > model.end {
            let (log_start_offset, log_end_offset) = (model.start, model.end);
            let error = OffsetOutOfRange { requested: offset, log_start_offset, log_end_offset };
            assert_eq!(plan.unwrap_err(), error);
            return;
        }
        let slice = plan.unwrap().run().await.unwrap();
        let readable: Vec<_> = model
            .batches
            .iter()
            .filter(|&&(first, records, _)| first + records > offset && first < model.flushed && offset < model.flushed)
            .collect();
        let Some(&&(first_offset, _, first_bytes)) = readable.first() else {
            assert!(slice.range.is_none() && !slice.first_batch_incomplete);
            return;
        };
        assert_eq!(slice.first_batch_incomplete, first_bytes > max_bytes && !min_one_batch);
        let Some(range) = slice.range else {
            assert!(slice.first_batch_incomplete);
            return;
        };
        let all: u64 = readable.iter().map(|(_, _, bytes)| bytes).sum();
        assert!(range.len <= all.min(max_bytes.max(first_bytes)) && range.len >= first_bytes);
        let bytes = range.file.read_at(range.offset, range.len as usize).await.unwrap();
        let (header, _) = ottla_records::scan(&bytes, true).next().unwrap().unwrap();
        assert_eq!(header.base_offset, first_offset);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_log_is_a_list_of_batches(operations in proptest::collection::vec(operation(), 1..80)) {
        in_memory(async |rt| {
            let (dirs, log) = new_log(&rt, config()).await;
            let mut tested = Tested { dirs, log, model: Model::default(), epoch: 0 };
            for operation in operations {
                tested = tested.apply(&rt, operation).await;
            }
        });
    }
}
