//! What a producer holds: a queue for each partition, the identity, and who must be woken when something changes.
//!
//! It is locked for moments only; encoding and the network happen outside.

use super::batch::{Batch, BatchId};
use super::interceptor::BatchReport;
use super::options::ProducerOptions;
use super::partitioner::TopicPartitions;
use super::queue::{Completion, PartitionQueue, Rules};
use super::record::{Delivery, Outcome, ProducerRecord};
use super::transaction::{Step, Transactions};
use crate::error::ClientError;
use crate::metadata::TopicMetadata;
use crate::produce::Produced;
use crate::simple_producer::ProducerIdentity;
use ottla_runtime::{AbortOnDrop, Instant, Runtime, watch};
use ottla_types::ProducerEpoch;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use tokio::sync::{Notify, Semaphore};

/// Topic name and partition index.
pub(super) type Key = (Arc<str>, i32);

/// See the module.
pub(super) struct Accumulator {
    pub(super) queues: BTreeMap<Key, PartitionQueue>,
    pub(super) topics: BTreeMap<Arc<str>, TopicPartitions>,
    pub(super) identity: Option<ProducerIdentity>,
    /// Wakes the sender of each broker.
    pub(super) senders: BTreeMap<i32, Arc<Notify>>,
    /// Flushes under way: nothing lingers.
    pub(super) flushes: usize,
    /// Senders that wait for memory: nothing lingers.
    pub(super) starved: usize,
    pub(super) is_closed: bool,
    /// The tasks are ended.
    pub(super) is_gone: bool,
    /// The senders.
    pub(super) tasks: Vec<AbortOnDrop<()>>,
    /// The transaction, of a transactional producer.
    pub(super) transactions: Option<Transactions>,
    /// What nothing can be sent after.
    pub(super) fatal: Option<ClientError>,
    next_id: BatchId,
    next_order: u64,
    /// Where the next round of a broker begins, so that no partition starves.
    after: BTreeMap<i32, Key>,
}

/// Batches for one broker, drained at one go.
pub(super) type Drained = Vec<(Key, ottla_types::Uuid, Batch)>;

impl Accumulator {
    pub(super) fn new(transactional_id: Option<&str>) -> Accumulator {
        Accumulator {
            queues: BTreeMap::new(),
            topics: BTreeMap::new(),
            identity: None,
            senders: BTreeMap::new(),
            flushes: 0,
            starved: 0,
            is_closed: false,
            is_gone: false,
            tasks: Vec::new(),
            transactions: transactional_id.map(|id| Transactions::new(id.to_string())),
            fatal: None,
            next_id: 0,
            next_order: 0,
            after: BTreeMap::new(),
        }
    }

    /// What was learnt of a topic.
    pub(super) fn know(&mut self, topic: &TopicMetadata) {
        let Ok(partitions) = &topic.partitions else { return };
        let name: Arc<str> = topic.name.as_str().into();
        let known = self.topics.entry(name.clone()).or_default();
        known.count = i32::try_from(partitions.len()).expect("partitions are numbered by i32");
        known.available = partitions.iter().filter(|p| p.leader.is_some()).map(|p| p.partition).collect();
        for ((_, partition), queue) in self.queues.range_mut((name.clone(), i32::MIN)..=(name.clone(), i32::MAX)) {
            queue.leader = topic.partition(*partition).and_then(|found| found.leader);
            queue.topic_id = topic.topic_id;
        }
        for found in partitions {
            let queue = self.queues.entry((name.clone(), found.partition)).or_default();
            (queue.leader, queue.topic_id) = (found.leader, topic.topic_id);
        }
    }

