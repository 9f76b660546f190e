//! Opening logs that did not end well: what counts as damage, what is cut, what is rebuilt.

use super::kit::*;
use crate::files::SegmentFile;
use crate::producer_state::Origin;
use crate::{AppendOutcome, Log, LogConfig, LogDirs, LogError, RecoveryReport, Shutdown};
use ottla_runtime::{File, OpenMode, Runtime};
use std::path::{Path, PathBuf};

/// Bytes of `batch(3)`.
fn batch_bytes() -> u64 {
    batch(3).total_len() as u64
}

fn segment(base_offset: i64, kind: SegmentFile) -> PathBuf {
    kind.path(&partition_path(), base_offset)
}

async fn open_file(rt: &Runtime, path: &Path) -> File {
    rt.disk().open(path, OpenMode::Create).await.unwrap()
}

async fn flip_byte(rt: &Runtime, path: &Path, at: u64) {
    let file = open_file(rt, path).await;
    let byte = file.read_at(at, 1).await.unwrap()[0];
    file.write_at(at, &[&[byte ^ 1]]).unwrap();
}

/// A log of 10 batches of 3 records: `checkpointed` of them below the recovery point. The node then dies.
async fn crashed_log(rt: &Runtime, checkpointed: usize, config: LogConfig) {
    let (dirs, mut log) = new_log(rt, config).await;
    for i in 0..10 {
        if i == checkpointed {
            flush(&mut log).await.unwrap();
            dirs.housekeeping_round().await;
        }
        append(&mut log, &batch(3)).await;
    }
}

/// Lets the next start believe that the machine was restarted.
async fn reboot(rt: &Runtime) {
    let marker = open_file(rt, &Path::new(DATA).join(".ottla_dirty")).await;
    marker.set_len(0).unwrap();
    marker.write_at(0, &[b"version=1\nboot.id=another\n"]).unwrap();
}

async fn recover(rt: &Runtime) -> Result<(Log, RecoveryReport), LogError> {
    open_found(&open_dirs(rt).await, small_segments()).await
}

fn end_of(opened: Result<(Log, RecoveryReport), LogError>) -> (i64, RecoveryReport) {
    let (log, report) = opened.unwrap();
    assert_eq!(log.flushed_offset(), log.log_end_offset());
    (log.log_end_offset(), report)
}

fn assert_damaged(opened: Result<(Log, RecoveryReport), LogError>, at: u64, from: i64) {
    let error = opened.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, LogError::Damaged { position, offset, .. } if (position, offset) == (at, from)), "{text}");
    assert!(text.contains("ottla log repair /data/topic-0"), "{text}");
}

#[test]
fn nothing_is_cut_from_a_log_that_is_whole() {
    in_memory(async |rt| {
        crashed_log(&rt, 4, small_segments()).await;
        let (end, report) = end_of(recover(&rt).await);
        assert_eq!((end, report.cut, report.scanned_bytes), (30, None, 10 * batch_bytes()));
    });
}

#[test]
fn a_torn_last_write_is_cut_after_a_process_crash() {
    in_memory(async |rt| {
        for torn in [1, 40, 61, 100, batch_bytes() as usize - 1] {
            crashed_log(&rt, 4, small_segments()).await;
            let whole = batch(3).to_bytes();
            let file = open_file(&rt, &segment(0, SegmentFile::Log)).await;
            file.write_at(10 * batch_bytes(), &[&whole[..torn]]).unwrap();
            let (end, report) = end_of(recover(&rt).await);
            let cut = report.cut.unwrap();
            assert_eq!((end, cut.bytes, cut.kept_in), (30, torn as u64, vec![]), "{torn} bytes of a batch");
            rt.disk().remove_dir_all(Path::new(DATA)).await.unwrap();
        }
    });
}

