//! A compacted log in the simulator: appends, transactions, rolls, flushes, cleanings and reads at the same time, through
//! crashes and power losses at every step of a swap.

use super::check::{self, Check, kept, same};
use super::cleaning_oracle::{CleaningOracle, Event, Pairs};
use super::{NODE, ended, in_world};
use crate::cleaner::tests::kit::{ReadBatch, compacted, fill, last_stable_offset};
use crate::cleaner::{CleanContext, CleanerConfig, LogToClean, Throttle};
use crate::producer_state::Origin;
use crate::tests::kit::{DATA, EPOCH, TOPIC_ID, open, partition};
use crate::{AppendError, Cleanable, Log, LogConfig, LogDirs, LogDirsOptions};
use ottla_records::{BatchBuilder, BatchHeader, Compression, EndTxnMarker, TimestampType, ValidatedBatch};
use ottla_runtime::Runtime;
use ottla_runtime::sim::{Outage, World};
use ottla_types::{NodeId, ProducerEpoch, ProducerId};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LIVES: u64 = 10;
const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[derive(Clone)]
struct Node {
    rt: Runtime,
    log: Arc<Mutex<Log>>,
    oracle: Arc<Mutex<CleaningOracle>>,
    steps: u64,
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn config() -> LogConfig {
    // Some tombstones and markers go, others do not.
    LogConfig { segment_bytes: 1200, delete_retention_ms: 300, ..compacted() }
}

/// Runs one node through many lives: the sync sites that it passed, and the cleanings that it completed.
pub(super) fn run(seed: u64, ignored_site: Option<&'static str>) -> Result<(Vec<String>, usize), String> {
    let oracle = Arc::new(Mutex::new(CleaningOracle::default()));
    let world = in_world(seed, ignored_site, LIVES, async |world, _| live(world, &oracle, ignored_site).await)?;
    let cleanings = oracle.lock().unwrap().cleanings;
    Ok((world.sync_sites().into_keys().collect(), cleanings))
}

async fn live(world: &World, oracle: &Arc<Mutex<CleaningOracle>>, ignored_site: Option<&'static str>) -> Check {
    let rt = world.node(NODE);
    let faults = world.disk_faults(NODE);
    if let Some(site) = ignored_site {
        faults.ignore_syncs(move |passed| passed == site);
    }
    let operations = if world.random_range(0..5) == 0 { world.random_range(1..60) } else { world.random_range(1..700) };
    let outage = match world.random_range(0..10) {
        0..3 => Some(Outage::Crash),
        3..9 => Some(Outage::PowerLoss),
        _ => None,
    };
    match outage {
        Some(outage) => faults.plan_outage(operations, outage),
        None => faults.cancel_outage(),
    }
    let served = rt.spawn("node", serve(rt.clone(), oracle.clone(), operations / 6));
    ended(world, served).await?;
    let loses_power = match outage {
        Some(outage) => outage == Outage::PowerLoss,
        None => world.random_range(0..2) == 0,
    };
    world.take_down(NODE, if loses_power { Outage::PowerLoss } else { Outage::Crash });
    faults.cancel_outage();
    Ok(())
}

async fn serve(rt: Runtime, oracle: Arc<Mutex<CleaningOracle>>, steps: u64) -> Check {
    let options = LogDirsOptions { dirs: vec![PathBuf::from(DATA)], node_id: NodeId(1), cluster_id: None };
    let dirs = LogDirs::open(&rt, options).await.map_err(text)?;
    let log = open_log(&rt, &dirs, &oracle).await?;
    let node = Node { rt: rt.clone(), log: Arc::new(Mutex::new(log)), oracle, steps };
    let housekeeping = rt.spawn("housekeeping", {
        let dirs = dirs.clone();
        async move { dirs.housekeeping().await }
    });
    let tasks = [
        rt.spawn("write", node.clone().write()),
        rt.spawn("flush", node.clone().flush()),
        rt.spawn("clean", node.clone().clean()),
        rt.spawn("read", node.clone().read()),
    ];
    for task in tasks {
        task.await.map_err(|_| "a task ended".to_string())??;
    }
    housekeeping.abort();
    let _ = housekeeping.await;
    let log = Arc::into_inner(node.log).expect("all tasks have ended").into_inner().unwrap();
    let end = log.log_end_offset();
    log.close().await.map_err(text)?;
    node.oracle.lock().unwrap().flushed_offset = end;
    dirs.shutdown().await;
    Ok(())
}

async fn open_log(rt: &Runtime, dirs: &LogDirs, oracle: &Arc<Mutex<CleaningOracle>>) -> Result<Log, String> {
    let found = dirs.discover().await.map_err(text)?;
    let Some(mut found) = found.into_iter().next() else {
        same("partition directory is missing, flushed offset", oracle.lock().unwrap().flushed_offset, 0)?;
        oracle.lock().unwrap().recovered(0);
        dirs.finish_recovery(true).await.map_err(text)?;
        return dirs.create_log(&partition(), TOPIC_ID, config()).await.map_err(text);
    };
    found.topic_id = Some(TOPIC_ID);
    let (mut log, _) = open(dirs, &found, config()).await.map_err(text)?;
    let (flushed, attempted, clean_to) = {
        let oracle = oracle.lock().unwrap();
        (oracle.flushed_offset, oracle.log_end_offset(), oracle.clean_to)
    };
    let end = log.log_end_offset();
    kept(flushed <= end && end <= attempted, || format!("the log ends at {end}, flushed {flushed} of {attempted}"))?;
    oracle.lock().unwrap().recovered(end);
    let cleaned = dirs.dirs()[0].cleaned.get(&partition()).unwrap_or(0);
    kept(cleaned >= clean_to, || format!("the log was clean up to {clean_to}, now {cleaned}"))?;
    check::indexes(rt, &log).await?;
    for entry in rt.disk().list(log.path()).await.map_err(text)? {
        let is_leftover = entry.name.ends_with(".cleaned") || entry.name.ends_with(".swap");
        kept(!is_leftover, || format!("{} was left over", entry.name))?;
    }
    let entries = log.producers().producers();
    let producers: Vec<_> =
        entries.map(|entry| (entry.producer_id(), entry.last_sequence(), entry.current_txn_first_offset())).collect();
    same("producers", producers, oracle.lock().unwrap().producers())?;
    log.on_high_watermark(end);
    contents(&log, oracle).await?;
    dirs.finish_recovery(true).await.map_err(text)?;
    Ok(log)
}

/// Reads the whole log and compares it with what was written.
async fn contents(log: &Log, oracle: &Arc<Mutex<CleaningOracle>>) -> Check {
    let end = log.log_end_offset();
    let mut batches = Vec::new();
    let mut offset = 0;
    while offset < end {
        let plan = log.plan_read(offset, 700, end, true).map_err(text)?;
        offset = read_slice(plan, offset, &mut batches).await?;
    }
    let stable = last_stable_offset(log);
    let aborted = log.plan_aborted_transactions(0, stable).run().await.map_err(text)?;
    let oracle = oracle.lock().unwrap();
    oracle.check_aborted(&aborted)?;
    oracle.check(&batches, &aborted, stable)
}

async fn read_slice(plan: crate::ReadPlan, offset: i64, batches: &mut Vec<ReadBatch>) -> Result<i64, String> {
    let range = plan.run().await.map_err(text)?.range.ok_or_else(|| format!("nothing to read at {offset}"))?;
    let bytes = range.file.read_at(range.offset, range.len as usize).await.map_err(text)?;
    let mut next = offset;
    for found in ottla_records::scan(&bytes, true) {
        let (header, range): (BatchHeader, _) = found.map_err(text)?;
        let batch = bytes.slice(range);
        header.check_crc(&batch).map_err(text)?;
        let marker = if header.is_control() { EndTxnMarker::of_batch(&batch).map_err(text)? } else { None };
        let records = ottla_records::read_all(&batch, 1 << 20).map_err(text)?;
        kept(header.last_offset() >= next, || format!("{header:?} at {next}"))?;
        next = header.next_offset();
        batches.push(ReadBatch { header, records, marker });
    }
    kept(next > offset, || format!("no whole batch at {offset}"))?;
    Ok(next)
}

impl Node {
    async fn rest(&self, ms_max: u64) {
        self.rt.sleep(Duration::from_millis(self.rt.random_range(0..ms_max))).await;
    }

