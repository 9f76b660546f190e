//! A log that moves to and fro between two directories in the simulator: appends, flushes, DeleteRecords, retention, reads and
//! moves at the same time, through crashes and power losses at every step, and with either directory away at a start.

use super::check::{self, Check, kept, same};
use super::node::{Node, config};
use super::oracle::Oracle;
use super::{NODE, Pace, ended, in_world};
use crate::cleaner::Throttle;
use crate::moving::{FutureLog, MoveContext, MoveError};
use crate::tests::kit::{DATA, TOPIC_ID, open, partition};
use crate::{Log, LogDirs, LogDirsOptions, LogError};
use ottla_runtime::Runtime;
use ottla_runtime::sim::{Outage, World};
use ottla_types::{LeaderEpoch, NodeId};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LIVES: u64 = 10;
/// Runs that once broke a promise: an index of a recovered log that a clean end did not sync; a source whose new name was not
/// durable before its files went.
const KNOWN: [u64; 2] = [980, 1368];
pub(super) const OTHER: &str = "/other";

pub(super) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// What a run counts.
#[derive(Default)]
struct Counts {
    moves: AtomicUsize,
    refused: AtomicUsize,
}

/// Runs one node through many lives: the sync sites that it passed, its moves, and the starts that were refused because the
/// directory that may hold the partition was away.
pub(super) fn run(seed: u64, ignored_site: Option<&'static str>) -> Result<(Vec<String>, usize, usize), String> {
    let (oracle, counts) = (Arc::new(Mutex::new(Oracle::default())), Arc::new(Counts::default()));
    let world = in_world(seed, ignored_site, LIVES, async |world, life| {
        live(world, &oracle, &counts, life, ignored_site).await
    })?;
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    Ok((world.sync_sites().into_keys().collect(), count(&counts.moves), count(&counts.refused)))
}

async fn live(
    world: &World,
    oracle: &Arc<Mutex<Oracle>>,
    counts: &Arc<Counts>,
    life: u64,
    ignored_site: Option<&'static str>,
) -> Check {
    let rt = world.node(NODE);
    let faults = world.disk_faults(NODE);
    if let Some(site) = ignored_site {
        faults.ignore_syncs(move |passed| passed == site);
    }
    let operations = if world.random_range(0..5) == 0 { world.random_range(1..60) } else { world.random_range(1..900) };
    let outage = match world.random_range(0..10) {
        0..3 => Some(Outage::Crash),
        3..9 => Some(Outage::PowerLoss),
        _ => None,
    };
    match outage {
        Some(outage) => faults.plan_outage(operations, outage),
        None => faults.cancel_outage(),
    }
    let pace = Pace { steps: operations / 5, rest_percent: 100, deletes: !world.seed().is_multiple_of(3) };
    let served = rt.spawn("node", serve(rt.clone(), oracle.clone(), counts.clone(), life, pace));
    ended(world, served).await?;
    let loses_power = match outage {
        Some(outage) => outage == Outage::PowerLoss,
        None => world.random_range(0..2) == 0,
    };
    world.take_down(NODE, if loses_power { Outage::PowerLoss } else { Outage::Crash });
    oracle.lock().unwrap().ended(rt.now(), loses_power);
    faults.cancel_outage();
    Ok(())
}

async fn serve(rt: Runtime, oracle: Arc<Mutex<Oracle>>, counts: Arc<Counts>, life: u64, pace: Pace) -> Check {
    let present: &[&str] = match rt.random_range(0..8) {
        0 => &[DATA],
        1 => &[OTHER],
        _ => &[DATA, OTHER],
    };
    let dirs = open_dirs(&rt, present).await?;
    let Some(log) = open_log(&rt, &dirs, &oracle).await? else {
        kept(present.len() == 1, || "the partition is refused although both directories are there".to_string())?;
        counts.refused.fetch_add(1, Ordering::Relaxed);
        return Ok(());
    };
    let node = Node::new(&rt, log, oracle, LeaderEpoch(life as i32), pace);
    let deletes = if pace.deletes { pace.steps / 10 } else { 0 };
    let housekeeping = rt.spawn("housekeeping", {
        let dirs = dirs.clone();
        async move { dirs.housekeeping().await }
    });
    let tasks = [
        rt.spawn("append", node.clone().append_records(pace.steps)),
        rt.spawn("flush", node.clone().flush(pace.steps)),
        rt.spawn("delete", node.clone().delete_records(deletes)),
        rt.spawn("retain", node.clone().retain(deletes)),
        rt.spawn("read", node.clone().read(pace.steps / 3)),
        rt.spawn("move", moves(node.clone(), dirs.clone(), counts)),
    ];
    for task in tasks {
        task.await.map_err(|_| "a task ended".to_string())??;
    }
    housekeeping.abort();
    let _ = housekeeping.await;
    let log = Arc::into_inner(node.log).expect("all tasks have ended").into_inner().unwrap();
    let end = log.log_end_offset();
    log.close().await.map_err(text)?;
    node.oracle.lock().unwrap().flushed(rt.now(), end);
    dirs.shutdown().await;
    Ok(())
}

pub(super) async fn open_dirs(rt: &Runtime, present: &[&str]) -> Result<LogDirs, String> {
    let dirs = present.iter().map(PathBuf::from).collect();
    LogDirs::open(rt, LogDirsOptions { dirs, node_id: NodeId(1), cluster_id: None }).await.map_err(text)
}