#[test]
fn any_other_invalid_batch_is_damage_after_a_process_crash() {
    in_memory(async |rt| {
        for (batch, checkpointed) in [(2, 4), (7, 4), (9, 4)] {
            crashed_log(&rt, checkpointed, small_segments()).await;
            flip_byte(&rt, &segment(0, SegmentFile::Log), batch * batch_bytes() + 70).await;
            assert_damaged(recover(&rt).await, batch * batch_bytes(), 3 * batch as i64);
            rt.disk().remove_dir_all(Path::new(DATA)).await.unwrap();
        }
    });
}

#[test]
fn above_the_recovery_point_the_log_is_cut_after_a_power_loss_and_the_bytes_are_kept() {
    in_memory(async |rt| {
        crashed_log(&rt, 4, small_segments()).await;
        reboot(&rt).await;
        flip_byte(&rt, &segment(0, SegmentFile::Log), 7 * batch_bytes() + 70).await;
        let before = rt.disk().read(&segment(0, SegmentFile::Log), 1 << 20).await.unwrap();
        let (end, report) = end_of(recover(&rt).await);
        let cut = report.cut.unwrap();
        assert_eq!((end, cut.offset, cut.bytes), (21, 21, 3 * batch_bytes()));
        assert!(cut.reason.contains("CRC"), "{}", cut.reason);
        let kept = rt.disk().read(&cut.kept_in[0], 1 << 20).await.unwrap();
        assert_eq!(kept, before.slice(7 * batch_bytes() as usize..));
    });
}

#[test]
fn below_the_recovery_point_an_invalid_batch_is_damage_after_a_power_loss_too() {
    in_memory(async |rt| {
        crashed_log(&rt, 4, small_segments()).await;
        reboot(&rt).await;
        flip_byte(&rt, &segment(0, SegmentFile::Log), 2 * batch_bytes() + 70).await;
        let before = rt.disk().read(&segment(0, SegmentFile::Log), 1 << 20).await.unwrap();
        assert_damaged(recover(&rt).await, 2 * batch_bytes(), 6);
        assert_eq!(
            rt.disk().read(&segment(0, SegmentFile::Log), 1 << 20).await.unwrap(),
            before,
            "nothing was changed"
        );
    });
}

#[test]
fn records_that_were_flushed_and_are_gone_are_damage() {
    in_memory(async |rt| {
        for (kept, at) in [(2, 2), (0, 0)] {
            crashed_log(&rt, 4, small_segments()).await;
            reboot(&rt).await;
            open_file(&rt, &segment(0, SegmentFile::Log)).await.set_len(kept * batch_bytes()).unwrap();
            assert_damaged(recover(&rt).await, at * batch_bytes(), 3 * at as i64);
            rt.disk().remove_dir_all(Path::new(DATA)).await.unwrap();
        }
        crashed_log(&rt, 4, small_segments()).await;
        rt.disk().remove_file(&segment(0, SegmentFile::Log)).await.unwrap();
        assert_damaged(recover(&rt).await, 0, 0);
    });
}

#[test]
fn a_missing_segment_ends_the_log_after_a_power_loss() {
    in_memory(async |rt| {
        let config = LogConfig { segment_bytes: 2 * batch_bytes(), ..small_segments() };
        crashed_log(&rt, 5, config.clone()).await;
        rt.disk().remove_file(&segment(18, SegmentFile::Log)).await.unwrap();
        assert_damaged(recover(&rt).await, 2 * batch_bytes(), 18);
        reboot(&rt).await;
        let (end, report) = end_of(recover(&rt).await);
        let cut = report.cut.unwrap();
        assert_eq!((end, cut.bytes, cut.kept_in.len()), (18, 2 * batch_bytes(), 1));
    });
}

#[test]
fn zeros_at_the_end_are_not_worth_keeping() {
    in_memory(async |rt| {
        crashed_log(&rt, 4, small_segments()).await;
        reboot(&rt).await;
        open_file(&rt, &segment(0, SegmentFile::Log)).await.set_len(20 * batch_bytes()).unwrap();
        let (end, report) = end_of(recover(&rt).await);
        let cut = report.cut.unwrap();
        assert_eq!((end, cut.bytes, cut.kept_in), (30, 10 * batch_bytes(), vec![]));
    });
}