    /// Puts a record into its partition's last batch or a new one. The topic is known. Says also whether the partition must
    /// be added to the transaction.
    pub(super) fn append(
        &mut self,
        record: ProducerRecord,
        options: &ProducerOptions,
        runtime: &Runtime,
    ) -> Result<(Delivery, Option<Arc<Notify>>, bool), ClientError> {
        let bytes = record.size();
        let (topic, known) = self.topics.get_key_value(record.topic.as_str()).expect("the topic is known");
        let (topic, count) = (topic.clone(), known.count);
        let (partition, is_sticky) = match record.partition {
            Some(partition) if (0..count).contains(&partition) => (partition, false),
            Some(partition) => {
                return Err(ClientError::Invalid(format!("topic '{topic}' has no partition {partition}")));
            }
            None => {
                let queues = &self.queues;
                let load = |index| queues.get(&(topic.clone(), index)).map_or(0, PartitionQueue::load);
                let known = self.topics.get_mut(&topic).expect("the topic is known");
                known.partition_for(options.partitioner, record.key.as_deref(), load, runtime)
            }
        };
        let key = (topic.clone(), partition);
        let is_new_partition = self.transactions.as_mut().is_some_and(|transactions| transactions.touch(&key));
        let queue = self.queues.entry(key).or_default();
        let mut is_news = false;
        if !queue.waiting.back().is_some_and(|batch| batch.has_room(bytes, options.batch_size)) {
            queue.waiting.push_back(Batch::new(self.next_id, self.next_order, runtime.now()));
            self.next_id += 1;
            self.next_order += 1;
            is_news = true;
        }
        let batch = queue.waiting.back_mut().expect("there is one now");
        let index = batch.push(record, bytes, runtime.wall_clock_ms());
        let timestamp = batch.records[batch.records.len() - 1].timestamp;
        let delivery = Delivery { outcome: batch.outcome.subscribe(), index, partition, timestamp };
        let is_full = batch.bytes >= options.batch_size;
        let leader = queue.leader;
        if is_sticky {
            let known = self.topics.get_mut(&topic).expect("the topic is known");
            known.sticky.appended(bytes, options.batch_size, is_full || is_news);
        }
        let wake = if is_news || is_full { leader.and_then(|leader| self.senders.get(&leader).cloned()) } else { None };
        Ok((delivery, wake, is_new_partition))
    }

    /// Takes a ready batch of every partition that `node` leads, up to `bytes_max` in all but at least one.
    pub(super) fn drain(&mut self, node: i32, rules: &Rules, bytes_max: usize, now: Instant) -> Drained {
        let hurry = self.hurries();
        let start = self.after.remove(&node);
        let (mut drained, mut bytes) = (Drained::new(), 0);
        let from = start.clone().map_or(Unbounded, Excluded);
        let mut keys: Vec<Key> = Vec::new();
        let is_ready = |(key, queue): &(&Key, &PartitionQueue)| {
            queue.leader == Some(node) && queue.is_ready(rules, hurry, self.identity, now) && self.allows(key, queue)
        };
        keys.extend(self.queues.range((from, Unbounded)).filter(is_ready).map(|(key, _)| key.clone()));
        if let Some(start) = start {
            keys.extend(self.queues.range(..=start).filter(is_ready).map(|(key, _)| key.clone()));
        }
        for key in keys {
            let queue = self.queues.get_mut(&key).expect("it was just there");
            let size = queue.waiting.front().map_or(0, |front| front.bytes);
            if !drained.is_empty() && bytes + size > bytes_max {
                break;
            }
            bytes += size;
            let batch = queue.take(rules, self.identity);
            self.after.insert(node, key.clone());
            drained.push((key, queue.topic_id, batch));
        }
        drained
    }

    /// Whether the transaction, if there is one, lets the front of this queue go.
    fn allows(&self, key: &Key, queue: &PartitionQueue) -> bool {
        let is_numbered = queue.waiting.front().is_some_and(|front| front.sequence.is_some());
        self.transactions.as_ref().is_none_or(|transactions| transactions.may_send(key, is_numbered))
    }

    /// When a batch of this broker becomes ready by time alone.
    pub(super) fn next_time(&self, node: Option<i32>, rules: &Rules, now: Instant) -> Option<Instant> {
        let queues = self.queues.values().filter(|queue| node.is_none() || queue.leader == node);
        queues.filter_map(|queue| queue.next_time(rules, now)).min()
    }

    /// Gives a batch back to its queue; ends what has come to its end and returns the memory that is free now.
    pub(super) fn complete(
        &mut self,
        key: &Key,
        batch: Batch,
        result: Result<Produced, ClientError>,
        rules: &Rules,
        times: (Instant, Instant),
    ) -> Completion {
        let queue = self.queues.get_mut(key).expect("a queue outlives its batches");
        let mut completion = queue.complete(batch, result, rules, times.0, times.1);
        if completion.needs_metadata {
            queue.leader = None;
        }
        if let Some(large) = completion.too_large.take() {
            tracing::debug!(topic = %key.0, partition = key.1, records = large.records.len(), "batch split: too large");
            let ids = [self.next_id, self.next_id + 1];
            self.next_id += 2;
            large.split(ids).into_iter().for_each(|half| queue.put_back(half));
        }
        self.replace_lost(&completion);
        self.note_failures(&completion);
        completion
    }

