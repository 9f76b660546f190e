//! `kafka-transactions`. What `ottla txn` does too, in the words and tables of Kafka's tool.

use super::KafkaTool;
use super::java::described_error;
use super::pretty;
use super::shared::Cluster;
use ottla_client::{Admin, Client, ClientError, OpenTransaction, TransactionFilter};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::hanging;
use ottla_terminal::output::write_out;
use ottla_terminal::times::now_ms;
use ottla_types::TopicPartition;
use std::path::PathBuf;
use std::time::Duration;

/// Analyze the transactional state of producers, detect and recover from hanging transactions.
#[derive(Debug, clap::Parser)]
pub(super) struct Transactions {
    /// Property file containing configs to be passed to admin client.
    #[arg(long, value_name = "FILE")]
    command_config: Option<PathBuf>,
    /// The brokers to connect to.
    #[arg(long, value_name = "host:port")]
    bootstrap_server: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List transactions.
    List {
        /// Only transactions that run longer than so many milliseconds; all for a negative number.
        #[arg(long)]
        duration_filter: Option<i64>,
        /// Only transactional ids that match this regular expression.
        #[arg(long)]
        transactional_id_pattern: Option<String>,
    },
    /// Describe the state of an active transactional-id.
    Describe {
        /// Transactional id.
        #[arg(long)]
        transactional_id: String,
    },
    /// Describe the states of active producers for a topic partition.
    DescribeProducers {
        /// The state on a specific replica.
        #[arg(long)]
        broker_id: Option<i32>,
        /// Topic name.
        #[arg(long)]
        topic: String,
        /// Partition number.
        #[arg(long)]
        partition: i32,
    },
    /// Abort a hanging transaction.
    Abort(Abort),
    /// Find hanging transactions.
    FindHanging {
        /// Broker id to search for hanging transactions.
        #[arg(long)]
        broker_id: Option<i32>,
        /// Maximum transaction timeout in minutes to limit the scope of the search.
        #[arg(long, default_value_t = 15)]
        max_transaction_timeout: u64,
        /// Topic name to limit search to (required if --partition is specified).
        #[arg(long)]
        topic: Option<String>,
        /// Partition number.
        #[arg(long)]
        partition: Option<i32>,
    },
    /// Force abort an ongoing transaction on transactionalId.
    #[command(name = "forceTerminateTransaction")]
    ForceTerminate {
        /// Transactional id.
        #[arg(long = "transactionalId")]
        transactional_id: String,
    },
}

#[derive(Debug, clap::Args)]
struct Abort {
    /// Topic name.
    #[arg(long)]
    topic: String,
    /// Partition number.
    #[arg(long)]
    partition: i32,
    /// Start offset of the transaction to abort.
    #[arg(long)]
    start_offset: Option<i64>,
    /// Producer id (brokers older than 3.0).
    #[arg(long)]
    producer_id: Option<i64>,
    /// Producer epoch (brokers older than 3.0).
    #[arg(long)]
    producer_epoch: Option<i16>,
    /// Coordinator epoch (brokers older than 3.0).
    #[arg(long)]
    coordinator_epoch: Option<i32>,
}

impl KafkaTool for Transactions {
    const NAME: &'static str = "kafka-transactions";

    fn run(&self) -> Result<(), Failure> {
        let cluster = Cluster::new(&self.bootstrap_server, self.command_config.as_deref(), &[], "kafka-transactions")?;
        cluster.run(Threads::One, async |client: Client| self.command.run(&Admin::new(&client)).await)
    }
}

impl Command {
    async fn run(&self, admin: &Admin) -> Result<(), Failure> {
        match self {
            Command::List { duration_filter, transactional_id_pattern } => {
                let older_than = duration_filter.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
                let pattern = transactional_id_pattern.clone();
                list(admin, &TransactionFilter { older_than, pattern, ..TransactionFilter::default() }).await
            }
            Command::Describe { transactional_id } => describe(admin, transactional_id).await,
            Command::DescribeProducers { broker_id, topic, partition } => {
                describe_producers(admin, &TopicPartition::new(topic.as_str(), *partition), *broker_id).await
            }
            Command::Abort(abort) => abort.run(admin).await,
            Command::FindHanging { broker_id, max_transaction_timeout, topic, partition } => {
                let scope = hanging::Scope {
                    broker_id: *broker_id,
                    topic: topic.clone(),
                    partition: *partition,
                    older_than: Duration::from_secs(max_transaction_timeout.saturating_mul(60)),
                };
                find_hanging(admin, &scope).await
            }
            Command::ForceTerminate { transactional_id } => {
                let what = format!("Failed to force terminate transactionalId `{transactional_id}`");
                admin.terminate_transaction(transactional_id).await.map_err(|error| failed(&what, &error))
            }
        }
    }
}

fn failed(what: &str, error: &ClientError) -> Failure {
    Failure::new(format!("{what}: {}. Enable debug logging for additional detail.", described_error(error)))
}

