//! `ottla cluster`: the commands about a whole cluster.

mod health;
mod info;

pub use health::{Finding, Severity, examine, render_findings};

use clap::Subcommand;
use ottla_client::Client;
use ottla_terminal::cluster::ClientArgs;
use ottla_terminal::failure::Failure;

/// What `ottla cluster` accepts.
pub type Args = ClientArgs<Command>;

/// The commands of `ottla cluster`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the cluster's id, its brokers, and what they hold.
    Info,
    /// Say what is wrong with the cluster, and what to do. Ends with exit code 1 when something is.
    Health {
        /// Free space of a log directory below which it counts as full. Percent.
        #[arg(long, value_name = "PERCENT", default_value_t = health::FREE_PERCENT_DEFAULT)]
        min_free: u8,
    },
}

/// Runs `ottla cluster`.
pub fn run(args: &Args) -> Result<(), Failure> {
    args.cluster.run(async |client: Client| match &args.command {
        Command::Info => info::run(&client, args.output).await,
        Command::Health { min_free } => health::run(&client, *min_free, args.output).await,
    })
}
