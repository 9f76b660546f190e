//! `kafka-get-offsets`.

use super::KafkaTool;
use super::shared::{Cluster, TopicPattern, check_bootstrap, matching_topics, required};
use ottla_client::{Admin, Client, Isolation, OffsetSpec};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use ottla_types::TopicPartition;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

/// Print the offsets of partitions, one line topic:partition:offset for each.
#[derive(Debug, clap::Parser)]
pub(super) struct GetOffsets {
    /// REQUIRED: The server(s) to connect to in the form HOST1:PORT1,HOST2:PORT2.
    #[arg(long, value_name = "HOST1:PORT1,...,HOST3:PORT3")]
    bootstrap_server: Option<String>,
    /// Patterns of partitions, separated by commas: a regular expression for the topic, and behind a colon a number, or a
    /// range whose upper end does not belong to it.
    #[arg(long, value_name = "topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3")]
    topic_partitions: Option<String>,
    /// The topic; a regular expression. Without it, all topics.
    #[arg(long)]
    topic: Option<String>,
    /// Partitions, separated by commas. Without it, all partitions.
    #[arg(long, value_name = "partition ids")]
    partitions: Option<String>,
    /// Which offset.
    #[arg(
        long,
        default_value = "latest",
        value_name = "<timestamp> / -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / -5 or \
                      latest-tiered / -6 or earliest-pending-upload"
    )]
    time: String,
    /// Property file containing configs of the client.
    #[arg(long, value_name = "config file")]
    command_config: Option<PathBuf>,
    /// Leave out internal topics.
    #[arg(long)]
    exclude_internal_topics: bool,
}

/// A pattern of `--topic-partitions`.
struct Rule {
    topic: TopicPattern,
    partitions: Partitions,
}

/// Partitions of a rule.
#[derive(Debug, PartialEq, Eq)]
enum Partitions {
    All,
    Some(BTreeSet<i32>),
    /// From, and up to but without.
    Range(i32, i32),
}

impl KafkaTool for GetOffsets {
    const NAME: &'static str = "kafka-get-offsets";

    fn run(&self) -> Result<(), Failure> {
        let bootstrap = required(&self.bootstrap_server, "bootstrap-server")?;
        check_bootstrap(bootstrap)?;
        let (rules, spec) = self.wanted().map_err(occurred)?;
        let cluster = Cluster::new(bootstrap, self.command_config.as_deref(), &[], "GetOffsetShell")?;
        cluster.run(Threads::One, async |client: Client| {
            self.print(&Admin::new(&client), &rules, spec).await.map_err(occurred)
        })
    }
}

impl GetOffsets {
    fn wanted(&self) -> Result<(Vec<Rule>, OffsetSpec), Failure> {
        if self.topic_partitions.is_some() && (self.topic.is_some() || self.partitions.is_some()) {
            return Err(Failure::new("--topic-partitions cannot be used with --topic or --partitions"));
        }
        let spec = offset_spec(&self.time)?;
        let rules = match &self.topic_partitions {
            Some(patterns) => patterns.split(',').map(Rule::parse).collect::<Result<_, _>>()?,
            None => {
                let topic = TopicPattern::new(self.topic.as_deref().unwrap_or(".*"))?;
                vec![Rule { topic, partitions: partition_set(self.partitions.as_deref())? }]
            }
        };
        Ok((rules, spec))
    }

    async fn print(&self, admin: &Admin, rules: &[Rule], spec: OffsetSpec) -> Result<(), Failure> {
        let cluster = admin.list_topics().await?;
        let mut partitions = Vec::new();
        for topic in matching_topics(&cluster, None, !self.exclude_internal_topics) {
            let known = cluster.topics.get(&topic).and_then(|topic| topic.partitions.as_ref().ok());
            for partition in known.into_iter().flatten().map(|partition| partition.partition) {
                if rules.iter().any(|rule| rule.topic.matches(&topic) && rule.partitions.contain(partition)) {
                    partitions.push(TopicPartition::new(topic.as_str(), partition));
                }
            }
        }
        if partitions.is_empty() {
            return Err(Failure::new("Could not match any topic-partitions with the specified filters"));
        }
        // Kafka's order: that of the names with their numbers.
        partitions.sort_by_key(ToString::to_string);
        let mut text = String::new();
        let wanted = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
        let mut listed = admin.list_offsets_each(&wanted, Isolation::ReadUncommitted).await;
        for partition in partitions {
            match listed.remove(&partition).map(|listed| listed.map(|found| found.offset)) {
                None | Some(Ok(-1)) => {}
                Some(Ok(offset)) => {
                    let _ = writeln!(text, "{}:{}:{offset}", partition.topic, partition.partition);
                }
                Some(Err(error)) => {
                    eprintln!("Skip getting offsets for topic-partition {partition} due to error: {error}");
                }
            }
        }
        write_out(&text)
    }
}

