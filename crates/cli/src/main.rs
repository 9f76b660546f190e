//! The `ottla` binary: one program for everything. Each command has a file of its own.
// A command line never runs in the simulator: it may use clock, files and threads directly.
#![allow(clippy::disallowed_methods)]

mod cluster;
mod failure;
mod generate;
mod kafka;
mod output;
mod serve;
mod table;
mod topic;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
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
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run() -> Result<(), Failure> {
    if let Some(tool) = std::env::args_os().next().and_then(|program| kafka::tool_of_program(program.as_ref())) {
        return tool.run(&tool.command().get_matches());
    }
    let matches = command().get_matches();
    if let Some((name, matches)) = matches.subcommand()
        && let Some(tool) = kafka::tool(name)
    {
        return tool.run(matches);
    }
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match cli.command {
        Command::Serve(args) => serve::run(&args).map_err(Failure::from),
        Command::Topic(args) => topic::run(&args),
        Command::Generate(args) => generate::run(&args),
    }
}

/// The whole command line: our own commands, and Kafka's tools by their names. Help, completions and man pages are made
/// from this.
fn command() -> clap::Command {
    Cli::command().subcommands(kafka::TOOLS.iter().map(|tool| tool.command().hide(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_consistent() {
        command().debug_assert();
    }
}
