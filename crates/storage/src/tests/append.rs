//! Appends, rolls and flushes.

use super::kit::*;
use crate::producer_state::{Origin, ProducerError};
use crate::{AppendError, AppendOutcome, LogConfig};
use ottla_records::{BatchHeader, EndTxnMarker};
use ottla_types::{LeaderEpoch, ProducerEpoch, ProducerId};

#[test]
fn offsets_are_dense_and_the_header_is_stamped() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        assert_eq!(append(&mut log, &batch(3)).await.first_offset, 0);
        let appended = append(&mut log, &batch(2)).await;
        assert_eq!((appended.first_offset, appended.last_offset, appended.log_append_time_ms), (3, 4, None));
        let bytes = bytes_of(log.plan_read(3, 1 << 20, 5, true).unwrap()).await;
        let header = BatchHeader::parse(&bytes).unwrap();
        assert_eq!((header.base_offset, header.partition_leader_epoch), (3, EPOCH));
        assert_eq!(header.check_crc(&bytes), Ok(()));
        assert_eq!(log.latest_epoch(), Some(EPOCH));
    });
}

#[test]
fn a_full_segment_asks_for_a_roll_and_nothing_is_appended_before_it_is_done() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, small_segments()).await;
        let mut appends = 0;
        let error = loop {
            match log.append_as_leader(&batch(5), EPOCH, Origin::Client, 1000) {
                Ok(_) => appends += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((appends, error), (7, AppendError::RollNeeded));
        let job = log.begin_roll().unwrap();
        assert!(log.begin_roll().is_none(), "one roll at a time");
        let small = batch_at(&[1000], 1);
        let during = log.append_as_leader(&small, EPOCH, Origin::Client, 1000);
        assert_eq!(during, Err(AppendError::RollNeeded), "it would fit, but the new segment's offset is settled");
        drop(job);
        roll(&mut log).await.unwrap();
        assert_eq!(append(&mut log, &small).await.first_offset, 35);
        assert_eq!((log.segment_count(), log.active_base_offset()), (2, 35));
    });
}

#[test]
fn a_segment_is_rolled_by_the_records_clock() {
    in_memory(async |rt| {
        let config = LogConfig { segment_ms: 1000, ..LogConfig::default() };
        let (_dirs, mut log) = new_log(&rt, config).await;
        for (timestamp, segments) in [(5000, 1), (6000, 1), (6001, 2), (100, 2), (7002, 3)] {
            append(&mut log, &batch_at(&[timestamp], 10)).await;
            assert_eq!(log.segment_count(), segments, "at {timestamp}");
        }
    });
}

#[test]
fn a_full_index_asks_for_a_roll() {
    in_memory(async |rt| {
        let config = LogConfig { segment_index_bytes: 36, index_interval_bytes: 0, ..LogConfig::default() };
        let (_dirs, mut log) = new_log(&rt, config).await;
        for i in 0..4 {
            append(&mut log, &batch_at(&[1000 + i], 10)).await;
        }
        assert_eq!(log.segment_count(), 2);
    });
}

#[test]
fn batches_larger_than_a_segment_are_refused() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, small_segments()).await;
        let error = try_append(&mut log, &batch_at(&[1], 5000), EPOCH, Origin::Client).await.unwrap_err();
        assert!(matches!(error, AppendError::RecordListTooLarge { limit: 4096, .. }), "{error}");
        assert_eq!(log.log_end_offset(), 0);
    });
}

#[test]
fn a_batch_sent_again_gets_its_first_offsets() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        append(&mut log, &idempotent(9, 0, 0, 2)).await;
        append(&mut log, &idempotent(9, 0, 2, 3)).await;
        let again = try_append(&mut log, &idempotent(9, 0, 0, 2), EPOCH, Origin::Client).await.unwrap();
        assert_eq!(again, AppendOutcome::Duplicate { first_offset: 0, last_offset: 1, timestamp_ms: 1000 });
        let gap = try_append(&mut log, &idempotent(9, 0, 7, 1), EPOCH, Origin::Client).await.unwrap_err();
        assert!(matches!(gap, AppendError::Producer(ProducerError::OutOfOrderSequence { found: 7, last: 4, .. })));
        assert_eq!(log.log_end_offset(), 5);
    });
}

