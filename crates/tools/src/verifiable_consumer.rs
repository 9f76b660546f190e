//! `kafka-verifiable-consumer`: a member of a group that tells in JSON what happens to it.

use super::shared::{Cluster, usage};
use super::verifiable_producer::{bare_event, event};
use super::{KafkaTool, WithoutWords};
use ottla_client::{
    Client, ClientError, Consumer, ConsumerOptions, ConsumerRecord, OffsetAndMetadata, Offsets, RebalanceListener,
};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use ottla_terminal::reading::stop_on_signal;
use ottla_types::TopicPartition;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// A poll that has nothing ends after this and is repeated.
const POLL: Duration = Duration::from_secs(60);

/// Consume messages of a topic and print JSON for every event.
#[derive(Debug, clap::Parser)]
pub(super) struct VerifiableConsumer {
    /// REQUIRED: The server(s) to connect to.
    #[arg(long, value_name = "HOST1:PORT1[,HOST2:PORT2[...]]")]
    bootstrap_server: Option<String>,
    /// REQUIRED: Consumes messages from this topic.
    #[arg(long)]
    topic: Option<String>,
    /// classic or consumer.
    #[arg(long, default_value = "classic")]
    group_protocol: String,
    /// Assignor of the broker, for the protocol consumer.
    #[arg(long)]
    group_remote_assignor: Option<String>,
    /// REQUIRED: The group.
    #[arg(long)]
    group_id: Option<String>,
    /// Makes the consumer a static member.
    #[arg(long)]
    group_instance_id: Option<String>,
    /// Consume this many messages; -1 until the process is ended.
    #[arg(long, default_value_t = -1)]
    max_messages: i64,
    /// `session.timeout.ms` of the protocol classic.
    #[arg(long, value_name = "TIMEOUT-MS")]
    session_timeout: Option<i64>,
    /// Print each message.
    #[arg(long)]
    verbose: bool,
    /// Commit automatically.
    #[arg(long)]
    enable_autocommit: bool,
    /// earliest, latest or none.
    #[arg(long, default_value = "earliest")]
    reset_policy: String,
    /// Class of the assignor of the protocol classic.
    #[arg(long, default_value = "org.apache.kafka.clients.consumer.RangeAssignor")]
    assignment_strategy: String,
    /// Deprecated: use --command-config.
    #[arg(long = "consumer.config", value_name = "CONFIG-FILE")]
    consumer_config: Option<PathBuf>,
    /// A file of consumer configs; the command line wins.
    #[arg(long, value_name = "CONFIG-FILE")]
    command_config: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Partition {
    topic: String,
    partition: i32,
}

#[derive(Debug, Serialize)]
struct Partitions {
    partitions: Vec<Partition>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Consumed {
    topic: String,
    partition: i32,
    count: usize,
    min_offset: i64,
    max_offset: i64,
}

#[derive(Debug, Serialize)]
struct RecordsConsumed {
    count: usize,
    partitions: Vec<Consumed>,
}

#[derive(Debug, Serialize)]
pub(super) struct RecordData {
    key: Option<String>,
    value: Option<String>,
    topic: String,
    partition: i32,
    offset: i64,
}

#[derive(Debug, Serialize)]
struct Committed {
    topic: String,
    partition: i32,
    offset: i64,
}

#[derive(Debug, Serialize)]
struct OffsetsCommitted {
    offsets: Vec<Committed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    success: bool,
}

struct Listener;

impl KafkaTool for VerifiableConsumer {
    const NAME: &'static str = "kafka-verifiable-consumer";
    const WITHOUT_WORDS: WithoutWords = WithoutWords::Helps;

    fn run(&self) -> Result<(), Failure> {
        let missing = |name: &str| usage(format!("verifiable-consumer: error: argument {name} is required"));
        let bootstrap = self.bootstrap_server.as_deref().ok_or_else(|| missing("--bootstrap-server"))?;
        let topic = self.topic.as_deref().ok_or_else(|| missing("--topic"))?;
        let group = self.group_id.as_deref().ok_or_else(|| missing("--group-id"))?;
        if self.consumer_config.is_some() && self.command_config.is_some() {
            let why = "Options --consumer.config and --command-config are mutually exclusive.";
            return Err(usage(format!("verifiable-consumer: error: {why}")));
        }
        if self.consumer_config.is_some() {
            write_out(
                "Option --consumer.config has been deprecated and will be removed in a future version. Use \
                 --command-config instead.\n",
            )?;
        }
        let file = self.command_config.as_deref().or(self.consumer_config.as_deref());
        let mut cluster = Cluster::new(bootstrap, file, &[], "verifiable-consumer")?;
        self.merge_options(group, &mut cluster);
        let options = cluster.properties.consumer_options(ConsumerOptions::default())?;
        cluster.run(Threads::One, async |client: Client| {
            let mut consumer = Consumer::new(&client, options)?;
            let consumed = self.consume(topic, &mut consumer).await;
            let is_stopped = consumed.as_ref().is_ok_and(|is_stopped| *is_stopped);
            if let Err(failure) = &consumed {
                eprintln!("ERROR Error during processing, terminating consumer process: {}", failure.cause);
            }
            // Who is asked to end says so first; who ends by himself says it when the process ends. As in Kafka's tool.
            if is_stopped {
                bare_event("shutdown_requested")?;
            }
            let closed = consumer.close().await;
            bare_event("shutdown_complete")?;
            if !is_stopped {
                bare_event("shutdown_requested")?;
            }
            Ok(closed?)
        })
    }
}

impl VerifiableConsumer {
    fn merge_options(&self, group: &str, cluster: &mut Cluster) {
        let is_modern = self.group_protocol.eq_ignore_ascii_case("consumer");
        let merged = [
            ("group.protocol", Some(self.group_protocol.clone())),
            ("group.remote.assignor", self.group_remote_assignor.clone().filter(|_| is_modern)),
            ("partition.assignment.strategy", Some(self.assignment_strategy.clone()).filter(|_| !is_modern)),
            ("session.timeout.ms", self.session_timeout.map(|timeout| timeout.to_string())),
            ("group.id", Some(group.to_string())),
            ("group.instance.id", self.group_instance_id.clone()),
            ("enable.auto.commit", Some(self.enable_autocommit.to_string())),
            ("auto.offset.reset", Some(self.reset_policy.clone())),
        ];
        for (name, value) in merged {
            if let Some(value) = value {
                cluster.properties.set(name, value);
            }
        }
    }

