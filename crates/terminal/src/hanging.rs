//! Transactions that hang: a partition has one that is open, and no coordinator will ever end it. Readers of committed records
//! stand before it. Found as Kafka's tool finds them: what a partition holds open for long and the coordinator does not count
//! among the partitions of the producer's transaction.

use crate::failure::Failure;
use crate::times::now_ms;
use ottla_client::{Admin, ClientError, OpenTransaction, TransactionFilter};
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Where to look.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Only partitions with a replica on this broker, and what that replica says.
    pub broker_id: Option<i32>,
    /// Only this topic.
    pub topic: Option<String>,
    /// Only this partition of it.
    pub partition: Option<i32>,
    /// Producers that wrote within this time are taken to be at work.
    pub older_than: Duration,
}

/// A partition's part of a transaction that hangs.
#[derive(Debug, Clone)]
pub struct Hanging {
    /// What ends it.
    pub open: OpenTransaction,
    /// The offset of its first record.
    pub start_offset: i64,
    /// When its producer wrote last, in milliseconds since the epoch.
    pub last_timestamp: i64,
}

/// All that hang.
pub async fn find(admin: &Admin, scope: &Scope) -> Result<Vec<Hanging>, Failure> {
    let mut candidates = Vec::new();
    let age_ms = i64::try_from(scope.older_than.as_millis()).unwrap_or(i64::MAX);
    let partitions: BTreeSet<TopicPartition> = partitions(admin, scope).await?.into_iter().collect();
    for (partition, producers) in admin.describe_producers(&partitions, scope.broker_id).await {
        for producer in producers? {
            let Some(start_offset) = producer.current_txn_start_offset else { continue };
            if now_ms() - producer.last_timestamp <= age_ms {
                continue;
            }
            let open = OpenTransaction {
                partition: partition.clone(),
                producer_id: producer.producer_id,
                producer_epoch: i16::try_from(producer.producer_epoch).unwrap_or(i16::MAX),
                coordinator_epoch: producer.coordinator_epoch,
            };
            candidates.push(Hanging { open, start_offset, last_timestamp: producer.last_timestamp });
        }
    }
    if candidates.is_empty() {
        return Ok(candidates);
    }
    let known = coordinated(admin, &candidates).await?;
    candidates.retain(|found| {
        let theirs = known.get(&found.open.producer_id);
        theirs.is_none_or(|partitions| !partitions.contains(&found.open.partition))
    });
    Ok(candidates)
}

/// The partition's open transaction that starts at this offset.
pub async fn starting_at(
    admin: &Admin,
    partition: &TopicPartition,
    start_offset: i64,
) -> Result<OpenTransaction, Failure> {
    let described = admin.describe_producers(&[partition.clone()].into(), None).await;
    let producers = described.into_values().collect::<Result<Vec<_>, _>>()?;
    let found =
        producers.into_iter().flatten().find(|producer| producer.current_txn_start_offset == Some(start_offset));
    let found = found.ok_or_else(|| {
        let what =
            format!("Could not find any open transactions starting at offset {start_offset} on partition {partition}");
        Failure { code: Failure::NOT_FOUND, ..Failure::new(what) }
    })?;
    Ok(OpenTransaction {
        partition: partition.clone(),
        producer_id: found.producer_id,
        producer_epoch: i16::try_from(found.producer_epoch).unwrap_or(i16::MAX),
        // A coordinator that has written nothing yet counts as one of epoch 0, which every real one succeeds.
        coordinator_epoch: found.coordinator_epoch.max(0),
    })
}

async fn partitions(admin: &Admin, scope: &Scope) -> Result<Vec<TopicPartition>, Failure> {
    if let (Some(topic), Some(partition)) = (&scope.topic, scope.partition) {
        return Ok(vec![TopicPartition::new(topic.as_str(), partition)]);
    }
    let cluster = admin.list_topics().await?;
    if let Some(topic) = scope.topic.as_ref().filter(|topic| !cluster.topics.contains_key(*topic)) {
        return Err(Failure::unknown_topic(topic, &cluster.topics.keys().cloned().collect::<Vec<_>>()));
    }
    let topics = cluster.topics.values().filter(|topic| scope.topic.as_ref().is_none_or(|name| *name == topic.name));
    let mut found = Vec::new();
    for topic in topics {
        let all = topic.partitions.as_deref().unwrap_or_default().iter();
        let here = all.filter(|partition| scope.broker_id.is_none_or(|id| partition.replicas.contains(&id)));
        found.extend(here.map(|partition| TopicPartition::new(topic.name.as_str(), partition.partition)));
    }
    Ok(found)
}

/// The partitions that coordinators will end, by producer id.
async fn coordinated(
    admin: &Admin,
    candidates: &[Hanging],
) -> Result<BTreeMap<i64, BTreeSet<TopicPartition>>, Failure> {
    let producer_ids: BTreeSet<i64> = candidates.iter().map(|found| found.open.producer_id).collect();
    let filter = TransactionFilter { producer_ids: producer_ids.into_iter().collect(), ..TransactionFilter::default() };
    let mut known: BTreeMap<i64, BTreeSet<TopicPartition>> = BTreeMap::new();
    for listed in admin.list_transactions(&filter).await? {
        match admin.describe_transaction(&listed.transactional_id).await {
            Ok(described) => known.entry(listed.producer_id).or_default().extend(described.partitions),
            Err(ClientError::Broker { code: ErrorCode::TransactionalIdNotFound, .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(known)
}
