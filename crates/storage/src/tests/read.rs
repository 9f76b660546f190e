//! Reads by offset and by timestamp.

use super::kit::*;
use crate::limits::TAIL_BATCHES_MAX;
use crate::{LogConfig, OffsetOutOfRange, TimestampQuery};

#[test]
fn every_offset_is_found_through_index_and_tail() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, LogConfig { segment_bytes: 64 * 1024, ..small_segments() }).await;
        let batches = 4 * TAIL_BATCHES_MAX as i64;
        for _ in 0..batches {
            append(&mut log, &batch(3)).await;
        }
        assert!(log.segment_count() > 2);
        for offset in 0..batches * 3 {
            let plan = log.plan_read(offset, 1, batches * 3, true).unwrap();
            let bytes = bytes_of(plan).await;
            let (header, range) = ottla_records::scan(&bytes, true).next().unwrap().unwrap();
            assert_eq!((header.base_offset, range.len()), (offset - offset % 3, bytes.len()));
        }
        let expected: Vec<_> = (0..batches).map(|i| (i * 3, i * 3 + 2)).collect();
        assert_eq!(read_all(&log, 0, 1000).await, expected);
        assert_eq!(read_all(&log, 0, 1 << 30).await, expected);
    });
}

#[test]
fn a_read_at_the_tail_needs_no_file() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        for _ in 0..10 {
            append(&mut log, &batch(2)).await;
        }
        let slice = log.plan_read(5, 1 << 20, 20, true).unwrap().into_ready().unwrap();
        let len = batch(2).total_len() as u64;
        let range = slice.range.unwrap();
        assert_eq!((range.offset, range.len), (2 * len, 8 * len));
        let slice = log.plan_read(5, 1 << 20, 8, true).unwrap().into_ready().unwrap();
        assert_eq!(slice.range.unwrap().len, 2 * len, "ends at the upper offset");
    });
}

#[test]
fn limits_of_a_read() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        append(&mut log, &batch(10)).await;
        append(&mut log, &batch(1)).await;
        let first = batch(10).total_len() as u64;
        let read = async |offset, max_bytes, upper, min_one| {
            let slice = log.plan_read(offset, max_bytes, upper, min_one).unwrap().run().await.unwrap();
            (slice.range.map(|range| range.len), slice.first_batch_incomplete)
        };
        assert_eq!(read(0, 10, 11, true).await, (Some(first), false));
        assert_eq!(read(0, 10, 11, false).await, (None, true));
        assert_eq!(read(0, first + 5, 11, false).await, (Some(first + 5), false), "the last batch may be cut");
        assert_eq!(read(11, 10, 11, true).await, (None, false));
        assert_eq!(read(4, 1 << 20, 4, true).await, (None, false), "nothing below the upper offset");
        let error = log.plan_read(12, 10, 11, true).unwrap_err();
        assert_eq!(error, OffsetOutOfRange { requested: 12, log_start_offset: 0, log_end_offset: 11 });
    });
}

#[test]
fn a_range_stays_readable_after_its_segment_is_deleted() {
    in_memory(async |rt| {
        let config = LogConfig { retention_bytes: Some(0), ..small_segments() };
        let (dirs, mut log) = new_log(&rt, config).await;
        for _ in 0..20 {
            append(&mut log, &batch(5)).await;
        }
        flush(&mut log).await.unwrap();
        let planned = log.plan_read(0, 1 << 20, 100, true).unwrap();
        let held = log.plan_read(0, 1 << 20, 100, true).unwrap().run().await.unwrap().range.unwrap();
        assert!(retain(&mut log, 2000, 100).await > 0);
        assert!(log.plan_read(0, 1, 100, true).is_err());
        assert!(!bytes_of(planned).await.is_empty(), "planned before the deletion");
        dirs.housekeeping_round().await;
        assert_eq!(held.file.read_at(held.offset, held.len as usize).await.unwrap().len() as u64, held.len);
    });
}

#[test]
fn offsets_by_timestamp() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, small_segments()).await;
        // Timestamps need not ascend: 0, 100, 50, 200, 150, 300 ...
        for i in 0..200i64 {
            let base = i * 100;
            append(&mut log, &batch_at(&[base, base + 100, base + 50], 20)).await;
        }
        assert!(log.segment_count() > 3);
        let find = async |timestamp| {
            let lookup = log.plan_timestamp_lookup(TimestampQuery::AtOrAfter(timestamp));
            lookup.run().await.unwrap().map(|found| (found.timestamp_ms, found.offset))
        };
        assert_eq!(find(0).await, Some((0, 0)));
        assert_eq!(find(1).await, Some((100, 1)));
        assert_eq!(find(100).await, Some((100, 1)));
        assert_eq!(find(101).await, Some((200, 4)));
        assert_eq!(find(15_001).await, Some((15_100, 451)));
        assert_eq!(find(20_000).await, Some((20_000, 598)));
        assert_eq!(find(20_001).await, None);
        let max = log.plan_timestamp_lookup(TimestampQuery::Max).run().await.unwrap().unwrap();
        assert_eq!((max.timestamp_ms, max.offset, max.leader_epoch), (20_000, 598, EPOCH));
    });
}

#[test]
fn the_highest_timestamp_may_be_in_an_old_segment() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        for timestamp in [5, 900, 7] {
            append(&mut log, &batch_at(&[timestamp], 20)).await;
            roll(&mut log).await.unwrap();
        }
        let max = log.plan_timestamp_lookup(TimestampQuery::Max).run().await.unwrap().unwrap();
        assert_eq!((max.timestamp_ms, max.offset), (900, 1));
        log.delete_records_to(2).unwrap().run().await.unwrap();
        let found = log.plan_timestamp_lookup(TimestampQuery::AtOrAfter(0)).run().await.unwrap().unwrap();
        assert_eq!((found.timestamp_ms, found.offset), (7, 2), "not below the log start offset");
    });
}

#[test]
fn records_without_timestamps_are_not_found() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        assert_eq!(log.plan_timestamp_lookup(TimestampQuery::Max).run().await.unwrap(), None);
        append(&mut log, &batch_at(&[-1], 20)).await;
        assert_eq!(log.plan_timestamp_lookup(TimestampQuery::Max).run().await.unwrap(), None);
        assert_eq!(log.plan_timestamp_lookup(TimestampQuery::AtOrAfter(0)).run().await.unwrap(), None);
    });
}
