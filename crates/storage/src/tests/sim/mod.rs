//! One node's log in the simulator: appends, flushes, rolls, retention, DeleteRecords and reads, through process crashes,
//! power losses and clean shutdowns, against an oracle of what was promised.

mod check;
mod faults;
mod node;
mod oracle;
mod planted;

use check::Check;
use oracle::Oracle;
use ottla_runtime::sim::{Outage, World};
use std::sync::{Arc, Mutex};

/// The simulated node.
const NODE: &str = "node";

/// How a run goes.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) lives: u64,
    /// Disk operations that a life has at most.
    pub(super) operations: u64,
    /// A sync site that is a no-op.
    pub(super) ignored_site: Option<&'static str>,
}

/// What a run saw.
pub(super) struct Seen {
    pub(super) trace_hash: u64,
    pub(super) sites: Vec<String>,
    pub(super) log_end_offset: i64,
}

/// Runs one node through many lives. An error says which promise was broken.
pub(super) fn run(plan: Plan) -> Result<Seen, String> {
    let world = World::new(plan.seed);
    let oracle = Arc::new(Mutex::new(Oracle::default()));
    let result: Check = world.run(async {
        for life in 0..plan.lives {
            live(&world, &oracle, plan, life).await.map_err(|broken| format!("life {life}: {broken}"))?;
        }
        Ok(())
    });
    result.map_err(|broken| format!("seed {}: {broken}", plan.seed))?;
    let sites = world.sync_sites().into_keys().collect();
    let log_end_offset = oracle.lock().unwrap().log_end_offset();
    Ok(Seen { trace_hash: world.trace_hash(), sites, log_end_offset })
}

/// One life of the node's process, and how it ends.
async fn live(world: &World, oracle: &Arc<Mutex<Oracle>>, plan: Plan, life: u64) -> Check {
    let rt = world.node(NODE);
    let faults = world.disk_faults(NODE);
    if let Some(site) = plan.ignored_site {
        faults.ignore_syncs(move |passed| passed == site);
    }
    let outage = match world.random_range(0..10) {
        0..4 => Some(Outage::Crash),
        4..8 => Some(Outage::PowerLoss),
        _ => None,
    };
    // Some lives end while they still recover.
    let operations = match world.random_range(0..4) {
        0 => world.random_range(1..40),
        _ => world.random_range(1..plan.operations),
    };
    match outage {
        Some(outage) => faults.plan_outage(operations, outage),
        None => faults.cancel_outage(),
    }
    let steps = operations / 4;
    let served = rt.spawn("node", node::serve(rt.clone(), oracle.clone(), life, steps));
    tokio::select! {
        biased;
        () = world.down(NODE) => {}
        result = served => {
            if world.is_up(NODE) {
                result.map_err(|_| "the node's task ended".to_string())??;
            }
        }
    }
    oracle.lock().unwrap().ended_at = Some(rt.now());
    match outage {
        Some(Outage::Crash) if world.random_range(0..4) == 0 => world.power_loss(NODE),
        Some(outage) => world.take_down(NODE, outage),
        // A clean end of the process; the machine may still go down behind it.
        None if world.random_range(0..2) == 0 => world.power_loss(NODE),
        None => world.crash(NODE),
    }
    faults.cancel_outage();
    Ok(())
}

fn plan(seed: u64) -> Plan {
    Plan { seed, lives: 10, operations: 400, ignored_site: None }
}

#[test]
fn what_was_promised_survives() {
    let mut longest = 0;
    for seed in 0..150 {
        match run(plan(seed)) {
            Ok(seen) => longest = longest.max(seen.log_end_offset),
            Err(broken) => panic!("{broken}"),
        }
    }
    assert!(longest > 200, "the runs do something: {longest}");
}

#[test]
fn equal_seeds_give_equal_traces() {
    let hash = |seed| run(plan(seed)).unwrap_or_else(|broken| panic!("{broken}")).trace_hash;
    assert_eq!(hash(7), hash(7));
    assert_ne!(hash(7), hash(8));
}

#[test]
fn zz_debug() {
    let Ok(seed) = std::env::var("SEED") else { return };
    let plan = plan(seed.parse().unwrap());
    let world = World::new(plan.seed);
    world.keep_trace();
    let oracle = Arc::new(Mutex::new(Oracle::default()));
    let result: Check = world.run(async {
        for life in 0..plan.lives {
            live(&world, &oracle, plan, life).await.map_err(|broken| format!("life {life}: {broken}"))?;
        }
        Ok(())
    });
    for line in world.trace() {
        println!("{line}");
    }
    println!("{result:?}");
}

#[test]
fn zz_many() {
    let Ok(seeds) = std::env::var("SEEDS") else { return };
    let mut failures = 0;
    for seed in 1000..1000 + seeds.parse::<u64>().unwrap() {
        if let Err(broken) = std::panic::catch_unwind(|| run(plan(seed))).unwrap_or_else(|_| Err(format!("panic {seed}"))) {
            println!("{broken}");
            failures += 1;
            if failures > 10 { break; }
        }
    }
    println!("failures {failures}");
}
