//! The node under test: a log behind its lock, and the tasks that use it.

use super::Pace;
use super::check::{self, Check, kept, same};
use super::oracle::Oracle;
use crate::producer_state::Origin;
use crate::tests::kit::{DATA, TOPIC_ID, batch_at, idempotent, open, partition, small_segments, transactional};
use crate::{AppendError, AppendOutcome, Log, LogConfig, LogDirs, LogDirsOptions, Retention};
use ottla_records::{EndTxnMarker, ValidatedBatch};
use ottla_runtime::Runtime;
use ottla_types::{LeaderEpoch, NodeId, ProducerEpoch, ProducerId};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Idempotent producers 1 to 4; a transactional one.
const PRODUCERS: u64 = 4;
const TRANSACTIONAL: i64 = 100;

/// What the tasks of a node share.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) rt: Runtime,
    pub(super) log: Arc<Mutex<Log>>,
    pub(super) oracle: Arc<Mutex<Oracle>>,
    pub(super) epoch: LeaderEpoch,
    pub(super) pace: Pace,
    /// Nothing is appended or deleted: the log is about to be switched.
    pub(super) is_switching: Arc<AtomicBool>,
    /// Deletions under way.
    pub(super) deleting: Arc<AtomicUsize>,
}

pub(super) fn config() -> LogConfig {
    LogConfig { retention_bytes: Some(12_000), retention_ms: None, segment_bytes: 3000, ..small_segments() }
}

/// A life: opens the log, checks it, works, and shuts down cleanly if it gets so far.
pub(super) async fn serve(rt: Runtime, oracle: Arc<Mutex<Oracle>>, life: u64, pace: Pace) -> Check {
    check::interrupted_recovery(&rt, &oracle).await?;
    let options = LogDirsOptions { dirs: vec![PathBuf::from(DATA)], node_id: NodeId(1), cluster_id: None };
    let dirs = LogDirs::open(&rt, options).await.map_err(|error| error.to_string())?;
    let id = dirs.dirs()[0].id();
    same("directory id", id, *oracle.lock().unwrap().directory_id.get_or_insert(id))?;
    set_cluster_id(&dirs, &oracle).await?;
    let log = open_log(&rt, &dirs, &oracle).await?;
    let epoch = LeaderEpoch(life as i32);
    let node = Node::new(&rt, log, oracle, epoch, pace);
    let steps = pace.steps;
    let deletes = if pace.deletes { steps / 10 } else { 0 };
    let housekeeping = rt.spawn("housekeeping", {
        let dirs = dirs.clone();
        async move { dirs.housekeeping().await }
    });
    let tasks = [
        rt.spawn("append", node.clone().append_records(steps)),
        rt.spawn("flush", node.clone().flush(steps)),
        rt.spawn("delete", node.clone().delete_records(deletes)),
        rt.spawn("retain", node.clone().retain(deletes)),
        rt.spawn("read", node.clone().read(steps / 3)),
    ];
    for task in tasks {
        task.await.map_err(|_| "a task ended".to_string())??;
    }
    housekeeping.abort();
    let _ = housekeeping.await;
    let log = Arc::into_inner(node.log).expect("all tasks have ended").into_inner().unwrap();
    let end = log.log_end_offset();
    log.close().await.map_err(|error| error.to_string())?;
    node.oracle.lock().unwrap().flushed(rt.now(), end);
    dirs.shutdown().await;
    Ok(())
}

