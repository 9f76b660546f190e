//! `kafka-log-dirs`.

use super::KafkaTool;
use super::java::java_class;
use super::shared::{Cluster, required};
use ottla_client::{Admin, Client, LogDir};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Query log directory usage on the specified brokers.
#[derive(Debug, clap::Parser)]
pub(super) struct LogDirs {
    /// REQUIRED: the server(s) to use for bootstrapping.
    #[arg(long, value_name = "The server(s) to use for bootstrapping")]
    bootstrap_server: Option<String>,
    /// Property file containing configs of the client.
    #[arg(long, value_name = "Admin client property file")]
    command_config: Option<PathBuf>,
    /// Describe the log directories of the brokers.
    #[arg(long)]
    describe: bool,
    /// Topics: "topic1,topic2". All, if none is named.
    #[arg(long, value_name = "Topic list", default_value = "")]
    topic_list: String,
    /// Brokers: "0,1,2". All, if none is named.
    #[arg(long, value_name = "Broker list", default_value = "")]
    broker_list: String,
}

/// The document, with its fields in the order in which Kafka's tool happens to print them.
#[derive(Debug, Serialize)]
struct Document {
    brokers: Vec<Broker>,
    version: i32,
}

#[derive(Debug, Serialize)]
struct Broker {
    broker: i32,
    #[serde(rename = "logDirs")]
    log_dirs: Vec<Dir>,
}

#[derive(Debug, Serialize)]
struct Dir {
    partitions: Vec<Partition>,
    error: Option<String>,
    #[serde(rename = "logDir")]
    log_dir: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Partition {
    partition: String,
    size: i64,
    offset_lag: i64,
    is_future: bool,
}

impl KafkaTool for LogDirs {
    const NAME: &'static str = "kafka-log-dirs";

    fn run(&self) -> Result<(), Failure> {
        let bootstrap = required(&self.bootstrap_server, "bootstrap-server")?;
        required(&Some(()).filter(|()| self.describe), "describe")?;
        let words = |text: &str| -> BTreeSet<String> {
            text.split(',').filter(|word| !word.is_empty()).map(str::to_string).collect()
        };
        let number =
            |word: &String| word.parse::<i32>().map_err(|_| Failure::new(format!("For input string: \"{word}\"")));
        let wanted: BTreeSet<i32> = words(&self.broker_list).iter().map(number).collect::<Result<_, _>>()?;
        let topics = words(&self.topic_list);
        let cluster = Cluster::new(bootstrap, self.command_config.as_deref(), &[], "log-dirs-tool")?;
        cluster.run(Threads::One, async |client: Client| {
            let admin = Admin::new(&client);
            let all: BTreeSet<i32> = admin.describe_cluster().await?.brokers.into_keys().collect();
            let unknown: BTreeSet<i32> = wanted.difference(&all).copied().collect();
            if !unknown.is_empty() {
                return Err(Failure::new(format!(
                    "ERROR: The given brokers do not exist from --broker-list: {}. Current existent brokers: {}",
                    listed(&unknown),
                    listed(&all)
                )));
            }
            let asked = if wanted.is_empty() { &all } else { &wanted };
            write_out("Querying brokers for log directories information\n")?;
            let mut brokers = BTreeMap::new();
            for broker in asked {
                brokers.insert(*broker, admin.describe_log_dirs(*broker).await?);
            }
            let head = format!("Received log directory information from brokers {}\n", listed(asked));
            write_out(&(head + &document(brokers, &topics)? + "\n"))
        })
    }
}

fn listed(ids: &BTreeSet<i32>) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn document(brokers: BTreeMap<i32, Vec<LogDir>>, topics: &BTreeSet<String>) -> Result<String, Failure> {
    let dir = |dir: LogDir| Dir {
        error: dir.error.as_ref().map(java_class),
        partitions: dir
            .replicas
            .iter()
            .filter(|(partition, _)| topics.is_empty() || topics.contains(&*partition.topic))
            .map(|(partition, log)| Partition {
                partition: partition.to_string(),
                size: log.size,
                offset_lag: log.offset_lag,
                is_future: log.is_future,
            })
            .collect(),
        log_dir: dir.path,
    };
    let broker = |(broker, dirs): (i32, Vec<LogDir>)| Broker { broker, log_dirs: dirs.into_iter().map(dir).collect() };
    let document = Document { brokers: brokers.into_iter().map(broker).collect(), version: 1 };
    serde_json::to_string(&document).map_err(|error| Failure::new(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_client::ReplicaLog;
    use ottla_types::TopicPartition;

    #[test]
    fn the_document_is_kafkas() {
        let log = ReplicaLog { size: 7, offset_lag: 0, is_future: false };
        let dir = LogDir {
            path: "/d".to_string(),
            error: None,
            total_bytes: 1,
            usable_bytes: 1,
            is_cordoned: false,
            replicas: [(TopicPartition::new("t", 0), log), (TopicPartition::new("u", 0), log)].into(),
        };
        let text = document([(1, vec![dir])].into(), &["t".to_string()].into()).unwrap();
        let partition = r#"{"partition":"t-0","size":7,"offsetLag":0,"isFuture":false}"#;
        let expected = format!(
            r#"{{"brokers":[{{"broker":1,"logDirs":[{{"partitions":[{partition}],"error":null,"logDir":"/d"}}]}}],"version":1}}"#
        );
        assert_eq!(text, expected);
    }
}
