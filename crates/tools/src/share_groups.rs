//! `kafka-share-groups` (KIP-932). Where Kafka's tool prints an error on standard output and ends with 0 (most failures after
//! the command line was understood), so does this one.

mod describe;
mod remove;
mod reset;

use super::KafkaTool;
use super::group_tools::options::{Connection, Details, Execution};
use super::group_tools::{Done, GroupTool, all_groups, conflict, first_refusal, print_groups};
use ottla_client::Admin;
use ottla_terminal::failure::Failure;

/// List all share groups, describe a share group, delete share group info, or reset share group offsets.
#[derive(Debug, Default, clap::Parser)]
pub(super) struct ShareGroups {
    #[command(flatten)]
    connection: Connection,
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
    /// Reset the offsets of one group without members; shows them with --dry-run, does it with --execute.
    #[arg(long)]
    reset_offsets: bool,
    /// Delete the offsets of topics from one group without members.
    #[arg(long)]
    delete_offsets: bool,
    #[command(flatten)]
    execution: Execution,
    /// Reset offsets to offset from datetime. Format: 'YYYY-MM-DDThh:mm:ss.sss'
    #[arg(long, value_name = "datetime")]
    to_datetime: Option<String>,
    /// Reset offsets to earliest offset.
    #[arg(long)]
    to_earliest: bool,
    /// Reset offsets to latest offset.
    #[arg(long)]
    to_latest: bool,
    #[command(flatten)]
    details: Details,
}

/// Type of the groups, as brokers list it.
const TYPE: &str = "Share";
/// States that they can be in.
const STATES: &[&str] = &["Stable", "Dead", "Empty"];

impl KafkaTool for ShareGroups {
    const NAME: &'static str = "kafka-share-groups";

    fn run(&self) -> Result<(), Failure> {
        self.check()?;
        let tool = GroupTool { name: Self::NAME, kind: "share", fails: false };
        tool.run(&self.connection, async |admin| self.act(admin).await)
    }
}

impl ShareGroups {
    async fn act(&self, admin: &Admin) -> Done<()> {
        if self.list {
            return print_groups(admin, TYPE, self.details.state.as_deref(), STATES).await;
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
        self.details.check_available(self.describe, self.list)?;
        self.connection.bootstrap()?;
        let (has_groups, has_topics) = (!self.groups.is_empty(), !self.topics.is_empty());
        let names_groups = has_groups || self.all_groups;
        let of_groups = "Option [describe] takes one of these options: [all-groups], [group]";
        first_refusal([(self.describe && !names_groups, of_groups.to_string())])?;
        first_refusal(self.details.refusals(self.describe))?;
        first_refusal(
            [
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
