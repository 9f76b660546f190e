//! TxnOffsetCommit (key 28), versions 0 to 5: offsets that count when the producer's transaction commits.
//!
//! v2 leader epochs (KIP-320), v3 member and generation (KIP-447), v4 TRANSACTION_ABORTABLE, v5 joins the transaction by itself
//! (KIP-890). UNKNOWN_TOPIC_OR_PARTITION for what does not exist; what the transaction's coordinator says of the group's
//! partition; the rest is the group's. COORDINATOR_LOAD_IN_PROGRESS is COORDINATOR_NOT_AVAILABLE before v2 (KAFKA-7296).

use super::codec::{Handled, decode, respond};
use super::groups::{context, reply_of};
use crate::Broker;
use crate::coordination::partition_of;
use crate::transactions::{Asking, Operation, VerifyFailed};
use ottla_coordinator::VerificationGuard;
use ottla_group::{GroupRequest, RequestContext};
use ottla_metadata::MetadataImage;
use ottla_metadata::topic_name::GROUP_METADATA;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::txn_offset_commit_request::{TxnOffsetCommitRequest, TxnOffsetCommitRequestTopic};
use ottla_protocol::generated::txn_offset_commit_response::{
    TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use ottla_records::NO_SEQUENCE;
use ottla_types::{ErrorCode, ProducerEpoch, ProducerId};
use std::sync::Arc;

/// First version whose clients know COORDINATOR_LOAD_IN_PROGRESS.
const LOADING_FROM: i16 = 2;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let mut body: TxnOffsetCommitRequest = decode(&request)?;
    let context = context(&request);
    let header = request.header;
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let refused = take_unknown(&broker.image(), &mut body);
        let mut response = match body.topics.is_empty() {
            true => TxnOffsetCommitResponse::default(),
            false => commit(&broker, context, body).await,
        };
        merge(&mut response, refused);
        if header.api_version < LOADING_FROM {
            hide_loading(&mut response);
        }
        respond(&broker, &header, &response)
    })))
}

async fn commit(
    broker: &Arc<Broker>,
    context: RequestContext,
    body: TxnOffsetCommitRequest,
) -> TxnOffsetCommitResponse {
    let guard = verify(broker, &context, &body).await;
    let reply = match guard {
        Ok(guard) => broker.groups().answer(context, GroupRequest::TxnOffsetCommit(body, guard)).await,
        Err(error) => GroupRequest::TxnOffsetCommit(body, VerificationGuard::Sentinel).failed(error),
    };
    reply_of!(TxnOffsetCommit, reply)
}

/// Whether the group's partition belongs to the transaction.
async fn verify(
    broker: &Broker,
    context: &RequestContext,
    body: &TxnOffsetCommitRequest,
) -> Result<VerificationGuard, ErrorCode> {
    if body.group_id.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let index = partition_of(&body.group_id, broker.groups().partition_count());
    let partition = broker.partitions.by_name(GROUP_METADATA, index).map_err(|_| ErrorCode::NotCoordinator)?;
    let asking = Asking {
        transactional_id: &body.transactional_id,
        producer_id: ProducerId(body.producer_id),
        epoch: ProducerEpoch(body.producer_epoch),
        operation: Operation::of_offset_commit(context.api_version),
    };
    let mut verified =
        broker.verifier().verify(asking, &[(partition, NO_SEQUENCE)], broker.verifies_transactions()).await;
    match verified.pop() {
        Some(Ok(guard)) => Ok(guard),
        Some(Err(VerifyFailed::Coordinator(ErrorCode::NetworkException))) => Err(ErrorCode::CoordinatorLoadInProgress),
        Some(Err(VerifyFailed::Coordinator(code))) => Err(code),
        Some(Err(VerifyFailed::Partition(error))) => Err(match error.code {
            ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
            code => code,
        }),
        None => Err(ErrorCode::UnknownServerError),
    }
}

/// Leaves what exists in the request; gives the answers to the rest.
fn take_unknown(image: &MetadataImage, body: &mut TxnOffsetCommitRequest) -> Vec<TxnOffsetCommitResponseTopic> {
    let mut refused = Vec::new();
    for topic in &mut body.topics {
        let exists = |index: i32| image.partition(&topic.name, index).is_some();
        let unknown =
            topic.partitions.iter().map(|partition| partition.partition_index).filter(|index| !exists(*index));
        let error_code = ErrorCode::UnknownTopicOrPartition.code();
        let partition = |partition_index| TxnOffsetCommitResponsePartition { partition_index, error_code };
        let partitions: Vec<_> = unknown.map(partition).collect();
        if !partitions.is_empty() {
            refused.push(TxnOffsetCommitResponseTopic { name: topic.name.clone(), partitions });
        }
        topic.partitions.retain(|partition| image.partition(&topic.name, partition.partition_index).is_some());
    }
    body.topics.retain(|topic: &TxnOffsetCommitRequestTopic| !topic.partitions.is_empty());
    refused
}

fn merge(response: &mut TxnOffsetCommitResponse, refused: Vec<TxnOffsetCommitResponseTopic>) {
    for topic in refused {
        match response.topics.iter_mut().find(|answered| answered.name == topic.name) {
            Some(answered) => answered.partitions.extend(topic.partitions),
            None => response.topics.push(topic),
        }
    }
}

fn hide_loading(response: &mut TxnOffsetCommitResponse) {
    for partition in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        if partition.error_code == ErrorCode::CoordinatorLoadInProgress.code() {
            partition.error_code = ErrorCode::CoordinatorNotAvailable.code();
        }
    }
}
