//! `cargo xtask test`: everything that must pass, step by step, with one summary.
//!
//! The steps are a table; the black-box suites follow it by their own names. A step that cannot run has failed, only
//! `--skip NAME` leaves one out, and the summary lists it.

pub(crate) mod cargo;
mod steps;

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::Result;

use crate::compat::{self, PeerKind, SUITES, Selection};
use crate::prepare::Workshop;
use crate::tally::Tally;
use steps::STEPS;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The inner loop: no foreign clients, nothing but Rust and a C compiler needed.
    #[arg(long)]
    quick: bool,
    /// The long form of every step and suite.
    #[arg(long, conflicts_with = "quick")]
    long: bool,
    /// Leave this step or suite out (repeatable).
    #[arg(long, value_name = "NAME")]
    skip: Vec<String>,
    /// Run only this step or suite (repeatable).
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let known: Vec<&str> = STEPS.iter().map(|step| step.name).chain(SUITES.iter().map(|suite| suite.name)).collect();
    compat::check_names(args.only.iter().chain(&args.skip), &known)?;
    let only: BTreeSet<String> = args.only.iter().cloned().collect();
    let skip: BTreeSet<String> = args.skip.iter().cloned().collect();
    let mut workshop = Workshop::default();
    let mut tally = Tally::default();
    for step in STEPS {
        let wanted = only.is_empty() && (step.quick || !args.quick) || only.contains(step.name);
        if wanted && skip.contains(step.name) {
            tally.skipped.push(step.name.to_owned());
        } else if wanted {
            tally.add(run_step(step, args, &mut workshop));
        }
    }
    let any_suite = SUITES.iter().any(|suite| only.contains(suite.name));
    if any_suite || (only.is_empty() && !args.quick) {
        let selection = Selection { peer: PeerKind::Ottla, only, skip, long: args.long };
        tally.add(compat::run_selection(&selection, &mut workshop)?);
    }
    tally.print_summary();
    tally.into_result()
}

fn run_step(step: &steps::Step, args: &Args, workshop: &mut Workshop) -> Tally {
    println!("step     {} ({})", step.name, step.about);
    let started = Instant::now();
    let tally = (step.run)(&steps::Form { quick: args.quick, long: args.long }, workshop)
        .unwrap_or_else(|error| Tally::one_failed(step.name, &format!("{error:#}")));
    println!("step     {:<16} {tally}  ({:.1} s)", step.name, started.elapsed().as_secs_f32());
    tally
}
