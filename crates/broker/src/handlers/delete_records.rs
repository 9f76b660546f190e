//! DeleteRecords (key 21), versions 0 to 2 (KIP-107).
//!
//! Moves the log start offset; -1 means the high watermark. An offset below the start is a success without effect. The
//! answer leaves when the new start is durable on every replica. Errors: OFFSET_OUT_OF_RANGE above the high watermark,
//! POLICY_VIOLATION for topics that are compacted only, INVALID_TOPIC_EXCEPTION for internal topics,
//! UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR, REQUEST_TIMED_OUT.

use super::codec::{Handled, decode, respond};
use crate::Broker;
use crate::partition::PartitionError;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::delete_records_request::DeleteRecordsRequest;
use ottla_protocol::generated::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsResponse, DeleteRecordsTopicResult,
};
use ottla_runtime::Instant;
use ottla_types::ErrorCode;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: DeleteRecordsRequest = decode(&request)?;
    let header = request.header.clone();
    let broker = Arc::clone(broker);
    let deadline = broker.runtime().now() + Duration::from_millis(body.timeout_ms.max(0) as u64);
    Ok(Outcome::Later(Box::pin(async move {
        let mut topics = Vec::with_capacity(body.topics.len());
        for topic in &body.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for asked in &topic.partitions {
                let result = delete(&broker, &topic.name, asked.partition_index, asked.offset, deadline).await;
                partitions.push(partition_result(asked.partition_index, result));
            }
            topics.push(DeleteRecordsTopicResult { name: topic.name.clone(), partitions });
        }
        respond(&header, &DeleteRecordsResponse { topics, ..DeleteRecordsResponse::default() })
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
