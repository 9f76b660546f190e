//! `kafka-share-groups` (KIP-932). Where Kafka's tool prints an error on standard output and ends with 0 (most failures after
//! the command line was understood), so does this one.

mod describe;
mod remove;
mod reset;

use super::KafkaTool;
use super::group_tools::{Done, GroupTool, all_groups, conflict, first_refusal, print_groups};
use super::shared::required;
use ottla_client::Admin;
use ottla_terminal::failure::Failure;
use std::path::PathBuf;

/// List all share groups, describe a share group, delete share group info, or reset share group offsets.
#[derive(Debug, Default, clap::Parser)]
pub(super) struct ShareGroups {
    /// REQUIRED: The server(s) to connect to.
    #[arg(long, value_name = "server to connect to")]
    bootstrap_server: Option<String>,
    /// The share group to act on; may be given several times where that makes sense.
    #[arg(long = "group", value_name = "share group")]
    groups: Vec<String>,
    /// The topic whose offsets are deleted or reset; for a reset also TOPIC:PARTITION,...; may be given several times.
    #[arg(long = "topic", value_name = "topic")]
    topics: Vec<String>,
    /// With --reset-offsets: all topics of the group.
    #[arg(long)]
    all_topics: bool,
    /// List all share groups.
    #[arg(long)]
    list: bool,
    /// Describe share groups: offsets, members or state.
    #[arg(long)]
    describe: bool,
    /// Apply to all share groups.
    #[arg(long)]
    all_groups: bool,
    /// Delete share groups.
    #[arg(long)]
    delete: bool,
    /// How long to wait for an answer.
    #[arg(long, value_name = "timeout (ms)", default_value = "30000")]
    timeout: i64,
    /// Property file containing configs of the client.
    #[arg(long, value_name = "command config property file")]
    command_config: Option<PathBuf>,
    /// Reset the offsets of one group without members; shows them with --dry-run, does it with --execute.
    #[arg(long)]
    reset_offsets: bool,
    /// Delete the offsets of topics from one group without members.
    #[arg(long)]
    delete_offsets: bool,
    /// Only show results.
    #[arg(long)]
    dry_run: bool,
    /// Do it.
    #[arg(long)]
    execute: bool,
    /// Reset offsets to offset from datetime. Format: 'YYYY-MM-DDThh:mm:ss.sss'
    #[arg(long, value_name = "datetime")]
    to_datetime: Option<String>,
    /// Reset offsets to earliest offset.
    #[arg(long)]
    to_earliest: bool,
    /// Reset offsets to latest offset.
    #[arg(long)]
    to_latest: bool,
    /// With --describe: the members of the group.
    #[arg(long)]
    members: bool,
    /// With --describe: partitions with offsets and lag (the default).
    #[arg(long)]
    offsets: bool,
    /// With --describe: the state of the group. With --list: also the states, or only groups in these states.
    #[arg(long, num_args = 0..=1, default_missing_value = "")]
    state: Option<String>,
    /// With --describe: more columns.
    #[arg(long)]
    verbose: bool,
}

/// Type of the groups, as brokers list it.
const TYPE: &str = "Share";
/// States that they can be in.
const STATES: &[&str] = &["Stable", "Dead", "Empty"];

impl KafkaTool for ShareGroups {
    const NAME: &'static str = "kafka-share-groups";

    fn run(&self) -> Result<(), Failure> {
        self.check()?;
        let tool = GroupTool {
            name: Self::NAME,
            kind: "share",
            fails: false,
            bootstrap: required(&self.bootstrap_server, "bootstrap-server")?,
            command_config: self.command_config.as_deref(),
            timeout_ms: self.timeout,
        };
        tool.run(async |admin| self.act(admin).await)
    }
}

impl ShareGroups {
    async fn act(&self, admin: &Admin) -> Done<()> {
        if self.list {
            return print_groups(admin, TYPE, self.state.as_deref(), STATES).await;
        }
        if self.describe {
            return describe::run(self, admin).await;
        }
        if self.delete {
            return remove::groups(self, admin).await;
        }
        if self.delete_offsets {
            return remove::offsets(self, admin).await;
        }
        reset::run(self, admin).await
    }

