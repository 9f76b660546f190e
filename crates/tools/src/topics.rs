//! `kafka-topics`.

mod check;
mod describe;

use super::KafkaTool;
use super::shared::{Cluster, TopicPattern, matching_topics};
use ottla_client::{Admin, Client, ClientError, NewPartitions, NewTopic};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use ottla_types::ErrorCode;
use std::path::PathBuf;

/// Create, delete, describe, or change a topic.
#[derive(Debug, clap::Parser)]
pub(super) struct Topics {
    /// REQUIRED: The Kafka server to connect to.
    #[arg(long, value_name = "server to connect to")]
    bootstrap_server: Option<String>,
    /// Property file containing configs of the client.
    #[arg(long, value_name = "file")]
    command_config: Option<PathBuf>,
    /// List all available topics.
    #[arg(long)]
    list: bool,
    /// Create a new topic.
    #[arg(long)]
    create: bool,
    /// Delete a topic.
    #[arg(long)]
    delete: bool,
    /// Alter the number of partitions.
    #[arg(long)]
    alter: bool,
    /// List details for the given topics.
    #[arg(long)]
    describe: bool,
    /// The topic to create, alter, describe or delete; a regular expression except for --create.
    #[arg(long)]
    topic: Option<String>,
    /// The topic id to describe.
    #[arg(long)]
    topic_id: Option<String>,
    /// A config of the topic to create; may be given several times.
    #[arg(long, value_name = "name=value")]
    config: Vec<String>,
    /// No longer supported.
    #[arg(long, hide = true)]
    delete_config: Vec<String>,
    /// The number of partitions of the topic to create or alter.
    #[arg(long, value_name = "# of partitions")]
    partitions: Option<i32>,
    /// Replicas of each partition of the topic to create.
    #[arg(long, value_name = "replication factor")]
    replication_factor: Option<i32>,
    /// Brokers of each partition of the topic to create or alter: 1:2,2:3 for two partitions.
    #[arg(long, value_name = "broker:broker,...")]
    replica_assignment: Option<String>,
    /// When describing, only show under-replicated partitions.
    #[arg(long)]
    under_replicated_partitions: bool,
    /// When describing, only show partitions whose leader is not available.
    #[arg(long)]
    unavailable_partitions: bool,
    /// When describing, only show partitions with fewer replicas in sync than configured.
    #[arg(long)]
    under_min_isr_partitions: bool,
    /// When describing, only show partitions with as many replicas in sync as configured.
    #[arg(long)]
    at_min_isr_partitions: bool,
    /// When describing, only show topics that have overridden configs.
    #[arg(long)]
    topics_with_overrides: bool,
    /// When altering, deleting or describing: a topic that does not exist is no failure.
    #[arg(long)]
    if_exists: bool,
    /// When creating: a topic that exists is no failure.
    #[arg(long)]
    if_not_exists: bool,
    /// Leave out internal topics when listing or describing.
    #[arg(long)]
    exclude_internal: bool,
    /// Accepted as Kafka's tool accepts it; answers need no limit here.
    #[arg(long, hide = true)]
    partition_size_limit_per_response: Option<i32>,
}

impl KafkaTool for Topics {
    const NAME: &'static str = "kafka-topics";

    fn run(&self) -> Result<(), Failure> {
        let bootstrap = self.check()?;
        let cluster = Cluster::new(bootstrap, self.command_config.as_deref(), &[], "kafka-topics")?;
        cluster.run(Threads::One, async |client: Client| {
            // Kafka's tool tells of failures on standard output.
            self.act(&Admin::new(&client)).await.or_else(|failure| {
                write_out(&format!("Error while executing topic command : {}\n", failure.cause))?;
                Err(Failure { next_step: failure.next_step, ..Failure::said() })
            })
        })
    }
}

impl Topics {
    async fn act(&self, admin: &Admin) -> Result<(), Failure> {
        match () {
            () if self.create => self.create(admin).await,
            () if self.alter => self.alter(admin).await,
            () if self.list => self.list(admin).await,
            () if self.describe => self.describe(admin).await,
            () => self.delete(admin).await,
        }
    }

    async fn create(&self, admin: &Admin) -> Result<(), Failure> {
        let name = self.topic.clone().unwrap_or_default();
        let configs = self.parsed_configs()?;
        if name.contains(['.', '_']) {
            write_out(
                "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could \
                 collide. To avoid issues it is best to use either, but not both.\n",
            )?;
        }
        let replication_factor = match self.replication_factor.map(i16::try_from) {
            Some(Ok(factor)) if factor < 1 => Err(()),
            Some(Err(_)) => Err(()),
            Some(Ok(factor)) => Ok(Some(factor)),
            None => Ok(None),
        };
        let replication_factor = replication_factor
            .map_err(|()| Failure::new("The replication factor must be between 1 and 32767 inclusive"))?;
        if self.partitions.is_some_and(|partitions| partitions < 1) {
            return Err(Failure::new("The partitions must be greater than 0"));
        }
        let assignments = self.assignments()?;
        let topic =
            NewTopic { name: name.clone(), partitions: self.partitions, replication_factor, configs, assignments };
        match admin.create_topic(&topic, false).await {
            Ok(_) => write_out(&format!("Created topic {name}.\n")),
            Err(error) if self.if_not_exists && error.code() == Some(ErrorCode::TopicAlreadyExists) => Ok(()),
            Err(error) => Err(in_kafkas_words(error)),
        }
    }

