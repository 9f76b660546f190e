//! `ottla log repair`, the library part.

use super::kit::*;
use crate::files::SegmentFile;
use crate::repair;
use crate::{LogConfig, LogDirsError, Shutdown, format, identity, last_shutdown};
use ottla_records::EndTxnMarker;
use ottla_runtime::sim::{Outage, World};
use ottla_runtime::{OpenMode, Runtime};
use ottla_types::{NodeId, ProducerEpoch, ProducerId, Uuid};
use std::path::Path;

#[test]
fn a_damaged_log_is_cut_where_the_plan_says_and_opens_again() {
    in_memory(async |rt| {
        let batch_bytes = batch(3).total_len() as u64;
        let config = LogConfig { segment_bytes: 4 * batch_bytes, ..small_segments() };
        let (dirs, mut log) = new_log(&rt, config.clone()).await;
        for _ in 0..10 {
            append(&mut log, &batch(3)).await;
        }
        log.close().await.unwrap();
        dirs.shutdown().await;
        let mut told = 0;
        let whole = repair::plan(&rt, &partition_path(), |bytes| told += bytes).await.unwrap();
        assert_eq!(told, whole.valid_bytes, "every valid byte is told once");
        assert_eq!((whole.damage.clone(), whole.valid_bytes), (None, 10 * batch_bytes));
        assert_eq!(repair::apply(&rt, &whole).await.unwrap(), None);

        let damaged = SegmentFile::Log.path(&partition_path(), 12);
        let file = rt.disk().open(&damaged, OpenMode::ReadWrite).await.unwrap();
        file.write_at(batch_bytes + 80, &[b"!!"]).unwrap();
        let before = rt.disk().read(&damaged, 1 << 20).await.unwrap();
        let plan = repair::plan(&rt, &partition_path(), |_| {}).await.unwrap();
        let damage = plan.damage.clone().unwrap();
        assert_eq!((damage.segment.clone(), damage.position, damage.offset), (damaged.clone(), batch_bytes, 15));
        assert_eq!((damage.lost_bytes, damage.lost_segments, damage.lost_up_to), (5 * batch_bytes, 1, Some(24)));
        assert_eq!(rt.disk().read(&damaged, 1 << 20).await.unwrap(), before, "a plan changes nothing");

        let done = repair::apply(&rt, &plan).await.unwrap().unwrap();
        assert_eq!((done.end_offset, done.kept_in.len()), (Some(15), 2));
        let kept = rt.disk().read(&done.kept_in[0], 1 << 20).await.unwrap();
        assert_eq!(kept, before.slice(batch_bytes as usize..));
        let dirs = open_dirs(&rt).await;
        let (mut log, _) = open_found(&dirs, config).await.unwrap();
        assert_eq!(log.log_end_offset(), 15);
        assert_eq!(append(&mut log, &batch(1)).await.first_offset, 15);
        assert_eq!(read_all(&log, 0, 1 << 20).await.len(), 6);
    });
}

#[test]
fn a_directory_in_use_is_not_repaired() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        append(&mut log, &batch(3)).await;
        let file = rt.disk().open(&SegmentFile::Log.path(&partition_path(), 0), OpenMode::ReadWrite).await.unwrap();
        file.write_at(70, &[b"!!"]).unwrap();
        let plan = repair::plan(&rt, &partition_path(), |_| {}).await.unwrap();
        assert!(plan.damage.is_some());
        assert!(repair::apply(&rt, &plan).await.is_err());
    });
}

/// A log of ten batches of three records, closed, with a byte changed in the batch at offset 15.
async fn damaged_log(rt: &Runtime) -> LogConfig {
    let batch_bytes = batch(3).total_len() as u64;
    let config = LogConfig { segment_bytes: 4 * batch_bytes, ..small_segments() };
    let (dirs, mut log) = new_log(rt, config.clone()).await;
    for _ in 0..10 {
        append(&mut log, &batch(3)).await;
    }
    log.close().await.unwrap();
    dirs.shutdown().await;
    let damaged = SegmentFile::Log.path(&partition_path(), 12);
    let file = rt.disk().open(&damaged, OpenMode::ReadWrite).await.unwrap();
    file.write_at(batch_bytes + 80, &[b"!!"]).unwrap();
    file.sync("test.damage").await.unwrap();
    config
}

