//! Replays seeds: `cargo run --package ottla-sim -- --seed 7 --seed groups:8`. `cargo xtask sim` calls it with fresh ones.

use clap::Parser;
use ottla_sim::planted::{self, Planted};
use ottla_sim::{Counts, LoadedSeed, Options, run};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Parser)]
#[command(name = "ottla-sim", about = "Simulates whole nodes")]
struct Args {
    /// Run this seed, under another load if it reads groups:SEED, transactions:SEED, shares:SEED or streams:SEED (repeatable).
    #[arg(long, value_name = "SEED")]
    seed: Vec<LoadedSeed>,
    /// Lives of the node in each run.
    #[arg(long)]
    lives: Option<u32>,
    /// Power losses only.
    #[arg(long)]
    power_losses: bool,
    /// Power losses that mostly come soon after the planted sync.
    #[arg(long, requires = "plant")]
    aimed: bool,
    /// Plant this error: a sync site that does nothing, or one of those that the list names.
    #[arg(long, value_name = "NAME")]
    plant: Option<Planted>,
    /// Print everything that happened.
    #[arg(long)]
    trace: bool,
    /// List the errors that can be planted.
    #[arg(long)]
    list_planted: bool,
    /// Look for a run that fails with the planted error, with at most so many seeds.
    #[arg(long, value_name = "SEEDS", requires = "plant")]
    find: Option<u64>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let (mut passed, mut failed) = (0, 0);
    if args.list_planted {
        planted::names().iter().for_each(|name| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    if let Some((planted, tries)) = args.plant.as_ref().zip(args.find) {
        let finding = planted.find(tries);
        println!("{finding}");
        return if finding.is_as_expected() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let (mut counts, mut simulated) = (Counts::default(), Duration::ZERO);
    for seed in &args.seed {
        match run(&options(&args, *seed)) {
            Ok(report) => {
                passed += 1;
                counts += report.counts;
                simulated += report.simulated;
                report.trace.iter().for_each(|line| println!("{line}"));
                println!(
                    "seed {seed}: ok, {:.1} s simulated, trace {:016x}",
                    report.simulated.as_secs_f64(),
                    report.trace_hash
                );
            }
            Err(failure) => {
                failed += 1;
                failure.trace.iter().for_each(|line| println!("{line}"));
                println!("{failure}");
            }
        }
    }
    if !args.seed.is_empty() {
        println!("{counts}, {:.1} s simulated", simulated.as_secs_f64());
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn options(args: &Args, seed: LoadedSeed) -> Options {
    let defaults = Options::new(seed.load, seed.seed);
    Options {
        lives: args.lives.unwrap_or(defaults.lives),
        mostly_power_losses: args.power_losses || args.aimed,
        aims_at_planted: args.aimed,
        planted: args.plant.clone(),
        keep_trace: args.trace,
        ..defaults
    }
}