/// Opens the log that is there, or creates it, and compares it with what was promised.
async fn open_log(rt: &Runtime, dirs: &LogDirs, oracle: &Arc<Mutex<Oracle>>) -> Result<Log, String> {
    let found = dirs.discover().await.map_err(|error| error.to_string())?;
    let Some(mut found) = found.into_iter().next() else {
        {
            let mut oracle = oracle.lock().unwrap();
            same("partition directory is missing, flushed offset", oracle.flushed_offset, 0)?;
            oracle.recovered(rt.now(), 0);
        }
        dirs.finish_recovery(true).await.map_err(|error| error.to_string())?;
        let log = dirs.create_log(&partition(), TOPIC_ID, config()).await;
        return log.map_err(|error| error.to_string());
    };
    if oracle.lock().unwrap().flushed_offset > 0 {
        same("topic id", found.topic_id, Some(TOPIC_ID))?;
    }
    found.topic_id = Some(TOPIC_ID);
    let recovery_point = dirs.dirs()[0].recovery_points.get(&partition()).unwrap_or(0);
    let (log, report) = open(dirs, &found, config()).await.map_err(|error| error.to_string())?;
    let before = std::mem::take(&mut *oracle.lock().unwrap());
    let checked = check::opened_log(rt, &log, &before, recovery_point).await;
    let kept = check::kept_files(rt, &before).await;
    *oracle.lock().unwrap() = before;
    checked?;
    kept?;
    for path in report.cut.into_iter().flat_map(|cut| cut.kept_in) {
        let bytes = rt.disk().read(&path, 1 << 24).await.map_err(|error| error.to_string())?;
        oracle.lock().unwrap().kept.insert(path, bytes);
    }
    {
        let mut oracle = oracle.lock().unwrap();
        oracle.recovered(rt.now(), log.log_end_offset());
        oracle.recovering = None;
    }
    dirs.finish_recovery(true).await.map_err(|error| error.to_string())?;
    Ok(log)
}

/// The cluster's id is set once, as late as the first life that gets so far.
async fn set_cluster_id(dirs: &LogDirs, oracle: &Arc<Mutex<Oracle>>) -> Check {
    let known = oracle.lock().unwrap().cluster_id.clone();
    if known.is_some() {
        return same("cluster id", dirs.cluster_id(), known);
    }
    dirs.set_cluster_id("the-cluster").await.map_err(|error| error.to_string())?;
    oracle.lock().unwrap().cluster_id = dirs.cluster_id();
    Ok(())
}

impl Node {
    pub(super) fn new(rt: &Runtime, log: Log, oracle: Arc<Mutex<Oracle>>, epoch: LeaderEpoch, pace: Pace) -> Node {
        let (is_switching, deleting) = (Arc::default(), Arc::default());
        Node { rt: rt.clone(), log: Arc::new(Mutex::new(log)), oracle, epoch, pace, is_switching, deleting }
    }

    /// Waits while the log is switched.
    async fn allowed(&self) {
        while self.is_switching.load(Ordering::Relaxed) {
            self.rest(5).await;
        }
    }

    pub(super) async fn rest(&self, ms_max: u64) {
        let ms = self.rt.random_range(0..ms_max) * self.pace.rest_percent / 100;
        self.rt.sleep(Duration::from_millis(ms)).await;
    }

