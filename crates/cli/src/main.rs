//! The `ottla` binary: one program for everything. Each command has a file of its own, here or in `ottla-commands`.
// A command line never runs in the simulator: it may use clock, files and threads directly.
#![allow(clippy::disallowed_methods)]

mod completion;
mod doctor;
mod generate;
mod install_scripts;
mod kafka;
mod log;
mod processes;
mod segment;
mod serve;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use ottla_commands::{cluster, config, consume, group, perf, produce, profile, quota, share, topic, txn};
use ottla_terminal::colour;
use ottla_terminal::failure::Failure;
use std::process::ExitCode;

/// The C library's allocator takes a third of a busy coordinator's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The whole Apache Kafka platform as one program.
#[derive(Parser)]
#[command(name = "ottla", version, about, arg_required_else_help = true)]
struct Cli {
    /// When to use colours.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, global = true)]
    color: colour::When,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a node: a broker that any Kafka client can use.
    Serve(serve::Args),
    /// Create, list, describe, alter and delete topics.
    Topic(topic::Args),
    /// Write records: lines, files or JSON.
    Produce(produce::Args),
    /// Read records.
    Consume(consume::Args),
    /// Measure throughput and latency.
    Perf(perf::Args),
    /// Show groups, move and delete their offsets.
    Group(group::Args),
    /// Take records of share groups, show these, move and delete their offsets.
    Share(share::Args),
    /// Show and change configs of topics, brokers, groups and clients.
    Config(config::Args),
    /// Show who has which transaction open, and end one that its producer does not end.
    Txn(txn::Args),
    /// Show, set and remove quotas of users, clients and addresses.
    Quota(quota::Args),
    /// Show the cluster, and what is wrong with it.
    Cluster(cluster::Args),
    /// Look into the files of a node that is stopped, and repair them.
    Log(log::Args),
    /// Say what is wrong with a configuration or a running cluster, and what to do.
    Doctor(doctor::Args),
    /// Keep the addresses of several clusters under names.
    Profile(profile::Args),
    /// Print what a shell needs to complete this command line.
    Completion(completion::Args),
    /// Link Kafka's script names to this program.
    InstallScripts(install_scripts::Args),
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
    let mut words = std::env::args_os();
    if let Some(tool) = words.next().and_then(|program| kafka::tool_of_program(program.as_ref())) {
        return tool.run(words);
    }
    if let Some(tool) = words.next().and_then(|word| kafka::tool(word.to_str()?)) {
        return tool.run(words);
    }
    let matches = command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    cli.color.set();
    match cli.command {
        Command::Serve(args) => serve::run(&args).map_err(Failure::from),
        Command::Topic(args) => topic::run(&args),
        Command::Produce(args) => produce::run(&args),
        Command::Consume(args) => consume::run(&args),
        Command::Perf(args) => perf::run(&args),
        Command::Group(args) => group::run(&args),
        Command::Share(args) => share::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Txn(args) => txn::run(&args),
        Command::Quota(args) => quota::run(&args),
        Command::Cluster(args) => cluster::run(&args),
        Command::Log(args) => log::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Profile(args) => profile::run(&args),
        Command::Completion(args) => completion::run(&args, command()),
        Command::InstallScripts(args) => install_scripts::run(&args),
        Command::Generate(args) => generate::run(&args),
    }
}

/// The whole command line: our own commands, and Kafka's tools by their names. Help, completions and man pages are made
/// from this.
fn command() -> clap::Command {
    // Completions are made by the whole path of a command.
    let below = |tool: &'static ottla_tools::Tool| tool.command().bin_name(format!("ottla {}", tool.name)).hide(true);
    Cli::command().subcommands(kafka::tools().into_iter().map(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_consistent() {
        command().debug_assert();
    }
}
