//! Transactions of random lives: what is known of them is the same after their files were deleted, and is what a list says.

use super::kit::*;
use crate::files::SegmentFile;
use crate::producer_state::Origin;
use crate::{Log, LogConfig};
use ottla_records::EndTxnMarker;
use ottla_runtime::Runtime;
use ottla_types::{ProducerEpoch, ProducerId};
use std::collections::BTreeMap;

/// Random numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A producer as the list has it.
#[derive(Debug, Default, Clone, Copy)]
struct Producer {
    epoch: i16,
    sequence: i32,
    open_since: Option<i64>,
}

/// What is known of a log's transactions.
#[derive(Debug, PartialEq)]
struct Known {
    aborted: Vec<(i64, i64, i64)>,
    first_unstable_offset: Option<i64>,
    /// Producer id, epoch, last sequence, first offset of the open transaction, coordinator epoch.
    producers: Vec<(i64, i16, i32, Option<i64>, i32)>,
}

async fn known(log: &Log) -> Known {
    let aborted = log.plan_aborted_transactions(log.log_start_offset(), i64::MAX).run().await.unwrap();
    let producers = log.producers().producers().map(|entry| {
        let (id, epoch, open) = (entry.producer_id().0, entry.epoch().0, entry.current_txn_first_offset());
        (id, epoch, entry.last_sequence(), open, entry.coordinator_epoch())
    });
    Known {
        aborted: aborted.iter().map(|txn| (txn.producer_id.0, txn.first_offset, txn.last_offset)).collect(),
        first_unstable_offset: log.first_unstable_offset(),
        producers: producers.collect(),
    }
}

/// Writes batches and markers of several producers, in both transaction versions; the aborted transactions.
async fn live(log: &mut Log, dice: &mut Dice) -> (Vec<(i64, i64, i64)>, BTreeMap<i64, Producer>) {
    let (mut aborted, mut producers) = (Vec::new(), BTreeMap::<i64, Producer>::new());
    for step in 0..200 {
        let id = i64::try_from(dice.roll(6)).unwrap();
        let producer = producers.entry(id).or_default();
        let version = if id % 2 == 0 { 1 } else { 2 };
        let end = log.log_end_offset();
        if producer.open_since.is_none() || dice.roll(3) > 0 {
            let batch = transactional_in(id, producer.epoch, producer.sequence, 1 + dice.roll(3) as usize);
            producer.open_since = producer.open_since.or(Some(end));
            producer.sequence += batch.record_count();
            append(log, &batch).await;
            continue;
        }
        let committed = dice.roll(2) == 0;
        if version == 2 {
            (producer.epoch, producer.sequence) = (producer.epoch + 1, 0);
        }
        let marker = EndTxnMarker { committed, coordinator_epoch: step / 50 };
        let batch = marker.to_batch(ProducerId(id), ProducerEpoch(producer.epoch), 1000);
        let origin = Origin::Coordinator { transaction_version: version };
        try_append(log, &batch, EPOCH, origin).await.unwrap();
        let first = producer.open_since.take().expect("it is open");
        if !committed {
            aborted.push((id, first, end));
        }
    }
    (aborted, producers)
}

async fn delete(rt: &Runtime, kinds: &[SegmentFile]) {
    for entry in rt.disk().list(&partition_path()).await.unwrap() {
        let suffixes = kinds.iter().map(|kind| kind.path(&partition_path(), 0));
        let is_one = |path: std::path::PathBuf| path.extension() == std::path::Path::new(&entry.name).extension();
        if suffixes.into_iter().any(is_one) {
            rt.disk().remove_file(&partition_path().join(&entry.name)).await.unwrap();
        }
    }
}

/// How a life ends.
#[derive(Clone, Copy)]
enum End {
    Shutdown,
    Crash,
}

