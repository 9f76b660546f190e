//! Topics, partitions, the cluster and transactions for the metrics: computed when somebody looks, so that requests pay for
//! nothing but the counters in their partitions.
//!
//! Series are bounded: of [`TOPICS_SHOWN_MAX`] topics and [`PARTITIONS_SHOWN_MAX`] partitions, the first by name, so that a
//! series does not come and go with the load. The others are in the totals, and counted.

use crate::Broker;
use crate::partition::Partition;
use crate::transactions::Observation;
use ottla_metadata::MetadataImage;
use ottla_telemetry::topics::{
    ACTIVE_BROKERS, ACTIVE_CONTROLLERS, BYTES_IN, BYTES_OUT, FENCED_BROKERS, GLOBAL_PARTITIONS, GLOBAL_TOPICS,
    LOG_END_OFFSET, LOG_SEGMENTS, LOG_SIZE, LOG_START_OFFSET, MESSAGES_IN, OFFLINE_PARTITIONS, OLDEST_TRANSACTION,
    PARTITIONS_NOT_SHOWN, TOPICS_NOT_SHOWN, TRANSACTIONS, UNDER_REPLICATED,
};
use ottla_telemetry::{Collector, Family, MetricInfo, TopicTotals};
use ottla_types::NodeId;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

/// Most topics with series of their own.
const TOPICS_SHOWN_MAX: usize = 1_000;
/// Most partitions with series of their own.
const PARTITIONS_SHOWN_MAX: usize = 2_000;

impl Collector for Broker {
    fn collect(&self) -> Pin<Box<dyn Future<Output = Vec<Family>> + Send + '_>> {
        Box::pin(async move {
            let mut partitions = self.partitions.all();
            partitions.sort_by(|a, b| (&a.topic, a.index).cmp(&(&b.topic, b.index)));
            let mut families = Vec::new();
            families.extend(topics(&self.shared.metrics.topics, &partitions));
            families.extend(logs(&partitions));
            families.extend(cluster(&self.image(), self.node_id()));
            families.extend(transactions(&self.transactions().observe().await, self.runtime().wall_clock_ms()));
            families
        })
    }
}

fn topics(totals: &TopicTotals, sorted: &[Arc<Partition>]) -> [Family; 4] {
    let [mut bytes_in, mut messages_in, mut bytes_out] =
        [(&BYTES_IN, &totals.bytes_in), (&MESSAGES_IN, &totals.messages_in), (&BYTES_OUT, &totals.bytes_out)]
            .map(|(info, total): (&'static MetricInfo, _)| Family::of_value(info, number(total.get())));
    let by_topic: Vec<&[Arc<Partition>]> = sorted.chunk_by(|a, b| a.topic == b.topic).collect();
    for partitions in by_topic.iter().take(TOPICS_SHOWN_MAX) {
        let labels = || vec![("topic", partitions[0].topic.to_string())];
        let moved = partitions.iter().map(|partition| partition.moved());
        let sum =
            moved.fold((0, 0, 0), |sum, one| (sum.0 + one.bytes_in, sum.1 + one.messages_in, sum.2 + one.bytes_out));
        bytes_in.push(labels(), number(sum.0));
        messages_in.push(labels(), number(sum.1));
        bytes_out.push(labels(), number(sum.2));
    }
    let not_shown = by_topic.len().saturating_sub(TOPICS_SHOWN_MAX);
    [bytes_in, messages_in, bytes_out, Family::of_value(&TOPICS_NOT_SHOWN, number(not_shown as u64))]
}

/// A log that is not open has no series.
fn logs(sorted: &[Arc<Partition>]) -> [Family; 5] {
    let mut sizes = Family::new(&LOG_SIZE);
    let mut segments = Family::new(&LOG_SEGMENTS);
    let mut starts = Family::new(&LOG_START_OFFSET);
    let mut ends = Family::new(&LOG_END_OFFSET);
    for partition in sorted.iter().take(PARTITIONS_SHOWN_MAX) {
        let Some(extent) = partition.extent() else { continue };
        let labels = || vec![("topic", partition.topic.to_string()), ("partition", partition.index.to_string())];
        sizes.push(labels(), number(extent.bytes));
        segments.push(labels(), number(extent.segments as u64));
        starts.push(labels(), extent.log_start_offset);
        ends.push(labels(), extent.log_end_offset);
    }
    let not_shown = sorted.len().saturating_sub(PARTITIONS_SHOWN_MAX);
    [sizes, segments, starts, ends, Family::of_value(&PARTITIONS_NOT_SHOWN, number(not_shown as u64))]
}

fn cluster(image: &MetadataImage, node_id: NodeId) -> [Family; 7] {
    let (mut offline, mut under_replicated) = (0, 0);
    for partition in image.topics().flat_map(|topic| &topic.partitions) {
        offline += u64::from(partition.leader.is_none());
        let is_led_here = partition.leader == Some(node_id);
        under_replicated += u64::from(is_led_here && partition.isr.len() < partition.replicas.len());
    }
    let fenced = image.brokers().filter(|broker| broker.fenced).count();
    [
        // A node of today is a whole cluster: who serves has the controller.
        Family::of_value(&ACTIVE_CONTROLLERS, 1),
        Family::of_value(&OFFLINE_PARTITIONS, number(offline)),
        Family::of_value(&UNDER_REPLICATED, number(under_replicated)),
        Family::of_value(&GLOBAL_TOPICS, number(image.topic_count() as u64)),
        Family::of_value(&GLOBAL_PARTITIONS, number(image.partition_count() as u64)),
        Family::of_value(&ACTIVE_BROKERS, number(image.broker_count().saturating_sub(fenced) as u64)),
        Family::of_value(&FENCED_BROKERS, number(fenced as u64)),
    ]
}

fn transactions(observed: &Observation, now_ms: i64) -> [Family; 2] {
    // What alerts ask for is there before the first transaction.
    let mut states: BTreeMap<&str, u64> = BTreeMap::from([("Ongoing", 0), ("PrepareCommit", 0), ("PrepareAbort", 0)]);
    observed.states.iter().for_each(|(state, count)| *states.entry(state).or_default() += count);
    let mut by_state = Family::new(&TRANSACTIONS);
    states.into_iter().for_each(|(state, count)| by_state.push(vec![("state", state.to_string())], number(count)));
    let age_ms = observed.oldest_open_ms.map_or(0, |began_ms| now_ms.saturating_sub(began_ms).max(0));
    [by_state, Family::of_value(&OLDEST_TRANSACTION, age_ms / 1000)]
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
