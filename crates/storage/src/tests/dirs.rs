//! Log directories.

use super::kit::*;
use crate::dirs::Openings;
use crate::limits::OPENINGS_IN_PARALLEL;
use crate::{LogConfig, LogDirs, LogDirsError, LogDirsOptions, LogError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ottla_runtime::{OpenMode, Runtime};
use ottla_types::{NodeId, TopicPartition, Uuid};
use std::path::{Path, PathBuf};

fn options(dirs: &[&str], node_id: i32, cluster_id: Option<&str>) -> LogDirsOptions {
    LogDirsOptions {
        dirs: dirs.iter().map(PathBuf::from).collect(),
        node_id: NodeId(node_id),
        cluster_id: cluster_id.map(str::to_string),
    }
}

async fn write(rt: &Runtime, path: &str, text: &str) {
    let file = rt.disk().open(Path::new(path), OpenMode::Create).await.unwrap();
    file.set_len(0).unwrap();
    file.write_at(0, &[text.as_bytes()]).unwrap();
}

#[test]
fn a_directory_remembers_whose_it_is() {
    in_memory(async |rt| {
        let dirs = LogDirs::open(&rt, options(&["/a"], 1, None)).await.unwrap();
        let id = dirs.dirs()[0].id();
        assert_eq!(dirs.cluster_id(), None);
        dirs.set_cluster_id("cluster-1").await.unwrap();
        drop(dirs);
        let dirs = LogDirs::open(&rt, options(&["/a", "/b"], 1, None)).await.unwrap();
        assert_eq!(dirs.dirs()[0].id(), id);
        assert_ne!(dirs.dirs()[1].id(), id);
        assert_eq!(dirs.cluster_id().as_deref(), Some("cluster-1"));
        drop(dirs);
        let other_node = LogDirs::open(&rt, options(&["/a"], 2, None)).await.unwrap_err();
        assert!(matches!(other_node, LogDirsError::OtherNode { found: NodeId(1), .. }), "{other_node}");
        let other_cluster = LogDirs::open(&rt, options(&["/a"], 1, Some("cluster-2"))).await.unwrap_err();
        assert!(matches!(other_cluster, LogDirsError::OtherCluster { .. }), "{other_cluster}");
    });
}

#[test]
fn a_directory_is_used_once() {
    in_memory(async |rt| {
        let dirs = LogDirs::open(&rt, options(&["/a"], 1, None)).await.unwrap();
        let error = LogDirs::open(&rt, options(&["/a"], 1, None)).await.unwrap_err();
        assert!(matches!(error, LogDirsError::Locked(_)), "{error}");
        drop(dirs);
        let error = LogDirs::open(&rt, options(&["/a", "/a"], 1, None)).await.unwrap_err();
        assert!(matches!(error, LogDirsError::Twice(_)), "{error}");
    });
}

#[test]
fn newer_files_are_refused_by_name() {
    in_memory(async |rt| {
        drop(LogDirs::open(&rt, options(&["/a"], 1, None)).await.unwrap());
        let files = [
            ("/a/.ottla_dirty", "version=2\n"),
            ("/a/meta.properties", "version=9\nnode.id=1\n"),
            ("/a/recovery-point-offset-checkpoint", "1\n0\n"),
            ("/a/log-start-offset-checkpoint", "1\n0\n"),
        ];
        for (file, text) in files {
            let before = rt.disk().read(Path::new(file), 1000).await;
            write(&rt, file, text).await;
            let error = LogDirs::open(&rt, options(&["/a"], 1, None)).await.unwrap_err();
            assert!(matches!(error, LogDirsError::Log(LogError::NewerFormat { .. })), "{error}");
            assert!(error.to_string().contains(file), "{error}");
            match before {
                Ok(before) => write(&rt, file, std::str::from_utf8(&before).unwrap()).await,
                Err(_) => rt.disk().remove_file(Path::new(file)).await.unwrap(),
            }
        }
        LogDirs::open(&rt, options(&["/a"], 1, None)).await.unwrap();
    });
}

#[test]
fn logs_are_spread_over_the_directories() {
    in_memory(async |rt| {
        let dirs = LogDirs::open(&rt, options(&["/a", "/b"], 1, None)).await.unwrap();
        let mut logs = Vec::new();
        for index in 0..6 {
            let partition = TopicPartition::new("t", index);
            logs.push(dirs.create_log(&partition, TOPIC_ID, LogConfig::default()).await.unwrap());
        }
        assert_eq!(dirs.dirs().iter().map(|dir| dir.log_count()).collect::<Vec<_>>(), [3, 3]);
    });
}

#[test]
fn partitions_are_found_again_with_their_topic_ids() {
    in_memory(async |rt| {
        let (dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        append(&mut log, &batch(3)).await;
        log.close().await.unwrap();
        dirs.shutdown().await;
        let dirs = open_dirs(&rt).await;
        let found = dirs.discover().await.unwrap();
        assert_eq!((found[0].topic_partition.clone(), found[0].topic_id), (partition(), Some(TOPIC_ID)));
        let (log, report) = open(&dirs, &found[0], LogConfig::default()).await.unwrap();
        assert_eq!((log.log_end_offset(), report.scanned_bytes), (3, 0));
    });
}

#[test]
fn a_deleted_log_goes_away_and_its_offsets_are_not_inherited() {
    in_memory(async |rt| {
        let config = LogConfig { file_delete_delay_ms: 0, ..LogConfig::default() };
        let (dirs, mut log) = new_log(&rt, config.clone()).await;
        append(&mut log, &batch(10)).await;
        flush(&mut log).await.unwrap();
        log.delete_records_to(5).unwrap().run().await.unwrap();
        dirs.housekeeping_round().await;
        dirs.delete_log(log).await.unwrap();
        assert_eq!(dirs.discover().await.unwrap().len(), 0);
        let mut log = dirs.create_log(&partition(), Uuid([8; 16]), config.clone()).await.unwrap();
        append(&mut log, &batch(1)).await;
        flush(&mut log).await.unwrap();
        drop(log);
        dirs.housekeeping_round().await;
        let names: Vec<String> = rt.disk().list(Path::new(DATA)).await.unwrap().into_iter().map(|e| e.name).collect();
        assert!(!names.iter().any(|name| name.ends_with("-delete")), "{names:?}");
        drop(dirs);
        let dirs = open_dirs(&rt).await;
        let (log, _) = open_found(&dirs, config).await.unwrap();
        assert_eq!((log.log_start_offset(), log.log_end_offset()), (0, 1));
    });
}

fn wanted() -> BoxFuture<'static, ()> {
    Box::pin(std::future::pending())
}

#[test]
fn a_long_recovery_waits_for_its_turn_and_a_short_one_does_not() {
    let openings = Openings::default();
    openings.set_turns(2);
    let enter = || openings.enter(wanted()).now_or_never().expect("there is room").unwrap();
    let mut held = [enter(), enter()];
    for place in &mut held {
        place.take_turn(1 << 30).now_or_never().expect("there are two").unwrap();
    }
    enter().take_turn(1000).now_or_never().expect("a short one needs none").unwrap();
    let mut third = enter();
    let mut waiting = Box::pin(third.take_turn(1 << 30));
    assert!(waiting.as_mut().now_or_never().is_none());
    openings.set_turns(3);
    waiting.now_or_never().expect("there are three now").unwrap();
    drop((held, third));
    openings.set_turns(1);
    let (mut only, mut next) = (enter(), enter());
    only.take_turn(1 << 30).now_or_never().unwrap().unwrap();
    let mut waiting = Box::pin(next.take_turn(1 << 30));
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(only);
    waiting.now_or_never().expect("the turn was given back").unwrap();
}

#[test]
fn fewer_turns_are_fewer_also_while_logs_wait_for_them() {
    let openings = Openings::default();
    openings.set_turns(3);
    let mut places: Vec<_> = (0..6).map(|_| openings.enter(wanted()).now_or_never().unwrap().unwrap()).collect();
    let mut waiting = places.split_off(3);
    for place in &mut places {
        place.take_turn(1 << 30).now_or_never().expect("there are three").unwrap();
    }
    let mut turns: Vec<_> = waiting.iter_mut().map(|place| Box::pin(place.take_turn(1 << 30))).collect();
    let mut taken = || turns.extract_if(.., |turn| turn.as_mut().now_or_never().is_some()).count();
    assert_eq!(taken(), 0);
    openings.set_turns(1);
    places.pop();
    assert_eq!(taken(), 0, "two have one still");
    openings.set_turns(2);
    assert_eq!(taken(), 0, "as many as there are now");
    places.pop();
    assert_eq!(taken(), 1);
    openings.set_turns(3);
    assert_eq!(taken(), 1);
}

#[test]
fn a_recovery_that_waits_for_its_turn_leaves_its_place_to_the_next_log() {
    let openings = Openings::default();
    let mut recoveries: Vec<_> =
        (0..OPENINGS_IN_PARALLEL).map(|_| openings.enter(wanted()).now_or_never().unwrap().unwrap()).collect();
    assert!(openings.enter(wanted()).now_or_never().is_none(), "all places are taken");
    let mut turns: Vec<_> = recoveries.iter_mut().map(|place| Box::pin(place.take_turn(1 << 30))).collect();
    let has_turn: Vec<bool> = turns.iter_mut().map(|turn| turn.as_mut().now_or_never().is_some()).collect();
    assert_eq!(has_turn.into_iter().filter(|&has_turn| has_turn).count(), 1);
    let small: Vec<_> =
        (0..OPENINGS_IN_PARALLEL).map(|_| openings.enter(wanted()).now_or_never().expect("room").unwrap()).collect();
    assert!(openings.enter(wanted()).now_or_never().is_none());
    drop(small);
}

#[test]
fn a_log_that_waits_goes_as_soon_as_it_is_not_wanted() {
    let openings = Openings::default();
    let (leave, left) = tokio::sync::oneshot::channel::<()>();
    let mut busy = openings.enter(wanted()).now_or_never().unwrap().unwrap();
    busy.take_turn(1 << 30).now_or_never().unwrap().unwrap();
    let unwanted = Box::pin(async { drop(left.await) });
    let mut leaving = openings.enter(unwanted).now_or_never().unwrap().unwrap();
    let mut waiting = Box::pin(leaving.take_turn(1 << 30));
    assert!(waiting.as_mut().now_or_never().is_none());
    // In the same moment the turn comes and the log is deleted.
    leave.send(()).unwrap();
    drop(busy);
    let refused = waiting.now_or_never().unwrap();
    assert!(matches!(refused, Err(LogError::Unwanted)), "{refused:?}");
    let unwanted = Box::pin(std::future::ready(()));
    assert!(matches!(openings.enter(unwanted).now_or_never(), Some(Err(LogError::Unwanted))));
    let mut next = openings.enter(wanted()).now_or_never().unwrap().unwrap();
    next.take_turn(1 << 30).now_or_never().expect("the turn is free").unwrap();
}

#[test]
fn strays_are_set_aside() {
    in_memory(async |rt| {
        let (dirs, log) = new_log(&rt, LogConfig::default()).await;
        drop(log);
        let found = dirs.discover().await.unwrap();
        dirs.set_aside_stray(&found[0]).await.unwrap();
        assert_eq!(dirs.discover().await.unwrap().len(), 0);
        let names = rt.disk().list(Path::new(DATA)).await.unwrap();
        assert!(names.iter().any(|entry| entry.name.ends_with("-stray")));
    });
}

#[test]
fn kafkas_checkpoints_are_written() {
    in_memory(async |rt| {
        let (dirs, mut log) = new_log(&rt, LogConfig::default()).await;
        append(&mut log, &batch(10)).await;
        flush(&mut log).await.unwrap();
        dirs.housekeeping_round().await;
        log.delete_records_to(4).unwrap().run().await.unwrap();
        let read = async |name: &str| rt.disk().read(&Path::new(DATA).join(name), 1000).await.unwrap();
        assert_eq!(read("recovery-point-offset-checkpoint").await, "0\n1\ntopic 0 10\n");
        assert_eq!(read("log-start-offset-checkpoint").await, "0\n1\ntopic 0 4\n");
    });
}
