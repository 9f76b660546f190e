//! Compares a log that was just opened with what was promised.

use super::oracle::{Model, Oracle};
use crate::Log;
use crate::files::{FileName, SegmentFile};
use crate::index::{OffsetIndex, TimeIndex};
use crate::producer_state::ProducerState;
use crate::recovery::Inventory;
use crate::segment::rebuild_indexes;
use crate::tests::kit::{partition_path, since, small_segments};
use bytes::Bytes;
use ottla_runtime::{OpenMode, Runtime};
use ottla_types::LeaderEpoch;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Mutex;

/// A broken promise.
pub(super) type Check = Result<(), String>;

/// `actual` must be `expected`.
pub(super) fn same<T: PartialEq + Debug>(what: &str, actual: T, expected: T) -> Check {
    match actual == expected {
        true => Ok(()),
        false => Err(format!("{what}: found {actual:?}, promised {expected:?}")),
    }
}

/// `is_kept` must hold.
pub(super) fn kept(is_kept: bool, what: impl FnOnce() -> String) -> Check {
    if is_kept { Ok(()) } else { Err(what()) }
}

/// Checks everything that a log shows after it was opened.
pub(super) async fn opened_log(rt: &Runtime, log: &Log, oracle: &Oracle, recovery_point: i64) -> Check {
    let (start, end) = (log.log_start_offset(), log.log_end_offset());
    kept(end >= oracle.flushed_offset, || {
        format!("the log ends at {end}, but was flushed up to {}", oracle.flushed_offset)
    })?;
    kept(end <= oracle.log_end_offset().max(oracle.attempted_start), || {
        format!("the log ends at {end}, but only {} was appended", oracle.log_end_offset())
    })?;
    kept(start >= oracle.answered_start && start <= oracle.attempted_start.max(oracle.answered_start), || {
        format!("log start {start}, answered {}, attempted {}", oracle.answered_start, oracle.attempted_start)
    })?;
    kept(recovery_point >= oracle.recovery_point, || {
        format!("the recovery point is {recovery_point}, more than a second behind {}", oracle.recovery_point)
    })?;
    same("flushed offset after opening", log.flushed_offset(), end)?;
    records(log, oracle).await?;
    let model = oracle.model(start, end);
    same_producers(log.producers(), &model.producers)?;
    same_epochs(log, &model, end)?;
    let aborted = log.plan_aborted_transactions(start, end).run().await.map_err(|error| error.to_string())?;
    let expected: Vec<_> = model.aborted.into_iter().filter(|txn| txn.last_offset >= start).collect();
    let markers = |txns: &[crate::txn_index::AbortedTxn]| -> Vec<_> {
        txns.iter().map(|txn| (txn.producer_id, txn.first_offset, txn.last_offset)).collect()
    };
    same("aborted transactions", markers(&aborted), markers(&expected))?;
    indexes(rt, log).await
}

/// Every batch from the log start offset on is, byte for byte, the one that was appended there.
pub(super) async fn records(log: &Log, oracle: &Oracle) -> Check {
    let end = log.log_end_offset();
    let mut offset = log.log_start_offset();
    while offset < end {
        let plan = log.plan_read(offset, 1000, end, true).map_err(|error| error.to_string())?;
        offset = slice(plan, oracle, offset).await?;
    }
    same("end of the records", offset, end)
}

/// Checks what one read returns; the offset behind it.
pub(super) async fn slice(plan: crate::ReadPlan, oracle: &Oracle, mut offset: i64) -> Result<i64, String> {
    let read = plan.run().await.map_err(|error| error.to_string())?;
    let range = read.range.ok_or_else(|| format!("nothing to read at {offset}"))?;
    let bytes = range.file.read_at(range.offset, range.len as usize).await.map_err(|error| error.to_string())?;
    let mut is_first = true;
    for found in ottla_records::scan(&bytes, true) {
        let (header, range) = found.map_err(|error| format!("at {offset}: {error}"))?;
        let holds = header.base_offset <= offset && offset <= header.last_offset();
        kept(holds && (is_first || header.base_offset == offset), || format!("{offset} is missing: {header:?}"))?;
        let promised = oracle.batches.get(&header.base_offset).cloned().unwrap_or_default();
        same("batch", bytes.slice(range), promised)?;
        offset = header.next_offset();
        is_first = false;
    }
    kept(!is_first, || format!("no whole batch at {offset}"))?;
    Ok(offset)
}

fn same_producers(actual: &ProducerState, expected: &ProducerState) -> Check {
    let state = |producers: &ProducerState| -> BTreeMap<_, _> {
        let entries = producers.producers();
        let fields = entries.map(|entry| {
            let sequence = (entry.epoch(), entry.last_sequence(), entry.last_offset());
            (entry.producer_id(), (sequence, entry.current_txn_first_offset(), entry.coordinator_epoch()))
        });
        fields.collect()
    };
    same("producers", state(actual), state(expected))?;
    same("open transaction", actual.oldest_open_txn(), expected.oldest_open_txn())
}

