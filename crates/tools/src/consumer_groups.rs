//! `kafka-consumer-groups`. Where Kafka's tool prints an error on standard output and ends with 0 (most failures after the
//! command line was understood), so does this one: scripts look for these lines.

mod describe;
mod remove;
mod reset;

use super::KafkaTool;
use super::group_tools::options::{Connection, Details, Execution};
use super::group_tools::scenario::Scenarios;
use super::group_tools::{
    Done, GroupTool, Trouble, conflict, delete_offsets, first_refusal, parse_states, parse_words,
};
use super::shared::usage;
use ottla_client::{Admin, GroupListing};
use ottla_re2::Re2Pattern;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;

/// List all consumer groups, describe a consumer group, delete consumer group info, or reset consumer group offsets.
#[derive(Debug, Default, clap::Parser)]
pub(super) struct ConsumerGroups {
    #[command(flatten)]
    connection: Connection,
    /// The consumer group to act on; may be given several times.
    #[arg(long = "group", value_name = "consumer group")]
    groups: Vec<String>,
    /// The topic whose offsets are deleted or reset: TOPIC or TOPIC:PARTITION,...; may be given several times.
    #[arg(long = "topic", value_name = "topic")]
    topics: Vec<String>,
    /// Consider all topics assigned to a group in the `reset-offsets` process.
    #[arg(long)]
    all_topics: bool,
    /// List all consumer groups.
    #[arg(long)]
    list: bool,
    /// Describe consumer groups and list offset lag (number of messages not yet processed).
    #[arg(long)]
    describe: bool,
    /// Apply to all consumer groups.
    #[arg(long)]
    all_groups: bool,
    /// Delete groups with their offsets.
    #[arg(long)]
    delete: bool,
    /// Reset the offsets of groups without members; shows them with --dry-run (the default), does it with --execute.
    #[arg(long)]
    reset_offsets: bool,
    /// Delete offsets of one group.
    #[arg(long)]
    delete_offsets: bool,
    #[command(flatten)]
    execution: Execution,
    /// Print the new offsets as CSV.
    #[arg(long)]
    export: bool,
    #[command(flatten)]
    scenarios: Scenarios,
    #[command(flatten)]
    details: Details,
    /// With --list: also the types, or only groups of these types.
    #[arg(long = "type", num_args = 0..=1, default_missing_value = "")]
    group_type: Option<String>,
    /// Say whether a regular expression is valid.
    #[arg(long, value_name = "regex")]
    validate_regex: Option<String>,
}

impl KafkaTool for ConsumerGroups {
    const NAME: &'static str = "kafka-consumer-groups";

    fn run(&self) -> Result<(), Failure> {
        self.check()?;
        if let Some(regex) = &self.validate_regex {
            return write_out(&validated(regex));
        }
        let tool = GroupTool { name: Self::NAME, kind: "consumer", fails: false };
        tool.run(&self.connection, async |admin| self.act(admin).await)
    }
}

impl ConsumerGroups {
    async fn act(&self, admin: &Admin) -> Done<()> {
        if self.list {
            return self.print_groups(admin).await;
        }
        if self.describe {
            return describe::run(self, admin).await;
        }
        if self.delete {
            return remove::groups(self, admin).await;
        }
        if self.delete_offsets {
            let group = self.groups.last().map_or("", String::as_str);
            return delete_offsets::of_words(admin, group, &self.topics).await;
        }
        reset::run(self, admin).await
    }

    /// Refuses what Kafka's tool refuses, in its words.
    fn check(&self) -> Result<(), Failure> {
        let actions = [
            self.list,
            self.describe,
            self.delete,
            self.reset_offsets,
            self.delete_offsets,
            self.validate_regex.is_some(),
        ];
        if self.validate_regex.is_none() {
            self.connection.bootstrap()?;
        }
        let has_groups = !self.groups.is_empty();
        let names_groups = has_groups || self.all_groups;
        let of_groups = "takes one of these options: [group], [all-groups]";
        first_refusal([(self.describe && !names_groups, format!("Option [describe] {of_groups}"))])?;
        first_refusal(self.details.refusals(self.describe))?;
        first_refusal([
            (self.delete && !names_groups, format!("Option [delete] {of_groups}")),
            (
                self.delete && !self.topics.is_empty(),
                "The consumer does not support topic-specific offset deletion from a consumer group.".to_string(),
            ),
            (
                self.delete_offsets && (!has_groups || self.topics.is_empty()),
                "Option [delete-offsets] takes the following options: [group], [topic]".to_string(),
            ),
            (
                self.reset_offsets && self.execution.dry_run && self.execution.execute,
                "Option [reset-offsets] only accepts one of [execute] and [dry-run]".to_string(),
            ),
        ])?;
        if self.reset_offsets {
            reset::check(self)?;
        }
        first_refusal([
            (has_groups && self.all_groups, conflict("group", "all-groups")),
            (has_groups && self.list, conflict("group", "list")),
            (!self.topics.is_empty() && self.list, conflict("topic", "list")),
            (!self.topics.is_empty() && self.describe, conflict("topic", "describe")),
        ])?;
        if actions.iter().filter(|is_wanted| **is_wanted).count() != 1 {
            let all = "--list, --describe, --delete, --reset-offsets, --delete-offsets, --validate-regex";
            return Err(usage(format!("Command must include exactly one action: {all}")));
        }
        Ok(())
    }

