//! `ottla log repair`, the library part.

use super::kit::*;
use crate::LogConfig;
use crate::files::SegmentFile;
use crate::repair;
use ottla_runtime::OpenMode;

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
        let whole = repair::plan(&rt, &partition_path()).await.unwrap();
        assert_eq!((whole.damage.clone(), whole.valid_bytes), (None, 10 * batch_bytes));
        assert_eq!(repair::apply(&rt, &whole).await.unwrap(), None);

        let damaged = SegmentFile::Log.path(&partition_path(), 12);
        let file = rt.disk().open(&damaged, OpenMode::ReadWrite).await.unwrap();
        file.write_at(batch_bytes + 80, &[b"!!"]).unwrap();
        let before = rt.disk().read(&damaged, 1 << 20).await.unwrap();
        let plan = repair::plan(&rt, &partition_path()).await.unwrap();
        let damage = plan.damage.clone().unwrap();
        assert_eq!((damage.segment.clone(), damage.position, damage.offset), (damaged.clone(), batch_bytes, 15));
        assert_eq!((damage.lost_bytes, damage.lost_segments, damage.lost_up_to), (5 * batch_bytes, 1, Some(24)));
        assert_eq!(rt.disk().read(&damaged, 1 << 20).await.unwrap(), before, "a plan changes nothing");

        let done = repair::apply(&rt, &plan).await.unwrap().unwrap();
        assert_eq!((done.end_offset, done.kept_in.len()), (15, 2));
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
        let plan = repair::plan(&rt, &partition_path()).await.unwrap();
        assert!(plan.damage.is_some());
        assert!(repair::apply(&rt, &plan).await.is_err());
    });
}
