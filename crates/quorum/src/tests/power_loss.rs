//! One node that crashes and loses power at random disk operations, and the switches that show that each sync is needed.

use super::disks::prepare_log_directory;
use super::journal::Journal;
use crate::{NoPeers, OpenError, Quorum, QuorumConfig};
use bytes::Bytes;
use ottla_runtime::sim::{Outage, World};
use ottla_runtime::{Runtime, is_disk_full};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const SEEDS: u64 = 300;
const LIVES: u64 = 8;
const NODE: &str = "node";

fn config() -> QuorumConfig {
    QuorumConfig { snapshot_after_bytes: 1500, reserve_bytes: 64 * 1024, ..QuorumConfig::new("/data/metadata") }
}

/// What the outside has been promised, over all lives of the node.
#[derive(Default)]
struct Promised {
    /// Proposals that were acknowledged.
    acknowledged: Vec<(u64, Bytes)>,
    /// Everything that was ever applied: on a quorum of one it was durable, so it must be there for ever.
    applied: Vec<(u64, Bytes)>,
}

/// Runs one seed; an error says which promise was broken. `ignored` is a sync site that does nothing.
fn run(seed: u64, ignored: Option<&str>) -> (Result<(), String>, World) {
    let world = World::new(seed);
    let result = world.run(live(&world, ignored.map(str::to_owned)));
    (result, world)
}

async fn live(world: &World, ignored: Option<String>) -> Result<(), String> {
    let mut promised = Promised::default();
    for life in 0..LIVES {
        // The disk exists from the node's first start on.
        let runtime = world.node(NODE);
        prepare_log_directory(&runtime).await;
        if let Some(ignored) = ignored.clone() {
            world.disk_faults(NODE).ignore_syncs(move |site| site == ignored);
        }
        let outage = if world.random_range(0..4) == 0 { Outage::Crash } else { Outage::PowerLoss };
        let operations = if world.random_range(0..3) == 0 { 1..30 } else { 1..300 };
        if world.random_range(0..4) == 0 {
            fill_for_a_while(world, &runtime).await;
        }
        world.disk_faults(NODE).plan_outage(world.random_range(operations), outage);
        let journal = Journal::default();
        match Quorum::open(&runtime, config(), Box::new(journal.clone()), Arc::new(NoPeers)).await {
            Ok(quorum) => {
                work(&quorum, life, &mut promised).await;
                world.take_down(NODE, outage);
            }
            Err(_) if !world.is_up(NODE) => {}
            Err(OpenError::Io(error)) if is_disk_full(&error) => {}
            Err(error) => return Err(error.to_string()),
        }
        world.disk_faults(NODE).cancel_outage();
        world.disk_faults(NODE).set_capacity(None);
        promised.applied.extend(journal.look().entries.iter().cloned());
        promised.applied.sort();
        promised.applied.dedup();
        check(world, &promised).await?;
    }
    Ok(())
}

/// Leaves little space on the disk for two seconds.
async fn fill_for_a_while(world: &World, runtime: &Runtime) {
    let space = runtime.disk().space(Path::new("/data")).await.expect("the disk has no faults yet");
    let used = space.total - space.available;
    world.disk_faults(NODE).set_capacity(Some(used + world.random_range(0..8192)));
    let (world, observer) = (world.clone(), world.node("observer"));
    observer.clone().spawn("space returns", async move {
        observer.sleep(Duration::from_secs(2)).await;
        world.disk_faults(NODE).set_capacity(None);
    });
}

/// Proposes until the node goes down or there is enough.
async fn work(quorum: &Quorum, life: u64, promised: &mut Promised) {
    for number in 0..100 {
        let propose = |who: &str| {
            let entry = Bytes::from(format!("life {life} number {number} of proposer {who}"));
            let handle = quorum.handle().clone();
            async move { handle.propose(entry.clone()).await.map(|index| (index, entry)) }
        };
        let (one, two) = tokio::join!(propose("one"), propose("two"));
        if one.is_err() || two.is_err() {
            promised.acknowledged.extend([one, two].into_iter().flatten());
            return;
        }
        promised.acknowledged.extend([one, two].into_iter().flatten());
    }
}

/// Opens the quorum without faults and compares with what was promised.
async fn check(world: &World, promised: &Promised) -> Result<(), String> {
    let runtime = world.node(NODE);
    let journal = Journal::default();
    let opened = Quorum::open(&runtime, config(), Box::new(journal.clone()), Arc::new(NoPeers)).await;
    let quorum = opened.map_err(|error| error.to_string())?;
    let mut status = quorum.handle().status();
    let leads = |status: &crate::QuorumStatus| matches!(status.role, crate::Role::Leader { .. });
    status.wait_for(leads).await.map_err(|_| "the owner task has ended".to_owned())?;
    for (index, entry) in promised.acknowledged.iter().chain(&promised.applied) {
        if !journal.look().entries.contains(&(*index, entry.clone())) {
            return Err(format!("{entry:?} at {index} is lost"));
        }
    }
    // Long enough for the reserve to be looked after.
    runtime.sleep(Duration::from_millis(1100)).await;
    quorum.shutdown().await;
    Ok(())
}

#[test]
fn nothing_acknowledged_is_ever_lost() {
    for seed in 0..SEEDS {
        if let (Err(broken), _) = run(seed, None) {
            panic!("seed {seed}: {broken}");
        }
    }
}

#[test]
fn equal_seeds_give_equal_traces() {
    for seed in 0..4 {
        assert_eq!(run(seed, None).1.trace_hash(), run(seed, None).1.trace_hash());
    }
}

#[test]
fn each_sync_is_needed() {
    let sites: Vec<String> = run(0, None).1.sync_sites().into_keys().collect();
    let expected = [
        "quorum.directory",
        "quorum.identity.dir",
        "quorum.identity.file",
        "quorum.log.append",
        "quorum.log.create",
        "quorum.snapshot.publish",
        "quorum.snapshot.write",
    ];
    let sites: Vec<String> = sites.into_iter().filter(|site| site != "test.setup").collect();
    assert_eq!(sites, expected);
    for site in sites {
        let found = (0..4000).find(|seed| run(*seed, Some(&site)).0.is_err());
        assert!(found.is_some(), "nothing is lost without {site}");
    }
}
