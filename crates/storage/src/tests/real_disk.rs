//! The same on a real file system. `OTTLA_KEEP_LOG=DIR` leaves the files there, for `kafka-dump-log` to read.

use super::kit::*;
use crate::cleaner::tests::kit::{KeyValue, append_any, clean, fill, keyed, read_batches};
use crate::producer_state::Origin;
use crate::{LogConfig, LogDirs, LogDirsOptions, TimestampQuery};
use ottla_records::{BatchBuilder, Compression, EndTxnMarker, TimestampType, ValidatedBatch};
use ottla_runtime::{RealOptions, Runtime};
use ottla_types::{NodeId, ProducerEpoch, ProducerId};
use std::path::Path;

const KEYS: [&str; 11] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"];

async fn open(rt: &Runtime, dir: &Path) -> LogDirs {
    let options = LogDirsOptions { dirs: vec![dir.to_path_buf()], node_id: NodeId(1), cluster_id: None };
    LogDirs::open(rt, options).await.unwrap()
}

async fn write_and_read_back(rt: Runtime, dir: &Path) {
    let config =
        LogConfig { segment_bytes: 20_000, index_interval_bytes: 1000, preallocate: true, ..LogConfig::default() };
    let dirs = open(&rt, dir).await;
    dirs.finish_recovery(true).await.unwrap();
    let mut log = dirs.create_log(&partition(), TOPIC_ID, config.clone()).await.unwrap();
    let origin = Origin::Coordinator { transaction_version: 1 };
    let abort = EndTxnMarker { committed: false, coordinator_epoch: 0 };
    for i in 0..60 {
        append(&mut log, &batch_at(&[1000 + i, 1100 + i, 900 + i], 200)).await;
        append(&mut log, &idempotent(1, 0, 2 * i as i32, 2)).await;
        append(&mut log, &transactional(2, i as i32, 1)).await;
        try_append(&mut log, &abort.to_batch(ProducerId(2), ProducerEpoch(0), 1000), EPOCH, origin).await.unwrap();
        flush(&mut log).await.unwrap();
    }
    let end = log.log_end_offset();
    assert!(log.segment_count() > 3);
    log.close().await.unwrap();
    dirs.shutdown().await;
    let dirs = open(&rt, dir).await;
    let (log, report) = open_found(&dirs, config.clone()).await.unwrap();
    assert_eq!((log.log_end_offset(), report.scanned_bytes), (end, 0));
    assert_eq!(read_all(&log, 0, 4000).await.len(), 240);
    let max = log.plan_timestamp_lookup(TimestampQuery::Max).run().await.unwrap().unwrap();
    assert_eq!((max.timestamp_ms, max.offset), (1159, 59 * 7 + 1));
    drop((log, dirs));
    let (log, report) = open_found(&open(&rt, dir).await, config).await.unwrap();
    assert_eq!(log.log_end_offset(), end);
    assert!(report.scanned_bytes > 0 && report.cut.is_none());
}

/// Values, tombstones, transactions and idempotent producers, cleaned several times.
async fn write_and_compact(rt: Runtime, dir: &Path) {
    let config = LogConfig {
        segment_bytes: 9000,
        index_interval_bytes: 300,
        delete_retention_ms: 150,
        ..crate::cleaner::tests::kit::compacted()
    };
    let dirs = open(&rt, dir).await;
    dirs.finish_recovery(true).await.unwrap();
    let mut log = dirs.create_log(&partition(), TOPIC_ID, config.clone()).await.unwrap();
    let origin = Origin::Coordinator { transaction_version: 1 };
    for i in 0..300_i64 {
        let codec = Compression::ALL[(i % 5) as usize];
        let value = |n: i64| (n % 3 > 0).then(|| format!("{i:0>60}"));
        let pairs = [i % 7, i % 31, i % 3].map(|n| (KEYS[n as usize % KEYS.len()], value(n)));
        append_any(&mut log, &keyed(&pairs, 1000 + i, codec).build().unwrap(), Origin::Client).await;
        let builder = BatchBuilder::new(codec, TimestampType::CreateTime);
        let builder = builder.producer(ProducerId(i % 4), ProducerEpoch(0), (i / 4) as i32);
        append_any(&mut log, &keyed_with(builder, &pairs[..1], 1000 + i), Origin::Client).await;
        let builder = BatchBuilder::new(codec, TimestampType::CreateTime);
        let builder = builder.producer(ProducerId(9), ProducerEpoch(0), i as i32).transactional();
        append_any(&mut log, &keyed_with(builder, &pairs[1..2], 1000 + i), Origin::Client).await;
        let marker = EndTxnMarker { committed: i % 2 == 0, coordinator_epoch: 0 };
        append_any(&mut log, &marker.to_batch(ProducerId(9), ProducerEpoch(0), 1000 + i), origin).await;
        if i % 60 == 59 {
            let flushed = flush(&mut log).await.unwrap();
            log.on_high_watermark(flushed);
            assert!(clean(&mut log, 1000 + i).await.is_some());
        }
    }
    let (end, count) = (log.log_end_offset(), read_batches(&log, 0).await.len());
    log.close().await.unwrap();
    dirs.shutdown().await;
    let (log, report) = open_found(&open(&rt, dir).await, config).await.unwrap();
    assert_eq!((log.log_end_offset(), report.scanned_bytes), (end, 0));
    assert_eq!(read_batches(&log, 0).await.len(), count);
    assert!(count < 600, "{count} of 1200 batches");
}

fn keyed_with(builder: BatchBuilder, pairs: &[KeyValue], timestamp: i64) -> ValidatedBatch {
    fill(builder, pairs, timestamp).build().unwrap()
}

#[test]
fn a_compacted_log_on_a_real_disk() {
    run_in("compacted", write_and_compact);
}

#[test]
fn a_log_on_a_real_disk() {
    run_in("plain", write_and_read_back);
}

fn run_in(name: &str, test: impl AsyncFnOnce(Runtime, &Path)) {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("OTTLA_KEEP_LOG");
    let dir = kept.as_deref().map_or(scratch.path(), Path::new).join(name);
    tokio.block_on(async {
        let rt = Runtime::real(RealOptions::default()).unwrap();
        test(rt, &dir).await;
    });
}
