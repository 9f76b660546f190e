//! Many more partitions than files that may be open.

use super::kit::*;
use crate::producer_state::Origin;
use crate::{AppendError, Log, LogConfig, LogDirs};
use ottla_runtime::sim::World;
use ottla_runtime::{OpenMode, Runtime};
use ottla_types::TopicPartition;
use std::path::Path;

const NODE: &str = "node";
const PARTITIONS: i32 = 100;
const FILES_MAX: usize = 32;

async fn create_logs(rt: &Runtime) -> (LogDirs, Vec<Log>) {
    let dirs = open_dirs(rt).await;
    dirs.finish_recovery(true).await.unwrap();
    let mut logs = Vec::new();
    for index in 0..PARTITIONS {
        let partition = TopicPartition::new("topic", index);
        logs.push(dirs.create_log(&partition, TOPIC_ID, small_segments()).await.unwrap());
    }
    (dirs, logs)
}

async fn open_logs(rt: &Runtime) -> (LogDirs, Vec<Log>) {
    let dirs = open_dirs(rt).await;
    let mut logs = Vec::new();
    for found in dirs.discover().await.unwrap() {
        logs.push(open(&dirs, &found, small_segments()).await.unwrap().0);
    }
    dirs.finish_recovery(true).await.unwrap();
    logs.sort_by_key(|log| log.topic_partition().partition);
    (dirs, logs)
}

async fn close(dirs: LogDirs, logs: Vec<Log>) {
    for log in logs {
        log.close().await.unwrap();
    }
    dirs.shutdown().await;
}

/// Appends, flushes and reads with every log; those of odd numbers roll.
async fn use_all(logs: &mut [Log], first_offset: i64) {
    for (index, log) in logs.iter_mut().enumerate() {
        let batches = 1 + 12 * (index as i64 % 2);
        for _ in 0..batches {
            append(log, &batch(3)).await;
        }
        let end = flush(log).await.unwrap();
        assert_eq!(end - first_offset * batches, 3 * batches);
    }
    for log in logs {
        let batches = read_all(log, 0, 500).await;
        assert_eq!(batches.last().unwrap().1 + 1, log.log_end_offset());
    }
}

#[test]
fn an_idle_partition_has_no_file_open_and_many_share_a_few_without_losing_anything() {
    for seed in 0..5 {
        let world = World::new(seed);
        world.run(async {
            let rt = world.node(NODE);
            let faults = world.disk_faults(NODE);
            faults.set_open_files_max(Some(FILES_MAX));
            let (dirs, mut logs) = create_logs(&rt).await;
            assert_eq!(faults.open_files(), 0, "the lock of a directory is not counted");
            use_all(&mut logs, 0).await;
            close(dirs, logs).await;
            let (dirs, mut logs) = open_logs(&rt).await;
            assert_eq!(faults.open_files(), 0);
            use_all(&mut logs, 3).await;
            drop((dirs, logs));
            world.power_loss(NODE);
            let rt = world.node(NODE);
            let (dirs, mut logs) = open_logs(&rt).await;
            use_all(&mut logs, 6).await;
            close(dirs, logs).await;
        });
    }
}

#[test]
fn partitions_that_nothing_was_written_to_are_opened_and_closed_without_a_sync() {
    let world = World::new(1);
    world.run(async {
        let rt = world.node(NODE);
        let (dirs, logs) = create_logs(&rt).await;
        drop((dirs, logs));
        world.crash(NODE);
        let rt = world.node(NODE);
        let before = world.sync_sites();
        let (dirs, logs) = open_logs(&rt).await;
        for site in ["storage.recovered-segment", "storage.recovered-dir", "storage.recovered-metadata"] {
            assert_eq!(world.sync_sites().get(site), before.get(site), "{site}");
        }
        close(dirs, logs).await;
        let (dirs, mut logs) = open_logs(&rt).await;
        assert_eq!(logs.len(), PARTITIONS as usize);
        use_all(&mut logs, 0).await;
        close(dirs, logs).await;
    });
}

#[test]
fn an_append_that_finds_no_descriptor_left_says_so_and_takes_nothing_offline() {
    let world = World::new(1);
    world.run(async {
        let rt = world.node(NODE);
        let (_dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        append(&mut log, &batch(1)).await;
        flush(&mut log).await.unwrap();
        log.active.log().let_go();
        let faults = world.disk_faults(NODE);
        let other = rt.disk().open(Path::new("/data/other"), OpenMode::Create).await.unwrap();
        faults.set_open_files_max(Some(1));
        let refused = log.append_as_leader(&batch(1), EPOCH, Origin::Client, 1000).unwrap_err();
        assert!(matches!(refused, AppendError::OutOfFiles { .. }), "{refused}");
        assert!(log.plan_read(0, 1000, 1, true).unwrap().run().await.is_err());
        drop(other);
        assert_eq!(append(&mut log, &batch(1)).await.first_offset, 1);
        assert_eq!(flush(&mut log).await.unwrap(), 2);
        assert_eq!(read_all(&log, 0, 1000).await, [(0, 0), (1, 1)]);
    });
}

#[test]
fn a_failed_sync_is_met_although_many_other_files_were_opened_since() {
    let world = World::new(1);
    world.run(async {
        let rt = world.node(NODE);
        world.disk_faults(NODE).set_open_files_max(Some(FILES_MAX));
        let (_dirs, mut logs) = create_logs(&rt).await;
        let mut failed = logs.remove(0);
        append(&mut failed, &batch(1)).await;
        world.disk_faults(NODE).fail_syncs("topic-0/00000000000000000000.log", 1);
        let done = failed.begin_flush().unwrap().run().await;
        use_all(&mut logs, 0).await;
        assert!(failed.has_failed_sync());
        failed.finish_flush(done).unwrap_err();
        assert!(failed.offline_reason().is_some());
    });
}
