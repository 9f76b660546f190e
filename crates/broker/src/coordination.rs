//! The group coordinator of this node: a shard for each partition of `__consumer_offsets` that the node leads.
//!
//! `partition_log` lets a shard write to its partition; `follow` starts and ends shards with the metadata and tells them of
//! topics and configs; `internal_topic` creates the topic when it is first needed; `partitioner` says which group is where;
//! `effects` does what shards ask for, `regexes` among it; `scrape` shows groups and lag to the metrics.
//! What groups do is in `ottla-group`, how a shard is run in `ottla-coordinator`; `shard_following`
//! is what the coordinators of transactions and share groups have in common with it.

mod effects;
mod feed;
mod follow;
mod internal_topic;
mod partition_log;
mod partitioner;
mod regexes;
mod scrape;
mod shard_following;
mod told;

pub(crate) use internal_topic::InternalTopic;
pub(crate) use partition_log::PartitionLog;
pub(crate) use partitioner::partition_of;
pub(crate) use shard_following::{FollowShards, Followed, follow_images};

use crate::partitions::Partitions;
use feed::Feed;
use futures_util::future::{Either, ready};
use ottla_config::BrokerConfig;
use ottla_coordinator::{CoordinatorError, EndTransaction, Shards};
use ottla_group::{GroupEvent, GroupReply, GroupRequest, GroupShard, RequestContext};
use ottla_metadata::MetadataImage;
use ottla_metadata::topic_name::GROUP_METADATA;
use ottla_records::{Compression, CompressionSpec};
use ottla_runtime::{Runtime, watch};
use ottla_telemetry::{GroupMetrics, Metrics};
use ottla_types::ErrorCode;
use regexes::Regexes;
use std::sync::{Arc, Weak};
use std::time::Duration;
use told::Told;

pub(crate) use follow::start;

/// How long a shutdown waits for the shards.
const SHARDS_PATIENCE: Duration = Duration::from_secs(5);

/// The groups that this node coordinates.
pub(crate) struct GroupCoordinator {
    runtime: Runtime,
    images: watch::Receiver<Arc<MetadataImage>>,
    partitions: Arc<Partitions>,
    shards: Shards<GroupShard>,
    /// What every shard is told.
    told: Arc<Told>,
    partition_count: i32,
    write_timeout: Duration,
    load_bytes_max: usize,
    compression: CompressionSpec,
    regexes: Regexes,
    metrics: GroupMetrics,
}

impl GroupCoordinator {
    pub(crate) fn new(
        runtime: &Runtime,
        images: watch::Receiver<Arc<MetadataImage>>,
        partitions: Arc<Partitions>,
        config: &BrokerConfig,
        metrics: &Metrics,
    ) -> Arc<GroupCoordinator> {
        let number = |name: &str| u64::try_from(config.long(name)).unwrap_or(0);
        let codec = u8::try_from(config.long("offsets.topic.compression.codec")).unwrap_or(0);
        let told = Arc::new(Told::new(&images.borrow(), config));
        let coordinator = Arc::new(GroupCoordinator {
            runtime: runtime.clone(),
            shards: Shards::new(runtime),
            told,
            images,
            partitions,
            partition_count: i32::try_from(config.long("offsets.topic.num.partitions")).unwrap_or(1).max(1),
            write_timeout: Duration::from_millis(number("offsets.commit.timeout.ms")),
            load_bytes_max: usize::try_from(number("offsets.load.buffer.size")).unwrap_or(usize::MAX),
            compression: Compression::from_id(codec).unwrap_or(Compression::None).into(),
            regexes: Regexes::default(),
            metrics: metrics.groups.clone(),
        });
        let weak: Weak<GroupCoordinator> = Arc::downgrade(&coordinator);
        metrics.add_collector(weak);
        coordinator
    }

