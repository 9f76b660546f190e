//! Kafka's own tools under their own names: `ottla kafka-topics ...`, or the binary called as `kafka-topics` or
//! `kafka-topics.sh`. Each takes the flags of Kafka's script and prints what that prints, so that scripts and tutorials
//! keep working; the work is done by the same code that the commands of ottla use. Here are those that need nothing but a client
//! of a cluster.
// A command line never runs in the simulator: it may use clock, files and threads directly.
#![allow(clippy::disallowed_methods)]

mod broker_api_versions;
mod client_metrics;
mod cluster;
mod configs;
mod console_consumer;
mod console_producer;
mod console_share_consumer;
mod consumer_groups;
mod consumer_perf;
mod delete_records;
mod e2e_latency;
pub mod feature_levels;
mod features;
mod get_offsets;
mod group_tools;
mod groups;
pub mod java;
mod java_text;
mod leader_election;
mod line_reader;
mod log_dirs;
mod perf_reading;
pub mod pretty;
mod producer_perf;
mod reassign_partitions;
mod share_consumer_perf;
mod share_groups;
pub mod shared;
mod streams_application_reset;
mod streams_groups;
mod topics;
mod transactions;
mod verifiable_consumer;
mod verifiable_producer;
mod verifiable_share_consumer;

use clap::ArgMatches;
use clap::error::ErrorKind;
use ottla_terminal::failure::Failure;
use std::ffi::OsString;

/// What `--version` of a tool says: the Kafka whose tool it stands in for.
const VERSION: &str = "4.3.0-ottla";

/// One of Kafka's tools.
pub trait KafkaTool: clap::Parser {
    /// Name of Kafka's script, without `.sh`.
    const NAME: &'static str;

    /// What the script does when it is called without any word.
    const WITHOUT_WORDS: WithoutWords = WithoutWords::Refuses;

    /// Does what the script does.
    fn run(&self) -> Result<(), Failure>;
}

/// What a script does when it is called without any word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutWords {
    /// What it always does.
    Runs,
    /// It shows its help, and all is well.
    Helps,
    /// It shows its help, and fails.
    Refuses,
}

/// A [`KafkaTool`] as a value.
pub struct Tool {
    /// Name of Kafka's script, without `.sh`.
    pub name: &'static str,
    without_words: WithoutWords,
    command: fn() -> clap::Command,
    run: fn(&ArgMatches) -> Result<(), Failure>,
}

/// Every tool that is a client, in the order of the alphabet.
pub const CLIENT_TOOLS: &[Tool] = &[
    Tool::of::<broker_api_versions::BrokerApiVersions>(),
    Tool::of::<client_metrics::ClientMetrics>(),
    Tool::of::<cluster::ClusterTool>(),
    Tool::of::<configs::Configs>(),
    Tool::of::<console_consumer::ConsoleConsumer>(),
    Tool::of::<console_producer::ConsoleProducer>(),
    Tool::of::<console_share_consumer::ConsoleShareConsumer>(),
    Tool::of::<consumer_groups::ConsumerGroups>(),
    Tool::of::<consumer_perf::ConsumerPerf>(),
    Tool::of::<delete_records::DeleteRecords>(),
    Tool::of::<e2e_latency::EndToEndLatency>(),
    Tool::of::<features::Features>(),
    Tool::of::<get_offsets::GetOffsets>(),
    Tool::of::<groups::Groups>(),
    Tool::of::<leader_election::LeaderElection>(),
    Tool::of::<log_dirs::LogDirs>(),
    Tool::of::<producer_perf::ProducerPerf>(),
    Tool::of::<reassign_partitions::ReassignPartitions>(),
    Tool::of::<share_consumer_perf::ShareConsumerPerf>(),
    Tool::of::<share_groups::ShareGroups>(),
    Tool::of::<streams_application_reset::StreamsApplicationReset>(),
    Tool::of::<streams_groups::StreamsGroups>(),
    Tool::of::<topics::Topics>(),
    Tool::of::<transactions::Transactions>(),
    Tool::of::<verifiable_consumer::VerifiableConsumer>(),
    Tool::of::<verifiable_producer::VerifiableProducer>(),
    Tool::of::<verifiable_share_consumer::VerifiableShareConsumer>(),
];

impl Tool {
    /// A tool as a value.
    pub const fn of<T: KafkaTool>() -> Tool {
        Tool {
            name: T::NAME,
            without_words: T::WITHOUT_WORDS,
            command: || T::command(),
            run: |matches| match T::from_arg_matches(matches) {
                Ok(tool) => tool.run(),
                Err(error) => error.exit(),
            },
        }
    }

    /// The declaration of its command line.
    pub fn command(&self) -> clap::Command {
        let command = (self.command)().name(self.name).bin_name(self.name).version(VERSION);
        // Kafka's option parser takes any unambiguous beginning of an option's name, and whatever follows an option that has a
        // value as that value, also -1.
        command.infer_long_args(true).mut_args(|arg| {
            let is_plain = arg.get_action().takes_values() && !arg.is_positional() && arg.get_num_args().is_none();
            let is_wanted = is_plain || arg.is_allow_hyphen_values_set();
            arg.allow_hyphen_values(is_wanted)
        })
    }

    /// Runs it with the words behind its name. What goes wrong is said as Kafka's tools say it: the cause alone on stderr,
    /// exit code 1, also for a wrong command line.
    pub fn run(&self, words: impl Iterator<Item = OsString>) -> Result<(), Failure> {
        let words: Vec<OsString> = words.collect();
        let mut command = self.command();
        match self.without_words {
            WithoutWords::Helps if words.is_empty() => {
                return ottla_terminal::output::write_out(&command.render_long_help().to_string());
            }
            WithoutWords::Refuses if words.is_empty() => {
                eprint!("{}", command.render_long_help());
                return Err(Failure::said());
            }
            _ => {}
        }
        let parsed = command.try_get_matches_from(std::iter::once(OsString::from(self.name)).chain(words));
        let done = match parsed {
            Ok(matches) => (self.run)(&matches),
            Err(error) if error.kind() == ErrorKind::DisplayVersion => {
                ottla_terminal::output::write_out(&format!("{VERSION}\n"))
            }
            Err(error) if error.kind() == ErrorKind::DisplayHelp => error.exit(),
            Err(error) => Err(shared::wrong_words(&error)),
        };
        done.map_err(|failure| {
            if !failure.cause.is_empty() {
                eprintln!("{}", failure.cause);
            }
            if let Some(next_step) = &failure.next_step {
                eprintln!("next step: {next_step}");
            }
            Failure::said()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_declared_well() {
        CLIENT_TOOLS.iter().for_each(|tool| tool.command().debug_assert());
        assert!(CLIENT_TOOLS.is_sorted_by(|a, b| a.name < b.name), "in the order of the alphabet");
    }
}