/// Opens the log and compares it with what was promised. `None` if the partition may be in a directory that is away.
pub(super) async fn open_log(rt: &Runtime, dirs: &LogDirs, oracle: &Arc<Mutex<Oracle>>) -> Result<Option<Log>, String> {
    let mut found = dirs.discover().await.map_err(text)?;
    kept(found.len() <= 1, || format!("two directories of one partition: {found:?}"))?;
    for future in dirs.unfinished_moves().await.map_err(text)? {
        dirs.drop_found_future(future).await.map_err(text)?;
    }
    let Some(mut found) = found.pop() else {
        if dirs.dirs().len() == 1 {
            return Ok(None);
        }
        same("partition directory is missing, flushed offset", oracle.lock().unwrap().flushed_offset, 0)?;
        oracle.lock().unwrap().recovered(rt.now(), 0);
        dirs.finish_recovery(true).await.map_err(text)?;
        return dirs.create_log(&partition(), TOPIC_ID, config()).await.map(Some).map_err(text);
    };
    if oracle.lock().unwrap().flushed_offset > 0 {
        same("topic id", found.topic_id, Some(TOPIC_ID))?;
    }
    found.topic_id = Some(TOPIC_ID);
    let recovery_point = found.dir.recovery_points.get(&partition()).unwrap_or(0);
    let (log, report) = match open(dirs, &found, config()).await {
        Ok(opened) => opened,
        Err(LogError::MoveUnknown { .. }) => return Ok(None),
        Err(error) => return Err(text(error)),
    };
    let before = std::mem::take(&mut *oracle.lock().unwrap());
    let checked = check::opened_log(rt, &log, &before, recovery_point).await;
    let kept = kept_files(rt, &log, &before).await;
    *oracle.lock().unwrap() = before;
    checked?;
    kept?;
    for path in report.cut.into_iter().flat_map(|cut| cut.kept_in) {
        let bytes = rt.disk().read(&path, 1 << 24).await.map_err(text)?;
        oracle.lock().unwrap().kept.insert(path, bytes);
    }
    oracle.lock().unwrap().recovered(rt.now(), log.log_end_offset());
    dirs.finish_recovery(true).await.map_err(text)?;
    Ok(Some(log))
}

/// What recoveries kept moves along.
async fn kept_files(rt: &Runtime, log: &Log, oracle: &Oracle) -> Check {
    for (path, bytes) in &oracle.kept {
        let path = log.path().join(path.file_name().expect("a file"));
        let found = rt.disk().read(&path, 1 << 24).await.unwrap_or_default();
        kept(found == bytes, || format!("{} does not hold the bytes that it was to keep", path.display()))?;
    }
    Ok(())
}

async fn moves(node: Node, dirs: LogDirs, counts: Arc<Counts>) -> Check {
    if dirs.has_offline_dir() || dirs.dirs().len() < 2 {
        return Ok(());
    }
    for _ in 0..node.pace.steps / 15 {
        node.rest(300).await;
        let from = node.log().log_dir().id();
        let target = dirs.dirs().iter().find(|dir| dir.id() != from).expect("there are two").clone();
        if !node.log().begin_move() {
            continue;
        }
        let mut future = dirs.create_future(&partition(), TOPIC_ID, &target).await.map_err(text)?;
        match copy(&node, &mut future).await {
            Ok(()) => {
                switch(&node, &dirs, &mut future).await?;
                counts.moves.fetch_add(1, Ordering::Relaxed);
            }
            Err(MoveError::Stopped) => {
                node.log().end_move();
                dirs.drop_future(future).await.map_err(text)?;
            }
            Err(error) => return Err(text(error)),
        }
    }
    Ok(())
}

/// Follows the log for a while; now and then the move is given up.
async fn copy(node: &Node, future: &mut FutureLog) -> Result<(), MoveError> {
    let throttle = Throttle::new(200_000.0);
    let rt = node.rt.clone();
    let is_given_up = rt.random_range(0..4) == 0;
    let is_stopped = || is_given_up && rt.random_range(0..3) == 0;
    let context = MoveContext { throttle: &throttle, is_stopped: &is_stopped };
    for _ in 0..node.rt.random_range(0..4) {
        let source = node.log().move_source();
        future.copy(&source, context).await?;
        node.rest(30).await;
    }
    if is_given_up { Err(MoveError::Stopped) } else { Ok(()) }
}

pub(super) async fn switch(node: &Node, dirs: &LogDirs, future: &mut FutureLog) -> Check {
    node.is_switching.store(true, Ordering::Relaxed);
    settle(node).await?;
    let source = node.log().move_source();
    let throttle = Throttle::new(1e9);
    let context = MoveContext { throttle: &throttle, is_stopped: &|| false };
    let moved = {
        let files = future.prepare(&source, context).await.map_err(text)?;
        future.take_place(&source, files).await.map_err(text)?
    };
    let from = node.log().adopt(moved);
    node.is_switching.store(false, Ordering::Relaxed);
    dirs.remove_moved(from, Duration::ZERO).await.map_err(text)
}

/// Brings everything into sealed, flushed segments.
async fn settle(node: &Node) -> Check {
    loop {
        if node.deleting.load(Ordering::Relaxed) == 0 {
            if node.log().is_settled() {
                return Ok(());
            }
            if node.log().has_active_records() {
                node.roll().await?;
            }
            let job = node.log().begin_flush();
            if let Some(job) = job {
                let done = job.run().await;
                let flushed = node.log().finish_flush(done).map_err(text)?;
                node.oracle().flushed(node.rt.now(), flushed);
            }
        }
        node.rest(3).await;
    }
}

#[test]
fn a_log_that_moves_survives() {
    let (mut moves, mut refused) = (0, 0);
    for seed in KNOWN.into_iter().chain(super::seeds()) {
        match run(seed, None) {
            Ok((_, moved, away)) => (moves, refused) = (moves + moved, refused + away),
            Err(broken) => panic!("{broken}"),
        }
    }
    assert!(moves > 300 && refused > 30, "the runs do something: {moves} moves, {refused} refused starts");
}
