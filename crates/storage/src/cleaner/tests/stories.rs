//! Single cleanings, as stories.

use super::kit::*;
use crate::cleaner::{CleanContext, CleanerConfig, CleaningError, Throttle};
use crate::files::SegmentFile;
use crate::producer_state::Origin;
use crate::tests::kit::*;
use crate::{Cleanable, LogConfig, LogError, Retention, TimestampQuery};
use ottla_records::{BatchBuilder, Compression, EndTxnMarker, TimestampType};
use ottla_runtime::OpenMode;
use ottla_types::{LeaderEpoch, ProducerEpoch, ProducerId};
use std::path::Path;

async fn timestamp_lookup(log: &crate::Log, query: TimestampQuery) -> Option<(i64, i64)> {
    let found = log.plan_timestamp_lookup(query).run().await.unwrap();
    found.map(|found| (found.timestamp_ms, found.offset))
}

#[test]
fn only_the_last_value_of_a_key_stays_and_offsets_do_not_move() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, compacted()).await;
        append_text(&mut log, "a=1 b=1 a=2 c=1 a=3 b=2", 5000).await;
        seal(&mut log, 6000).await;
        append_text(&mut log, "c=9", 7000).await;
        let (end, stats) = clean(&mut log, 10_000).await.unwrap();
        assert_eq!((end, stats.records_read, stats.records_kept), (6, 6, 3));
        assert_eq!(text_of(&log).await, "3:c=1 4:a=3 5:b=2 6:end=1 7:c=9", "the active segment is left alone");
        assert!(clean(&mut log, 10_000).await.is_none(), "nothing is dirty");
        assert_eq!(log.log_start_offset(), 0);
        assert_eq!(timestamp_lookup(&log, TimestampQuery::AtOrAfter(0)).await, Some((5000, 3)));
        assert_eq!(timestamp_lookup(&log, TimestampQuery::AtOrAfter(5500)).await, Some((6000, 6)));
        assert_eq!(log.offset_for_leader_epoch(EPOCH, since(LeaderEpoch(9), 8)), Some((EPOCH, 8)));
        for offset in 0..=3 {
            assert_eq!(read_batches(&log, offset).await[0].header.base_offset, 3, "from {offset}");
        }
    });
}

#[test]
fn a_tombstone_stays_for_its_time_and_then_goes() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, compacted()).await;
        append_text(&mut log, "a=1 b=1 a=", 5000).await;
        seal(&mut log, 5000).await;
        clean(&mut log, 10_000).await.unwrap();
        assert_eq!(text_of(&log).await, "1:b=1 2:a= 3:end=1");
        let horizon = |batches: &[ReadBatch]| batches[1].header.delete_horizon_ms();
        assert_eq!(horizon(&read_batches(&log, 0).await), Some(11_000));
        append_text(&mut log, "x=1", 5000).await;
        seal(&mut log, 5000).await;
        clean(&mut log, 10_999).await.unwrap();
        assert_eq!(text_of(&log).await, "1:b=1 2:a= 3:end=1 4:x=1 5:end=1");
        append_text(&mut log, "y=1", 5000).await;
        seal(&mut log, 5000).await;
        clean(&mut log, 11_000).await.unwrap();
        assert!(!text_of(&log).await.contains("a="));
    });
}

#[test]
fn the_map_may_be_too_small_and_the_next_cleaning_goes_on() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, compacted()).await;
        append_text(&mut log, "a=1 b=1 c=1 d=1 a=2 b=2 c=2 d=2 a=3", 5000).await;
        seal(&mut log, 5000).await;
        let config =
            CleanerConfig { dedupe_buffer_bytes: 24 * 4, dedupe_buffer_load_factor: 0.75, ..Default::default() };
        let (mut ends, mut before) = (Vec::new(), String::new());
        while let Some((end, stats)) = clean_with(&mut log, 10_000, &config).await.unwrap() {
            assert!(stats.buffer_utilization <= 0.75);
            ends.push(end);
            let now = text_of(&log).await;
            assert_ne!(now, before);
            before = now;
        }
        assert_eq!(ends.last(), Some(&9));
        assert!(ends.len() > 1, "{ends:?}");
        assert_eq!(before, "5:b=2 6:c=2 7:d=2 8:a=3 9:end=1");
    });
}

fn transactional_batch(id: i64, sequence: i32, records: &[KeyValue]) -> ottla_records::ValidatedBatch {
    let builder = BatchBuilder::new(Compression::Lz4, TimestampType::CreateTime)
        .producer(ProducerId(id), ProducerEpoch(0), sequence)
        .transactional();
    fill(builder, records, 5000).build().unwrap()
}

async fn end_txn(log: &mut crate::Log, id: i64, committed: bool) {
    let marker = EndTxnMarker { committed, coordinator_epoch: 4 };
    let batch = marker.to_batch(ProducerId(id), ProducerEpoch(0), 5000);
    append_any(log, &batch, Origin::Coordinator { transaction_version: 1 }).await;
}

