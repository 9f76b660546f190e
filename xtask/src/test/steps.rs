//! The table of steps that are not black-box suites.

use anyhow::Result;

use super::cargo;
use crate::prepare::{Need, Workshop};
use crate::tally::Tally;
use crate::{bench, dist, golden, paths, sim, tidy};

/// Which form was asked for.
pub(super) struct Form {
    pub(super) quick: bool,
    pub(super) long: bool,
}

impl Form {
    /// The value for the form that was asked for.
    fn choose<'a>(&self, quick: &'a str, short: &'a str, long: &'a str) -> &'a str {
        match (self.quick, self.long) {
            (true, _) => quick,
            (false, false) => short,
            (false, true) => long,
        }
    }
}

/// One step.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Part of `--quick`: needs no foreign client.
    pub(super) quick: bool,
    pub(super) run: fn(&Form, &mut Workshop) -> Result<Tally>,
}

/// In the order in which they run: cheap ones first.
pub(super) const STEPS: &[Step] = &[
    Step { name: "tidy", about: "layers, licences, sizes, forbidden calls", quick: true, run: |_, _| tidy::check() },
    Step { name: "unit", about: "cargo test of the workspace", quick: true, run: |_, _| unit() },
    Step { name: "fuzz", about: "every decoder, for a bounded time", quick: true, run: |form, _| fuzz(form) },
    Step {
        name: "sim",
        about: "whole nodes with crashes, power losses, disk faults",
        quick: true,
        run: |form, _| simulate(form),
    },
    Step { name: "golden", about: "bytes of every message against Kafka's", quick: false, run: |_, shop| golden(shop) },
    Step { name: "dist", about: "packages and image, made and tried", quick: false, run: |_, shop| dist::step(shop) },
    Step {
        name: "bench",
        about: "the short form of the measurements, not judged",
        quick: false,
        run: |_, _| bench::step(),
    },
];

fn unit() -> Result<Tally> {
    let mut tally = cargo::test(&["--workspace", "--no-fail-fast"])?;
    // The feature that no default has, where its code is; a node with it would be compiled anew from the bottom.
    tally.add(cargo::test(&["--package", "ottla-http", "--features", "otel"])?);
    Ok(tally)
}

fn fuzz(form: &Form) -> Result<Tally> {
    cargo::run("fuzz", &["--package", "ottla-fuzz", "--", "--seconds", form.choose("6", "20", "1800")])
}

/// Committed seeds are run in all forms, fewer of them in the inner loop.
fn simulate(form: &Form) -> Result<Tally> {
    sim::step(if form.quick { 8 } else { usize::MAX }, form.long)
}

fn golden(workshop: &mut Workshop) -> Result<Tally> {
    let jars = workshop.get(Need::Jars)?;
    let summary = golden::run(&jars, &paths::cache()?.join("golden"))?;
    println!("{summary}");
    Ok(Tally::passed(summary.java_to_rust + summary.rust_to_java))
}