fn same_epochs(log: &Log, model: &Model, end: i64) -> Check {
    if log.log_start_offset() == end {
        // No records, so no epochs.
        return Ok(());
    }
    same("epochs", log.present_epochs().entries(), model.epochs.entries())?;
    same("latest epoch", log.latest_epoch(), model.epochs.latest_epoch())?;
    let next = since(LeaderEpoch(i32::MAX), end);
    for entry in model.epochs.entries() {
        let actual = log.offset_for_leader_epoch(entry.epoch, next);
        same("end of an epoch", actual, model.epochs.end_offset_for(entry.epoch, end))?;
    }
    let older = LeaderEpoch(model.epochs.earliest_entry().map_or(0, |entry| entry.epoch.0 - 1));
    let actual = log.offset_for_leader_epoch(older, next);
    same("end of an older epoch", actual, model.epochs.end_offset_for(older, end))
}

/// The index files of sealed segments are what their batches give.
pub(super) async fn indexes(rt: &Runtime, log: &Log) -> Check {
    let disk = rt.disk();
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let inventory = Inventory::take(disk, log.path()).await.map_err(|error| text(&error))?;
    for (&base_offset, &size) in inventory.segments().range(..log.active_base_offset()) {
        let path = |kind: SegmentFile| kind.path(log.path(), base_offset);
        let read = async |kind| disk.read(&path(kind), 1 << 20).await.map_err(|error| text(&error));
        let offsets = OffsetIndex::parse(base_offset, &read(SegmentFile::Index).await?, size);
        let times = TimeIndex::parse(base_offset, &read(SegmentFile::TimeIndex).await?);
        let file = disk.open(&path(SegmentFile::Log), OpenMode::Read).await.map_err(|error| text(&error))?;
        let rebuilt = rebuild_indexes(&file, base_offset, size, small_segments().index_interval_bytes).await;
        let rebuilt = rebuilt.map_err(|stop| format!("{stop:?}"))?;
        let offsets = offsets.map_err(|error| format!("segment {base_offset}: {error}"))?;
        let times = times.map_err(|error| format!("segment {base_offset}: {error}"))?;
        same("offset index", &offsets, rebuilt.offsets())?;
        // A clean shutdown adds an entry where it happened.
        same("end of the time index", times.last(), rebuilt.times().last())?;
    }
    Ok(())
}

/// The side files that recoveries named are still there.
pub(super) async fn kept_files(rt: &Runtime, oracle: &Oracle) -> Check {
    for (path, bytes) in &oracle.kept {
        let found = rt.disk().read(path, 1 << 24).await.unwrap_or_else(|_| Bytes::new());
        kept(found == bytes, || format!("{} does not hold the bytes any more that it was to keep", path.display()))?;
    }
    Ok(())
}

/// Before a life touches the files: what a power loss had left when the last recovery began, and that recovery did not
/// leave in the log, is in a side file.
pub(super) async fn interrupted_recovery(rt: &Runtime, oracle: &Mutex<Oracle>) -> Check {
    let (segments, cuts) = raw_files(rt).await;
    let mut oracle = oracle.lock().unwrap();
    if let Some(before) = oracle.recovering.take() {
        // Deleted segments may go.
        let start = oracle.answered_start.max(oracle.attempted_start);
        for (&base_offset, bytes) in before.range(start..) {
            let left = segments.get(&base_offset).map_or(0, |left| left.len().min(bytes.len()));
            let is_kept = cuts.iter().any(|(name, kept)| {
                let parts: Vec<&str> = name.split(['-', '.']).collect();
                let (base, position) = (parts[1].parse::<i64>(), parts[2].parse::<usize>());
                base == Ok(base_offset) && position.is_ok_and(|at| at <= left && bytes[at..] == kept[..])
            });
            let is_nothing = bytes[left..].iter().all(|&byte| byte == 0);
            kept(is_kept || is_nothing, || format!("bytes from {left} on of segment {base_offset} are lost"))?;
        }
    }
    oracle.recovering = oracle.lost_power.then_some(segments);
    Ok(())
}

type RawFiles = (BTreeMap<i64, Bytes>, BTreeMap<String, Bytes>);

/// Segment files and side files of the partition.
async fn raw_files(rt: &Runtime) -> RawFiles {
    let (mut segments, mut cuts) = RawFiles::default();
    for entry in rt.disk().list(&partition_path()).await.unwrap_or_default() {
        let bytes = rt.disk().read(&partition_path().join(&entry.name), 1 << 24).await.unwrap_or_default();
        match FileName::parse(&entry.name) {
            FileName::Segment(base_offset, SegmentFile::Log) => {
                segments.insert(base_offset, bytes);
            }
            _ if entry.name.starts_with("cut-") => {
                cuts.insert(entry.name, bytes);
            }
            _ => {}
        }
    }
    (segments, cuts)
}