fn lives_with_deleted(kinds: &'static [SegmentFile], end: End) {
    for seed in 0..20 {
        in_memory(async |rt| {
            let config = LogConfig { producer_id_expiration_ms: i64::MAX, ..small_segments() };
            let (dirs, mut log) = new_log(&rt, config.clone()).await;
            let (aborted, producers) = live(&mut log, &mut Dice(seed)).await;
            flush(&mut log).await.unwrap();
            log.on_high_watermark(log.log_end_offset());
            let before = known(&log).await;
            assert_eq!(before.aborted, aborted, "seed {seed}");
            let open = producers.values().filter_map(|producer| producer.open_since).min();
            assert_eq!(before.first_unstable_offset, open, "seed {seed}");
            match end {
                End::Shutdown => {
                    log.close().await.unwrap();
                    dirs.shutdown().await;
                }
                End::Crash => drop((log, dirs)),
            }
            let files = transaction_indexes(&rt).await;
            delete(&rt, kinds).await;
            let (mut log, _) = open_found(&open_dirs(&rt).await, config).await.unwrap();
            log.on_high_watermark(log.log_end_offset());
            assert_eq!(known(&log).await, before, "seed {seed}");
            let rebuilt = transaction_indexes(&rt).await;
            for (name, bytes) in &files {
                let is_active = SegmentFile::TxnIndex.path(&partition_path(), log.active_base_offset()).ends_with(name);
                assert!(is_active || rebuilt.get(name) == Some(bytes), "seed {seed}: {name}");
            }
        });
    }
}

/// The transaction indexes on disk, by file name.
async fn transaction_indexes(rt: &Runtime) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in rt.disk().list(&partition_path()).await.unwrap() {
        if entry.name.ends_with(".txnindex") {
            let bytes = rt.disk().read(&partition_path().join(&entry.name), 1 << 20).await.unwrap();
            files.insert(entry.name, bytes.to_vec());
        }
    }
    files
}

#[test]
fn transactions_are_the_same_after_a_restart() {
    lives_with_deleted(&[], End::Shutdown);
    lives_with_deleted(&[], End::Crash);
}

#[test]
fn transaction_indexes_are_rebuilt() {
    lives_with_deleted(&[SegmentFile::TxnIndex], End::Shutdown);
    lives_with_deleted(&[SegmentFile::TxnIndex], End::Crash);
}

#[test]
fn producer_snapshots_are_rebuilt() {
    lives_with_deleted(&[SegmentFile::Snapshot], End::Shutdown);
    lives_with_deleted(&[SegmentFile::Snapshot], End::Crash);
}

#[test]
fn everything_beside_the_log_is_rebuilt() {
    let kinds = &[SegmentFile::TxnIndex, SegmentFile::Snapshot, SegmentFile::Index, SegmentFile::TimeIndex];
    lives_with_deleted(kinds, End::Shutdown);
    lives_with_deleted(kinds, End::Crash);
}

#[test]
fn an_index_that_is_not_needed_is_not_rebuilt() {
    in_memory(async |rt| {
        let (dirs, mut log) = new_log(&rt, small_segments()).await;
        while log.segment_count() < 5 {
            append(&mut log, &batch(9)).await;
        }
        log.close().await.unwrap();
        dirs.shutdown().await;
        assert_eq!(transaction_indexes(&rt).await.len(), 5, "an empty one each");
        delete(&rt, &[SegmentFile::TxnIndex]).await;
        let (log, _) = open_found(&open_dirs(&rt).await, small_segments()).await.unwrap();
        assert_eq!(transaction_indexes(&rt).await.len(), 1, "that of the last segment");
        assert!(log.plan_aborted_transactions(0, 10).run().await.unwrap().is_empty());
        assert_eq!(transaction_indexes(&rt).await.len(), 2, "no transaction is open where the second segment starts");
    });
}

#[test]
fn a_torn_transaction_index_is_rebuilt() {
    in_memory(async |rt| {
        let (dirs, mut log) = new_log(&rt, small_segments()).await;
        let abort = EndTxnMarker { committed: false, coordinator_epoch: 0 };
        append(&mut log, &transactional(1, 0, 2)).await;
        let origin = Origin::Coordinator { transaction_version: 1 };
        let marker = abort.to_batch(ProducerId(1), ProducerEpoch(0), 1000);
        try_append(&mut log, &marker, EPOCH, origin).await.unwrap();
        while log.segment_count() < 3 {
            append(&mut log, &batch(9)).await;
        }
        let before = known(&log).await;
        log.close().await.unwrap();
        dirs.shutdown().await;
        let index = SegmentFile::TxnIndex.path(&partition_path(), 0);
        let whole = rt.disk().read(&index, 1 << 20).await.unwrap();
        let file = rt.disk().open(&index, ottla_runtime::OpenMode::ReadWrite).await.unwrap();
        file.set_len(whole.len() as u64 - 1).unwrap();
        let (log, _) = open_found(&open_dirs(&rt).await, small_segments()).await.unwrap();
        assert_eq!(known(&log).await.aborted, before.aborted);
        assert_eq!(rt.disk().read(&index, 1 << 20).await.unwrap(), whole);
    });
}
