//! `cargo xtask compat`: the black-box suites of `compat/`, run by real clients against a real broker.
//!
//! The peer is ottla (default) or an Apache Kafka of the version we follow, which is the oracle: a suite must be green
//! against it, so that a red case against ottla says something about ottla. How a suite is called and what it prints is
//! described in `compat/README.md`.

pub(crate) mod peer;
pub(crate) mod ready;
mod running;
mod suite;
mod suites;

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::prepare::Workshop;
use crate::tally::Tally;
use running::Stage;
use suite::Broker;

pub(crate) use ready::answers;
pub(crate) use suites::SUITES;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PeerKind {
    /// The program of this checkout.
    Ottla,
    /// Apache Kafka from Maven Central.
    Kafka,
}

impl PeerKind {
    fn name(self) -> &'static str {
        match self {
            PeerKind::Ottla => "ottla",
            PeerKind::Kafka => "kafka",
        }
    }
}

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The broker under test.
    #[arg(long, value_enum, default_value = "ottla")]
    peer: PeerKind,
    /// Run only this suite (repeatable).
    #[arg(long, value_name = "SUITE")]
    only: Vec<String>,
    /// Leave this suite out (repeatable).
    #[arg(long, value_name = "SUITE")]
    skip: Vec<String>,
    /// The long form of each suite.
    #[arg(long)]
    long: bool,
}

/// What to run; also used by `cargo xtask test`.
pub(crate) struct Selection {
    pub(crate) peer: PeerKind,
    pub(crate) only: BTreeSet<String>,
    pub(crate) skip: BTreeSet<String>,
    pub(crate) long: bool,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let known: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
    check_names(args.only.iter().chain(&args.skip), &known)?;
    let selection = Selection {
        peer: args.peer,
        only: args.only.iter().cloned().collect(),
        skip: args.skip.iter().cloned().collect(),
        long: args.long,
    };
    let tally = run_selection(&selection, &mut Workshop::default())?;
    tally.print_summary();
    tally.into_result()
}

/// Refuses names that mean nothing, so that a typo does not leave a suite out.
pub(crate) fn check_names<'a>(names: impl Iterator<Item = &'a String>, known: &[&str]) -> Result<()> {
    for name in names {
        if !known.contains(&name.as_str()) {
            bail!("there is no suite {name:?}; there are: {}", known.join(", "));
        }
    }
    Ok(())
}

/// Runs the selected suites one after another. Fails only when nothing can be run at all.
pub(crate) fn run_selection(selection: &Selection, workshop: &mut Workshop) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut stage = Stage::new(selection.peer, selection.long)?;
    for suite in SUITES {
        if !selection.only.is_empty() && !selection.only.contains(suite.name) {
            continue;
        }
        let means_nothing = suite.broker == Broker::OttlaOnly && selection.peer == PeerKind::Kafka;
        if selection.skip.contains(suite.name) || means_nothing {
            tally.skipped.push(suite.name.to_owned());
            continue;
        }
        tally.add(stage.run_suite(suite, workshop));
    }
    Ok(tally)
}
