//! `--reset-offsets`, with plans as CSV files.

use super::{ConsumerGroups, Done, Trouble, error_line};
use crate::failure::Failure;
use crate::group::offsets::{TopicWord, named_partitions};
use crate::group::parse_datetime;
use crate::group::reset::{Note, ResetError, Target, ago, new_offsets};
use crate::kafka::shared::usage;
use crate::output::write_out;
use ottla_client::{Admin, OffsetAndMetadata, Offsets};
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

type Plan = BTreeMap<String, BTreeMap<TopicPartition, i64>>;

/// Scenarios by the names of their options.
fn scenarios(tool: &ConsumerGroups) -> [(&'static str, bool); 8] {
    [
        ("to-offset", tool.to_offset.is_some()),
        ("shift-by", tool.shift_by.is_some()),
        ("to-datetime", tool.to_datetime.is_some()),
        ("by-duration", tool.by_duration.is_some()),
        ("to-earliest", tool.to_earliest),
        ("to-latest", tool.to_latest),
        ("to-current", tool.to_current),
        ("from-file", tool.from_file.is_some()),
    ]
}

pub(super) fn check(tool: &ConsumerGroups) -> Result<(), Failure> {
    if !tool.dry_run && !tool.execute {
        eprintln!(
            "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command will \
             require either --dry-run or --execute to be specified. You should add the --dry-run option explicitly if \
             you are scripting this command and want to keep the current default behavior without prompting."
        );
    }
    if tool.groups.is_empty() && !tool.all_groups {
        return Err(usage("Option [reset-offsets] takes one of these options: [group], [all-groups]"));
    }
    let used: Vec<&str> = scenarios(tool).into_iter().filter(|(_, is_used)| *is_used).map(|(name, _)| name).collect();
    match used[..] {
        [first, second, ..] => Err(usage(format!("Option \"[{first}]\" can't be used with option \"[{second}]\""))),
        _ => Ok(()),
    }
}

pub(super) async fn run(tool: &ConsumerGroups, admin: &Admin) -> Done<()> {
    let plan = match &tool.from_file {
        Some(file) => {
            let text = std::fs::read_to_string(file);
            let text =
                text.map_err(|error| Trouble::Said(format!("Unable to read file {}: {error}", file.display())))?;
            Some(parse_plan(&text, &tool.groups).map_err(Trouble::Said)?)
        }
        None => None,
    };
    let mut results = Plan::new();
    for group in tool.wanted_groups(admin).await? {
        let state = match admin.describe_group(&group).await {
            Ok(described) => described.state,
            Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => "Dead".to_string(),
            Err(error) => return Err(error.into()),
        };
        let offsets = match state.as_str() {
            "Empty" | "Dead" => reset_one(tool, admin, &group, plan.as_ref()).await?,
            _ => {
                let cause = format!(
                    "Assignments can only be reset if the group '{group}' is inactive, but the current state is {state}."
                );
                write_out(&error_line(&cause))?;
                BTreeMap::new()
            }
        };
        results.insert(group, offsets);
    }
    let text = if tool.export { csv(&results, tool.groups.len() == 1) + "\n" } else { table(&results) };
    Ok(write_out(&text)?)
}

async fn reset_one(
    tool: &ConsumerGroups,
    admin: &Admin,
    group: &str,
    plan: Option<&Plan>,
) -> Done<BTreeMap<TopicPartition, i64>> {
    let committed = admin.list_group_offsets(group).await?;
    let partitions = partitions(tool, admin, &committed).await?;
    let target = match target(tool)? {
        Some(target) => target,
        None => match plan.and_then(|plan| plan.get(group)) {
            Some(of_group) => Target::Plan(of_group.clone()),
            None => {
                write_out(&error_line(&format!("No reset plan for group {group} found")))?;
                return Ok(BTreeMap::new());
            }
        },
    };
    let (offsets, notes) = new_offsets(admin, &committed, &partitions, &target).await.map_err(trouble)?;
    for note in notes {
        match note {
            Note::NothingSince(_) => write_out(&format!("\nWarn: {note}\n"))?,
            Note::AboveLatest(..) | Note::BelowEarliest(..) => eprintln!("WARN {note}"),
        }
    }
    if tool.execute {
        let wanted = offsets.iter().map(|(partition, offset)| (partition.clone(), OffsetAndMetadata::new(*offset)));
        admin.alter_group_offsets(group, &wanted.collect()).await?;
    }
    Ok(offsets)
}

async fn partitions(tool: &ConsumerGroups, admin: &Admin, committed: &Offsets) -> Done<BTreeSet<TopicPartition>> {
    if tool.all_topics {
        return Ok(committed.keys().cloned().collect());
    }
    if tool.topics.is_empty() {
        return match tool.from_file {
            Some(_) => Ok(BTreeSet::new()),
            None => {
                Err(Trouble::Usage("One of the reset scopes should be defined: --all-topics, --topic.".to_string()))
            }
        };
    }
    let words = tool.topics.iter().map(|word| TopicWord::parse(word)).collect::<Result<Vec<_>, _>>();
    let named = named_partitions(admin, &words.map_err(Trouble::Usage)?).await;
    named.map_err(|(_, error)| Trouble::Said(crate::kafka::java::described_error(&error)))
}

/// What the options say; `None` for a plan in a file.
fn target(tool: &ConsumerGroups) -> Done<Option<Target>> {
    if tool.to_earliest {
        return Ok(Some(Target::Earliest));
    }
    if tool.to_latest {
        return Ok(Some(Target::Latest));
    }
    if let Some(text) = &tool.to_datetime {
        return parse_datetime(text).map(|time| Some(Target::Timestamp(time))).map_err(Trouble::Said);
    }
    if let Some(text) = &tool.by_duration {
        let ms = ottla_config::parse_iso8601_ms(text);
        let ms = ms.ok_or_else(|| Trouble::Said("Text cannot be parsed to a Duration".to_string()))?;
        return Ok(Some(Target::Timestamp(ago(ms))));
    }
    let number = tool.to_offset.map(Target::Offset).or(tool.shift_by.map(Target::ShiftBy));
    match (number, tool.to_current, &tool.from_file) {
        (Some(target), ..) => Ok(Some(target)),
        (None, true, _) => Ok(Some(Target::Current)),
        (None, false, Some(_)) => Ok(None),
        (None, false, None) => {
            let all = scenarios(tool).map(|(name, _)| format!("[{name}]")).join(", ");
            Err(Trouble::Usage(format!("Option '[reset-offsets]' requires one of the following scenarios: [{all}]")))
        }
    }
}

fn trouble(error: ResetError) -> Trouble {
    match error {
        ResetError::NothingCommitted(_) => Trouble::Usage(error.to_string()),
        ResetError::Client(error) => error.into(),
        other => Trouble::Said(other.to_string()),
    }
}

fn table(results: &Plan) -> String {
    let group_width = results.keys().map(|group| group.chars().count()).max().unwrap_or(0).max(15);
    let topics = results.values().flat_map(|offsets| offsets.keys().map(|partition| partition.topic.chars().count()));
    let topic_width = topics.max().unwrap_or(0).max(15);
    let line = |group: &str, topic: &str, partition: &str, offset: &str| {
        format!("\n{group:<group_width$} {topic:<topic_width$} {partition:<10} {offset}")
    };
    let mut text = match results.is_empty() {
        true => String::new(),
        false => line("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"),
    };
    for (group, offsets) in results {
        for (partition, offset) in offsets {
            text += &line(group, &partition.topic, &partition.partition.to_string(), &offset.to_string());
        }
    }
    text + "\n"
}

fn csv(results: &Plan, is_single: bool) -> String {
    let quoted = |text: &str| match text.contains([',', '"', '\n', '\r', ' ']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_string(),
    };
    let mut text = String::new();
    for (group, offsets) in results {
        for (partition, offset) in offsets {
            if !is_single {
                text += &format!("{},", quoted(group));
            }
            text += &format!("{},{},{offset}\n", quoted(&partition.topic), partition.partition);
        }
    }
    text
}

/// Lines `topic,partition,offset` for the one group that was named, or `group,topic,partition,offset`.
fn parse_plan(text: &str, groups: &[String]) -> Result<Plan, String> {
    let mut plan = Plan::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let fields = fields(line);
        let wrong = || format!("the line '{line}' is not of the form [group,]topic,partition,offset");
        let (group, rest) = match (groups, fields.len()) {
            ([group], 3) => (group.clone(), &fields[..]),
            (_, 4) => (fields[0].clone(), &fields[1..]),
            _ => return Err(wrong()),
        };
        let (partition, offset) = rest[1].parse().ok().zip(rest[2].parse().ok()).ok_or_else(wrong)?;
        plan.entry(group).or_default().insert(TopicPartition::new(rest[0].as_str(), partition), offset);
    }
    Ok(plan)
}

/// The fields of a line of CSV.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.trim().chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                field.push('"');
                chars.next();
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_exported_and_read_again() {
        let offsets: BTreeMap<_, _> = [(TopicPartition::new("t", 0), 5), (TopicPartition::new("t", 1), 7)].into();
        let plan: Plan = [("a, b".to_string(), offsets)].into();
        let named = ["a, b".to_string()];
        assert_eq!(csv(&plan, true), "t,0,5\nt,1,7\n");
        assert_eq!(parse_plan(&csv(&plan, true), &named), Ok(plan.clone()));
        assert_eq!(csv(&plan, false), "\"a, b\",t,0,5\n\"a, b\",t,1,7\n");
        assert_eq!(parse_plan(&csv(&plan, false), &[]), Ok(plan.clone()));
        assert!(parse_plan("t,0\n", &named).is_err());
        let expected = "\nGROUP           TOPIC           PARTITION  NEW-OFFSET\na, b            t               0          5\na, b            t               1          7\n";
        assert_eq!(table(&plan), expected);
        assert_eq!(table(&Plan::new()), "\n");
    }
}
