//! `ottla topic`: what people do with topics.

mod describe;
mod list;

use crate::config::key_value;
use clap::Subcommand;
use ottla_client::{Admin, Client, ClientError, ConfigChange, NewPartitions, NewTopic};
use ottla_terminal::cluster::ClientArgs;
use ottla_terminal::failure::Failure;
use ottla_terminal::group::offsets::{TopicWord, named_partitions};
use ottla_terminal::output::OutputArgs;
use ottla_types::{ErrorCode, TopicPartition};
use serde::Serialize;
use std::collections::BTreeSet;

/// What `ottla topic` accepts.
pub type Args = ClientArgs<Command>;

/// The commands of `ottla topic`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a topic.
    Create(Create),
    /// Show all topics.
    List {
        /// Also topics of the cluster itself.
        #[arg(long)]
        internal: bool,
    },
    /// Show topics in detail: partitions, leaders, replicas, configs.
    Describe {
        /// Names of topics; all, if none is given.
        names: Vec<String>,
    },
    /// Change the configs of a topic, or give it more partitions.
    Alter(Alter),
    /// Delete topics with all their records.
    Delete {
        /// Names of topics.
        #[arg(required = true)]
        names: Vec<String>,
        /// Topics that do not exist are no failure.
        #[arg(long)]
        if_exists: bool,
    },
}

/// What `ottla topic create` accepts.
#[derive(Debug, clap::Args)]
pub struct Create {
    /// Name of the topic.
    name: String,
    /// Number of partitions. [default: the broker's num.partitions]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// Replicas of each partition. [default: the broker's default.replication.factor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i16).range(1..))]
    replication_factor: Option<i16>,
    /// A config of the topic; may be given several times.
    #[arg(long = "config", value_name = "KEY=VALUE", value_parser = key_value)]
    configs: Vec<(String, String)>,
    /// A topic that exists already is no failure.
    #[arg(long)]
    if_not_exists: bool,
}

/// What `ottla topic alter` accepts.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("change").required(true).multiple(true)))]
pub struct Alter {
    /// Name of the topic.
    name: String,
    /// New number of partitions; only more are possible.
    #[arg(long, group = "change", value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// Set a config; may be given several times.
    #[arg(long = "config", group = "change", value_name = "KEY=VALUE", value_parser = key_value)]
    configs: Vec<(String, String)>,
    /// Go back to the default of a config; may be given several times.
    #[arg(long = "delete-config", group = "change", value_name = "KEY")]
    deleted_configs: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    args.cluster.run(async |client: Client| match &args.command {
        Command::Create(create) => create.run(&Admin::new(&client), args.output).await,
        Command::List { internal } => list::run(&Admin::new(&client), *internal, args.output).await,
        Command::Describe { names } => describe::run(&Admin::new(&client), names, args.output).await,
        Command::Alter(alter) => alter.run(&Admin::new(&client), args.output).await,
        Command::Delete { names, if_exists } => delete(&Admin::new(&client), names, *if_exists, args.output).await,
    })
}

/// What was done to a topic.
#[derive(Debug, Serialize)]
struct Changed {
    topic: String,
    /// False when there was nothing to do: it existed already, or did not exist.
    changed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partitions: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replication_factor: Option<i16>,
}

impl Changed {
    fn new(topic: &str, changed: bool) -> Changed {
        Changed { topic: topic.to_string(), changed, topic_id: None, partitions: None, replication_factor: None }
    }
}