#[test]
fn aborted_records_go_at_once_and_markers_when_nothing_needs_them() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, compacted()).await;
        let value = |text: &str| Some(text.to_string());
        append_any(&mut log, &transactional_batch(7, 0, &[("a", value("1"))]), Origin::Client).await;
        end_txn(&mut log, 7, true).await;
        append_any(&mut log, &transactional_batch(7, 1, &[("a", value("2")), ("b", value("2"))]), Origin::Client).await;
        end_txn(&mut log, 7, false).await;
        append_any(&mut log, &transactional_batch(7, 3, &[("c", value("3"))]), Origin::Client).await;
        end_txn(&mut log, 7, true).await;
        seal(&mut log, 5000).await;
        clean(&mut log, 10_000).await.unwrap();
        let aborted = log.plan_aborted_transactions(0, 100).run().await.unwrap();
        assert_eq!(aborted.len(), 1, "its marker stays, because its batch was there");
        assert_eq!(text_of(&log).await, "0:a=1 1:marker 4:marker 5:c=3 6:marker 7:end=1");
        append_any(&mut log, &transactional_batch(7, 4, &[("c", value("4"))]), Origin::Client).await;
        end_txn(&mut log, 7, true).await;
        seal(&mut log, 5000).await;
        clean(&mut log, 10_500).await.unwrap();
        // The abort marker gets its delete horizon now; the commit marker at 6 lost its record only now.
        assert!(log.plan_aborted_transactions(0, 100).run().await.unwrap().is_empty());
        assert_eq!(text_of(&log).await, "0:a=1 1:marker 4:marker 6:marker 7:end=1 8:c=4 9:marker 10:end=1");
        append_text(&mut log, "x=1", 5000).await;
        seal(&mut log, 5000).await;
        clean(&mut log, 11_500).await.unwrap();
        assert_eq!(text_of(&log).await, "0:a=1 1:marker 6:marker 8:c=4 9:marker 10:end=1 11:x=1 12:end=1");
        append_text(&mut log, "x=2", 5000).await;
        seal(&mut log, 5000).await;
        clean(&mut log, 12_500).await.unwrap();
        assert_eq!(text_of(&log).await, "0:a=1 1:marker 8:c=4 9:marker 12:end=1 13:x=2 14:end=1");
    });
}

#[test]
fn nothing_at_or_above_the_last_stable_offset_is_cleaned() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, compacted()).await;
        append_text(&mut log, "a=1 a=2", 5000).await;
        roll(&mut log).await.unwrap();
        append_any(&mut log, &transactional_batch(7, 0, &[("b", None)]), Origin::Client).await;
        seal(&mut log, 5000).await;
        let found = to_clean(&mut log, 10_000).await.unwrap();
        assert_eq!((found.first_dirty_offset, found.first_uncleanable_offset), (0, 2));
        end_txn(&mut log, 7, true).await;
        let flushed = flush(&mut log).await.unwrap();
        log.on_high_watermark(flushed);
        assert_eq!(to_clean(&mut log, 10_000).await.unwrap().first_uncleanable_offset, 3);
    });
}

#[test]
fn lags_hold_a_cleaning_back_and_bring_it_forward() {
    in_memory(async |rt| {
        let config = LogConfig { min_compaction_lag_ms: 1000, ..compacted() };
        let (_dirs, mut log) = new_log(&rt, config.clone()).await;
        append_text(&mut log, "a=1 a=2", 5000).await;
        roll(&mut log).await.unwrap();
        append_text(&mut log, "a=3", 6000).await;
        seal(&mut log, 6000).await;
        assert_eq!(to_clean(&mut log, 5999).await.unwrap().first_uncleanable_offset, 0);
        assert_eq!(to_clean(&mut log, 6000).await.unwrap().first_uncleanable_offset, 2);
        assert_eq!(to_clean(&mut log, 7000).await.unwrap().first_uncleanable_offset, 3);
        let config = LogConfig { max_compaction_lag_ms: 2000, min_cleanable_dirty_ratio: 1.0, ..compacted() };
        log.apply_config(config);
        let found = to_clean(&mut log, 7000).await.unwrap();
        assert_eq!((found.compaction_delay_ms, found.is_due()), (0, false));
        let found = to_clean(&mut log, 7500).await.unwrap();
        assert_eq!((found.compaction_delay_ms, found.is_due()), (500, true));
    });
}

