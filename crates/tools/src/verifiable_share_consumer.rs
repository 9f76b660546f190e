//! `kafka-verifiable-share-consumer`: a member of a share group that tells in JSON what happens to it.

use super::shared::{Cluster, usage};
use super::verifiable_consumer::RecordData;
use super::verifiable_producer::{bare_event, event};
use super::{KafkaTool, WithoutWords};
use ottla_client::{
    Acknowledged, Admin, Client, ClientError, ConfigChange, ConfigResource, ConsumerRecord, ShareConsumer,
    ShareConsumerOptions,
};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::reading::stop_on_signal;
use ottla_types::TopicPartition;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A poll that has nothing ends after this and is repeated.
const POLL: Duration = Duration::from_secs(5);

/// Consume messages of a topic as a member of a share group and print JSON for every event.
#[derive(Debug, clap::Parser)]
pub(super) struct VerifiableShareConsumer {
    /// REQUIRED: The server(s) to connect to.
    #[arg(long, value_name = "HOST1:PORT1[,HOST2:PORT2[...]]")]
    bootstrap_server: Option<String>,
    /// REQUIRED: Consumes messages from this topic.
    #[arg(long)]
    topic: Option<String>,
    /// REQUIRED: The share group.
    #[arg(long)]
    group_id: Option<String>,
    /// Consume this many messages; -1 until the process is ended.
    #[arg(long, default_value_t = -1)]
    max_messages: i64,
    /// Print each message.
    #[arg(long)]
    verbose: bool,
    /// auto, sync or async: with the next poll, or by a commit.
    #[arg(long, default_value = "auto")]
    acknowledgement_mode: String,
    /// Where the group begins: earliest or latest; sets the group's config.
    #[arg(long, default_value = "")]
    offset_reset_strategy: String,
    /// A file of consumer configs; the command line wins.
    #[arg(long, value_name = "CONFIG-FILE")]
    command_config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Auto,
    Sync,
    Async,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OffsetResetStrategySet {
    offset_reset_strategy: String,
}

#[derive(Debug, Serialize)]
struct Offsets {
    topic: String,
    partition: i32,
    count: usize,
    offsets: Vec<i64>,
}

#[derive(Debug, Serialize)]
struct RecordsConsumed {
    count: usize,
    partitions: Vec<Offsets>,
}

#[derive(Debug, Serialize)]
struct OffsetsAcknowledged {
    count: usize,
    partitions: Vec<Offsets>,
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl KafkaTool for VerifiableShareConsumer {
    const NAME: &'static str = "kafka-verifiable-share-consumer";
    const WITHOUT_WORDS: WithoutWords = WithoutWords::Helps;

    fn run(&self) -> Result<(), Failure> {
        let missing = |name: &str| usage(format!("verifiable-share-consumer: error: argument {name} is required"));
        let bootstrap = self.bootstrap_server.as_deref().ok_or_else(|| missing("--bootstrap-server"))?;
        let topic = self.topic.as_deref().ok_or_else(|| missing("--topic"))?;
        let group = self.group_id.as_deref().ok_or_else(|| missing("--group-id"))?;
        let mode = self.mode()?;
        let mut cluster = Cluster::new(bootstrap, self.command_config.as_deref(), &[], "verifiable-share-consumer")?;
        cluster.properties.set("group.id", group);
        let options = cluster.properties.share_consumer_options(ShareConsumerOptions::group(group))?;
        cluster.run(Threads::One, async |client: Client| {
            let mut consumer = ShareConsumer::new(&client, options)?;
            let consumed = self.consume(&client, (group, topic), mode, &mut consumer).await;
            if let Err(failure) = &consumed {
                let cause = &failure.cause;
                eprintln!("ERROR Error during processing, terminating share consumer process: {cause}");
            }
            // What failed then, the callback has told.
            drop(consumer.close().await);
            bare_event("shutdown_complete")
        })
    }
}

impl VerifiableShareConsumer {
    fn mode(&self) -> Result<Mode, Failure> {
        match self.acknowledgement_mode.to_ascii_lowercase().as_str() {
            "auto" => Ok(Mode::Auto),
            "sync" => Ok(Mode::Sync),
            "async" => Ok(Mode::Async),
            _ => Err(usage("verifiable-share-consumer: error: --acknowledgement-mode is auto, sync or async")),
        }
    }

