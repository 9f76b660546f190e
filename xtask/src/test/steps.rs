//! The table of steps that are not black-box suites.

use anyhow::Result;

use super::cargo;
use crate::tally::Tally;
use crate::tidy;

/// Which form was asked for.
pub(super) struct Form {
    pub(super) quick: bool,
    pub(super) long: bool,
}

/// One step.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Part of `--quick`.
    pub(super) quick: bool,
    pub(super) run: fn(&Form) -> Result<Tally>,
}

/// In the order in which they run: cheap ones first.
pub(super) const STEPS: &[Step] = &[
    Step { name: "tidy", about: "layers, licences, sizes, forbidden calls", quick: true, run: |_| tidy::check() },
    Step { name: "unit", about: "cargo test of the workspace", quick: true, run: |_| unit() },
];

fn unit() -> Result<Tally> {
    cargo::test(&["--workspace", "--no-fail-fast"])
}