impl Rule {
    fn parse(text: &str) -> Result<Rule, Failure> {
        let invalid = || Failure::new(format!("Invalid rule specification: {text}"));
        let (topic, partitions) = text.split_once(':').unwrap_or((text, ""));
        let topic = TopicPattern::new(if topic.is_empty() { ".*" } else { topic })?;
        let number = |text: &str, default: i32| match text {
            "" => Ok(default),
            text => text.parse::<i32>().ok().filter(|number| *number >= 0).ok_or_else(invalid),
        };
        let partitions = match partitions.split_once('-') {
            Some((from, to)) => Partitions::Range(number(from, 0)?, number(to, i32::MAX)?),
            None if partitions.is_empty() => Partitions::All,
            None => Partitions::Some([number(partitions, 0)?].into()),
        };
        Ok(Rule { topic, partitions })
    }
}

impl Partitions {
    fn contain(&self, partition: i32) -> bool {
        match self {
            Partitions::All => true,
            Partitions::Some(some) => some.contains(&partition),
            Partitions::Range(from, to) => (*from..*to).contains(&partition),
        }
    }
}

fn partition_set(text: Option<&str>) -> Result<Partitions, Failure> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Partitions::All) };
    let numbers: Result<BTreeSet<i32>, _> = text.split(',').map(str::parse).collect();
    numbers.map(Partitions::Some).map_err(|_| {
        let expected = "--partitions expects a comma separated list of numeric partition ids, but received: ";
        Failure::new(format!("{expected}{text}"))
    })
}

/// The offset that a `--time` means.
fn offset_spec(text: &str) -> Result<OffsetSpec, Failure> {
    Ok(match text {
        "latest" | "-1" => OffsetSpec::Latest,
        "earliest" | "-2" => OffsetSpec::Earliest,
        "max-timestamp" | "-3" => OffsetSpec::MaxTimestamp,
        "earliest-local" | "-4" => OffsetSpec::EarliestLocal,
        "latest-tiered" | "-5" => OffsetSpec::LatestTiered,
        "earliest-pending-upload" | "-6" => OffsetSpec::EarliestPendingUpload,
        timestamp => OffsetSpec::AtTimestamp(timestamp.parse().map_err(|_| {
            Failure::new(format!(
                "Malformed time argument {timestamp}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 \
                 or earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload, or a specified long format timestamp"
            ))
        })?),
    })
}

fn occurred(failure: Failure) -> Failure {
    Failure { cause: format!("Error occurred: {}", failure.cause), ..failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_name_topics_and_ranges() {
        let partitions = |text: &str| Rule::parse(text).map(|rule| rule.partitions).map_err(|failure| failure.cause);
        assert_eq!(partitions("t"), Ok(Partitions::All));
        assert_eq!(partitions("t:7"), Ok(Partitions::Some([7].into())));
        assert_eq!(partitions(":2-4"), Ok(Partitions::Range(2, 4)));
        assert_eq!(partitions("t:-4"), Ok(Partitions::Range(0, 4)));
        assert_eq!(partitions("t:4-"), Ok(Partitions::Range(4, i32::MAX)));
        assert_eq!(partitions("t:x"), Err("Invalid rule specification: t:x".to_string()));
        let range = Partitions::Range(2, 4);
        assert_eq!([1, 2, 3, 4].map(|partition| range.contain(partition)), [false, true, true, false]);
    }

    #[test]
    fn times_have_names_numbers_and_milliseconds() {
        assert_eq!(offset_spec("-2").unwrap(), OffsetSpec::Earliest);
        assert_eq!(offset_spec("max-timestamp").unwrap(), OffsetSpec::MaxTimestamp);
        assert_eq!(offset_spec("1700000000000").unwrap(), OffsetSpec::AtTimestamp(1_700_000_000_000));
        assert!(offset_spec("now").unwrap_err().cause.starts_with("Malformed time argument now."));
    }
}
