//! AddPartitionsToTxn at the coordinator, for clients and for partition leaders.

use super::TxnCoordinator;
use futures_util::future::join_all;
use ottla_metadata::MetadataImage;
use ottla_protocol::generated::add_partitions_to_txn_request::AddPartitionsToTxnTransaction;
use ottla_protocol::generated::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use ottla_txn::{AddPartitions, EPOCH_BUMP_FROM, Producer, TxnReply, TxnRequest};
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The version in which partition leaders ask.
pub(crate) const VERSION_OF_LEADERS: i16 = 5;
/// First version that comes from partition leaders, for clients of transaction version 2.
const LEADERS_FROM: i16 = 4;
/// First version whose clients know PRODUCER_FENCED.
const PRODUCER_FENCED_FROM: i16 = 2;

/// Adds or verifies the partitions of each transaction: all of them or none.
pub(crate) async fn add_partitions(
    coordinator: &TxnCoordinator,
    image: &MetadataImage,
    transactions: Vec<AddPartitionsToTxnTransaction>,
    version: i16,
) -> Vec<AddPartitionsToTxnResult> {
    join_all(transactions.into_iter().map(|asked| add_to_one(coordinator, image, asked, version))).await
}

async fn add_to_one(
    coordinator: &TxnCoordinator,
    image: &MetadataImage,
    asked: AddPartitionsToTxnTransaction,
    version: i16,
) -> AddPartitionsToTxnResult {
    let partitions = partitions_of(&asked);
    let exists = |partition: &TopicPartition| image.partition(&partition.topic, partition.partition).is_some();
    if !partitions.iter().all(exists) {
        // One that cannot be added keeps the others out as well.
        let result = |partition: TopicPartition| match exists(&partition) {
            true => (partition, ErrorCode::OperationNotAttempted),
            false => (partition, ErrorCode::UnknownTopicOrPartition),
        };
        return answer(asked.transactional_id, partitions.into_iter().map(result));
    }
    let request = AddPartitions {
        transactional_id: Arc::from(asked.transactional_id.as_str()),
        producer: Producer { id: asked.producer_id, epoch: asked.producer_epoch },
        partitions: partitions.clone(),
        client_version: if version >= LEADERS_FROM { EPOCH_BUMP_FROM } else { 0 },
        verify_only: version >= LEADERS_FROM && asked.verify_only,
    };
    let adds_for_leader = version >= LEADERS_FROM && !request.verify_only;
    let request = TxnRequest::AddPartitions(request);
    let mut reply = coordinator.ask(&asked.transactional_id, request.clone()).await;
    if adds_for_leader && matches!(reply, Ok(TxnReply::Added(Err(ErrorCode::ConcurrentTransactions)))) {
        // The producer's next transaction is only held up by the markers of the one before.
        coordinator.markers_written(&asked.transactional_id).await;
        reply = coordinator.ask(&asked.transactional_id, request).await;
    }
    let outcome = match reply {
        Ok(TxnReply::Added(Ok(()))) => Err(ErrorCode::None),
        Ok(TxnReply::Verified(Ok(results))) => Ok(results),
        Ok(TxnReply::Added(Err(error)) | TxnReply::Verified(Err(error))) | Err(error) => Err(error),
        Ok(other) => panic!("partitions were added, and the answer is {other:?}"),
    };
    match outcome {
        Ok(results) => answer(asked.transactional_id, results.into_iter()),
        Err(code) => {
            let code = in_version(code, version);
            answer(asked.transactional_id, partitions.into_iter().map(|partition| (partition, code)))
        }
    }
}

/// Clients of old versions know INVALID_PRODUCER_EPOCH only.
pub(crate) fn in_version(code: ErrorCode, version: i16) -> ErrorCode {
    match code {
        ErrorCode::ProducerFenced if version < PRODUCER_FENCED_FROM => ErrorCode::InvalidProducerEpoch,
        code => code,
    }
}

fn partitions_of(asked: &AddPartitionsToTxnTransaction) -> Vec<TopicPartition> {
    let topic = |topic: &ottla_protocol::generated::add_partitions_to_txn_request::AddPartitionsToTxnTopic| {
        let name: Arc<str> = Arc::from(topic.name.as_str());
        topic.partitions.iter().map(|index| TopicPartition::new(Arc::clone(&name), *index)).collect::<Vec<_>>()
    };
    asked.topics.iter().flat_map(topic).collect()
}

fn answer(
    transactional_id: String,
    results: impl Iterator<Item = (TopicPartition, ErrorCode)>,
) -> AddPartitionsToTxnResult {
    let mut topics: BTreeMap<Arc<str>, Vec<AddPartitionsToTxnPartitionResult>> = BTreeMap::new();
    for (partition, code) in results {
        let result = AddPartitionsToTxnPartitionResult {
            partition_index: partition.partition,
            partition_error_code: code.code(),
        };
        topics.entry(partition.topic).or_default().push(result);
    }
    let topic = |(name, results_by_partition): (Arc<str>, Vec<AddPartitionsToTxnPartitionResult>)| {
        AddPartitionsToTxnTopicResult { name: name.to_string(), results_by_partition }
    };
    AddPartitionsToTxnResult { transactional_id, topic_results: topics.into_iter().map(topic).collect() }
}