#[test]
fn indexes_are_rebuilt_when_they_are_missing_or_senseless() {
    in_memory(async |rt| {
        let config = LogConfig { segment_bytes: 5 * batch_bytes(), index_interval_bytes: 400, ..small_segments() };
        let (dirs, mut log) = new_log(&rt, config.clone()).await;
        for _ in 0..13 {
            append(&mut log, &batch(3)).await;
        }
        log.close().await.unwrap();
        dirs.shutdown().await;
        let read = async |base, kind| rt.disk().read(&segment(base, kind), 1 << 20).await.unwrap();
        let before = [read(0, SegmentFile::Index).await, read(0, SegmentFile::TimeIndex).await];
        rt.disk().remove_file(&segment(0, SegmentFile::Index)).await.unwrap();
        open_file(&rt, &segment(15, SegmentFile::TimeIndex)).await.write_at(0, &[&[0xff; 24]]).unwrap();
        open_file(&rt, &segment(30, SegmentFile::Index)).await.write_at(0, &[&[0xff; 5]]).unwrap();
        let dirs = open_dirs(&rt).await;
        assert_eq!(dirs.dirs()[0].last_shutdown(), Shutdown::Clean);
        let (log, _) = open_found(&dirs, config).await.unwrap();
        assert_eq!(read_all(&log, 0, 300).await.len(), 13);
        assert_eq!([read(0, SegmentFile::Index).await, read(0, SegmentFile::TimeIndex).await], before);
    });
}

#[test]
fn leftovers_of_deletions_and_compactions_are_dealt_with() {
    in_memory(async |rt| {
        let config = LogConfig { segment_bytes: 2 * batch_bytes(), ..small_segments() };
        let (dirs, mut log) = new_log(&rt, config.clone()).await;
        for _ in 0..6 {
            append(&mut log, &batch(3)).await;
        }
        log.close().await.unwrap();
        dirs.shutdown().await;
        let path = |name: &str| partition_path().join(name);
        open_file(&rt, &path("00000000000000000099.log.deleted")).await;
        open_file(&rt, &path("00000000000000000099.index.cleaned")).await;
        open_file(&rt, &path("00000000000000000099.log.swap")).await;
        open_file(&rt, &path("00000000000000000055.timeindex")).await;
        // A compaction of segments 0 and 6 into one that holds both had finished.
        let swap = open_file(&rt, &path("00000000000000000000.log.swap")).await;
        let both = [0, 6].map(|base| segment(base, SegmentFile::Log));
        let mut bytes = Vec::new();
        for path in both {
            bytes.extend_from_slice(&rt.disk().read(&path, 1 << 20).await.unwrap());
        }
        swap.write_at(0, &[&bytes]).unwrap();
        let (log, _) = open_found(&open_dirs(&rt).await, config).await.unwrap();
        assert_eq!(log.segment_count(), 2);
        assert_eq!(read_all(&log, 0, 1 << 20).await.len(), 6);
        let names = rt.disk().list(&partition_path()).await.unwrap();
        let left: Vec<_> = names.iter().filter(|e| e.name.contains("99") || e.name.contains("55")).collect();
        assert_eq!(left, Vec::<&ottla_runtime::DirEntry>::new());
    });
}

