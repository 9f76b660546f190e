//! The transactional half of Produce: before anything is appended, which partitions belong to the producer's transaction.
//!
//! A request has the batches of one producer. Errors of the whole: TRANSACTIONAL_ID_AUTHORIZATION_FAILED for transactional
//! batches without a transactional id, INVALID_PRODUCER_ID_MAPPING for batches of several producers. Of a partition: what the
//! coordinator says; an answer that passes is NOT_ENOUGH_REPLICAS, which all clients retry (in version 12 and later
//! CONCURRENT_TRANSACTIONS stays what it is).

use super::append::{find, header_of};
use crate::Broker;
use crate::partition::{Partition, PartitionError};
use crate::transactions::{Asking, Operation, VerifyFailed};
use ottla_coordinator::VerificationGuard;
use ottla_protocol::RequestHeader;
use ottla_protocol::generated::produce_request::ProduceRequestRef;
use ottla_records::BatchHeader;
use ottla_types::ErrorCode;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a partition stands in a request: the number of its topic, and its own there.
type Place = (usize, usize);

/// What is known of each partition.
pub(super) struct Guards {
    of_all: Result<(), PartitionError>,
    by_place: BTreeMap<Place, Result<VerificationGuard, PartitionError>>,
}

impl Guards {
    /// The guard of a partition; batches outside of transactions need none.
    pub(super) fn take(&mut self, place: Place) -> Result<VerificationGuard, PartitionError> {
        self.of_all.clone()?;
        self.by_place.remove(&place).unwrap_or(Ok(VerificationGuard::Sentinel))
    }
}

/// Asks the coordinator about the partitions of a request that have transactional batches.
pub(super) async fn guards(broker: &Broker, header: &RequestHeader, body: &ProduceRequestRef<'_>) -> Guards {
    let mut guards = Guards { of_all: Ok(()), by_place: BTreeMap::new() };
    let batches = transactional_batches(body);
    let Some((_, first)) = batches.first() else { return guards };
    let Some(transactional_id) = body.transactional_id.as_deref() else {
        let message = "transactional batches need a transactional id";
        guards.of_all = Err(PartitionError::of(ErrorCode::TransactionalIdAuthorizationFailed, message));
        return guards;
    };
    let producer = (first.producer_id, first.producer_epoch);
    if batches.iter().any(|(_, batch)| (batch.producer_id, batch.producer_epoch) != producer) {
        let message = "transactional batches of more than one producer";
        guards.of_all = Err(PartitionError::of(ErrorCode::InvalidProducerIdMapping, message));
        return guards;
    }
    let mut places = Vec::with_capacity(batches.len());
    let mut partitions: Vec<(Arc<Partition>, i32)> = Vec::with_capacity(batches.len());
    for ((topic, index), batch) in &batches {
        let asked = &body.topic_data[*topic];
        let found = find(broker, header, &asked.name, asked.topic_id, asked.partition_data[*index].index);
        // What cannot be found is refused when its turn comes.
        if let Ok(partition) = found {
            places.push((*topic, *index));
            partitions.push((partition, batch.base_sequence));
        }
    }
    let operation = Operation::of_produce(header.api_version);
    let asking = Asking { transactional_id, producer_id: producer.0, epoch: producer.1, operation };
    let verified = broker.verifier().verify(asking, &partitions, broker.verifies_transactions()).await;
    let in_terms_of_producers = |verified: Result<_, VerifyFailed>| verified.map_err(|error| refusal(error, operation));
    guards.by_place = places.into_iter().zip(verified.into_iter().map(in_terms_of_producers)).collect();
    guards
}

fn transactional_batches(body: &ProduceRequestRef<'_>) -> Vec<(Place, BatchHeader)> {
    let mut batches = Vec::new();
    for (topic, asked) in body.topic_data.iter().enumerate() {
        for (index, partition) in asked.partition_data.iter().enumerate() {
            let batch = header_of(&partition.records).filter(BatchHeader::is_transactional);
            batches.extend(batch.map(|batch| ((topic, index), batch)));
        }
    }
    batches
}

fn refusal(error: VerifyFailed, operation: Operation) -> PartitionError {
    let code = match error {
        VerifyFailed::Partition(error) => return error,
        VerifyFailed::Coordinator(code) => code,
    };
    let passes = match code {
        ErrorCode::NetworkException
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::NotCoordinator => true,
        ErrorCode::ConcurrentTransactions => operation != Operation::Add,
        _ => false,
    };
    let message = format!("the partition is not known to be in the transaction: {code}");
    PartitionError::of(if passes { ErrorCode::NotEnoughReplicas } else { code }, message)
}
