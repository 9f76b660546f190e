//! Disks that fail and disks that are full.

use super::NODE;
use crate::producer_state::Origin;
use crate::tests::kit::*;
use crate::{AppendError, Log, LogConfig, LogDirState, LogDirs, LogDirsOptions};
use ottla_runtime::sim::World;
use ottla_runtime::{OpenMode, Runtime};
use ottla_types::{LeaderEpoch, NodeId, TopicPartition};
use std::path::PathBuf;

fn worlds(test: impl AsyncFn(World)) {
    for seed in 0..40 {
        let world = World::new(seed);
        world.run(test(world.clone()));
    }
}

/// Every offset below the end is there.
async fn is_whole(log: &Log) {
    let batches = read_all(log, log.log_start_offset(), 500).await;
    let mut next = log.log_start_offset();
    for (first, last) in batches {
        assert_eq!(first, next);
        next = last + 1;
    }
    assert_eq!(next, log.log_end_offset());
}

async fn append_some(log: &mut Log, batches: usize) {
    for _ in 0..batches {
        append(log, &batch(3)).await;
    }
}

#[test]
fn a_failed_fsync_takes_the_log_back_to_its_last_flushed_offset() {
    worlds(async |world| {
        let rt = world.node(NODE);
        let (dirs, mut log) = new_log(&rt, small_segments()).await;
        append_some(&mut log, 20).await;
        assert_eq!(flush(&mut log).await.unwrap(), 60);
        append_some(&mut log, 15).await;
        world.disk_faults(NODE).fail_syncs(".log", 1);
        let job = log.begin_flush().unwrap();
        append_some(&mut log, 1).await;
        let done = job.run().await;
        log.finish_flush(done).unwrap_err();
        assert!(log.begin_flush().is_none(), "never tried again");
        let refused = log.append_as_leader(&batch(1), EPOCH, Origin::Client, 1000).unwrap_err();
        assert!(matches!(refused, AppendError::Offline { .. }));
        let (mut log, report) = dirs.reopen_log(&log.into_failed()).await.unwrap();
        assert_eq!((log.log_end_offset(), log.flushed_offset()), (60, 60));
        assert!(report.cut.is_some_and(|cut| cut.offset == 60));
        append_some(&mut log, 2).await;
        assert_eq!(flush(&mut log).await.unwrap(), 66);
        is_whole(&log).await;
        drop((log, dirs));
        world.power_loss(NODE);
        let rt = world.node(NODE);
        let dirs = open_dirs(&rt).await;
        let (log, _) = open_found(&dirs, small_segments()).await.unwrap();
        assert_eq!(log.log_end_offset(), 66);
        is_whole(&log).await;
    });
}

/// After a failed fsync the page cache shows what is not on the disk, and the next fsync says that all is well.
#[test]
fn what_is_found_after_a_failed_fsync_and_a_crash_is_made_durable() {
    worlds(async |world| {
        let rt = world.node(NODE);
        let (dirs, mut log) = new_log(&rt, small_segments()).await;
        append_some(&mut log, 5).await;
        flush(&mut log).await.unwrap();
        append_some(&mut log, 5).await;
        world.disk_faults(NODE).fail_syncs(".log", 1);
        flush(&mut log).await.unwrap_err();
        drop((log, dirs));
        world.crash(NODE);
        let rt = world.node(NODE);
        let dirs = open_dirs(&rt).await;
        let (log, _) = open_found(&dirs, small_segments()).await.unwrap();
        let found = log.log_end_offset();
        assert!((15..=30).contains(&found));
        drop((log, dirs));
        world.power_loss(NODE);
        let rt = world.node(NODE);
        let dirs = open_dirs(&rt).await;
        let (log, _) = open_found(&dirs, small_segments()).await.unwrap();
        assert_eq!(log.log_end_offset(), found, "it may have been shown to consumers");
        is_whole(&log).await;
    });
}

