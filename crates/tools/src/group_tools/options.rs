//! The options that mean the same to all tools for groups, and what Kafka's tools refuse of them.

use super::first_refusal;
use crate::shared::required;
use ottla_terminal::failure::Failure;
use std::path::PathBuf;

/// How a tool reaches its cluster.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Connection {
    /// REQUIRED: The server(s) to connect to.
    #[arg(long, value_name = "server to connect to")]
    bootstrap_server: Option<String>,
    /// How long to wait for an answer.
    #[arg(long = "timeout", value_name = "timeout (ms)", default_value = "30000")]
    pub(super) timeout_ms: i64,
    /// Property file containing configs of the client.
    #[arg(long, value_name = "command config property file")]
    pub(super) command_config: Option<PathBuf>,
}

impl Connection {
    /// The addresses, which must be there.
    pub(crate) fn bootstrap(&self) -> Result<&str, Failure> {
        required(&self.bootstrap_server, "bootstrap-server").map(String::as_str)
    }
}

/// What `--describe` shows of groups, and `--list` with `--state`.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Details {
    /// With --describe: the members of the group.
    #[arg(long)]
    pub(crate) members: bool,
    /// With --describe: partitions with offsets and lag (the default).
    #[arg(long)]
    pub(crate) offsets: bool,
    /// With --describe: the state of the group. With --list: also the states, or only groups in these states.
    #[arg(long, num_args = 0..=1, default_missing_value = "")]
    pub(crate) state: Option<String>,
    /// With --describe: more columns.
    #[arg(long)]
    pub(crate) verbose: bool,
}

impl Details {
    /// What is refused of them with `--describe`.
    pub(crate) fn refusals(&self, describe: bool) -> [(bool, String); 2] {
        let wanted = [self.members, self.offsets, self.state.is_some()];
        let refusals = [
            (
                wanted.iter().filter(|is_wanted| **is_wanted).count() > 1,
                "takes at most one of these options: [members], [offsets], [state]",
            ),
            (self.state.as_ref().is_some_and(|state| !state.is_empty()), "does not take a value for [state]"),
        ];
        refusals.map(|(is_wrong, cause)| (describe && is_wrong, format!("Option [describe] {cause}")))
    }

    /// Refuses those that nothing is done with, as Kafka's option parser does by itself.
    pub(crate) fn check_available(&self, describe: bool, list: bool) -> Result<(), Failure> {
        let unavailable = [
            (self.members && !describe, "members"),
            (self.offsets && !describe, "offsets"),
            (self.state.is_some() && !describe && !list, "state"),
            (self.verbose && !describe, "verbose"),
        ];
        first_refusal(unavailable.map(|(is_wrong, option)| {
            (is_wrong, format!("Option(s) [{option}] are unavailable given other options on the command line"))
        }))
    }
}

/// Whether offsets are reset, or only shown as they would be.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Execution {
    /// Only show results.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do it.
    #[arg(long)]
    pub(crate) execute: bool,
}

impl Execution {
    /// What is refused of them with `--reset-offsets`: both, and none.
    pub(crate) fn refusals(&self) -> [(bool, &'static str); 2] {
        [
            (self.dry_run && self.execute, "only accepts one of [execute] and [dry-run]"),
            (!self.dry_run && !self.execute, "takes the option: [execute] or [dry-run]"),
        ]
    }
}