/// Every byte that a cut takes is in a side file, whenever the power goes; and the repair that follows ends it.
#[test]
fn a_repair_that_loses_power_is_finished_by_the_next_one() {
    let mut interrupted = 0;
    for seed in 0..200 {
        let world = World::new(seed);
        let was_down = world.run(async {
            let node = "node";
            let rt = world.node(node);
            let config = damaged_log(&rt).await;
            let damaged = SegmentFile::Log.path(&partition_path(), 12);
            let before = rt.disk().read(&damaged, 1 << 20).await.unwrap();
            let plan = repair::plan(&rt, &partition_path(), |_| {}).await.unwrap();
            let position = plan.damage.clone().unwrap().position as usize;
            world.disk_faults(node).plan_outage(1 + seed % 40, Outage::PowerLoss);
            let repairing = rt.spawn("repair", {
                let rt = rt.clone();
                async move { repair::apply(&rt, &plan).await.map(drop) }
            });
            let was_down = tokio::select! {
                biased;
                () = world.down(node) => true,
                done = repairing => {
                    done.expect("the repair ends").unwrap();
                    false
                }
            };
            world.take_down(node, Outage::PowerLoss);
            world.disk_faults(node).cancel_outage();
            let rt = world.node(node);
            let again = repair::plan(&rt, &partition_path(), |_| {}).await.unwrap();
            repair::apply(&rt, &again).await.unwrap();
            let mut is_kept = false;
            for entry in rt.disk().list(&partition_path()).await.unwrap() {
                let path = partition_path().join(&entry.name);
                is_kept |= rt.disk().read(&path, 1 << 20).await.unwrap() == before.slice(position..);
            }
            assert!(is_kept, "seed {seed}: the cut bytes are in a side file");
            let dirs = open_dirs(&rt).await;
            let (mut log, _) = open_found(&dirs, config).await.unwrap();
            assert_eq!(log.log_end_offset(), 15, "seed {seed}");
            assert_eq!(append(&mut log, &batch(1)).await.first_offset, 15);
            was_down
        });
        interrupted += usize::from(was_down);
    }
    assert!(interrupted > 50, "{interrupted} repairs were interrupted");
}

#[test]
fn a_transaction_index_that_cannot_be_read_is_built_anew() {
    in_memory(async |rt| {
        let config = small_segments();
        let (dirs, mut log) = new_log(&rt, config.clone()).await;
        let abort = EndTxnMarker { committed: false, coordinator_epoch: 0 };
        append(&mut log, &transactional(1, 0, 2)).await;
        append(&mut log, &abort.to_batch(ProducerId(1), ProducerEpoch(0), 1000)).await;
        while log.log_start_offset() == 0 && rt.disk().list(&partition_path()).await.unwrap().len() < 12 {
            append(&mut log, &batch(9)).await;
        }
        log.close().await.unwrap();
        dirs.shutdown().await;
        let index = SegmentFile::TxnIndex.path(&partition_path(), 0);
        let before = rt.disk().read(&index, 1 << 20).await.unwrap();
        assert!(!before.is_empty());
        let file = rt.disk().open(&index, OpenMode::ReadWrite).await.unwrap();
        file.set_len(before.len() as u64 - 1).unwrap();

        let plan = repair::plan(&rt, &partition_path(), |_| {}).await.unwrap();
        assert_eq!((plan.damage.clone(), plan.unreadable_indexes.len()), (None, 1));
        let done = repair::apply(&rt, &plan).await.unwrap().unwrap();
        assert_eq!((done.end_offset, done.to_be_rebuilt), (None, vec![index.clone()]));
        let dirs = open_dirs(&rt).await;
        let (log, _) = open_found(&dirs, config).await.unwrap();
        assert_eq!(rt.disk().read(&index, 1 << 20).await.unwrap(), before);
        drop((log, dirs));
        assert!(repair::plan(&rt, &partition_path(), |_| {}).await.unwrap().is_sound());
    });
}

#[test]
fn a_formatted_directory_belongs_to_the_cluster_and_keeps_its_id() {
    in_memory(async |rt| {
        let dir = Path::new(DATA);
        assert_eq!(identity(&rt, dir).await.unwrap(), None);
        let cluster = Uuid([9; 16]);
        let made = format(&rt, dir, NodeId(1), cluster).await.unwrap();
        assert_eq!(identity(&rt, dir).await.unwrap(), Some(made.clone()));
        assert_eq!(format(&rt, dir, NodeId(1), cluster).await.unwrap(), made, "a second time changes nothing");
        let other = format(&rt, dir, NodeId(1), Uuid([8; 16])).await.unwrap_err();
        assert!(matches!(other, LogDirsError::OtherCluster { .. }), "{other}");
        let dirs = open_dirs(&rt).await;
        assert_eq!(dirs.cluster_id(), Some(cluster.to_string()));
        assert!(format(&rt, dir, NodeId(1), cluster).await.is_err(), "in use");
        dirs.finish_recovery(true).await.unwrap();
        dirs.shutdown().await;
        assert_eq!(last_shutdown(&rt, dir).await.unwrap(), Shutdown::Clean);
    });
}