#[test]
fn five_batches_in_flight_are_known_after_a_crash_even_if_a_roll_came_between() {
    for (rolled_after, is_clean) in [(3, false), (5, false), (1, true), (9, false), (9, true)] {
        in_memory(async |rt| {
            let (dirs, mut log) = new_log(&rt, LogConfig::default()).await;
            append(&mut log, &idempotent(1, 0, 0, 4)).await;
            for i in 0..5 {
                if i == rolled_after {
                    roll(&mut log).await.unwrap();
                }
                append(&mut log, &idempotent(1, 0, 4 + 2 * i, 2)).await;
                append(&mut log, &batch(1)).await;
            }
            if rolled_after == 5 {
                roll(&mut log).await.unwrap();
            }
            if is_clean {
                log.close().await.unwrap();
                dirs.shutdown().await;
            } else {
                drop((log, dirs));
            }
            let (mut log, _) = open_found(&open_dirs(&rt).await, LogConfig::default()).await.unwrap();
            for i in 0..5 {
                let again = try_append(&mut log, &idempotent(1, 0, 4 + 2 * i, 2), EPOCH, Origin::Client).await.unwrap();
                let first_offset = 4 + 3 * i64::from(i);
                let expected =
                    AppendOutcome::Duplicate { first_offset, last_offset: first_offset + 1, timestamp_ms: 1000 };
                assert_eq!(again, expected, "batch {i}, rolled after {rolled_after}");
            }
            assert!(try_append(&mut log, &idempotent(1, 0, 14, 1), EPOCH, Origin::Client).await.is_ok());
        });
    }
}

