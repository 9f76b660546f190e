//! What the cases share: fresh names, topics that are ready, consumers that are polled until something is so.

use ottla_client::{
    Admin, Client, Consumer, ConsumerOptions, ConsumerRecord, GroupProtocol, Isolation, NewTopic, OffsetReset,
    Producer, ProducerOptions, ProducerRecord,
};
use ottla_types::TopicPartition;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a case ends with.
pub(crate) type Outcome = Result<(), Box<dyn std::error::Error>>;

/// How long a condition may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const TURN: Duration = Duration::from_millis(50);

pub(crate) struct Stage {
    pub(crate) client: Client,
    pub(crate) admin: Admin,
    prefix: String,
    next: AtomicU64,
    only: Option<String>,
}

/// Fails the case unless both are equal.
pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Outcome {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: found {found:?}, expected {expected:?}").into()),
    }
}

pub(crate) fn text(record: &ConsumerRecord) -> String {
    String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned()
}

impl Stage {
    pub(crate) fn new(client: &Client) -> Stage {
        Stage {
            client: client.clone(),
            admin: Admin::new(client),
            prefix: format!("story-{}", std::process::id()),
            next: AtomicU64::new(0),
            only: std::env::var("COMPAT_CASE").ok(),
        }
    }

    pub(crate) fn is_wanted(&self, case: &str) -> bool {
        self.only.as_ref().is_none_or(|only| case.contains(only.as_str()))
    }

    /// Waits until the broker answers.
    pub(crate) async fn ready(&self) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = self.admin.describe_cluster().await {
            if Instant::now() > deadline {
                return Err(error.into());
            }
            self.client.runtime().sleep(TURN).await;
        }
        Ok(())
    }

    /// A name that nothing has yet.
    pub(crate) fn fresh(&self, what: &str) -> String {
        format!("{}-{what}-{}", self.prefix, self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// A new topic whose partitions all have leaders.
    pub(crate) async fn topic(&self, partitions: i32) -> Result<String, Box<dyn std::error::Error>> {
        let name = self.fresh("topic");
        self.named_topic(&name, partitions).await?;
        Ok(name)
    }

    pub(crate) async fn named_topic(&self, name: &str, partitions: i32) -> Outcome {
        let topic = NewTopic { replication_factor: Some(1), ..NewTopic::new(name, partitions) };
        self.admin.create_topic(&topic, false).await?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let cluster = self.client.fetch_metadata(Some(&[name]), false).await?;
            let found = cluster.topics.get(name).and_then(|topic| topic.partitions.clone().ok()).unwrap_or_default();
            if found.len() == partitions as usize && found.iter().all(|partition| partition.leader.is_some()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("{name} has no leaders").into());
            }
            self.client.runtime().sleep(TURN).await;
        }
    }

    pub(crate) fn producer(&self) -> Result<Producer, ottla_client::ClientError> {
        Producer::new(&self.client, ProducerOptions::default())
    }

    /// Writes texts to partition 0.
    pub(crate) async fn send(&self, topic: &str, values: &[&str]) -> Outcome {
        let producer = self.producer()?;
        for value in values {
            producer.send_and_wait(ProducerRecord::new(topic, value.to_string()).partition(0)).await?;
        }
        Ok(producer.close(PATIENCE).await?)
    }

    pub(crate) fn member(&self, group: &str, protocol: &GroupProtocol) -> ConsumerOptions {
        ConsumerOptions {
            protocol: protocol.clone(),
            offset_reset: OffsetReset::Earliest,
            session_timeout: Duration::from_secs(6),
            heartbeat_interval: Duration::from_millis(300),
            metadata_age_max: Duration::from_millis(500),
            auto_commit: false,
            ..ConsumerOptions::group(group)
        }
    }

    /// The end of a partition once no transaction holds readers back: what ends one is written after its end was answered.
    async fn stable_end(&self, partition: &TopicPartition) -> Result<i64, Box<dyn std::error::Error>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut ends = Vec::new();
            for isolation in [Isolation::ReadCommitted, Isolation::ReadUncommitted] {
                let consumer =
                    Consumer::new(&self.client, ConsumerOptions { isolation, ..ConsumerOptions::default() })?;
                ends.push(consumer.end_offsets(std::slice::from_ref(partition)).await?[partition]);
            }
            if ends[0] == ends[1] {
                return Ok(ends[0]);
            }
            if Instant::now() > deadline {
                return Err(format!("{partition} is stable up to {}, and ends at {}", ends[0], ends[1]).into());
            }
            self.client.runtime().sleep(TURN).await;
        }
    }

    /// Everything in partition 0 up to its end, as a reader of this kind sees it. No transaction may be open.
    pub(crate) async fn read(
        &self,
        topic: &str,
        isolation: Isolation,
    ) -> Result<Vec<String>, Box<dyn std::error::Error>> {
        let options = ConsumerOptions { isolation, offset_reset: OffsetReset::Earliest, ..ConsumerOptions::default() };
        let mut consumer = Consumer::new(&self.client, options)?;
        let partition = TopicPartition::new(topic, 0);
        consumer.assign([partition.clone()])?;
        let end = self.stable_end(&partition).await?;
        let deadline = Instant::now() + PATIENCE;
        let mut values = Vec::new();
        while consumer.position(&partition).await? < end {
            values.extend(consumer.poll(TURN).await?.iter().map(text));
            if Instant::now() > deadline {
                return Err(format!("stands at {:?} of {end}", consumer.positions()).into());
            }
        }
        Ok(values)
    }
}

/// Polls all of them in turn until `is_so`; what they read meanwhile is returned.
pub(crate) async fn poll_until(
    consumers: &mut [Consumer],
    is_so: impl Fn(&[Consumer], &[ConsumerRecord]) -> bool,
) -> Result<Vec<ConsumerRecord>, Box<dyn std::error::Error>> {
    let deadline = Instant::now() + PATIENCE;
    let mut records = Vec::new();
    while !is_so(consumers, &records) {
        for consumer in consumers.iter_mut() {
            records.extend(consumer.poll(TURN).await?);
        }
        if Instant::now() > deadline {
            let have: Vec<_> = consumers.iter().map(Consumer::assignment).collect();
            return Err(format!("members have {have:?} and {} records", records.len()).into());
        }
    }
    Ok(records)
}

/// Whether the consumers have all partitions of `topic` among them, each one once, and everybody has some.
pub(crate) fn is_shared(consumers: &[Consumer], topic: &str, partitions: i32) -> bool {
    let mut seen = BTreeSet::new();
    let no_one_twice = consumers.iter().flat_map(Consumer::assignment).all(|partition| seen.insert(partition));
    let all: BTreeSet<TopicPartition> = (0..partitions).map(|index| TopicPartition::new(topic, index)).collect();
    no_one_twice && seen == all && consumers.iter().all(|consumer| !consumer.assignment().is_empty())
}