    pub(super) fn oracle(&self) -> std::sync::MutexGuard<'_, Oracle> {
        self.oracle.lock().unwrap()
    }

    pub(super) fn log(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    pub(super) async fn append_records(self, steps: u64) -> Check {
        for _ in 0..steps {
            let (batch, origin) = self.next_batch();
            self.append(&batch, origin).await?;
            self.rest(12).await;
        }
        Ok(())
    }

    /// The next batch of a random producer.
    fn next_batch(&self) -> (ValidatedBatch, Origin) {
        let log = self.log();
        let next_sequence =
            |id: i64| log.producers().producer(ProducerId(id)).map_or(0, |entry| entry.last_sequence() + 1);
        let records = self.rt.random_range(1..5) as usize;
        match self.rt.random_range(0..10) {
            0..4 => (
                batch_at(&vec![self.rt.wall_clock_ms(); records], self.rt.random_range(1..300) as usize),
                Origin::Client,
            ),
            4..7 => {
                let id = self.rt.random_range(1..PRODUCERS + 1) as i64;
                (idempotent(id, 0, next_sequence(id), records), Origin::Client)
            }
            7 | 8 => (transactional(TRANSACTIONAL, next_sequence(TRANSACTIONAL), records), Origin::Client),
            _ => {
                let committed = self.rt.random_range(0..2) == 0;
                let marker = EndTxnMarker { committed, coordinator_epoch: 0 };
                let batch = marker.to_batch(ProducerId(TRANSACTIONAL), ProducerEpoch(0), self.rt.wall_clock_ms());
                (batch, Origin::Coordinator { transaction_version: 1 })
            }
        }
    }

    async fn append(&self, batch: &ValidatedBatch, origin: Origin) -> Check {
        loop {
            self.allowed().await;
            let outcome = {
                let mut log = self.log();
                let first_offset = log.log_end_offset();
                let stored = [&batch.stamped_header(first_offset, self.epoch)[..], batch.records()].concat();
                // Before the write: a process that dies in it may have written everything.
                self.oracle().batches.insert(first_offset, stored.into());
                let outcome = log.append_as_leader(batch, self.epoch, origin, self.rt.wall_clock_ms());
                if matches!(outcome, Err(AppendError::RollNeeded) | Ok(AppendOutcome::Duplicate { .. })) {
                    self.oracle().batches.remove(&first_offset);
                }
                outcome
            };
            match outcome {
                Ok(AppendOutcome::Appended(_)) => return Ok(()),
                Ok(AppendOutcome::Duplicate { .. }) => return Err("a new batch was taken for a duplicate".to_string()),
                Err(AppendError::RollNeeded) => self.roll().await?,
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    pub(super) async fn roll(&self) -> Check {
        let job = self.log().begin_roll();
        let Some(job) = job else {
            self.rest(3).await;
            return Ok(());
        };
        let done = job.run().await;
        self.log().finish_roll(done).map_err(|error| error.to_string())
    }

    pub(super) async fn flush(self, steps: u64) -> Check {
        for _ in 0..steps {
            let job = self.log().begin_flush();
            if let Some(job) = job {
                let done = job.run().await;
                let flushed = self.log().finish_flush(done).map_err(|error| error.to_string())?;
                self.oracle().flushed(self.rt.now(), flushed);
            }
            if self.rt.random_range(0..3) == 0 {
                // As if other logs needed the descriptor.
                self.log().active.log().let_go();
            }
            self.rest(if self.rt.random_range(0..8) == 0 { 300 } else { 15 }).await;
        }
        Ok(())
    }

    pub(super) async fn delete_records(self, steps: u64) -> Check {
        for _ in 0..steps {
            self.rest(400).await;
            self.allowed().await;
            self.deleting.fetch_add(1, Ordering::Relaxed);
            let (job, offset) = {
                let mut log = self.log();
                let high_watermark = log.flushed_offset();
                let behind = (high_watermark - log.log_start_offset()).max(1) as u64;
                let offset = (high_watermark - self.rt.random_range(0..behind) as i64).max(0);
                let mut oracle = self.oracle();
                oracle.attempted_start = oracle.attempted_start.max(offset);
                (log.delete_records_to(offset), offset)
            };
            if let Some(job) = job {
                job.run().await.map_err(|error| error.to_string())?;
                let mut oracle = self.oracle();
                oracle.answered_start = oracle.answered_start.max(offset);
            }
            self.deleting.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(())
    }

    pub(super) async fn retain(self, steps: u64) -> Check {
        for _ in 0..steps {
            self.rest(300).await;
            self.allowed().await;
            self.deleting.fetch_add(1, Ordering::Relaxed);
            loop {
                let next = {
                    let mut log = self.log();
                    let high_watermark = log.flushed_offset();
                    let mut oracle = self.oracle();
                    oracle.attempted_start = oracle.attempted_start.max(high_watermark);
                    log.retention(self.rt.wall_clock_ms(), high_watermark)
                };
                match next {
                    Retention::Nothing => break,
                    Retention::LoadNeeded(load) => load.run().await.map_err(|error| error.to_string())?,
                    Retention::RollNeeded => self.roll().await?,
                    Retention::Delete(job) => job.run().await.map_err(|error| error.to_string())?,
                }
            }
            self.deleting.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(())
    }

    pub(super) async fn read(self, steps: u64) -> Check {
        for _ in 0..steps {
            self.rest(40).await;
            let (plan, offset) = {
                let log = self.log();
                let span = log.flushed_offset() - log.log_start_offset();
                if span <= 0 {
                    continue;
                }
                let offset = log.log_start_offset() + self.rt.random_range(0..span as u64) as i64;
                (log.plan_read(offset, 500, log.flushed_offset(), true).map_err(|error| error.to_string())?, offset)
            };
            let batches = self.oracle().batches.clone();
            let promised = Oracle { batches, ..Oracle::default() };
            let end = check::slice(plan, &promised, offset).await?;
            kept(end > offset, || format!("a read at {offset} returned nothing new"))?;
        }
        Ok(())
    }
}
