//! `kafka-leader-election`.

use super::KafkaTool;
use super::java::java_error;
use super::shared::Cluster;
use ottla_client::{Admin, Client, Election};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::input::read_text;
use ottla_terminal::output::write_out;
use ottla_types::{ErrorCode, TopicPartition};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// This tool attempts to elect a new leader for a set of topic partitions.
#[derive(Debug, clap::Parser)]
pub(super) struct LeaderElection {
    /// REQUIRED: The broker(s) to connect to.
    #[arg(long, value_name = "host:port")]
    bootstrap_server: Option<String>,
    /// Deprecated: use --command-config.
    #[arg(long = "admin.config", value_name = "config file", conflicts_with = "command_config")]
    admin_config: Option<PathBuf>,
    /// Config properties file to pass to the admin client.
    #[arg(long, value_name = "Config file")]
    command_config: Option<PathBuf>,
    /// A JSON file with the partitions: {"partitions": [{"topic": "foo", "partition": 1}]}.
    #[arg(long, value_name = "Path to JSON file")]
    path_to_json_file: Option<PathBuf>,
    /// Name of topic for which to perform an election.
    #[arg(long, value_name = "topic name")]
    topic: Option<String>,
    /// Partition id for which to perform an election. REQUIRED if --topic is specified.
    #[arg(long, value_name = "partition id")]
    partition: Option<i32>,
    /// Perform election on all of the eligible topic partitions.
    #[arg(long)]
    all_topic_partitions: bool,
    /// REQUIRED: preferred or unclean.
    #[arg(long, value_name = "election type", value_parser = election)]
    election_type: Option<Election>,
}

/// The file of `--path-to-json-file`.
#[derive(Deserialize)]
struct Plan {
    partitions: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    topic: String,
    partition: i32,
}

fn election(text: &str) -> Result<Election, String> {
    match text.to_ascii_lowercase().as_str() {
        "preferred" => Ok(Election::Preferred),
        "unclean" => Ok(Election::Unclean),
        _ => Err("preferred or unclean".to_string()),
    }
}

impl KafkaTool for LeaderElection {
    const NAME: &'static str = "kafka-leader-election";

    fn run(&self) -> Result<(), Failure> {
        let (bootstrap, election) = self.check()?;
        let partitions = self.partitions()?;
        if self.admin_config.is_some() {
            write_out(
                "Option --admin.config has been deprecated and will be removed in a future version. Use --command-config \
                 instead.\n",
            )?;
        }
        let file = self.command_config.as_deref().or(self.admin_config.as_deref());
        let cluster = Cluster::new(bootstrap, file, &[], "kafka-leader-election")?;
        cluster
            .run(Threads::One, async |client: Client| elect(&Admin::new(&client), election, partitions.as_ref()).await)
    }
}

impl LeaderElection {
    fn check(&self) -> Result<(&str, Election), Failure> {
        let (Some(bootstrap), Some(election)) = (&self.bootstrap_server, self.election_type) else {
            let missing = [
                ("bootstrap-server", self.bootstrap_server.is_none()),
                ("election-type", self.election_type.is_none()),
            ];
            let names: Vec<&str> =
                missing.iter().filter(|(_, is_missing)| *is_missing).map(|(name, _)| *name).collect();
            return Err(Failure::new(format!("Missing required option(s): {}", names.join(", "))));
        };
        let scopes = [self.topic.is_some(), self.all_topic_partitions, self.path_to_json_file.is_some()];
        if scopes.iter().filter(|is_set| **is_set).count() != 1 {
            return Err(Failure::new(
                "One and only one of the following options is required: topic, all-topic-partitions, path-to-json-file",
            ));
        }
        match (&self.topic, self.partition) {
            (Some(_), None) => Err(Failure::new("Missing required option(s): partition")),
            (None, Some(_)) => Err(Failure::new("Option partition is only allowed if topic is used")),
            _ => Ok((bootstrap.as_str(), election)),
        }
    }

    /// `None` for all.
    fn partitions(&self) -> Result<Option<BTreeSet<TopicPartition>>, Failure> {
        match (&self.path_to_json_file, &self.topic, self.partition) {
            (Some(file), ..) => plan(file).map(Some),
            (None, Some(topic), Some(partition)) => Ok(Some([TopicPartition::new(topic.as_str(), partition)].into())),
            _ => Ok(None),
        }
    }
}

fn plan(file: &Path) -> Result<BTreeSet<TopicPartition>, Failure> {
    let plan: Plan = serde_json::from_str(&read_text(file)?)
        .map_err(|error| Failure::new(format!("Replica election data is not understood: {error}")))?;
    let count = plan.partitions.len();
    let rows = plan.partitions.into_iter().map(|row| TopicPartition::new(row.topic, row.partition));
    let partitions: BTreeSet<TopicPartition> = rows.collect();
    match partitions.len() == count {
        true => Ok(partitions),
        false => Err(Failure::new("Replica election data contains duplicate partitions")),
    }
}

async fn elect(
    admin: &Admin,
    election: Election,
    partitions: Option<&BTreeSet<TopicPartition>>,
) -> Result<(), Failure> {
    let kind = match election {
        Election::Preferred => "PREFERRED",
        Election::Unclean => "UNCLEAN",
    };
    let results = admin.elect_leaders(election, partitions).await?;
    let (mut elected, mut not_needed, mut failed, mut text) = (Vec::new(), Vec::new(), 0, String::new());
    let mut errors = String::new();
    for (partition, result) in &results {
        match result {
            Ok(()) => elected.push(partition.to_string()),
            Err(error) if error.code() == Some(ErrorCode::ElectionNotNeeded) => not_needed.push(partition.to_string()),
            Err(error) => {
                failed += 1;
                errors += &format!(
                    "Error completing leader election ({kind}) for partition: {partition}: {}\n",
                    java_error(error)
                );
            }
        }
    }
    if !elected.is_empty() {
        text += &format!("Successfully completed leader election ({kind}) for partitions {}\n", elected.join(", "));
    }
    if !not_needed.is_empty() {
        text += &format!("Valid replica already elected for partitions {}\n", not_needed.join(", "));
    }
    write_out(&(text + &errors))?;
    match failed {
        0 => Ok(()),
        _ => Err(Failure::new(format!("{failed} replica(s) could not be elected"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn wrong_words_are_refused_in_kafkas_words() {
        let refusal = |line: &str| {
            let tool = LeaderElection::try_parse_from(std::iter::once("x").chain(line.split_whitespace())).unwrap();
            tool.check().err().map(|failure| failure.cause).unwrap_or_default()
        };
        assert_eq!(refusal("--topic t"), "Missing required option(s): bootstrap-server, election-type");
        let good = "--bootstrap-server a:1 --election-type PREFERRED";
        assert!(refusal(good).starts_with("One and only one of the following options is required"));
        assert_eq!(refusal(&format!("{good} --topic t")), "Missing required option(s): partition");
        assert_eq!(
            refusal(&format!("{good} --all-topic-partitions --partition 1")),
            "Option partition is only allowed if topic is used"
        );
        assert_eq!(refusal(&format!("{good} --topic t --partition 0")), "");
    }
}
