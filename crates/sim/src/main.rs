//! Replays seeds: `cargo run --package ottla-sim -- --seed 7 --seed 8`. `cargo xtask sim` calls it with fresh ones.

use clap::Parser;
use ottla_sim::{Counts, Options, planted, run};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Parser)]
#[command(name = "ottla-sim", about = "Simulates whole nodes")]
struct Args {
    /// Run this seed (repeatable).
    #[arg(long, value_name = "SEED")]
    seed: Vec<u64>,
    /// Lives of the node in each run.
    #[arg(long)]
    lives: Option<u32>,
    /// Power losses only.
    #[arg(long)]
    power_losses: bool,
    /// This sync site does nothing.
    #[arg(long, value_name = "SITE")]
    ignore_sync: Option<String>,
    /// Print everything that happened.
    #[arg(long)]
    trace: bool,
    /// Show that each sync site is needed, with at most so many seeds for each.
    #[arg(long, value_name = "SEEDS")]
    planted: Option<u64>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let (mut passed, mut failed) = (0, 0);
    if let Some(tries) = args.planted {
        for finding in planted::every_site(tries) {
            println!("{finding}");
            if finding.is_as_expected() { passed += 1 } else { failed += 1 }
        }
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

fn options(args: &Args, seed: u64) -> Options {
    let defaults = Options::new(seed);
    Options {
        lives: args.lives.unwrap_or(defaults.lives),
        mostly_power_losses: args.power_losses,
        ignored_sync: args.ignore_sync.clone(),
        keep_trace: args.trace,
        ..defaults
    }
}