    fn offset_reset(&self) -> Result<Option<String>, Failure> {
        match self.offset_reset_strategy.to_ascii_lowercase() {
            empty if empty.is_empty() => Ok(None),
            known if ["earliest", "latest"].contains(&known.as_str()) => Ok(Some(known)),
            unknown => Err(Failure::new(format!("Unknown auto offset reset strategy: {unknown}"))),
        }
    }

    async fn consume(
        &self,
        client: &Client,
        (group, topic): (&str, &str),
        mode: Mode,
        consumer: &mut ShareConsumer,
    ) -> Result<(), Failure> {
        bare_event("startup_complete")?;
        if let Some(offset_reset_strategy) = self.offset_reset()? {
            let (name, value) = ("share.auto.offset.reset".to_string(), offset_reset_strategy.clone());
            let resource = ConfigResource::Group(group.to_string());
            Admin::new(client).alter_configs(&resource, &[ConfigChange::Set { name, value }], false).await?;
            event("offset_reset_strategy_set", OffsetResetStrategySet { offset_reset_strategy })?;
        }
        consumer.subscribe(&[topic])?;
        stop_on_signal(consumer.waker());
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let counted = acknowledged.clone();
        consumer.set_acknowledgement_commit_callback(move |done| {
            let count = tell_acknowledged(done);
            counted.fetch_add(count, Ordering::Relaxed);
        });
        let max = usize::try_from(self.max_messages).unwrap_or(usize::MAX);
        while acknowledged.load(Ordering::Relaxed) < max {
            let records = match consumer.poll(POLL).await {
                Ok(records) if records.is_empty() => continue,
                Ok(records) => records,
                Err(ClientError::Wakeup) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            self.tell(&records)?;
            match mode {
                Mode::Auto => {}
                Mode::Async => consumer.commit_async(),
                Mode::Sync => match consumer.commit().await {
                    Ok(acknowledged) => tell_failed(&acknowledged),
                    Err(ClientError::Wakeup) => return Ok(()),
                    Err(error) => return Err(error.into()),
                },
            }
        }
        Ok(())
    }

    fn tell(&self, records: &[ConsumerRecord]) -> Result<(), Failure> {
        let mut partitions: BTreeMap<TopicPartition, Vec<i64>> = BTreeMap::new();
        for record in records {
            partitions.entry(record.topic_partition()).or_default().push(record.offset);
            if self.verbose {
                event("record_data", RecordData::of(record))?;
            }
        }
        let partitions = partitions.into_iter().map(|(partition, offsets)| Offsets::of(&partition, offsets)).collect();
        event("records_consumed", RecordsConsumed { count: records.len(), partitions })
    }
}

impl Offsets {
    fn of(partition: &TopicPartition, offsets: Vec<i64>) -> Offsets {
        let (topic, partition) = (partition.topic.to_string(), partition.partition);
        Offsets { topic, partition, count: offsets.len(), offsets }
    }
}

fn tell_failed(acknowledged: &[Acknowledged]) {
    for failed in acknowledged.iter().filter(|acknowledged| acknowledged.outcome.is_err()) {
        eprintln!("ERROR Failed to commit offset synchronously for topic partition: {}", failed.partition);
    }
}

/// How many records were taken.
fn tell_acknowledged(done: &Acknowledged) -> usize {
    let offsets: Vec<i64> = done.offsets.iter().cloned().flatten().collect();
    let (count, error) = (offsets.len(), done.outcome.as_ref().err().map(ToString::to_string));
    let (partitions, success) = (vec![Offsets::of(&done.partition, offsets)], error.is_none());
    // A reader that is gone is seen at the end.
    let _ = event("offsets_acknowledged", OffsetsAcknowledged { count, partitions, success, error });
    if success { count } else { 0 }
}