    /// How many partitions `__consumer_offsets` has, or will have.
    pub(crate) fn partition_count(&self) -> i32 {
        let image = self.images.borrow();
        let topic = image.topic(GROUP_METADATA);
        topic.map_or(self.partition_count, |topic| i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX))
    }

    /// Hands a request to the shard of its group, at once, and resolves with the answer.
    pub(crate) fn submit(
        &self,
        context: RequestContext,
        request: GroupRequest,
    ) -> impl Future<Output = Result<GroupReply, CoordinatorError>> + Send + use<> + 'static {
        let index = partition_of(request.group_id().unwrap_or_default(), self.partition_count());
        match self.shards.get(index) {
            Some(shard) => Either::Left(shard.submit(GroupEvent::Request(context, request))),
            None => Either::Right(ready(Err(self.why_not_here(index)))),
        }
    }

    /// Has a marker written to a partition of the offsets topic, and resolves when it is committed.
    pub(crate) fn end_transaction(
        &self,
        index: i32,
        end: EndTransaction,
    ) -> impl Future<Output = Result<(), CoordinatorError>> + Send + use<> + 'static {
        match self.shards.get(index) {
            Some(shard) => Either::Left(shard.end_transaction(end)),
            None => Either::Right(ready(Err(self.why_not_here(index)))),
        }
    }

    /// Why there is no shard for a partition: this node does not lead it, or not yet.
    fn why_not_here(&self, index: i32) -> CoordinatorError {
        let image = self.images.borrow();
        let leader = image.partition(GROUP_METADATA, index).and_then(|partition| partition.leader);
        match leader == Some(self.partitions.node_id()) {
            true => CoordinatorError::LoadInProgress,
            false => CoordinatorError::NotCoordinator,
        }
    }

    /// Whether `group.coordinator.rebalance.protocols` has the protocol of KIP-848.
    pub(crate) fn has_consumer_protocol(&self) -> bool {
        self.told.config().consumer_protocol
    }

    /// Whether `group.coordinator.rebalance.protocols` has the protocol of KIP-1071.
    pub(crate) fn has_streams_protocol(&self) -> bool {
        self.told.config().streams.protocol
    }

    /// Why the regular expression of a heartbeat cannot be read, if so. Takes milliseconds for a large one that is new.
    pub(crate) fn regex_error(&self, expression: &str) -> Option<Arc<str>> {
        // The empty one is none at all.
        if expression.is_empty() { None } else { self.regexes.compiled(expression).err().map(Arc::from) }
    }

    /// As [`GroupCoordinator::submit`]; a request that fails as a whole is answered in its own kind.
    pub(crate) fn answer(
        &self,
        context: RequestContext,
        request: GroupRequest,
    ) -> impl Future<Output = GroupReply> + Send + use<> + 'static {
        let asked = request.without_payload();
        let under_way = self.submit(context, request);
        async move { under_way.await.unwrap_or_else(|error| asked.failed(error.code())) }
    }

    /// Asks every shard; those that have just left list nothing.
    ///
    /// # Errors
    /// What another shard answers that cannot.
    pub(crate) fn ask_all(
        &self,
        context: &RequestContext,
        request: &GroupRequest,
    ) -> impl Future<Output = Result<Vec<GroupReply>, ErrorCode>> + Send + use<> + 'static {
        let ask = |shard: &ottla_coordinator::ShardHandle<GroupShard>| {
            shard.submit(GroupEvent::Request(context.clone(), request.clone()))
        };
        let under_way: Vec<_> = self.shards.all().iter().map(|(_, shard)| ask(shard)).collect();
        async move {
            let mut replies = Vec::with_capacity(under_way.len());
            for reply in under_way {
                match reply.await {
                    Ok(reply) => replies.push(reply),
                    Err(CoordinatorError::NotCoordinator) => {}
                    Err(error) => return Err(error.code()),
                }
            }
            Ok(replies)
        }
    }

    /// Ends every shard; whoever waits is told to look for another coordinator.
    pub(crate) async fn shutdown(&self) {
        self.shards.shutdown(SHARDS_PATIENCE).await;
    }
}