impl Create {
    async fn run(&self, admin: &Admin, output: OutputArgs) -> Result<(), Failure> {
        let topic = NewTopic {
            name: self.name.clone(),
            partitions: self.partitions,
            replication_factor: self.replication_factor,
            configs: self.configs.clone(),
            ..NewTopic::default()
        };
        match admin.create_topic(&topic, false).await {
            Ok(made) => {
                let text = format!(
                    "Created topic {}: {}, replication factor {}.\n",
                    made.name,
                    counted(made.partitions, "partition"),
                    made.replication_factor
                );
                let view = Changed {
                    topic_id: Some(made.topic_id.to_string()),
                    partitions: Some(made.partitions),
                    replication_factor: Some(made.replication_factor),
                    ..Changed::new(&made.name, true)
                };
                output.print(&view, |_| text)
            }
            Err(error) if self.if_not_exists && error.code() == Some(ErrorCode::TopicAlreadyExists) => {
                output.print(&Changed::new(&self.name, false), |view| format!("Topic {} exists already.\n", view.topic))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Alter {
    async fn run(&self, admin: &Admin, output: OutputArgs) -> Result<(), Failure> {
        let set =
            self.configs.iter().map(|(name, value)| ConfigChange::Set { name: name.clone(), value: value.clone() });
        let deleted = self.deleted_configs.iter().map(|name| ConfigChange::Delete { name: name.clone() });
        let changes: Vec<ConfigChange> = set.chain(deleted).collect();
        if !changes.is_empty() {
            let altered = admin.alter_topic_configs(&self.name, &changes).await;
            explain_unknown_topic(admin, &self.name, altered).await?;
        }
        if let Some(total) = self.partitions {
            let enlarged = admin.create_partitions(&self.name, &NewPartitions::increase_to(total), false).await;
            explain_unknown_topic(admin, &self.name, enlarged).await?;
        }
        let view = Changed { partitions: self.partitions, ..Changed::new(&self.name, true) };
        output.print(&view, |view| format!("Altered topic {}.\n", view.topic))
    }
}

/// Deletes one after another. What was deleted is told also when a later one fails.
async fn delete(admin: &Admin, names: &[String], if_exists: bool, output: OutputArgs) -> Result<(), Failure> {
    let mut done = Vec::new();
    let mut first_failure = Ok(());
    for name in names {
        match admin.delete_topic(name).await {
            Err(error) if if_exists && error.is_unknown_topic() => done.push(Changed::new(name, false)),
            deleted => match explain_unknown_topic(admin, name, deleted).await {
                Ok(()) => done.push(Changed::new(name, true)),
                Err(failure) => {
                    first_failure = Err(failure);
                    break;
                }
            },
        }
    }
    if !done.is_empty() {
        output.print(&done, |done| {
            let line = |topic: &Changed| match topic.changed {
                true => format!("Deleted topic {}.\n", topic.topic),
                false => format!("Topic {} does not exist.\n", topic.topic),
            };
            done.iter().map(line).collect()
        })?;
    }
    first_failure
}

/// An unknown topic becomes a failure that names the most similar one that exists.
pub(crate) async fn explain_unknown_topic<T>(
    admin: &Admin,
    name: &str,
    result: Result<T, ClientError>,
) -> Result<T, Failure> {
    match result {
        Err(error) if error.is_unknown_topic() => {
            // The suggestion is a courtesy: without it the error still stands.
            let existing = admin.list_topics().await.map(|cluster| cluster.topics.into_keys().collect());
            Err(Failure::unknown_topic(name, &existing.unwrap_or_else(|_| vec![])))
        }
        other => other.map_err(Failure::from),
    }
}

/// The partitions that words `TOPIC` or `TOPIC:PARTITION,...` name.
pub(crate) async fn partitions_of(admin: &Admin, words: &[String]) -> Result<BTreeSet<TopicPartition>, Failure> {
    let words: Result<Vec<TopicWord>, String> = words.iter().map(|word| TopicWord::parse(word)).collect();
    match named_partitions(admin, &words.map_err(Failure::new)?).await {
        Ok(partitions) => Ok(partitions),
        Err((topic, error)) => explain_unknown_topic(admin, &topic, Err(error)).await,
    }
}

fn counted(count: i32, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::parsed;

    fn parse(line: &str) -> Result<Command, String> {
        parsed::<Args>(line).map(|args| args.command).map_err(|error| error.to_string())
    }

    #[test]
    fn configs_are_key_and_value() {
        let Ok(Command::Create(create)) = parse("create a --config x=1 --config y=a=b --partitions 3") else {
            panic!("a valid command line")
        };
        let expected = [("x", "1"), ("y", "a=b")].map(|(key, value)| (key.to_string(), value.to_string()));
        assert_eq!((create.configs, create.partitions), (expected.to_vec(), Some(3)));
        assert!(parse("create a --config retention").unwrap_err().contains("KEY=VALUE"));
        assert!(parse("create a --partitions 0").is_err());
    }

    #[test]
    fn an_alteration_needs_a_change() {
        assert!(parse("alter a").is_err());
        assert!(parse("alter a --delete-config x").is_ok());
        assert!(parse("alter a --partitions 7 --config x=1").is_ok());
        assert!(parse("delete").is_err());
    }
}
