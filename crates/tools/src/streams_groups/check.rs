//! What `kafka-streams-groups` refuses before it talks to a broker, in Kafka's words and order.

use super::StreamsGroups;
use crate::group_tools::{conflict, first_refusal};
use crate::shared::usage;
use ottla_terminal::failure::Failure;

const OF_GROUPS: &str = "takes one of these options: [all-groups], [group]";

pub(super) fn command_line(tool: &StreamsGroups) -> Result<(), Failure> {
    tool.details.check_available(tool.describe, tool.list)?;
    tool.connection.bootstrap()?;
    let (has_groups, has_topics) = (!tool.groups.is_empty(), !tool.input_topics.is_empty());
    first_refusal([(tool.describe && !has_groups && !tool.all_groups, format!("Option [describe] {OF_GROUPS}"))])?;
    first_refusal(tool.details.refusals(tool.describe))?;
    first_refusal([
        (tool.delete && !has_groups && !tool.all_groups, format!("Option [delete] {OF_GROUPS}")),
        (
            tool.delete && (has_topics || tool.all_input_topics),
            "Kafka Streams does not support topic-specific offset deletion from a streams group.".to_string(),
        ),
        (
            tool.delete_offsets && !((has_topics || tool.all_input_topics) && has_groups),
            "Option [delete-offsets] takes the [group] and one of these options: [all-input-topics], [input-topic]"
                .to_string(),
        ),
        (
            tool.delete_offsets && tool.groups.len() > 1,
            format!(
                "Option [delete-offsets] supports only one [group] at a time, but found: [{}]",
                tool.groups.join(", ")
            ),
        ),
    ])?;
    if tool.reset_offsets {
        reset(tool)?;
    }
    internal_topics(tool)?;
    let actions = [tool.list, tool.describe, tool.delete, tool.reset_offsets, tool.delete_offsets];
    let all = "--list, --describe, --delete, --reset-offsets, or --delete-offsets.";
    first_refusal([
        (
            (tool.execution.dry_run || tool.execution.execute) && !tool.reset_offsets,
            "Only Option [reset-offsets] accepts [execute] or [dry-run]".to_string(),
        ),
        (tool.list && tool.details.members, conflict("list", "members")),
        (tool.list && tool.details.offsets, conflict("list", "offsets")),
        (has_groups && tool.all_groups, conflict("group", "all-groups")),
        (has_groups && tool.list, conflict("group", "list")),
        (has_topics && tool.list, conflict("input-topic", "list")),
        (has_topics && tool.describe, conflict("input-topic", "describe")),
        (has_topics && tool.delete, conflict("input-topic", "delete")),
        (
            actions.iter().filter(|is_wanted| **is_wanted).count() != 1,
            format!("Command must include exactly one action: {all}"),
        ),
    ])
}

fn reset(tool: &StreamsGroups) -> Result<(), Failure> {
    let [both, none] = tool.execution.refusals();
    let refusals = [both, none, (tool.groups.is_empty() && !tool.all_groups, OF_GROUPS)];
    first_refusal(refusals.map(|(is_wrong, cause)| (is_wrong, format!("Option [reset-offsets] {cause}"))))?;
    tool.scenarios.conflict().map_or(Ok(()), |cause| Err(usage(cause)))
}

fn internal_topics(tool: &StreamsGroups) -> Result<(), Failure> {
    let all = "Option [delete-all-internal-topics] takes";
    let is_one = !tool.delete_all_internal_topics && !tool.delete_internal_topics.is_empty();
    first_refusal([
        (
            tool.delete_all_internal_topics && !tool.reset_offsets && !tool.delete,
            format!("{all} one of these options: [delete], [reset-offsets]"),
        ),
        (
            tool.delete_all_internal_topics && tool.reset_offsets && !tool.execution.execute,
            format!("{all} [execute] when [reset-offsets] is used."),
        ),
        (
            is_one && !(tool.reset_offsets && tool.execution.execute),
            "Option [delete-internal-topic] takes [reset-offsets] when [execute] is used.".to_string(),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn refusal(line: &str) -> String {
        let words = "kafka-streams-groups --bootstrap-server a:1".split(' ').chain(line.split_whitespace());
        let tool = StreamsGroups::try_parse_from(words).unwrap();
        command_line(&tool).map_or_else(|failure| failure.cause, |()| String::new())
    }

    #[test]
    fn a_command_line_is_refused_in_kafkas_words() {
        let cases = [
            ("--list --state", ""),
            ("--describe --group g --members --verbose", ""),
            ("--describe", "Option [describe] takes one of these options: [all-groups], [group]"),
            ("--list --verbose", "Option(s) [verbose] are unavailable given other options on the command line"),
            (
                "--delete-offsets --group g",
                "Option [delete-offsets] takes the [group] and one of these options: [all-input-topics], [input-topic]",
            ),
            (
                "--delete-offsets --group g --group h --all-input-topics",
                "Option [delete-offsets] supports only one [group] at a time, but found: [g, h]",
            ),
            ("--reset-offsets --group g", "Option [reset-offsets] takes the option: [execute] or [dry-run]"),
            (
                "--reset-offsets --group g --dry-run --to-latest --to-offset 1",
                "Option \"[to-offset]\" can't be used with option \"[to-latest]\"",
            ),
            (
                "--reset-offsets --group g --dry-run --to-latest --delete-all-internal-topics",
                "Option [delete-all-internal-topics] takes [execute] when [reset-offsets] is used.",
            ),
            ("--list --execute", "Only Option [reset-offsets] accepts [execute] or [dry-run]"),
            ("--delete --group g --delete-all-internal-topics", ""),
        ];
        for (line, expected) in cases {
            assert_eq!(refusal(line), expected, "{line}");
        }
    }
}
