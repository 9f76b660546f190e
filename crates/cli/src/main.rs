//! The `ottla` binary: one program for everything. Each command has a file of its own.
// A command line never runs in the simulator: it may use clock, files and threads directly.
#![allow(clippy::disallowed_methods)]

mod cluster;
mod failure;
mod generate;
mod serve;
mod table;
mod topic;

use clap::{CommandFactory, Parser, Subcommand};
use failure::Failure;
use std::process::ExitCode;

/// The whole Apache Kafka platform as one program.
#[derive(Parser)]
#[command(name = "ottla", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a node: a broker that any Kafka client can use.
    Serve(serve::Args),
    /// Create, list, describe, alter and delete topics.
    Topic(topic::Args),
    /// Write man pages and shell completions, for packages.
    #[command(hide = true)]
    Generate(generate::Args),
}

fn main() -> ExitCode {
    ottla_runtime::install_abort_on_panic_hook();
    let outcome = match Cli::parse().command {
        Command::Serve(args) => serve::run(&args).map_err(Failure::from),
        Command::Topic(args) => topic::run(&args),
        Command::Generate(args) => generate::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// The whole command line. Help, completions and man pages are made from this.
fn command() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_consistent() {
        command().debug_assert();
    }
}