async fn list(admin: &Admin, filter: &TransactionFilter) -> Result<(), Failure> {
    let listed = admin.list_transactions(filter).await;
    let listed = listed.map_err(|error| failed("Failed to list transactions", &error))?;
    let rows: Vec<Vec<String>> = listed
        .into_iter()
        .map(|row| vec![row.transactional_id, row.coordinator_id.to_string(), row.producer_id.to_string(), row.state])
        .collect();
    write_out(&pretty::table(&["TransactionalId", "Coordinator", "ProducerId", "TransactionState"], &rows))
}

async fn describe(admin: &Admin, transactional_id: &str) -> Result<(), Failure> {
    let what = format!("Failed to describe transaction state of transactional-id `{transactional_id}`");
    let found = admin.describe_transaction(transactional_id).await.map_err(|error| failed(&what, &error))?;
    let none = || "None".to_string();
    let row = vec![
        found.coordinator_id.to_string(),
        found.transactional_id,
        found.producer_id.to_string(),
        found.producer_epoch.to_string(),
        found.state,
        found.timeout_ms.to_string(),
        found.start_time_ms.map_or_else(none, |time| time.to_string()),
        found.start_time_ms.map_or_else(none, |time| (now_ms() - time).to_string()),
        found.partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    ];
    let headings = [
        "CoordinatorId",
        "TransactionalId",
        "ProducerId",
        "ProducerEpoch",
        "TransactionState",
        "TransactionTimeoutMs",
        "CurrentTransactionStartTimeMs",
        "TransactionDurationMs",
        "TopicPartitions",
    ];
    write_out(&pretty::table(&headings, &[row]))
}

async fn describe_producers(admin: &Admin, partition: &TopicPartition, broker_id: Option<i32>) -> Result<(), Failure> {
    let whom = broker_id.map_or("leader".to_string(), |id| format!("broker {id}"));
    let what = format!("Failed to describe producers for partition {partition} on {whom}");
    let found = admin.describe_producers(&[partition.clone()].into(), broker_id).await;
    let found: Result<Vec<_>, ClientError> = found.into_values().collect();
    let rows: Vec<Vec<String>> = found
        .map_err(|error| failed(&what, &error))?
        .into_iter()
        .flatten()
        .map(|producer| {
            vec![
                producer.producer_id.to_string(),
                producer.producer_epoch.to_string(),
                producer.coordinator_epoch.to_string(),
                producer.last_sequence.to_string(),
                producer.last_timestamp.to_string(),
                producer.current_txn_start_offset.map_or("None".to_string(), |offset| offset.to_string()),
            ]
        })
        .collect();
    let headings = [
        "ProducerId",
        "ProducerEpoch",
        "LatestCoordinatorEpoch",
        "LastSequence",
        "LastTimestamp",
        "CurrentTransactionStartOffset",
    ];
    write_out(&pretty::table(&headings, &rows))
}

async fn find_hanging(admin: &Admin, scope: &hanging::Scope) -> Result<(), Failure> {
    if scope.topic.is_none() && scope.broker_id.is_none() {
        return Err(Failure::new(
            "The `find-hanging` command requires either --topic or --broker-id to limit the scope of the search",
        ));
    }
    if scope.partition.is_some() && scope.topic.is_none() {
        return Err(Failure::new("The --partition argument requires --topic to be provided"));
    }
    let found = hanging::find(admin, scope).await?;
    let row = |one: hanging::Hanging| {
        vec![
            one.open.partition.topic.to_string(),
            one.open.partition.partition.to_string(),
            one.open.producer_id.to_string(),
            one.open.producer_epoch.to_string(),
            one.open.coordinator_epoch.to_string(),
            one.start_offset.to_string(),
            one.last_timestamp.to_string(),
            ((now_ms() - one.last_timestamp) / 60_000).to_string(),
        ]
    };
    let headings = [
        "Topic",
        "Partition",
        "ProducerId",
        "ProducerEpoch",
        "CoordinatorEpoch",
        "StartOffset",
        "LastTimestamp",
        "Duration(min)",
    ];
    write_out(&pretty::table(&headings, &found.into_iter().map(row).collect::<Vec<_>>()))
}

impl Abort {
    async fn run(&self, admin: &Admin) -> Result<(), Failure> {
        let partition = TopicPartition::new(self.topic.as_str(), self.partition);
        let open = match (self.start_offset, self.producer_id) {
            (Some(offset), _) => hanging::starting_at(admin, &partition, offset).await?,
            (None, None) => {
                return Err(Failure::new(
                    "The transaction to abort must be identified either with --start-offset (for brokers on 3.0 or above) or \
                     with --producer-id, --producer-epoch, and --coordinator-epoch (for older brokers)",
                ));
            }
            (None, Some(producer_id)) => {
                let missing = |name: &str| Failure::new(format!("Missing required argument --{name}"));
                let producer_epoch = self.producer_epoch.ok_or_else(|| missing("producer-epoch"))?;
                let coordinator_epoch = self.coordinator_epoch.ok_or_else(|| missing("coordinator-epoch"))?.max(0);
                OpenTransaction { partition, producer_id, producer_epoch, coordinator_epoch }
            }
        };
        let what = format!("Failed to abort transaction of producer {} on {}", open.producer_id, open.partition);
        admin.abort_transaction(&open).await.map_err(|error| failed(&what, &error))
    }
}
