//! `cargo xtask sim`: whole nodes in the simulator (crates/sim), by seed.
//!
//! Committed seeds come from `crates/sim/seeds.txt`; fresh ones are printed, so that a failure can be replayed. The runs are
//! spread over the machine's cores, one process each, because a run itself has one thread.

mod workers;

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use crate::paths;
use crate::tally::Tally;
use workers::{Plan, Runs};

/// Fresh seeds beside the committed ones.
const FRESH_SEEDS: u64 = 2;
/// Bound on what finding the harm of one missing sync may take.
const PLANTED_SEEDS: u64 = 400;
/// How long the long form of the test suite looks for new failures. Minutes.
const LONG_MINUTES: u64 = 20;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Replay this seed (repeatable).
    #[arg(long, value_name = "SEED")]
    seed: Vec<u64>,
    /// Run so many committed seeds, and a few fresh ones.
    #[arg(long, value_name = "COUNT")]
    seeds: Option<usize>,
    /// Run fresh seeds for so long.
    #[arg(long, value_name = "MINUTES")]
    minutes: Option<u64>,
    /// Turn every sync off, one after the other, and look for the harm in at most so many runs.
    #[arg(long, value_name = "SEEDS", num_args = 0..=1, default_missing_value = "400")]
    planted: Option<u64>,
    /// Print everything that happens in a replayed seed.
    #[arg(long, requires = "seed")]
    trace: bool,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut runs = Runs::default();
    if args.trace {
        runs.plans.push(Plan::Trace(args.seed.clone()));
    } else {
        runs.plans.extend(args.seed.iter().map(|seed| Plan::Seed(*seed)));
    }
    runs.plans.extend(args.planted.map(Plan::Planted));
    let is_default = runs.plans.is_empty() && args.minutes.is_none();
    if let Some(count) = args.seeds.or(is_default.then_some(usize::MAX)) {
        runs.plans.extend(committed(count)?);
        runs.plans.extend(fresh().take(FRESH_SEEDS as usize));
    }
    runs.fresh_for = args.minutes.map(|minutes| Duration::from_secs(60 * minutes));
    let tally = workers::run(runs)?;
    println!("{tally}");
    tally.into_result()
}

/// The step of the test suite.
pub(crate) fn step(committed_seeds: usize, is_long: bool) -> Result<Tally> {
    let mut runs = Runs::default();
    runs.plans.extend(committed(committed_seeds)?);
    runs.plans.extend(fresh().take(FRESH_SEEDS as usize));
    if is_long {
        runs.plans.push(Plan::Planted(PLANTED_SEEDS));
        runs.fresh_for = Some(Duration::from_secs(60 * LONG_MINUTES));
    }
    workers::run(runs)
}

fn committed(count: usize) -> Result<Vec<Plan>> {
    let path = paths::root().join("crates/sim/seeds.txt");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let lines = text.lines().filter_map(|line| line.split('#').next()).map(str::trim).filter(|line| !line.is_empty());
    lines.take(count).map(|line| Ok(Plan::Seed(line.parse().with_context(|| format!("seed '{line}'"))?))).collect()
}

/// Seeds that nobody has run before.
fn fresh() -> impl Iterator<Item = Plan> {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (since_1970.as_micros() as u64 % 1_000_000_000_000..).map(Plan::Seed)
}
