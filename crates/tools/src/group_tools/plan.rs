//! New offsets of groups, as tables and as CSV files.

use ottla_types::TopicPartition;
use std::collections::BTreeMap;

/// New offsets by group.
pub(crate) type Plan = BTreeMap<String, BTreeMap<TopicPartition, i64>>;

/// A table in columns that are as wide as what is in them.
pub(crate) fn table(results: &Plan) -> String {
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

/// Lines `[group,]topic,partition,offset`; without the group where a single one was named.
pub(crate) fn csv(results: &Plan, is_single: bool) -> String {
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
pub(crate) fn parse_plan(text: &str, groups: &[String]) -> Result<Plan, String> {
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