    fn log(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    async fn write(self) -> Check {
        for _ in 0..self.steps {
            let (event, batch, origin) = self.next_batch();
            self.append(event, &batch, origin).await?;
            if self.rt.random_range(0..12) == 0 {
                self.roll().await?;
            }
            self.rest(12).await;
        }
        Ok(())
    }

    fn next_batch(&self) -> (Event, ValidatedBatch, Origin) {
        let log = self.log();
        let rt = &self.rt;
        let timestamp = rt.wall_clock_ms();
        if rt.random_range(0..6) == 0 {
            let (id, committed) = (100 + rt.random_range(0..2) as i64, rt.random_range(0..2) == 0);
            let marker = EndTxnMarker { committed, coordinator_epoch: 0 };
            let batch = marker.to_batch(ProducerId(id), ProducerEpoch(0), timestamp);
            return (Event::Marker { id, committed }, batch, Origin::Coordinator { transaction_version: 1 });
        }
        let id = match rt.random_range(0..6) {
            0..2 => None,
            2 => Some(1 + rt.random_range(0..2) as i64),
            _ => Some(100 + rt.random_range(0..2) as i64),
        };
        let is_transactional = id.is_some_and(|id| id >= 100);
        let mut pairs: Pairs = Vec::new();
        for _ in 0..rt.random_range(1..4) {
            let has_value = rt.random_range(0..5) > 0;
            let value = has_value.then(|| format!("{:0>50}", rt.random_range(0..1_000_000)));
            pairs.push((KEYS[rt.random_range(0..KEYS.len() as u64) as usize], value));
        }
        let codec = if rt.random_range(0..2) == 0 { Compression::None } else { Compression::Lz4 };
        let mut builder = BatchBuilder::new(codec, TimestampType::CreateTime);
        if let Some(id) = id {
            let sequence = log.producers().producer(ProducerId(id)).map_or(0, |entry| entry.last_sequence() + 1);
            builder = builder.producer(ProducerId(id), ProducerEpoch(0), sequence);
        }
        if is_transactional {
            builder = builder.transactional();
        }
        let batch = fill(builder, &pairs, timestamp).build().unwrap();
        (Event::Data { id, is_transactional, pairs, timestamp }, batch, Origin::Client)
    }

    async fn append(&self, event: Event, batch: &ValidatedBatch, origin: Origin) -> Check {
        loop {
            let outcome = {
                let mut log = self.log();
                let first_offset = log.log_end_offset();
                // Before the write: a process that dies in it may have written everything.
                self.oracle.lock().unwrap().events.insert(first_offset, event.clone());
                let outcome = log.append_as_leader(batch, EPOCH, origin, self.rt.wall_clock_ms());
                if matches!(outcome, Err(AppendError::RollNeeded)) {
                    self.oracle.lock().unwrap().events.remove(&first_offset);
                }
                outcome
            };
            match outcome {
                Ok(_) => return Ok(()),
                Err(AppendError::RollNeeded) => self.roll().await?,
                Err(error) => return Err(text(error)),
            }
        }
    }

    async fn roll(&self) -> Check {
        let job = self.log().begin_roll();
        let Some(job) = job else { return Ok(()) };
        let done = job.run().await;
        self.log().finish_roll(done).map_err(text)
    }

    async fn flush(self) -> Check {
        for _ in 0..self.steps {
            let job = self.log().begin_flush();
            if let Some(job) = job {
                let done = job.run().await;
                let mut log = self.log();
                let flushed = log.finish_flush(done).map_err(text)?;
                log.on_high_watermark(flushed);
                self.oracle.lock().unwrap().flushed_offset = flushed;
            }
            self.rest(15).await;
        }
        Ok(())
    }

    async fn clean(self) -> Check {
        let throttle = Throttle::new(1e9);
        for _ in 0..self.steps / 8 {
            self.rest(100).await;
            let map_keys = self.rt.random_range(1..10);
            let config =
                CleanerConfig { dedupe_buffer_bytes: 24 * map_keys, io_buffer_bytes: 1000, ..CleanerConfig::default() };
            let Some(found) = self.to_clean().await? else { continue };
            let job = self.log().begin_cleaning(&found, self.rt.wall_clock_ms());
            let Some(mut job) = job else { continue };
            self.oracle.lock().unwrap().aborted = None;
            let context = CleanContext { config: &config, throttle: &throttle, is_stopped: &|| false };
            while let Some(group) = job.next_group(context).await.map_err(text)? {
                self.log().finish_group(group).map_err(text)?;
            }
            let (end, _) = job.complete().await.map_err(text)?;
            self.log().finish_cleaning(job);
            {
                let mut oracle = self.oracle.lock().unwrap();
                oracle.clean_to = end;
                oracle.cleanings += 1;
            }
            let lookup = self.log().plan_aborted_transactions(0, end);
            let mut aborted = lookup.run().await.map_err(text)?;
            aborted.retain(|txn| txn.last_offset < end);
            self.oracle.lock().unwrap().aborted = Some(aborted);
        }
        Ok(())
    }

    async fn to_clean(&self) -> Result<Option<LogToClean>, String> {
        loop {
            let cleanable = {
                let mut log = self.log();
                let stable = last_stable_offset(&log);
                log.log_to_clean(self.rt.wall_clock_ms(), stable)
            };
            match cleanable {
                Cleanable::Nothing => return Ok(None),
                Cleanable::LoadNeeded(load) => load.run().await.map_err(text)?,
                Cleanable::Found(found) => return Ok(Some(found).filter(LogToClean::is_due)),
            }
        }
    }

    async fn read(self) -> Check {
        for _ in 0..self.steps {
            self.rest(20).await;
            let (plan, offset) = {
                let log = self.log();
                let end = log.flushed_offset();
                if end == 0 {
                    continue;
                }
                let offset = self.rt.random_range(0..end as u64) as i64;
                (log.plan_read(offset, 500, end, true).map_err(text)?, offset)
            };
            // Time for names to change between plan and read.
            self.rest(5).await;
            read_slice(plan, offset, &mut Vec::new()).await?;
        }
        Ok(())
    }
}

/// `OTTLA_SIM_SEEDS=1000..5000` runs these seeds instead.
#[test]
fn a_compacted_log_survives() {
    let mut cleanings = 0;
    for seed in super::seeds() {
        match run(seed, None) {
            Ok((_, completed)) => cleanings += completed,
            Err(broken) => panic!("{broken}"),
        }
    }
    assert!(cleanings > 200, "the runs do something: {cleanings}");
}