    /// A batch that is given up makes its transaction fail.
    pub(super) fn note_failures(&mut self, completion: &Completion) {
        let Some(transactions) = &mut self.transactions else { return };
        for error in completion.ended.iter().filter_map(|(_, result)| result.as_ref().err()) {
            let why = match error {
                ClientError::Undelivered { why, .. } => (**why).clone(),
                other => other.clone(),
            };
            if why != ClientError::Aborted {
                transactions.fail(Step::Produce, why);
            }
        }
    }

    /// Everything begins anew under this identity. Nothing is in flight.
    pub(super) fn restart(&mut self, identity: ProducerIdentity) {
        self.identity = Some(identity);
        self.queues.values_mut().for_each(PartitionQueue::restart);
        self.wake_all();
    }

    /// The next epoch in place of a lost identity; `None`, so that a new id is asked for, when epochs are used up.
    pub(super) fn replace_lost(&mut self, completion: &Completion) {
        let Some(lost) = completion.lost.filter(|lost| self.identity == Some(*lost)) else { return };
        if self.transactions.is_some() {
            // The coordinator gives the next epoch, behind the end of the transaction.
            return;
        }
        let next = lost.producer_epoch.0.checked_add(1).filter(|epoch| *epoch < i16::MAX);
        tracing::warn!(producer_id = lost.producer_id.0, epoch = lost.producer_epoch.0, "sequence lost; new epoch");
        self.identity = next.map(|epoch| ProducerIdentity { producer_epoch: ProducerEpoch(epoch), ..lost });
    }

    pub(super) fn hurries(&self) -> bool {
        self.flushes > 0 || self.starved > 0 || self.is_closed
    }

    /// Wakes every sender.
    pub(super) fn wake_all(&self) {
        self.senders.values().for_each(|sender| sender.notify_one());
    }

    /// Topics of queues that have batches and no leader.
    pub(super) fn homeless(&self) -> Vec<Arc<str>> {
        let homeless = self.queues.iter().filter(|(_, queue)| queue.leader.is_none() && !queue.waiting.is_empty());
        let mut topics: Vec<Arc<str>> = homeless.map(|((topic, _), _)| topic.clone()).collect();
        topics.dedup();
        topics
    }

    /// The order that the next batch will have.
    pub(super) fn next_order(&self) -> u64 {
        self.next_order
    }

    /// The ends of all batches with a lower order, waiting or in flight.
    pub(super) fn outcomes_before(&self, order: u64) -> Vec<watch::Receiver<Outcome>> {
        self.queues.values().flat_map(|queue| queue.outcomes_before(order)).collect()
    }

    /// # Errors
    /// `Closed`, what nothing can be sent after, or that no transaction is open.
    pub(super) fn usable(&self) -> Result<(), ClientError> {
        match (&self.fatal, &self.transactions) {
            (Some(fatal), _) => Err(fatal.clone()),
            (None, _) if self.is_closed => Err(ClientError::Closed("the producer")),
            (None, Some(transactions)) => transactions.check_open(),
            (None, None) => Ok(()),
        }
    }
}

/// Ends batches: memory back, interceptors told, deliveries resolved.
pub(super) fn end(key: &Key, completion: Completion, options: &ProducerOptions, memory: &Semaphore, now: Instant) {
    for (batch, result) in completion.ended {
        let report = BatchReport {
            topic: &key.0,
            partition: key.1,
            records: batch.records.len(),
            bytes: batch.bytes,
            sent_bytes: batch.encoded.as_ref().map_or(0, bytes::Bytes::len),
            attempts: batch.attempts,
            latency: now.saturating_duration_since(batch.created),
            result: result.as_ref().map(|produced| produced.base_offset),
        };
        options.interceptors.iter().for_each(|interceptor| interceptor.on_batch(&report));
        if let Err(error) = &result {
            tracing::debug!(topic = %key.0, partition = key.1, records = batch.records.len(), %error, "batch given up");
        }
        memory.add_permits(batch.held);
        batch.finish(result);
    }
}
