//! `hot-paths`: what broker and client do most often, each alone in a loop. A program of its own, because counting allocations
//! takes the place of the allocator.
//!
//! A figure says what an operation costs when everything is in the caches and nothing else happens: a lower bound, good for seeing
//! what a change did to one path. Times differ from machine to machine, so each is also told as a multiple of what the CRC-32C of
//! the same bytes takes there. Allocations do not differ, and a test bounds them ([`paths::PATHS`]).
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod batches;
mod client;
mod log;
mod measure;
mod paths;
mod protocol;
mod report;
mod validation;
mod waiting;

use anyhow::{Result, ensure};
use clap::Parser;
use measure::Measured;
use std::time::Duration;

/// The hot paths of broker and client, each alone in a loop.
#[derive(Parser)]
#[command(name = "hot-paths")]
struct Args {
    /// Only the paths whose name contains this.
    #[arg(long, default_value = "")]
    filter: String,
    /// How long each path runs, about. Milliseconds.
    #[arg(long, default_value_t = 300)]
    milliseconds: u64,
    /// How the figures are printed.
    #[arg(long, value_enum, default_value = "table")]
    output: report::Output,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let chosen: Vec<_> = paths::PATHS.iter().filter(|path| path.name.contains(&args.filter)).collect();
    ensure!(!chosen.is_empty(), "no path's name contains {:?}", args.filter);
    args.output.begin();
    let mut all = Vec::with_capacity(chosen.len());
    for path in chosen {
        let measured = Measured::of(path, Duration::from_millis(args.milliseconds));
        args.output.path(&measured);
        all.push(measured);
    }
    args.output.end(&all);
    Ok(())
}

#[cfg(test)]
mod tests;
