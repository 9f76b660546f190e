//! WriteTxnMarkers at a partition leader: the control batch that ends a transaction, on every partition of it. Answered when it
//! is committed. A partition of `__consumer_offsets` gets it through its group shard, which has its own order of things.

use crate::coordination::GroupCoordinator;
use crate::partition::{AppendAs, Partition, PartitionError};
use crate::partitions::Partitions;
use crate::watchers::Waiter;
use futures_util::StreamExt;
use futures_util::stream;
use ottla_coordinator::{CoordinatorError, EndTransaction};
use ottla_metadata::topic_name::GROUP_METADATA;
use ottla_protocol::generated::write_txn_markers_request::{WritableTxnMarker, WriteTxnMarkersRequest};
use ottla_protocol::generated::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult, WriteTxnMarkersResponse,
};
use ottla_records::EndTxnMarker;
use ottla_runtime::Runtime;
use ottla_types::{ErrorCode, ProducerEpoch, ProducerId};
use std::sync::Arc;
use std::time::Duration;

/// Partitions of one request that get their markers at the same time.
const IN_PARALLEL: usize = 64;

/// Writes markers on this node's partitions.
pub(crate) struct MarkerWriter {
    runtime: Runtime,
    partitions: Arc<Partitions>,
    groups: Arc<GroupCoordinator>,
    /// How long a marker may take to be committed.
    timeout: Duration,
}

impl MarkerWriter {
    pub(crate) fn new(
        runtime: &Runtime,
        partitions: Arc<Partitions>,
        groups: Arc<GroupCoordinator>,
        timeout: Duration,
    ) -> Arc<MarkerWriter> {
        Arc::new(MarkerWriter { runtime: runtime.clone(), partitions, groups, timeout })
    }

    /// Writes every marker of the request.
    pub(crate) async fn write(&self, request: &WriteTxnMarkersRequest) -> WriteTxnMarkersResponse {
        let mut markers = Vec::with_capacity(request.markers.len());
        for marker in &request.markers {
            let mut topics = Vec::with_capacity(marker.topics.len());
            for topic in &marker.topics {
                let name = topic.name.as_str();
                let results = stream::iter(topic.partition_indexes.iter().copied())
                    .map(|index| async move {
                        let error_code = self.write_one(marker, name, index).await.code();
                        WritableTxnMarkerPartitionResult { partition_index: index, error_code }
                    })
                    .buffered(IN_PARALLEL);
                let partitions = results.collect().await;
                topics.push(WritableTxnMarkerTopicResult { name: topic.name.clone(), partitions });
            }
            markers.push(WritableTxnMarkerResult { producer_id: marker.producer_id, topics });
        }
        WriteTxnMarkersResponse { markers }
    }

    async fn write_one(&self, marker: &WritableTxnMarker, topic: &str, index: i32) -> ErrorCode {
        let partition = match self.partitions.by_name(topic, index) {
            Ok(partition) => partition,
            Err(error) => return error.code,
        };
        let end = EndTransaction {
            producer_id: ProducerId(marker.producer_id),
            producer_epoch: ProducerEpoch(marker.producer_epoch),
            marker: EndTxnMarker { committed: marker.transaction_result, coordinator_epoch: marker.coordinator_epoch },
            transaction_version: i16::from(marker.transaction_version),
        };
        let written = async {
            match topic == GROUP_METADATA {
                true => self.groups.end_transaction(index, end).await.err().map_or(ErrorCode::None, code_of_groups),
                false => {
                    append(&self.runtime, &partition, &end).await.err().map_or(ErrorCode::None, |error| error.code)
                }
            }
        };
        self.runtime.timeout(self.timeout, written).await.unwrap_or(ErrorCode::RequestTimedOut)
    }
}

/// As in Kafka: what passes is said in the terms of a partition.
fn code_of_groups(error: CoordinatorError) -> ErrorCode {
    match error {
        CoordinatorError::Refused(code) => code,
        CoordinatorError::TooLarge => ErrorCode::UnknownServerError,
        CoordinatorError::NotCoordinator
        | CoordinatorError::LoadInProgress
        | CoordinatorError::Busy
        | CoordinatorError::WriteTimedOut
        | CoordinatorError::NotEnoughReplicas => ErrorCode::NotLeaderOrFollower,
    }
}

/// Appends the marker and waits until it is committed.
async fn append(runtime: &Runtime, partition: &Arc<Partition>, end: &EndTransaction) -> Result<(), PartitionError> {
    let EndTransaction { producer_id, producer_epoch, marker, transaction_version } = *end;
    let batch = marker.to_batch(producer_id, producer_epoch, runtime.wall_clock_ms());
    let appended = partition.append(&batch, AppendAs::Marker { transaction_version }).await?;
    let waiter = Waiter::new();
    while !partition.replicated(&appended, &waiter)? {
        waiter.woken().await;
    }
    Ok(())
}