    /// The groups that were named, or all.
    async fn wanted_groups(&self, admin: &Admin) -> Done<Vec<String>> {
        if !self.all_groups {
            return Ok(self.groups.clone());
        }
        let listed = admin.list_groups(&[], &["Classic", "Consumer"]).await?;
        Ok(listed.into_iter().filter(is_of_consumers).map(|group| group.group_id).collect())
    }

    async fn print_groups(&self, admin: &Admin) -> Done<()> {
        let states = parse_states(self.details.state.as_deref().unwrap_or_default(), STATES)?;
        let types = parse_words(self.group_type.as_deref(), TYPES).map_err(|_| {
            let given = self.group_type.as_deref().unwrap_or_default();
            Trouble::Usage(format!("Invalid types list '{given}'. Valid types are: {}", TYPES.join(", ")))
        })?;
        let is_plain = self.details.state.is_none() && self.group_type.is_none();
        let types = if is_plain { TYPES.to_vec() } else { types };
        let listed = admin.list_groups(&states, &types).await?;
        let groups: Vec<GroupListing> = listed.into_iter().filter(is_of_consumers).collect();
        let text = match is_plain {
            true => groups.iter().map(|group| format!("{}\n", group.group_id)).collect(),
            false => listing(&groups, self.group_type.is_some(), self.details.state.is_some()),
        };
        Ok(write_out(&text)?)
    }
}

/// States that a group of consumers can be in.
const STATES: &[&str] =
    &["PreparingRebalance", "CompletingRebalance", "Stable", "Dead", "Empty", "Assigning", "Reconciling"];
const TYPES: &[&str] = &["Classic", "Consumer"];

fn is_of_consumers(group: &GroupListing) -> bool {
    ["", "consumer"].contains(&group.protocol_type.as_str())
}

fn listing(groups: &[GroupListing], with_type: bool, with_state: bool) -> String {
    let width = groups.iter().map(|group| group.group_id.chars().count().max(15)).max().unwrap_or(15) + 10;
    let line = |group: &str, group_type: &str, state: &str| {
        let mut line = format!("{group:<width$}");
        if with_type {
            line += &format!(" {group_type:<20}");
        }
        if with_state {
            line += &format!(" {state:<20}");
        }
        line + "\n"
    };
    let head = line("GROUP", "TYPE", "STATE");
    let known = |text: &str, known: &[&str]| {
        let found = known.iter().find(|known| known.eq_ignore_ascii_case(text));
        found.map_or("Unknown".to_string(), ToString::to_string)
    };
    let row =
        |group: &GroupListing| line(&group.group_id, &known(&group.group_type, TYPES), &known(&group.state, STATES));
    head + &groups.iter().map(row).collect::<String>()
}

fn validated(pattern: &str) -> String {
    match Re2Pattern::compile(pattern) {
        Ok(_) => format!("The regular expression `{pattern}` is valid.\n"),
        Err(reason) => format!("The regular expression `{pattern}` is invalid: {reason}.\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn refusal(line: &str) -> String {
        let words = ["kafka-consumer-groups"].into_iter().chain(line.split_whitespace());
        ConsumerGroups::try_parse_from(words).unwrap().check().map_or_else(|failure| failure.cause, |()| String::new())
    }

    #[test]
    fn a_command_line_is_refused_in_kafkas_words() {
        let cases = [
            ("--list", "Missing required argument \"[bootstrap-server]\""),
            (
                "--bootstrap-server a:1 --describe",
                "Option [describe] takes one of these options: [group], [all-groups]",
            ),
            ("--bootstrap-server a:1 --list --group g", "Option \"[group]\" can't be used with option \"[list]\""),
            (
                "--bootstrap-server a:1 --delete-offsets --group g",
                "Option [delete-offsets] takes the following options: [group], [topic]",
            ),
            ("--bootstrap-server a:1 --describe --group g --state", ""),
            (
                "--bootstrap-server a:1 --describe --group g --state Empty",
                "Option [describe] does not take a value for [state]",
            ),
            ("--bootstrap-server a:1 --list --state", ""),
            ("--validate-regex x.*", ""),
        ];
        for (line, expected) in cases {
            assert_eq!(refusal(line), expected, "{line}");
        }
        assert!(refusal("--bootstrap-server a:1 --list --delete --group g").starts_with("Option"));
        assert!(refusal("--bootstrap-server a:1").starts_with("Command must include exactly one action: --list"));
    }

    #[test]
    fn states_and_types_are_taken_in_any_case() {
        assert_eq!(parse_words(Some("stable, EMPTY"), STATES).unwrap(), ["Stable", "Empty"]);
        assert_eq!(parse_words(Some(""), STATES).unwrap(), [""; 0]);
        assert!(parse_words(Some("nonsense"), STATES).is_err());
    }

    #[test]
    fn listings_have_kafkas_columns() {
        let group = GroupListing {
            group_id: "g".to_string(),
            protocol_type: "consumer".to_string(),
            state: "Empty".to_string(),
            group_type: "classic".to_string(),
        };
        let text = listing(&[group], true, true);
        let expected =
            format!("{:<25} {:<20} {:<20}\n{:<25} {:<20} {:<20}\n", "GROUP", "TYPE", "STATE", "g", "Classic", "Empty");
        assert_eq!(text, expected);
    }
}
