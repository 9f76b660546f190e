//! What leaves the log at its start.

use super::kit::*;
use crate::{Log, LogConfig};
use ottla_runtime::Runtime;

/// A log of five sealed segments of one batch each, with timestamps 1000, 2000 ... and an active segment at 6000.
async fn six_segments(rt: &Runtime, config: LogConfig) -> (crate::LogDirs, Log) {
    let (dirs, mut log) = new_log(rt, config).await;
    for i in 1..=6 {
        append(&mut log, &batch_at(&[i * 1000, i * 1000], 40)).await;
        if i < 6 {
            roll(&mut log).await.unwrap();
        }
    }
    flush(&mut log).await.unwrap();
    (dirs, log)
}

#[test]
fn old_segments_leave_by_time_up_to_the_high_watermark() {
    in_memory(async |rt| {
        let (_dirs, mut log) = six_segments(&rt, LogConfig { retention_ms: Some(1500), ..small_segments() }).await;
        assert_eq!(retain(&mut log, 2500, 12).await, 0, "the first is exactly as old as allowed");
        assert_eq!(retain(&mut log, 4501, 2).await, 1, "only one is below the high watermark");
        assert_eq!(retain(&mut log, 4501, 12).await, 2);
        assert_eq!((log.log_start_offset(), log.segment_count()), (6, 3));
        assert_eq!(retain(&mut log, 60_000, 12).await, 3, "the active segment is rolled first");
        assert_eq!((log.log_start_offset(), log.log_end_offset(), log.segment_count()), (12, 12, 1));
    });
}

#[test]
fn the_size_is_kept_at_or_above_the_limit() {
    in_memory(async |rt| {
        let segment = batch_at(&[0, 0], 40).total_len() as u64;
        let config = LogConfig { retention_bytes: Some(3 * segment - 1), retention_ms: None, ..small_segments() };
        let (_dirs, mut log) = six_segments(&rt, config).await;
        assert_eq!(retain(&mut log, 0, 12).await, 3);
        assert_eq!(log.size_bytes(), 3 * segment);
    });
}

#[test]
fn compacted_logs_keep_old_segments() {
    in_memory(async |rt| {
        let config = LogConfig { delete: false, retention_bytes: Some(0), retention_ms: Some(0), ..small_segments() };
        let (_dirs, mut log) = six_segments(&rt, config).await;
        assert_eq!(retain(&mut log, 60_000, 12).await, 0);
        log.delete_records_to(5).unwrap().run().await.unwrap();
        assert_eq!(retain(&mut log, 60_000, 12).await, 2, "what lies below the log start offset leaves always");
        assert_eq!(log.log_start_offset(), 5);
    });
}

#[test]
fn deleted_files_are_removed_after_the_delay() {
    in_memory(async |rt| {
        let config = LogConfig { retention_ms: Some(0), file_delete_delay_ms: 0, ..small_segments() };
        let (dirs, mut log) = six_segments(&rt, config).await;
        retain(&mut log, 60_000, 12).await;
        let names = async || -> Vec<String> {
            let entries = rt.disk().list(log.path()).await.unwrap();
            entries.into_iter().map(|entry| entry.name).filter(|name| name.ends_with(".deleted")).collect()
        };
        assert_eq!(names().await.len(), 6 * 4 + 5, "log and indexes of six, and the snapshots of all but the first");
        dirs.housekeeping_round().await;
        assert_eq!(names().await, Vec::<String>::new());
    });
}

#[test]
fn delete_records_moves_the_start_once() {
    in_memory(async |rt| {
        let (_dirs, mut log) = six_segments(&rt, small_segments()).await;
        log.delete_records_to(7).unwrap().run().await.unwrap();
        assert!(log.delete_records_to(7).is_none());
        assert!(log.delete_records_to(3).is_none());
        assert_eq!(log.log_start_offset(), 7);
        assert!(log.plan_read(6, 1, 12, true).is_err());
        assert_eq!(read_all(&log, 7, 1 << 20).await[0], (6, 7), "from the batch that holds the offset");
    });
}

#[test]
fn segments_not_seen_since_a_restart_are_looked_at_first() {
    in_memory(async |rt| {
        let config = LogConfig { retention_ms: Some(1500), ..small_segments() };
        let (dirs, log) = six_segments(&rt, config.clone()).await;
        log.close().await.unwrap();
        dirs.shutdown().await;
        let dirs = open_dirs(&rt).await;
        let (mut log, _) = open_found(&dirs, config).await.unwrap();
        assert_eq!(retain(&mut log, 4501, 12).await, 3);
        assert_eq!(log.log_start_offset(), 6);
    });
}

#[test]
fn bytes_below_a_log_start_that_was_raised_over_them_are_flushed_all_the_same() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        append(&mut log, &batch(3)).await;
        log.delete_records_to(3).unwrap().run().await.unwrap();
        assert_eq!((log.flushed_offset(), log.dirty_bytes() > 0), (3, true), "no record waits, but bytes do");
        flush(&mut log).await.unwrap();
        assert_eq!(log.dirty_bytes(), 0);
        assert!(log.begin_flush().is_none());
    });
}