#[test]
fn producers_are_remembered_when_all_their_records_are_deleted() {
    in_memory(async |rt| {
        let (dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        append(&mut log, &idempotent(1, 0, 0, 4)).await;
        roll(&mut log).await.unwrap();
        append(&mut log, &batch(2)).await;
        flush(&mut log).await.unwrap();
        log.delete_records_to(6).unwrap().run().await.unwrap();
        assert_eq!(retain(&mut log, 0, 6).await, 1);
        drop((log, dirs));
        let (mut log, _) = open_found(&open_dirs(&rt).await, LogConfig::default()).await.unwrap();
        let gap = try_append(&mut log, &idempotent(1, 0, 9, 1), EPOCH, Origin::Client).await;
        assert!(gap.is_err(), "sequence 4 should follow");
        assert_eq!(append(&mut log, &idempotent(1, 0, 4, 1)).await.first_offset, 6);
    });
}

#[test]
fn a_checkpoint_that_makes_no_sense_means_recovering_everything() {
    in_memory(async |rt| {
        crashed_log(&rt, 4, small_segments()).await;
        let file = open_file(&rt, &Path::new(DATA).join("recovery-point-offset-checkpoint")).await;
        file.write_at(0, &[b"garbage"]).unwrap();
        assert_eq!(end_of(recover(&rt).await).0, 30);
    });
}

#[test]
fn a_directory_that_kafka_left_starts_at_its_first_segment() {
    in_memory(async |rt| {
        let (dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        append(&mut log, &batch(3)).await;
        roll(&mut log).await.unwrap();
        append(&mut log, &batch(3)).await;
        drop((log, dirs));
        for kind in SegmentFile::ALL {
            let _ = rt.disk().remove_file(&segment(0, kind)).await;
        }
        let _ = rt.disk().remove_file(&Path::new(DATA).join("log-start-offset-checkpoint")).await;
        assert_damaged(recover(&rt).await, 0, 0);
        rt.disk().remove_file(&Path::new(DATA).join(".ottla_dirty")).await.unwrap();
        let (log, _) = recover(&rt).await.unwrap();
        assert_eq!((log.log_start_offset(), log.log_end_offset()), (3, 6));
    });
}

#[test]
fn a_failed_opening_leaves_the_next_start_recovering() {
    in_memory(async |rt| {
        crashed_log(&rt, 4, small_segments()).await;
        let dirs: LogDirs = open_dirs(&rt).await;
        dirs.finish_recovery(false).await.unwrap();
        dirs.shutdown().await;
        assert_eq!(open_dirs(&rt).await.dirs()[0].last_shutdown(), Shutdown::SameBoot);
    });
}

#[test]
fn recovery_points_follow_within_megabytes_without_waiting_for_the_clock() {
    in_memory(async |rt| {
        let (dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        let big = batch_at(&[1], 1 << 20);
        for _ in 0..65 {
            append(&mut log, &big).await;
        }
        flush(&mut log).await.unwrap();
        let _ = rt.timeout(std::time::Duration::from_millis(100), dirs.housekeeping()).await;
        let checkpoint = rt.disk().read(&Path::new(DATA).join("recovery-point-offset-checkpoint"), 1000).await.unwrap();
        assert_eq!(checkpoint, "0\n1\ntopic 0 65\n");
    });
}

/// A log of segments of 4 batches each, from offsets 0, 12, 24.
async fn three_segments(rt: &Runtime, is_closed: bool) {
    let config = LogConfig { segment_bytes: 4 * batch_bytes(), ..small_segments() };
    let (dirs, mut log) = new_log(rt, config).await;
    for _ in 0..10 {
        append(&mut log, &batch(3)).await;
    }
    flush(&mut log).await.unwrap();
    dirs.housekeeping_round().await;
    if is_closed {
        log.close().await.unwrap();
        dirs.shutdown().await;
    }
}

async fn remove_segment(rt: &Runtime, base_offset: i64) {
    for kind in SegmentFile::ALL {
        let _ = rt.disk().remove_file(&segment(base_offset, kind)).await;
    }
}

#[test]
fn a_sealed_segment_that_is_missing_is_damage() {
    in_memory(async |rt| {
        for is_closed in [true, false] {
            three_segments(&rt, is_closed).await;
            remove_segment(&rt, 12).await;
            assert_damaged(recover(&rt).await, 4 * batch_bytes(), 12);
            let plan = crate::repair::plan(&rt, &partition_path(), |_| {}).await.unwrap();
            let damage = plan.damage.clone().unwrap();
            assert_eq!((damage.base_offset, damage.position, damage.offset), (0, 4 * batch_bytes(), 12));
            assert_eq!((damage.lost_segments, damage.lost_bytes), (1, 2 * batch_bytes()));
            let done = crate::repair::apply(&rt, &plan).await.unwrap().unwrap();
            assert_eq!((done.end_offset, done.kept_in.len()), (Some(12), 1));
            assert_eq!(end_of(recover(&rt).await).0, 12);
            rt.disk().remove_dir_all(Path::new(DATA)).await.unwrap();
        }
    });
}

/// Kafka's cleaner may leave a segment that ends before the next one begins.
#[test]
fn a_gap_between_segments_that_were_compacted_is_none() {
    in_memory(async |rt| {
        three_segments(&rt, true).await;
        let file = open_file(&rt, &segment(0, SegmentFile::Log)).await;
        file.set_len(3 * batch_bytes()).unwrap();
        assert_damaged(recover(&rt).await, 3 * batch_bytes(), 9);
        let checkpoint = open_file(&rt, &Path::new(DATA).join("cleaner-offset-checkpoint")).await;
        checkpoint.set_len(0).unwrap();
        checkpoint.write_at(0, &[b"0\n1\ntopic 0 12\n"]).unwrap();
        assert_eq!(crate::repair::plan(&rt, &partition_path(), |_| {}).await.unwrap().damage, None);
        assert_eq!(end_of(recover(&rt).await).0, 30);
    });
}

/// A failed fsync may make the system drop a page; the process may die before it could note that.
#[test]
fn a_lost_page_above_the_recovery_point_is_cut_after_a_process_crash_too() {
    in_memory(async |rt| {
        let (dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        let large = batch_at(&[1000], 3000);
        let bytes = large.total_len() as u64;
        for i in 0..4 {
            append(&mut log, &large).await;
            if i == 0 {
                flush(&mut log).await.unwrap();
                dirs.housekeeping_round().await;
            }
        }
        drop((log, dirs));
        let file = open_file(&rt, &segment(0, SegmentFile::Log)).await;
        // The second page holds the end of the second batch and the beginning of the third.
        file.write_at(4096, &[&[0; 4096]]).unwrap();
        let (end, report) = end_of(recover(&rt).await);
        let cut = report.cut.unwrap();
        assert_eq!((end, cut.bytes, cut.kept_in.len()), (1, 3 * bytes, 1));
    });
}
