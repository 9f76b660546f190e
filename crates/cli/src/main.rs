//! The `ottla` binary: one program for everything. Each command has a file of its own.

mod serve;

use clap::{Parser, Subcommand};
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
}

fn main() -> ExitCode {
    ottla_runtime::install_abort_on_panic_hook();
    let outcome = match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