    /// Refuses what Kafka's tool refuses, in its words and its order.
    fn check(&self) -> Result<(), Failure> {
        let refused =
            |option: &str| format!("Option(s) [{option}] are unavailable given other options on the command line");
        first_refusal([
            (self.members && !self.describe, refused("members")),
            (self.offsets && !self.describe, refused("offsets")),
            (self.state.is_some() && !self.describe && !self.list, refused("state")),
            (self.verbose && !self.describe, refused("verbose")),
        ])?;
        required(&self.bootstrap_server, "bootstrap-server")?;
        let (has_groups, has_topics) = (!self.groups.is_empty(), !self.topics.is_empty());
        let names_groups = has_groups || self.all_groups;
        let details = [self.members, self.offsets, self.state.is_some()];
        first_refusal(
            [
                (self.describe && !names_groups, "Option [describe] takes one of these options: [all-groups], [group]"),
                (
                    self.describe && details.iter().filter(|is_wanted| **is_wanted).count() > 1,
                    "Option [describe] takes at most one of these options: [members], [offsets], [state]",
                ),
                (
                    self.describe && self.state.as_ref().is_some_and(|state| !state.is_empty()),
                    "Option [describe] does not take a value for [state]",
                ),
                (self.delete && !names_groups, "Option [delete] takes the options [group] or [all-groups]"),
                (
                    self.delete && has_groups && self.all_groups,
                    "Option [delete] takes either [group] or [all-groups], not both.",
                ),
                (self.delete && has_topics, "Option [delete] does not take the option: [topic]"),
                (
                    self.delete_offsets && !(has_groups && has_topics),
                    "Option [delete-offsets] takes the following options: [group], [topic]",
                ),
            ]
            .map(|(is_wrong, cause)| (is_wrong, cause.to_string())),
        )?;
        if self.reset_offsets {
            reset::check(self)?;
        }
        let actions = [self.list, self.describe, self.delete, self.reset_offsets, self.delete_offsets];
        let all = "--list, --describe, --delete, --reset-offsets, --delete-offsets.";
        first_refusal([
            (has_groups && self.all_groups, conflict("group", "all-groups")),
            (has_groups && self.list, conflict("group", "list")),
            (has_topics && self.list, conflict("topic", "list")),
            (has_topics && self.describe, conflict("topic", "describe")),
            (
                actions.iter().filter(|is_wanted| **is_wanted).count() != 1,
                format!("Command must include exactly one action: {all}"),
            ),
        ])
    }

    /// The groups that were named, or all.
    async fn wanted_groups(&self, admin: &Admin) -> Done<Vec<String>> {
        if self.all_groups { all_groups(admin, TYPE).await } else { Ok(self.groups.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn refusal(line: &str) -> String {
        let words = ["kafka-share-groups"].into_iter().chain(line.split_whitespace());
        ShareGroups::try_parse_from(words).unwrap().check().map_or_else(|failure| failure.cause, |()| String::new())
    }

    #[test]
    fn a_command_line_is_refused_in_kafkas_words() {
        let cases = [
            ("--list", "Missing required argument \"[bootstrap-server]\""),
            ("--bootstrap-server a:1 --list --state", ""),
            ("--bootstrap-server a:1 --describe --all-groups --members --verbose", ""),
            (
                "--bootstrap-server a:1 --list --verbose",
                "Option(s) [verbose] are unavailable given other options on the command line",
            ),
            (
                "--bootstrap-server a:1 --describe",
                "Option [describe] takes one of these options: [all-groups], [group]",
            ),
            (
                "--bootstrap-server a:1 --delete --group g --all-groups",
                "Option [delete] takes either [group] or [all-groups], not both.",
            ),
            (
                "--bootstrap-server a:1 --reset-offsets --group g --topic t --to-earliest",
                "Option [reset-offsets] takes the option: [execute] or [dry-run]",
            ),
            (
                "--bootstrap-server a:1 --reset-offsets --group g --topic t --dry-run",
                "Option [reset-offsets] takes one of these options: [to-datetime], [to-earliest], [to-latest]",
            ),
            ("--bootstrap-server a:1 --reset-offsets --group g --topic t --dry-run --to-latest", ""),
            ("--bootstrap-server a:1 --list --group g", "Option \"[group]\" can't be used with option \"[list]\""),
        ];
        for (line, expected) in cases {
            assert_eq!(refusal(line), expected, "{line}");
        }
    }
}
