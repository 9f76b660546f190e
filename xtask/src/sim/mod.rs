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

/// What stands in front of a seed, by load.
const LOADS: &[&str] = &["", "groups:", "transactions:", "shares:", "streams:"];
/// Fresh seeds beside the committed ones: one under each load.
const FRESH_SEEDS: usize = LOADS.len();
/// Bound on what finding a run that fails with one planted error may take.
const PLANTED_SEEDS: u64 = 100;
/// How long the long form of the test suite looks for new failures. Minutes.
const LONG_MINUTES: u64 = 20;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Replay this seed, under another load if it reads groups:SEED, transactions:SEED, shares:SEED or streams:SEED (repeatable).
    #[arg(long, value_name = "SEED")]
    seed: Vec<String>,
    /// Run so many committed seeds, and a few fresh ones.
    #[arg(long, value_name = "COUNT")]
    seeds: Option<usize>,
    /// Run fresh seeds for so long.
    #[arg(long, value_name = "MINUTES")]
    minutes: Option<u64>,
    /// Plant one error after the other (every sync turned off, every error of groups, transactions, share and streams groups), and look
    /// for a run that fails with it, with at most so many seeds each.
    #[arg(long, value_name = "SEEDS", num_args = 0..=1, default_missing_value = "100")]
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
        runs.plans.extend(args.seed.iter().cloned().map(Plan::Seed));
    }
    if let Some(tries) = args.planted {
        runs.plans.extend(planted(tries)?);
    }
    let is_default = runs.plans.is_empty() && args.minutes.is_none();
    if let Some(count) = args.seeds.or(is_default.then_some(usize::MAX)) {
        runs.plans.extend(committed(count)?);
        runs.plans.extend(fresh().take(FRESH_SEEDS));
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
    runs.plans.extend(fresh().take(FRESH_SEEDS));
    if is_long {
        runs.plans.extend(planted(PLANTED_SEEDS)?);
        runs.fresh_for = Some(Duration::from_secs(60 * LONG_MINUTES));
    }
    workers::run(runs)
}

fn committed(count: usize) -> Result<Vec<Plan>> {
    let path = paths::root().join("crates/sim/seeds.txt");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let lines = text.lines().filter_map(|line| line.split('#').next()).map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.take(count).map(|line| Plan::Seed(line.to_owned())).collect())
}

/// Every error that can be planted.
fn planted(tries: u64) -> Result<Vec<Plan>> {
    Ok(workers::planted_errors()?.into_iter().map(|error| Plan::Planted { error, tries }).collect())
}

/// Seeds that nobody has run before, under all loads in turn.
fn fresh() -> impl Iterator<Item = Plan> {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seeds = since_1970.as_micros() as u64 % 1_000_000_000_000..;
    seeds.map(|seed| Plan::Seed(format!("{}{seed}", LOADS[seed as usize % LOADS.len()])))
}
