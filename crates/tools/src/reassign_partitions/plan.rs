//! The files of `kafka-reassign-partitions`: which partition goes to which brokers, and which topics are to be moved.

use super::stopped::Stopped;
use ottla_types::TopicPartition;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The log directory that the broker chooses.
const ANY_LOG_DIR: &str = "any";
/// The one version of the files.
const VERSION: i32 = 1;

/// Brokers of partitions, the preferred leader first.
pub(super) type Assignments = BTreeMap<TopicPartition, Vec<i32>>;

/// A replica; they are listed by broker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Replica {
    pub(super) broker: i32,
    pub(super) partition: TopicPartition,
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.partition, self.broker)
    }
}

/// What is wanted, in the order of the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) partitions: Vec<(TopicPartition, Vec<i32>)>,
    /// Log directories that are named.
    pub(super) log_dirs: BTreeMap<Replica, String>,
}

#[derive(Deserialize)]
struct PlanFile {
    version: Option<i32>,
    partitions: Option<Vec<PlanRow>>,
}

#[derive(Deserialize)]
struct PlanRow {
    topic: Option<String>,
    partition: Option<i32>,
    replicas: Option<Vec<i32>>,
    log_dirs: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct TopicsFile {
    version: Option<i32>,
    topics: Option<Vec<TopicRow>>,
}

#[derive(Deserialize)]
struct TopicRow {
    topic: Option<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    version: i32,
    partitions: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    topic: &'a str,
    partition: i32,
    replicas: &'a [i32],
    log_dirs: Vec<&'a str>,
}

impl Plan {
    /// Reads the file of `--reassignment-json-file`.
    pub(super) fn parse(text: &str) -> Result<Plan, Stopped> {
        let file: PlanFile = serde_json::from_str(text).map_err(|error| Stopped::error(error.to_string()))?;
        check_version(file.version)?;
        let mut plan = Plan::default();
        for row in file.partitions.unwrap_or_default() {
            let partition = TopicPartition::new(field(row.topic, "topic")?, field(row.partition, "partition")?);
            let replicas = field(row.replicas, "replicas")?;
            let log_dirs = row.log_dirs.unwrap_or_else(|| vec![ANY_LOG_DIR.to_string(); replicas.len()]);
            if log_dirs.len() != replicas.len() {
                return Err(Stopped::error(format!(
                    "Size of replicas list [{}] is different from size of log dirs list [{}] for partition {partition}",
                    joined(&replicas, ", "),
                    log_dirs.join(", ")
                )));
            }
            for (broker, log_dir) in replicas.iter().zip(log_dirs).filter(|(_, log_dir)| log_dir != ANY_LOG_DIR) {
                plan.log_dirs.insert(Replica { broker: *broker, partition: partition.clone() }, log_dir);
            }
            plan.partitions.push((partition, replicas));
        }
        Ok(plan)
    }

    /// The partitions, if they can be moved as they stand there.
    pub(super) fn assignments(&self) -> Result<Assignments, Stopped> {
        if self.partitions.is_empty() {
            return Err(Stopped::error("Partition reassignment list cannot be empty"));
        }
        if self.partitions.iter().any(|(_, replicas)| replicas.is_empty()) {
            return Err(Stopped::error("Partition replica list cannot be empty"));
        }
        let twice = duplicates(self.partitions.iter().map(|(partition, _)| partition));
        if !twice.is_empty() {
            let names = joined(twice, ",");
            return Err(Stopped::error(format!("Partition reassignment contains duplicate topic partitions: {names}")));
        }
        let rows = self.partitions.iter().map(|(partition, replicas)| (partition, duplicates(replicas.iter())));
        let rows = rows.filter(|(_, twice)| !twice.is_empty()).map(|(partition, twice)| {
            let brokers = joined(twice, ",");
            format!("{partition} contains multiple entries for {brokers}")
        });
        let rows: Vec<String> = rows.collect();
        match rows.is_empty() {
            true => Ok(self.partitions.iter().cloned().collect()),
            false => Err(Stopped::error(format!(
                "Partition replica lists may not contain duplicate entries: {}",
                rows.join(". ")
            ))),
        }
    }