#[test]
fn a_producer_can_go_on_after_all_its_records_went() {
    in_memory(async |rt| {
        let (dirs, mut log) = new_log(&rt, compacted()).await;
        let batch = |sequence: i32| {
            let builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
            let builder = builder.producer(ProducerId(5), ProducerEpoch(1), sequence);
            fill(builder, &[("a", Some("p".to_string()))], 5000).build().unwrap()
        };
        append_any(&mut log, &batch(0), Origin::Client).await;
        append_any(&mut log, &batch(1), Origin::Client).await;
        append_text(&mut log, "a=last", 5000).await;
        seal(&mut log, 5000).await;
        clean(&mut log, 10_000).await.unwrap();
        assert_eq!(text_of(&log).await, "[1] 2:a=last 3:end=1");
        // A whole scan has nothing but the segments.
        log.close().await.unwrap();
        dirs.shutdown().await;
        for name in ["recovery-point-offset-checkpoint", ".kafka_cleanshutdown"] {
            rt.disk().remove_file(&Path::new(DATA).join(name)).await.unwrap();
        }
        let dirs = open_dirs(&rt).await;
        let (mut log, _) = open_found(&dirs, compacted()).await.unwrap();
        append_any(&mut log, &batch(2), Origin::Client).await;
    });
}

#[test]
fn small_segments_become_one_and_reads_that_were_planned_before_go_on() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, compacted()).await;
        for _ in 0..8 {
            append_text(&mut log, "a=1 b=2 c=3", 5000).await;
            roll(&mut log).await.unwrap();
        }
        seal(&mut log, 5000).await;
        let planned: Vec<_> = (0..24).map(|offset| log.plan_read(offset, 10_000, 24, true).unwrap()).collect();
        let lookup = log.plan_timestamp_lookup(TimestampQuery::AtOrAfter(0));
        clean(&mut log, 10_000).await.unwrap();
        assert_eq!(log.segment_count(), 2);
        assert_eq!(text_of(&log).await, "21:a=1 22:b=2 23:c=3 24:end=1");
        for (offset, plan) in planned.into_iter().enumerate() {
            let bytes = bytes_of(plan).await;
            let first = ottla_records::scan(&bytes, true).next().unwrap().unwrap().0;
            assert_eq!(first.base_offset, offset as i64, "as it was when the read was planned");
        }
        assert_eq!(lookup.run().await.unwrap().unwrap().offset, 0);
        let files = rt.disk().list(log.path()).await.unwrap();
        assert_eq!(files.iter().filter(|file| file.name.ends_with(".log")).count(), 2, "{files:?}");
    });
}

#[test]
fn a_damaged_segment_makes_the_log_uncleanable_and_changes_nothing() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, compacted()).await;
        append_text(&mut log, "a=1 a=2 a=3", 5000).await;
        seal(&mut log, 5000).await;
        let path = SegmentFile::Log.path(log.path(), 0);
        let file = rt.disk().open(&path, OpenMode::ReadWrite).await.unwrap();
        file.write_at(100, &[b"!!"]).unwrap();
        let before = rt.disk().read(&path, 1 << 20).await.unwrap();
        let error = clean_with(&mut log, 10_000, &CleanerConfig::default()).await.unwrap_err();
        assert!(matches!(error, CleaningError::Failed(LogError::Damaged { .. })), "{error}");
        assert_eq!(rt.disk().read(&path, 1 << 20).await.unwrap(), before);
        let files = rt.disk().list(log.path()).await.unwrap();
        assert!(files.iter().all(|file| !file.name.ends_with(".cleaned")), "{files:?}");
        assert!(matches!(log.retention(10_000, 3), Retention::Nothing), "the cleaning is over");
    });
}

#[test]
fn a_cleaning_stops_when_it_is_asked_to_and_one_that_is_lost_takes_the_log_offline() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, compacted()).await;
        append_text(&mut log, "a=1 a=2 a=3", 5000).await;
        seal(&mut log, 5000).await;
        let found = to_clean(&mut log, 10_000).await.unwrap();
        let mut job = log.begin_cleaning(&found, 10_000).unwrap();
        assert!(matches!(log.log_to_clean(10_000, 100), Cleanable::Nothing), "one at a time");
        let (config, throttle) = (CleanerConfig::default(), Throttle::new(f64::MAX));
        let context = CleanContext { config: &config, throttle: &throttle, is_stopped: &|| true };
        assert!(matches!(job.next_group(context).await, Err(CleaningError::Stopped)));
        log.finish_cleaning(job);
        assert_eq!(log.offline_reason(), None);
        drop(log.begin_cleaning(&found, 10_000).unwrap());
        assert!(matches!(log.log_to_clean(10_000, 100), Cleanable::Nothing));
        assert!(log.offline_reason().is_some());
    });
}

#[test]
fn retention_applies_to_compacted_logs_that_also_delete() {
    in_memory(async |rt| {
        let config = LogConfig { delete: true, retention_ms: Some(1000), ..compacted() };
        let (_dirs, mut log) = new_log(&rt, config).await;
        append_text(&mut log, "a=1 a=2", 5000).await;
        seal(&mut log, 7000).await;
        clean(&mut log, 5500).await.unwrap();
        assert_eq!(retain(&mut log, 5500, 3).await, 0);
        assert_eq!(retain(&mut log, 6500, 3).await, 1);
        assert_eq!(text_of(&log).await, "2:end=1");
    });
}