    /// True when somebody ended it, false when it has enough.
    async fn consume(&self, topic: &str, consumer: &mut Consumer) -> Result<bool, Failure> {
        bare_event("startup_complete")?;
        consumer.set_rebalance_listener(Listener);
        consumer.subscribe(&[topic])?;
        stop_on_signal(consumer.waker());
        let max = usize::try_from(self.max_messages).unwrap_or(usize::MAX);
        let mut consumed = 0;
        while consumed < max {
            let records = match consumer.poll(POLL).await {
                Ok(records) if records.is_empty() => continue,
                Ok(records) => records,
                Err(ClientError::Wakeup) => return Ok(true),
                Err(error) => return Err(error.into()),
            };
            let offsets = self.tell(&records, max, &mut consumed)?;
            if !self.enable_autocommit {
                let done = consumer.commit_offsets(&offsets).await;
                tell_commit(&offsets, done.err())?;
            }
        }
        Ok(false)
    }

    /// Prints what came, up to the limit; returns what to commit.
    fn tell(&self, records: &[ConsumerRecord], max: usize, consumed: &mut usize) -> Result<Offsets, Failure> {
        let (mut offsets, mut summaries): (Offsets, Vec<Consumed>) = (Offsets::new(), Vec::new());
        let mut partitions: Vec<TopicPartition> = Vec::new();
        let of = |record: &ConsumerRecord| TopicPartition::new(record.topic.clone(), record.partition);
        for record in records {
            if !partitions.contains(&of(record)) {
                partitions.push(of(record));
            }
        }
        for partition in partitions {
            let own: Vec<&ConsumerRecord> =
                records.iter().filter(|record| of(record) == partition).take(max - *consumed).collect();
            let (Some(first), Some(last)) = (own.first(), own.last()) else { break };
            offsets.insert(partition.clone(), OffsetAndMetadata::new(last.offset + 1));
            summaries.push(Consumed {
                topic: partition.topic.to_string(),
                partition: partition.partition,
                count: own.len(),
                min_offset: first.offset,
                max_offset: last.offset,
            });
            for record in own.iter().filter(|_| self.verbose) {
                event("record_data", RecordData::of(record))?;
            }
            *consumed += own.len();
        }
        event("records_consumed", RecordsConsumed { count: records.len(), partitions: summaries })?;
        Ok(offsets)
    }
}

impl RecordData {
    pub(super) fn of(record: &ConsumerRecord) -> RecordData {
        let text = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map(|b| String::from_utf8_lossy(b).into_owned());
        let (key, value, topic) = (text(&record.key), text(&record.value), record.topic.to_string());
        RecordData { key, value, topic, partition: record.partition, offset: record.offset }
    }
}

fn tell_commit(offsets: &Offsets, error: Option<ClientError>) -> Result<(), Failure> {
    let rows = offsets.iter().map(|(partition, offset)| Committed {
        topic: partition.topic.to_string(),
        partition: partition.partition,
        offset: offset.offset,
    });
    let (offsets, success) = (rows.collect(), error.is_none());
    event("offsets_committed", OffsetsCommitted { offsets, error: error.map(|error| error.to_string()), success })
}

fn partitions(partitions: &BTreeSet<TopicPartition>) -> Partitions {
    let one =
        |partition: &TopicPartition| Partition { topic: partition.topic.to_string(), partition: partition.partition };
    Partitions { partitions: partitions.iter().map(one).collect() }
}

impl RebalanceListener for Listener {
    fn on_assigned(&mut self, assigned: &BTreeSet<TopicPartition>) {
        // A reader that is gone is seen at the end.
        let _ = event("partitions_assigned", partitions(assigned));
    }

    fn on_revoked(&mut self, revoked: &BTreeSet<TopicPartition>) -> Offsets {
        let _ = event("partitions_revoked", partitions(revoked));
        Offsets::new()
    }

    fn on_lost(&mut self, lost: &BTreeSet<TopicPartition>) {
        let _ = event("partitions_revoked", partitions(lost));
    }
}
