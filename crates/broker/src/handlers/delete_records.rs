//! DeleteRecords (key 21), versions 0 to 2 (KIP-107).
//!
//! Moves the log start offset; -1 means the high watermark. An offset below the start is a success without effect. The
//! answer leaves when the new start is durable on every replica. Errors: OFFSET_OUT_OF_RANGE above the high watermark,
//! POLICY_VIOLATION for topics that are compacted only, INVALID_TOPIC_EXCEPTION for internal topics,
//! UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR, REQUEST_TIMED_OUT.

use super::codec::{Handled, decode, respond};
use super::controlled::timeout_ms;
use crate::Broker;
use crate::partition::PartitionError;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::delete_records_request::DeleteRecordsRequest;
use ottla_protocol::generated::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsResponse, DeleteRecordsTopicResult,
};
use ottla_runtime::Instant;
use ottla_types::ErrorCode;
use std::sync::Arc;

/// Partitions of one request that wait at the same time; their log starts become durable together.
const IN_PARALLEL: usize = 64;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: DeleteRecordsRequest = decode(&request)?;
    let header = request.header;
    let broker = Arc::clone(broker);
    let deadline = broker.runtime().now() + timeout_ms(body.timeout_ms);
    Ok(Outcome::Later(Box::pin(async move {
        let mut topics = Vec::with_capacity(body.topics.len());
        for topic in body.topics {
            let name = topic.name.as_str();
            let mut results: Vec<BoxFuture<'_, _>> = Vec::with_capacity(topic.partitions.len());
            for asked in &topic.partitions {
                let result = delete(&broker, name, asked.partition_index, asked.offset, deadline);
                results.push(Box::pin(async move { partition_result(asked.partition_index, result.await) }));
            }
            let partitions = stream::iter(results).buffered(IN_PARALLEL).collect().await;
            topics.push(DeleteRecordsTopicResult { name: topic.name, partitions });
        }
        respond(&broker, &header, &DeleteRecordsResponse { topics, ..DeleteRecordsResponse::default() })
    })))
}

async fn delete(
    broker: &Broker,
    topic: &str,
    index: i32,
    offset: i64,
    deadline: Instant,
) -> Result<i64, PartitionError> {
    let partition = broker.partitions.by_name(topic, index)?;
    if partition.is_internal() {
        let message = format!("{topic} is an internal topic; its records cannot be deleted");
        return Err(PartitionError::of(ErrorCode::InvalidTopicException, message));
    }
    partition.delete_records(offset, deadline).await
}

fn partition_result(partition_index: i32, result: Result<i64, PartitionError>) -> DeleteRecordsPartitionResult {
    match result {
        Ok(low_watermark) => DeleteRecordsPartitionResult { partition_index, low_watermark, error_code: 0 },
        Err(error) => {
            DeleteRecordsPartitionResult { partition_index, low_watermark: -1, error_code: error.code.code() }
        }
    }
}
