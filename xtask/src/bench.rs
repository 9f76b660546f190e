//! `cargo xtask bench`: builds the release program, gets Kafka's jars, runs the comparison in `bench/`.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::paths;
use crate::prepare::{Need, Workshop};
use crate::test::cargo;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Records of 1 KiB to produce and fetch.
    #[arg(long, default_value_t = 2_000_000)]
    records: u64,
    /// Seconds of idling that are measured.
    #[arg(long, default_value_t = 20)]
    idle: u64,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let program = match std::env::var_os("OTTLA_BIN") {
        Some(path) => path.into(),
        None => cargo::build("ottla-cli", "ottla", "release")?,
    };
    let mut workshop = Workshop::default();
    let jars = workshop.get(Need::Jars)?;
    let status = Command::new("python3")
        .arg(paths::root().join("bench/first_look.py"))
        .arg("--ottla")
        .arg(program)
        .arg("--jars")
        .arg(jars)
        .args(["--records", &args.records.to_string(), "--idle", &args.idle.to_string()])
        .status()?;
    ensure!(status.success(), "the comparison failed: {status}");
    Ok(())
}