/// The records of an epoch may be durable, and the checkpoint that says where it began not.
#[test]
fn epochs_that_were_not_written_are_found_again_when_the_log_is_opened_again() {
    worlds(async |world| {
        let rt = world.node(NODE);
        let (dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        append_some(&mut log, 4).await;
        roll(&mut log).await.unwrap();
        flush(&mut log).await.unwrap();
        append_some(&mut log, 1).await;
        let next = LeaderEpoch(EPOCH.0 + 1);
        for _ in 0..4 {
            try_append(&mut log, &batch(3), next, Origin::Client).await.unwrap();
        }
        roll(&mut log).await.unwrap();
        try_append(&mut log, &batch(3), next, Origin::Client).await.unwrap();
        world.disk_faults(NODE).fail_syncs("leader-epoch", 1);
        assert_eq!(flush(&mut log).await.unwrap(), 30, "the records are safe");
        world.disk_faults(NODE).fail_writes(".log", 1);
        try_append(&mut log, &batch(3), next, Origin::Client).await.unwrap_err();
        let (log, _) = dirs.reopen_log(&log.into_failed()).await.unwrap();
        assert_eq!(log.log_end_offset(), 30);
        assert_eq!(log.offset_for_leader_epoch(EPOCH, since(next, 15)), Some((EPOCH, 15)));
        assert_eq!(log.leader_epoch_at(15), Some(next));
        drop((log, dirs));
        world.crash(NODE);
        let rt = world.node(NODE);
        let dirs = open_dirs(&rt).await;
        let (log, _) = open_found(&dirs, LogConfig::default()).await.unwrap();
        assert_eq!(log.offset_for_leader_epoch(EPOCH, since(next, 15)), Some((EPOCH, 15)));
    });
}

/// The checkpoint of the epochs may also be ahead of the recovery point: its name is new, the sync of the name failed.
#[test]
fn epochs_of_a_checkpoint_that_is_ahead_stay_as_they_are() {
    worlds(async |world| {
        let rt = world.node(NODE);
        let (dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        let epochs = [EPOCH, LeaderEpoch(EPOCH.0 + 1), LeaderEpoch(EPOCH.0 + 2)];
        append_some(&mut log, 4).await;
        try_append(&mut log, &batch(3), epochs[1], Origin::Client).await.unwrap();
        roll(&mut log).await.unwrap();
        assert_eq!(flush(&mut log).await.unwrap(), 15);
        for epoch in [epochs[1], epochs[1], epochs[2], epochs[2]] {
            try_append(&mut log, &batch(3), epoch, Origin::Client).await.unwrap();
        }
        roll(&mut log).await.unwrap();
        world.disk_faults(NODE).fail_syncs("leader-epoch", 1);
        flush(&mut log).await.unwrap();
        let ahead = format!("0\n3\n{} 0\n{} 12\n{} 21\n", epochs[0], epochs[1], epochs[2]);
        let checkpoint = log.path().join("leader-epoch-checkpoint");
        let file = rt.disk().open(&checkpoint, OpenMode::Create).await.unwrap();
        file.write_at(0, &[ahead.as_bytes()]).unwrap();
        world.disk_faults(NODE).fail_writes(".log", 1);
        try_append(&mut log, &batch(3), epochs[2], Origin::Client).await.unwrap_err();
        let (log, _) = dirs.reopen_log(&log.into_failed()).await.unwrap();
        assert_eq!(log.log_end_offset(), 27);
        assert_eq!(log.offset_for_leader_epoch(epochs[0], since(epochs[2], 21)), Some((epochs[0], 12)));
        assert_eq!(log.offset_for_leader_epoch(epochs[1], since(epochs[2], 21)), Some((epochs[1], 21)));
    });
}

#[test]
fn a_failed_write_takes_the_log_offline_and_nothing_of_it_stays() {
    worlds(async |world| {
        let rt = world.node(NODE);
        let (dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        append_some(&mut log, 5).await;
        flush(&mut log).await.unwrap();
        world.disk_faults(NODE).fail_writes(".log", 1);
        let error = log.append_as_leader(&batch(9), EPOCH, Origin::Client, 1000).unwrap_err();
        assert!(matches!(error, AppendError::Offline { .. }), "{error}");
        let (mut log, _) = dirs.reopen_log(&log.into_failed()).await.unwrap();
        assert_eq!(log.log_end_offset(), 15);
        append_some(&mut log, 1).await;
        is_whole(&log).await;
    });
}

#[test]
fn a_full_disk_refuses_appends_until_there_is_space() {
    worlds(async |world| {
        let rt = world.node(NODE);
        let (dirs, mut log) = new_log(&rt, small_segments()).await;
        let faults = world.disk_faults(NODE);
        faults.set_capacity(Some(20_000));
        let mut appended = 0;
        let error = loop {
            match try_append(&mut log, &batch(3), EPOCH, Origin::Client).await {
                Ok(_) => appended += 3,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, AppendError::DiskFull { .. }), "{error}");
        assert_eq!(log.log_end_offset(), appended, "nothing of the refused batch is there");
        assert_eq!(dirs.dirs()[0].state(), LogDirState::Full);
        let refused = log.append_as_leader(&batch(1), EPOCH, Origin::Client, 1000).unwrap_err();
        assert!(matches!(refused, AppendError::DiskFull { .. }));
        is_whole(&log).await;
        assert_eq!(flush(&mut log).await.unwrap(), appended);
        dirs.housekeeping_round().await;
        assert_eq!(dirs.dirs()[0].state(), LogDirState::Full);
        faults.set_capacity(Some(200_000));
        dirs.housekeeping_round().await;
        assert_eq!(dirs.dirs()[0].state(), LogDirState::Online);
        append_some(&mut log, 3).await;
        flush(&mut log).await.unwrap();
        is_whole(&log).await;
        drop((log, dirs));
        world.power_loss(NODE);
        let rt = world.node(NODE);
        let dirs = open_dirs(&rt).await;
        let (log, _) = open_found(&dirs, small_segments()).await.unwrap();
        assert_eq!(log.log_end_offset(), appended + 9);
    });
}

#[test]
fn appends_are_refused_before_the_last_space_is_gone() {
    worlds(async |world| {
        let rt = world.node(NODE);
        let (dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        world.disk_faults(NODE).set_capacity(Some(64_000));
        append(&mut log, &batch_at(&[1], 62_000)).await;
        assert_eq!(dirs.dirs()[0].state(), LogDirState::Online);
        dirs.housekeeping_round().await;
        assert_eq!(dirs.dirs()[0].state(), LogDirState::Full, "less than a thirty-second is left");
    });
}

async fn two_dirs(rt: &Runtime) -> (LogDirs, Log, Log) {
    let options =
        LogDirsOptions { dirs: vec![PathBuf::from("/a"), PathBuf::from("/b")], node_id: NodeId(1), cluster_id: None };
    let dirs = LogDirs::open(rt, options).await.unwrap();
    let first = dirs.create_log(&TopicPartition::new("t", 0), TOPIC_ID, LogConfig::default()).await.unwrap();
    let second = dirs.create_log(&TopicPartition::new("t", 1), TOPIC_ID, LogConfig::default()).await.unwrap();
    (dirs, first, second)
}

#[test]
fn a_failing_directory_takes_only_its_own_logs_offline() {
    worlds(async |world| {
        let rt = world.node(NODE);
        let (dirs, mut first, mut second) = two_dirs(&rt).await;
        append_some(&mut first, 1).await;
        append_some(&mut second, 1).await;
        flush(&mut first).await.unwrap();
        flush(&mut second).await.unwrap();
        world.disk_faults(NODE).fail_syncs("/a/recovery-point", 1);
        dirs.housekeeping_round().await;
        let error = first.append_as_leader(&batch(1), EPOCH, Origin::Client, 1000).unwrap_err();
        assert!(matches!(error, AppendError::Offline { .. }), "{error}");
        append_some(&mut second, 1).await;
        assert_eq!(bytes_of(first.plan_read(0, 1 << 20, 3, true).unwrap()).await.len(), batch(3).total_len());
        let third = dirs.create_log(&TopicPartition::new("t", 2), TOPIC_ID, LogConfig::default()).await.unwrap();
        assert!(third.path().starts_with("/b"));
    });
}

#[test]
fn the_other_directories_are_used_when_one_cannot_be_opened() {
    let world = World::new(1);
    world.run(async {
        let rt = world.node(NODE);
        drop(two_dirs(&rt).await);
        world.disk_faults(NODE).fail_syncs("/a", 1);
        let options = LogDirsOptions { dirs: vec!["/a".into(), "/b".into()], node_id: NodeId(1), cluster_id: None };
        let dirs = LogDirs::open(&rt, options).await.unwrap();
        assert_eq!(dirs.dirs().len(), 1);
        let found = dirs.discover().await.unwrap();
        assert_eq!(found.len(), 1);
    });
}