    /// Names of its topics.
    pub(super) fn topics(&self) -> BTreeSet<String> {
        self.partitions.iter().map(|(partition, _)| partition.topic.to_string()).collect()
    }
}

/// Reads the file of `--topics-to-move-json-file`.
pub(super) fn topics(text: &str) -> Result<BTreeSet<String>, Stopped> {
    let file: TopicsFile =
        serde_json::from_str(text).map_err(|_| Stopped::error("The input string is not a valid JSON"))?;
    check_version(file.version)?;
    let topics = file.topics.unwrap_or_default().into_iter().map(|row| field(row.topic, "topic"));
    let topics = topics.collect::<Result<Vec<String>, Stopped>>()?;
    let twice = duplicates(topics.iter());
    if !twice.is_empty() {
        let names = joined(twice, ", ");
        return Err(Stopped::error(format!("List of topics to reassign contains duplicate entries: [{names}]")));
    }
    Ok(topics.into_iter().collect())
}

/// The file for these assignments; a replica whose log directory is not known may be in any.
pub(super) fn document(assignments: &Assignments, log_dirs: &BTreeMap<Replica, String>) -> Result<String, Stopped> {
    let partitions = assignments.iter().map(|(partition, replicas)| {
        let log_dir = |broker: &i32| {
            let replica = Replica { broker: *broker, partition: partition.clone() };
            log_dirs.get(&replica).map_or(ANY_LOG_DIR, String::as_str)
        };
        let log_dirs = replicas.iter().map(log_dir).collect();
        Row { topic: &partition.topic, partition: partition.partition, replicas, log_dirs }
    });
    let document = Document { version: VERSION, partitions: partitions.collect() };
    serde_json::to_string(&document).map_err(|error| Stopped::error(error.to_string()))
}

fn check_version(version: Option<i32>) -> Result<(), Stopped> {
    match version.unwrap_or(VERSION) {
        VERSION => Ok(()),
        other => Err(Stopped::error(format!("Not supported version field value {other}"))),
    }
}

fn field<T>(value: Option<T>, name: &str) -> Result<T, Stopped> {
    value.ok_or_else(|| Stopped::error(format!("No such field exists: `{name}`")))
}

/// What stands there more than once.
pub(super) fn duplicates<T: Ord + Copy>(items: impl Iterator<Item = T>) -> BTreeSet<T> {
    let mut seen = BTreeSet::new();
    items.filter(|item| !seen.insert(*item)).collect()
}

/// Texts of many things as one.
pub(super) fn joined<T: fmt::Display>(items: impl IntoIterator<Item = T>, separator: &str) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause<T: fmt::Debug>(result: Result<T, Stopped>) -> String {
        match result {
            Err(Stopped::Error(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_is_read_and_written() {
        let text = r#"{"partitions":[{"topic":"t","partition":1,"replicas":[2,1],"log_dirs":["any","/d"]},
            {"topic":"t","partition":0,"replicas":[3]}]}"#;
        let plan = Plan::parse(text).unwrap();
        let replica = Replica { broker: 1, partition: TopicPartition::new("t", 1) };
        assert_eq!(plan.log_dirs, [(replica, "/d".to_string())].into());
        let written = document(&plan.assignments().unwrap(), &plan.log_dirs).unwrap();
        let expected = concat!(
            r#"{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[3],"log_dirs":["any"]},"#,
            r#"{"topic":"t","partition":1,"replicas":[2,1],"log_dirs":["any","/d"]}]}"#
        );
        assert_eq!(written, expected);
    }

    #[test]
    fn files_that_make_no_sense_are_refused_in_kafkas_words() {
        let plan = |rows: &str| Plan::parse(&format!("{{\"partitions\":[{rows}]}}"));
        assert_eq!(cause(Plan::parse("{\"version\":2}")), "Not supported version field value 2");
        assert_eq!(cause(plan(r#"{"topic":"t","partition":0}"#)), "No such field exists: `replicas`");
        let row = r#"{"topic":"t","partition":0,"replicas":[1,2],"log_dirs":["a"]}"#;
        let expected = "Size of replicas list [1, 2] is different from size of log dirs list [a] for partition t-0";
        assert_eq!(cause(plan(row)), expected);
        let assignments = |rows: &str| cause(plan(rows).unwrap().assignments());
        assert_eq!(assignments(""), "Partition reassignment list cannot be empty");
        let row = r#"{"topic":"t","partition":0,"replicas":[1]}"#;
        let expected = "Partition reassignment contains duplicate topic partitions: t-0";
        assert_eq!(assignments(&format!("{row},{row}")), expected);
        let expected = "Partition replica lists may not contain duplicate entries: t-0 contains multiple entries for 1";
        assert_eq!(assignments(r#"{"topic":"t","partition":0,"replicas":[1,2,1]}"#), expected);
        let expected = "List of topics to reassign contains duplicate entries: [t]";
        assert_eq!(cause(topics(r#"{"topics":[{"topic":"t"},{"topic":"t"}]}"#)), expected);
        assert_eq!(cause(topics("x")), "The input string is not a valid JSON");
    }
}
