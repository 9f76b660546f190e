//! A run: a world, its load, and life after life of the node.

use crate::faults::Plan;
use crate::life::Stage;
use crate::oracle::{Broken, Check, Oracle};
use crate::workload::{self, Workload};
use crate::{Failure, Options, Report};
use ottla_runtime::Runtime;
use ottla_runtime::sim::World;
use ottla_runtime::watch;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::time::Duration;

/// Runs a seed.
///
/// # Errors
/// A promise that was broken; also a panic of the node, and a node that hangs.
pub fn run(options: &Options) -> Result<Report, Failure> {
    let world = World::new(options.seed);
    if options.keep_trace {
        world.keep_trace();
    }
    let told: OnceLock<Oracle> = OnceLock::new();
    let ended = catch_unwind(AssertUnwindSafe(|| world.run(drive(&world, options, &told))));
    let story = told.get().map(Oracle::story).unwrap_or_default();
    let trace = || if options.keep_trace { world.trace() } else { Vec::new() };
    let (seed, load) = (options.seed, options.load);
    let failure = |broken: String| Failure { seed, load, broken, story: story.clone(), trace: trace() };
    let simulated = match ended {
        Ok(Ok(simulated)) => simulated,
        Ok(Err(Broken(what))) => return Err(failure(what)),
        Err(panic) => return Err(failure(format!("panic: {}", panic_message(&*panic)))),
    };
    let counts = told.get().map(Oracle::counts).unwrap_or_default();
    let (trace_hash, sync_sites) = (world.trace_hash(), world.sync_sites());
    Ok(Report { seed: options.seed, simulated, trace_hash, sync_sites, counts, trace: trace() })
}

async fn drive(world: &World, options: &Options, told: &OnceLock<Oracle>) -> Check<Duration> {
    let observer = world.node("observer");
    let started = observer.now();
    let oracle = told.get_or_init(|| Oracle::new(started));
    let stage = Stage {
        world: world.clone(),
        oracle: oracle.clone(),
        observer: observer.clone(),
        load: options.load,
        clients: workload::clients(options.load),
        planted: options.planted.clone(),
        hurries: options.aims_at_planted,
    };
    // The first broken promise of a client task ends the run.
    let (failed, mut failure) = watch::channel(None);
    tokio::select! {
        biased;
        what = failure.wait_for(Option::is_some) => {
            let what = what.ok().and_then(|what| what.clone());
            return Err(Broken(what.unwrap_or_default()));
        }
        result = play(&stage, options, &failed) => result?,
    }
    Ok(observer.now() - started)
}

/// The lives that the seed draws, and a last one in peace.
async fn play(stage: &Stage, options: &Options, failed: &watch::Sender<Option<String>>) -> Check {
    // Both machines have their place in the network before the first client looks for them.
    let _: Runtime = stage.world.node(crate::NODE);
    let workload = Workload::start(stage, failed);
    for _ in 0..options.lives {
        let plan = Plan::draw(stage, options.mostly_power_losses);
        let plan = if options.aims_at_planted { plan.aimed(&stage.world) } else { plan };
        stage.live(&plan, None).await?;
    }
    stage.oracle.tell(stage.observer.now(), "from now on nothing goes wrong");
    stage.live(&Plan { power_loss_behind: true, ..Plan::calm() }, Some(workload)).await?;
    // Behind everything else, so that seeds mean what they meant before there were lookups.
    stage.live(&Plan { looks_up: true, ..Plan::calm() }, None).await
}

fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_string());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_string())
}
