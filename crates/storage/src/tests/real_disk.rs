//! The same on a real file system. `OTTLA_KEEP_LOG=DIR` leaves the files there, for `kafka-dump-log` to read.

use super::kit::*;
use crate::producer_state::Origin;
use crate::{LogConfig, LogDirs, LogDirsOptions, TimestampQuery};
use ottla_records::EndTxnMarker;
use ottla_runtime::{RealOptions, Runtime};
use ottla_types::{NodeId, ProducerEpoch, ProducerId};
use std::path::Path;

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

#[test]
fn a_log_on_a_real_disk() {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("OTTLA_KEEP_LOG");
    let dir = kept.as_deref().map_or(scratch.path(), Path::new);
    tokio.block_on(async {
        let rt = Runtime::real(RealOptions::default()).unwrap();
        write_and_read_back(rt, dir).await;
    });
}