#[test]
fn a_flush_covers_what_was_appended_before_it_began() {
    in_memory(async |rt| {
        let (dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        append(&mut log, &batch(2)).await;
        let job = log.begin_flush().unwrap();
        append(&mut log, &batch(3)).await;
        assert!(log.begin_flush().is_none(), "one round at a time");
        let done = job.run().await;
        assert_eq!(log.finish_flush(done).unwrap(), 2);
        assert_eq!(log.dirty_bytes(), batch(3).total_len() as u64);
        assert_eq!(flush(&mut log).await.unwrap(), 5);
        assert_eq!((log.dirty_bytes(), dirs.dirty_bytes(), log.recovery_point()), (0, 0, 5));
        assert!(log.begin_flush().is_none(), "nothing is dirty");
        assert_eq!(log.dirty_since(), None);
    });
}

#[test]
fn a_roll_during_a_flush_leaves_the_rest_dirty() {
    in_memory(async |rt| {
        let (dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        append(&mut log, &batch(2)).await;
        let job = log.begin_flush().unwrap();
        append(&mut log, &batch(3)).await;
        roll(&mut log).await.unwrap();
        append(&mut log, &batch(1)).await;
        let done = job.run().await;
        assert_eq!(log.finish_flush(done).unwrap(), 2);
        let rest = (batch(3).total_len() + batch(1).total_len()) as u64;
        assert_eq!((log.dirty_bytes(), dirs.dirty_bytes()), (rest, rest));
        assert_eq!(log.recovery_point(), 2, "recovery looks at the whole of the sealed segment");
        assert_eq!(flush(&mut log).await.unwrap(), 6);
        assert_eq!((log.dirty_bytes(), log.recovery_point()), (0, 6));
    });
}

#[test]
fn an_abandoned_flush_takes_the_log_offline() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        append(&mut log, &batch(2)).await;
        drop(log.begin_flush().unwrap());
        assert!(log.begin_flush().is_none());
        assert!(log.offline_reason().is_some());
        let error = log.append_as_leader(&batch(1), EPOCH, Origin::Client, 1000).unwrap_err();
        assert!(matches!(error, AppendError::Offline { .. }));
    });
}

#[test]
fn configs_say_when_a_flush_is_due() {
    in_memory(async |rt| {
        let config = LogConfig { flush_messages: Some(3), flush_ms: Some(50), ..LogConfig::default() };
        let (_dirs, mut log) = new_log(&rt, config).await;
        let now = rt.now();
        assert!(!log.flush_due(now + std::time::Duration::from_secs(9)), "nothing to flush");
        append(&mut log, &batch(2)).await;
        assert!(!log.flush_due(now));
        assert!(log.flush_due(now + std::time::Duration::from_secs(9)));
        append(&mut log, &batch(1)).await;
        assert!(log.flush_due(now));
        flush(&mut log).await.unwrap();
        assert!(!log.flush_due(now + std::time::Duration::from_secs(9)));
    });
}

#[test]
fn writeback_is_asked_for_evenly() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        let big = batch_at(&[1], 1 << 20);
        let mut hints = 0;
        for _ in 0..9 {
            append(&mut log, &big).await;
            hints += usize::from(log.take_writeback().is_some());
        }
        assert_eq!(hints, 2);
    });
}

