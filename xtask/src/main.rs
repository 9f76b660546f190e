//! `cargo xtask COMMAND`: everything a developer runs that is not the program itself.
//!
//! One module per command. Nothing here is part of the shipped binary, so clocks, files and processes are used directly.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod bench;
mod codegen;
mod compat;
mod dist;
mod docs;
mod golden;
mod paths;
mod prepare;
mod sim;
mod tally;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "xtask", about = "Developer commands of ottla")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that must pass: unit tests, tidy, golden bytes, simulator, suites with real clients.
    Test(test::Args),
    /// Only the black-box suites with real clients, against ottla or a real Apache Kafka.
    Compat(compat::Args),
    /// Becomes a broker of the given kind (the suites start their own brokers with this).
    Peer(compat::peer::Args),
    /// Makes the message types of crates/protocol from the schemas in Kafka's jars.
    Codegen(codegen::Args),
    /// Compares the bytes of every message with Kafka's Java code, both ways.
    Golden(golden::Args),
    /// Whole nodes in the simulator: crashes, power losses, disk faults, by seed.
    Sim(sim::Args),
    /// ottla beside Apache Kafka in one run: start, idle cost, CPU per GB.
    Bench(bench::Args),
    /// What users install: stripped binary, deb, rpm, container image; made and tried.
    Dist(dist::Args),
    /// Makes the pages of docs/ that come from declarations.
    Docs,
    /// Layers, licences, duplicate versions, sizes and forbidden calls.
    Tidy,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Test(args) => test::run(&args),
        Command::Compat(args) => compat::run(&args),
        Command::Peer(args) => compat::peer::exec(&args),
        Command::Codegen(args) => codegen::run(&args),
        Command::Golden(args) => golden::command(&args),
        Command::Sim(args) => sim::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Dist(args) => dist::run(&args),
        Command::Docs => docs::run(),
        Command::Tidy => tidy::run(),
    }
}