    async fn alter(&self, admin: &Admin) -> Result<(), Failure> {
        let total = self.partitions.unwrap_or_default();
        let assignments = self.assignments()?;
        for topic in self.existing(admin).await? {
            let mut wanted = NewPartitions::increase_to(total);
            if !assignments.is_empty() {
                // The list begins with the partitions that are there.
                let now = admin.describe_topic(&topic).await?.metadata.partitions?.len();
                wanted = wanted.on(assignments.iter().skip(now).cloned().collect());
            }
            admin.create_partitions(&topic, &wanted, false).await.map_err(in_kafkas_words)?;
        }
        Ok(())
    }

    async fn list(&self, admin: &Admin) -> Result<(), Failure> {
        let pattern = self.topic.as_deref().map(TopicPattern::new).transpose()?;
        let cluster = admin.list_topics().await?;
        let topics = matching_topics(&cluster, pattern.as_ref(), !self.exclude_internal);
        write_out(&(topics.join("\n") + "\n"))
    }

    async fn delete(&self, admin: &Admin) -> Result<(), Failure> {
        for topic in self.existing(admin).await? {
            admin.delete_topic(&topic).await.map_err(in_kafkas_words)?;
        }
        Ok(())
    }

    /// The topics that `--topic` means; none is a failure without `--if-exists`.
    async fn existing(&self, admin: &Admin) -> Result<Vec<String>, Failure> {
        let pattern = self.topic.as_deref().map(TopicPattern::new).transpose()?;
        let cluster = admin.list_topics().await?;
        let topics = matching_topics(&cluster, pattern.as_ref(), !self.exclude_internal);
        match &self.topic {
            Some(topic) if topics.is_empty() && !self.if_exists && !topic.is_empty() => {
                let names: Vec<String> = cluster.topics.into_keys().collect();
                let next_step = Failure::unknown_topic(topic, &names).next_step;
                Err(Failure { next_step, ..Failure::new(format!("Topic '{topic}' does not exist as expected")) })
            }
            _ => Ok(topics),
        }
    }

    fn parsed_configs(&self) -> Result<Vec<(String, String)>, Failure> {
        let pair = |text: &String| {
            let (name, value) = text.split_once('=').filter(|(_, value)| !value.trim().is_empty())?;
            Some((name.trim().to_string(), value.trim().to_string()))
        };
        let pairs: Option<Vec<(String, String)>> = self.config.iter().map(pair).collect();
        pairs.ok_or_else(|| {
            Failure::new(
                "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".",
            )
        })
    }

    /// Brokers of each partition, as `--replica-assignment` names them.
    fn assignments(&self) -> Result<Vec<Vec<i32>>, Failure> {
        let Some(text) = self.replica_assignment.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(Vec::new());
        };
        let mut assignments: Vec<Vec<i32>> = Vec::new();
        for (partition, replicas) in text.split(',').enumerate() {
            let brokers: Result<Vec<i32>, _> = replicas.split(':').map(|broker| broker.trim().parse()).collect();
            let brokers = brokers.map_err(|_| Failure::new(format!("For input string: \"{replicas}\"")))?;
            let mut distinct = brokers.clone();
            distinct.sort_unstable();
            distinct.dedup();
            if distinct.len() != brokers.len() {
                return Err(Failure::new(format!(
                    "Partition replica lists may not contain duplicate entries: {replicas}"
                )));
            }
            if assignments.first().is_some_and(|first| first.len() != brokers.len()) {
                let why = format!("Partition {partition} has different replication factor: {brokers:?}");
                return Err(Failure::new(why));
            }
            assignments.push(brokers);
        }
        Ok(assignments)
    }
}

/// What the broker said, without our words around it, because Kafka's tools print that alone.
fn in_kafkas_words(error: ClientError) -> Failure {
    match &error {
        ClientError::Broker { message: Some(message), .. } => Failure::new(message.clone()),
        _ => Failure::from(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn parse(line: &str) -> Topics {
        Topics::try_parse_from(std::iter::once("kafka-topics").chain(line.split_whitespace())).unwrap()
    }

    #[test]
    fn replica_assignments_name_brokers_of_each_partition() {
        let assignments = |text: &str| parse(&format!("--create --replica-assignment {text}")).assignments();
        assert_eq!(assignments("1:2,2:3").unwrap(), [[1, 2], [2, 3]]);
        assert!(assignments("1:1").unwrap_err().cause.contains("duplicate entries"));
        assert!(assignments("1:2,3").unwrap_err().cause.contains("different replication factor"));
        assert!(assignments("one").is_err());
    }

    #[test]
    fn configs_are_name_and_value() {
        let configs = |text: &str| parse(&format!("--create --config {text}")).parsed_configs();
        assert_eq!(configs("a=1").unwrap(), [("a".to_string(), "1".to_string())]);
        assert!(configs("a").is_err() && configs("a=").is_err());
    }

    #[test]
    fn wrong_command_lines_are_refused_in_kafkas_words() {
        let cases = [
            ("", "Command must include exactly one action: --list, --describe, --create, --alter or --delete"),
            (
                "--list --create",
                "Command must include exactly one action: --list, --describe, --create, --alter or --delete",
            ),
            ("--list", "--bootstrap-server must be specified"),
            ("--create --bootstrap-server a:1", "Missing required argument \"[topic]\""),
            ("--alter --bootstrap-server a:1 --topic t", "Missing required argument \"[partitions]\""),
            (
                "--list --bootstrap-server a:1 --partitions 1",
                "Option \"[partitions]\" can't be used with option \"[list]\"",
            ),
            (
                "--create --topic t --bootstrap-server a:1 --partitions 1 --replica-assignment 1",
                "Option \"[replica-assignment]\" can't be used with option \"[partitions]\"",
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(line).check().unwrap_err().cause, expected, "{line}");
        }
        assert!(parse("--describe --bootstrap-server a:1").check().is_ok());
    }
}
