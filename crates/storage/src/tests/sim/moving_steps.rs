//! One move at a time: an outage at every step of it, a target that fails, a decision that fails.

use super::check::Check;
use super::moving::{OTHER, open_dirs, open_log, switch, text};
use super::node::{Node, config};
use super::oracle::Oracle;
use super::{NODE, Pace};
use crate::LogError;
use crate::cleaner::Throttle;
use crate::moving::{MoveContext, MoveError};
use crate::tests::kit::{self, DATA, TOPIC_ID, partition};
use ottla_runtime::Runtime;
use ottla_runtime::sim::{Outage, World};
use ottla_types::LeaderEpoch;
use std::sync::{Arc, Mutex};

/// One move of a log with several segments, an aborted transaction and deleted records; what was promised before it.
async fn one_move(rt: Runtime, oracle: Arc<Mutex<Oracle>>) -> Check {
    let pace = Pace { steps: 30, rest_percent: 0, deletes: true };
    let dirs = open_dirs(&rt, &[DATA, OTHER]).await?;
    let Some(log) = open_log(&rt, &dirs, &oracle).await? else { return Err("the partition is away".to_string()) };
    let node = Node::new(&rt, log, oracle, LeaderEpoch(1), pace);
    node.clone().append_records(pace.steps).await?;
    node.clone().flush(1).await?;
    node.clone().delete_records(1).await?;
    let from = node.log().log_dir().id();
    let target = dirs.dirs().iter().find(|dir| dir.id() != from).expect("there are two").clone();
    assert!(node.log().begin_move());
    let mut future = dirs.create_future(&partition(), TOPIC_ID, &target).await.map_err(text)?;
    switch(&node, &dirs, &mut future).await?;
    node.clone().append_records(2).await?;
    node.clone().flush(1).await?;
    dirs.housekeeping_round().await;
    Ok(())
}

/// The outage comes at every single disk operation of a move; then either or both directories are there at the start.
#[test]
fn an_outage_at_any_step_of_a_move_loses_nothing() {
    let mut refused = 0;
    for (outage, present) in [
        (Outage::PowerLoss, &[DATA, OTHER][..]),
        (Outage::PowerLoss, &[DATA]),
        (Outage::PowerLoss, &[OTHER]),
        (Outage::Crash, &[DATA, OTHER]),
    ] {
        for operations in 1.. {
            let world = World::new(operations);
            let oracle = Arc::new(Mutex::new(Oracle::default()));
            let is_over = world.run(async {
                let rt = world.node(NODE);
                world.disk_faults(NODE).plan_outage(operations, outage);
                let served = rt.spawn("node", one_move(rt.clone(), oracle.clone()));
                let mut is_over = false;
                tokio::select! {
                    biased;
                    () = world.down(NODE) => {}
                    result = served => {
                        is_over = world.is_up(NODE);
                        if is_over {
                            result.unwrap().unwrap();
                        }
                    }
                }
                world.take_down(NODE, outage);
                oracle.lock().unwrap().ended(rt.now(), outage == Outage::PowerLoss);
                world.disk_faults(NODE).cancel_outage();
                let rt = world.node(NODE);
                let opened = async {
                    let dirs = open_dirs(&rt, present).await?;
                    match open_log(&rt, &dirs, &oracle).await? {
                        Some(log) => log.close().await.map_err(text),
                        None if present.len() == 2 => Err("refused".to_string()),
                        None => {
                            refused += 1;
                            Ok(())
                        }
                    }?;
                    dirs.shutdown().await;
                    // Whatever was away is back.
                    let dirs = open_dirs(&rt, &[DATA, OTHER]).await?;
                    open_log(&rt, &dirs, &oracle)
                        .await?
                        .ok_or_else(|| "refused".to_string())?
                        .close()
                        .await
                        .map_err(text)
                };
                opened.await.unwrap_or_else(|broken| panic!("{outage:?} at {operations}, then {present:?}: {broken}"));
                is_over
            });
            if is_over {
                assert!(operations > 100, "the move has many steps: {operations}");
                break;
            }
        }
    }
    assert!(refused > 0, "some starts cannot know where the partition is");
}

#[test]
fn a_full_target_ends_the_move_and_the_source_goes_on() {
    let world = World::new(1);
    world.run(async {
        let rt = world.node(NODE);
        let dirs = open_dirs(&rt, &[DATA, OTHER]).await.unwrap();
        let mut log = dirs.create_log(&partition(), TOPIC_ID, config()).await.unwrap();
        let target = dirs.dirs().iter().find(|dir| dir.id() != log.log_dir().id()).unwrap().clone();
        for _ in 0..20 {
            kit::append(&mut log, &kit::batch(3)).await;
        }
        kit::flush(&mut log).await.unwrap();
        assert!(log.begin_move());
        let mut future = dirs.create_future(&partition(), TOPIC_ID, &target).await.unwrap();
        world.disk_faults(NODE).fail_writes("-future", 1);
        let (throttle, source) = (Throttle::new(f64::MAX), log.move_source());
        let failed =
            future.copy(&source, MoveContext { throttle: &throttle, is_stopped: &|| false }).await.unwrap_err();
        assert!(matches!(failed, MoveError::Failed(_)), "{failed}");
        dirs.drop_future(future).await.unwrap();
        log.end_move();
        kit::append(&mut log, &kit::batch(1)).await;
        assert_eq!(kit::flush(&mut log).await.unwrap(), 61);
        assert!(dirs.unfinished_moves().await.unwrap().is_empty());
    });
}

/// A marker that cannot be written leaves the source the log; a sync that fails at the decision leaves nobody the log, until a
/// start has looked.
#[test]
fn a_decision_that_fails_is_taken_back_only_if_it_cannot_have_fallen() {
    for is_undecided in [false, true] {
        let world = World::new(7);
        world.run(async {
            let rt = world.node(NODE);
            let dirs = open_dirs(&rt, &[DATA, OTHER]).await.unwrap();
            let mut log = dirs.create_log(&partition(), TOPIC_ID, config()).await.unwrap();
            let target = dirs.dirs().iter().find(|dir| dir.id() != log.log_dir().id()).unwrap().clone();
            assert!(log.begin_move() && log.is_settled());
            let mut future = dirs.create_future(&partition(), TOPIC_ID, &target).await.unwrap();
            let source = log.move_source();
            let throttle = Throttle::new(f64::MAX);
            let context = MoveContext { throttle: &throttle, is_stopped: &|| false };
            let files = future.prepare(&source, context).await.unwrap();
            match is_undecided {
                false => world.disk_faults(NODE).fail_writes(".ottla_move", 1),
                true => world.disk_faults(NODE).fail_syncs(target.path().to_str().unwrap(), 1),
            }
            let failed = future.take_place(&source, files).await.unwrap_err();
            assert_eq!(matches!(failed, MoveError::Undecided(_)), is_undecided, "{failed}");
            let reopened = dirs.reopen_log(&log.into_failed()).await;
            assert_eq!(matches!(reopened, Err(LogError::MoveUnknown { .. })), is_undecided);
            drop((dirs, future));
            world.crash(NODE);
            let rt = world.node(NODE);
            let dirs = open_dirs(&rt, &[DATA, OTHER]).await.unwrap();
            kit::open_found(&dirs, config()).await.unwrap();
        });
    }
}
