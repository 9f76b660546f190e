//! `ottla-bench`: load that ordinary clients cannot make on one machine. A tool, not part of the shipped binary.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod floor;
mod groups;
mod process;
mod transactions;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "ottla-bench", about = "Load generator of ottla")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Many consumer groups whose members do nothing but stay alive.
    Groups(groups::Args),
    /// Transactional producers, one or very many.
    Transactions(transactions::Args),
    /// The least that anything can do that takes and gives records, to compare brokers with.
    Floor(floor::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Groups(args) => {
            let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
            executor.block_on(groups::run(args))
        }
        Command::Transactions(args) => {
            let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            executor.block_on(transactions::run(args))
        }
        Command::Floor(args) => floor::run(&args),
    }
}