#[test]
fn epochs_end_where_the_next_begins() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        for (epoch, records) in [(1, 4), (5, 2), (7, 1)] {
            try_append(&mut log, &batch(records), LeaderEpoch(epoch), Origin::Client).await.unwrap();
        }
        let end = |requested, current| log.offset_for_leader_epoch(LeaderEpoch(requested), current);
        assert_eq!(end(1, since(LeaderEpoch(7), 6)), Some((LeaderEpoch(1), 4)));
        assert_eq!(end(3, since(LeaderEpoch(7), 6)), Some((LeaderEpoch(1), 4)));
        assert_eq!(end(7, since(LeaderEpoch(7), 6)), Some((LeaderEpoch(7), 7)));
        assert_eq!(end(8, since(LeaderEpoch(7), 6)), None, "an epoch to come");
        assert_eq!(end(9, since(LeaderEpoch(9), 7)), Some((LeaderEpoch(9), 7)), "the present epoch has no records yet");
        assert_eq!(end(8, since(LeaderEpoch(9), 7)), Some((LeaderEpoch(7), 7)), "nor had the one before it");
        assert_eq!(log.earliest_epoch(since(LeaderEpoch(9), 7)), Some(LeaderEpoch(1)));
        assert_eq!([0, 3, 4, 6].map(|offset| log.leader_epoch_at(offset).map(|epoch| epoch.0)), [1, 1, 5, 7].map(Some));
    });
}

#[test]
fn an_epoch_without_records_ends_where_the_present_one_begins() {
    in_memory(async |rt| {
        let (_dirs, log) = new_log(&rt, LogConfig::default()).await;
        let current = since(LeaderEpoch(3), 0);
        let end = |requested| log.offset_for_leader_epoch(LeaderEpoch(requested), current);
        assert_eq!([end(0), end(2), end(3)], [0, 2, 3].map(|epoch| Some((LeaderEpoch(epoch), 0))));
        assert_eq!((end(4), log.earliest_epoch(current)), (None, Some(LeaderEpoch(3))));
    });
}

#[test]
fn aborted_transactions_are_found_in_sealed_and_active_segments() {
    in_memory(async |rt| {
        let (_dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        let origin = Origin::Coordinator { transaction_version: 1 };
        let abort = |id| {
            EndTxnMarker { committed: false, coordinator_epoch: 0 }.to_batch(ProducerId(id), ProducerEpoch(0), 1000)
        };
        append(&mut log, &transactional(1, 0, 2)).await;
        assert_eq!(log.first_unstable_offset(), Some(0));
        try_append(&mut log, &abort(1), EPOCH, origin).await.unwrap();
        log.on_high_watermark(3);
        assert_eq!(log.first_unstable_offset(), None);
        roll(&mut log).await.unwrap();
        append(&mut log, &transactional(2, 0, 1)).await;
        try_append(&mut log, &abort(2), EPOCH, origin).await.unwrap();
        let found = log.plan_aborted_transactions(0, 5).run().await.unwrap();
        let ranges: Vec<_> = found.iter().map(|txn| (txn.producer_id.0, txn.first_offset, txn.last_offset)).collect();
        assert_eq!(ranges, [(1, 0, 2), (2, 3, 4)]);
        assert_eq!(log.plan_aborted_transactions(3, 5).run().await.unwrap().len(), 1);
    });
}

/// Jobs run on other threads than the one that holds the lock.
#[test]
fn jobs_can_be_sent() {
    fn is_send(_: impl Send) {}
    in_memory(async |rt| {
        let (dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        append(&mut log, &batch(2)).await;
        is_send(log.begin_flush().unwrap().run());
        is_send(log.begin_roll().unwrap().run());
        is_send(log.plan_read(0, 1, 2, true).unwrap().run());
        is_send(log.plan_timestamp_lookup(crate::TimestampQuery::Max).run());
        is_send(log.plan_aborted_transactions(0, 1).run());
        is_send(log.delete_records_to(1).unwrap().run());
        is_send(dirs.housekeeping());
        is_send(dirs.clone().shutdown());
        is_send(dirs.discover());
        is_send(dirs.create_log(&partition(), TOPIC_ID, LogConfig::default()));
        is_send(dirs.reopen_log(&log.into_failed()));
    });
}
