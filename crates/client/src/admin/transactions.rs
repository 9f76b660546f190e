//! Transactions: who has which, and ending one that its producer does not end.

use super::Admin;
use crate::call::Call;
use crate::coordinator::Coordinated;
use crate::error::ClientError;
use crate::simple_producer::ProducerIdentity;
use ottla_protocol::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use ottla_protocol::{
    DescribeTransactionsRequest, InitProducerIdRequest, ListTransactionsRequest, WriteTxnMarkersRequest,
};
use ottla_types::{ProducerEpoch, ProducerId, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The first versions with a filter by duration (KIP-994), and by pattern (KIP-1152).
const DURATION_VERSION: i16 = 1;
const PATTERN_VERSION: i16 = 2;

/// Which transactional ids are wanted; all, when nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactionFilter {
    /// In one of these states: `Ongoing`, `PrepareAbort` ...
    pub states: Vec<String>,
    /// Of these producers.
    pub producer_ids: Vec<i64>,
    /// With a transaction that is older than this.
    pub older_than: Option<Duration>,
    /// Whose whole name matches this regular expression.
    pub pattern: Option<String>,
}

/// A transactional id as its coordinator lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionListing {
    /// Transactional id.
    pub transactional_id: String,
    /// Node id of its coordinator.
    pub coordinator_id: i32,
    /// The producer that has it.
    pub producer_id: i64,
    /// `Empty`, `Ongoing`, `PrepareCommit`, `CompleteCommit` ...
    pub state: String,
}

/// A transactional id in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionDescription {
    /// Transactional id.
    pub transactional_id: String,
    /// Node id of its coordinator.
    pub coordinator_id: i32,
    /// `Empty`, `Ongoing`, `PrepareCommit`, `CompleteCommit` ...
    pub state: String,
    /// The producer that has it.
    pub producer_id: i64,
    /// That producer's epoch.
    pub producer_epoch: i16,
    /// `transaction.timeout.ms` of that producer.
    pub timeout_ms: i32,
    /// When the transaction was opened, in milliseconds since the epoch; `None` when none is open.
    pub start_time_ms: Option<i64>,
    /// The partitions of the transaction.
    pub partitions: BTreeSet<TopicPartition>,
}

/// One partition's part of a transaction, as [`Admin::abort_transaction`] ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTransaction {
    /// The partition.
    pub partition: TopicPartition,
    /// Its producer.
    pub producer_id: i64,
    /// That producer's epoch.
    pub producer_epoch: i16,
    /// Epoch of the coordinator that wrote a marker last.
    pub coordinator_epoch: i32,
}

impl Admin {
    /// All transactional ids that match, by coordinator.
    ///
    /// # Errors
    /// INVALID_REGULAR_EXPRESSION, `NoCommonVersion` where a filter is not served ... and those of the connections: every
    /// broker is asked.
    pub fn list_transactions<'a>(&'a self, filter: &'a TransactionFilter) -> Call<'a, Vec<TransactionListing>> {
        Box::pin(async move {
            let request = ListTransactionsRequest {
                state_filters: filter.states.clone(),
                producer_id_filters: filter.producer_ids.clone(),
                duration_filter: filter.older_than.map_or(-1, |age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX)),
                transactional_id_pattern: filter.pattern.clone().filter(|pattern| !pattern.is_empty()),
            };
            let least = match (&request.transactional_id_pattern, filter.older_than) {
                (Some(_), _) => PATTERN_VERSION,
                (None, Some(_)) => DURATION_VERSION,
                (None, None) => 0,
            };
            self.patiently(|| async {
                let cluster = self.client.fetch_metadata(Some(&[]), false).await?;
                let mut listed = Vec::new();
                for node_id in cluster.brokers.keys().copied() {
                    let broker = self.client.broker(node_id).await?;
                    let newest = broker.version_of::<ListTransactionsRequest>()?;
                    let version = broker.version_within::<ListTransactionsRequest>((least, newest))?;
                    let response = broker.begin(&request, version, &[]).await?.wait().await?;
                    ClientError::check(response.error_code, None, || format!("transactions of broker {node_id}"))?;
                    listed.extend(response.transaction_states.into_iter().map(|state| TransactionListing {
                        transactional_id: state.transactional_id,
                        coordinator_id: node_id,
                        producer_id: state.producer_id,
                        state: state.transaction_state,
                    }));
                }
                Ok(listed)
            })
            .await
        })
    }

    /// A transactional id in detail.
    ///
    /// # Errors
    /// TRANSACTIONAL_ID_NOT_FOUND ... and those of the connection.
    pub fn describe_transaction<'a>(&'a self, transactional_id: &'a str) -> Call<'a, TransactionDescription> {
        Box::pin(async move {
            let request = DescribeTransactionsRequest { transactional_ids: vec![transactional_id.to_string()] };
            self.transaction_operation(transactional_id, || async {
                let response = self.client.transaction_coordinator(transactional_id).await?.send(&request).await?;
                let found = response.transaction_states.into_iter().next();
                let found = found.ok_or_else(|| ClientError::missing("DescribeTransactions", transactional_id))?;
                ClientError::check(found.error_code, None, || subject(transactional_id))?;
                let pairs = found.topics.into_iter().flat_map(|topic| {
                    let name = topic.topic;
                    topic.partitions.into_iter().map(move |index| TopicPartition::new(name.as_str(), index))
                });
                Ok(TransactionDescription {
                    transactional_id: found.transactional_id,
                    coordinator_id: self
                        .client
                        .coordinator_of(Coordinated::Transaction, transactional_id)
                        .unwrap_or(-1),
                    state: found.transaction_state,
                    producer_id: found.producer_id,
                    producer_epoch: found.producer_epoch,
                    timeout_ms: found.transaction_timeout_ms,
                    start_time_ms: Some(found.transaction_start_time_ms).filter(|time| *time >= 0),
                    partitions: pairs.collect(),
                })
            })
            .await
        })
    }

    /// Ends the open transaction of an id by taking the id over: the transaction is aborted, its producer is fenced.
    ///
    /// # Errors
    /// TRANSACTIONAL_ID_AUTHORIZATION_FAILED ... and those of the connection.
    pub fn terminate_transaction<'a>(&'a self, transactional_id: &'a str) -> Call<'a, ()> {
        Box::pin(async move { self.fence_producer(transactional_id).await.map(|_| ()) })
    }

    /// Fences every producer that has one of these transactional ids now: its open transaction is aborted, and it can do
    /// nothing more. Of each id the identity that holds it from now on, or why it could not be taken over.
    pub async fn fence_producers(
        &self,
        transactional_ids: &[&str],
    ) -> BTreeMap<String, Result<ProducerIdentity, ClientError>> {
        let mut fenced = BTreeMap::new();
        for transactional_id in transactional_ids {
            fenced.insert((*transactional_id).to_string(), self.fence_producer(transactional_id).await);
        }
        fenced
    }

    async fn fence_producer(&self, transactional_id: &str) -> Result<ProducerIdentity, ClientError> {
        let request = InitProducerIdRequest {
            transactional_id: Some(transactional_id.to_string()),
            // Kafka's coordinator waits so long for its log when it takes the id away.
            transaction_timeout_ms: self.timeout_ms(),
            ..Default::default()
        };
        self.transaction_operation(transactional_id, || async {
            let response = self.client.transaction_coordinator(transactional_id).await?.send(&request).await?;
            ClientError::check(response.error_code, None, || subject(transactional_id))?;
            let (id, epoch) = (response.producer_id, response.producer_epoch);
            Ok(ProducerIdentity { producer_id: ProducerId(id), producer_epoch: ProducerEpoch(epoch) })
        })
        .await
    }

    /// Writes an abort marker to one partition: for a transaction that hangs, because its coordinator does not know it.
    ///
    /// # Errors
    /// INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED, CLUSTER_AUTHORIZATION_FAILED ... and those of the connection.
    pub fn abort_transaction<'a>(&'a self, open: &'a OpenTransaction) -> Call<'a, ()> {
        Box::pin(async move {
            let partition = &open.partition;
            let topic = WritableTxnMarkerTopic {
                name: partition.topic.to_string(),
                partition_indexes: vec![partition.partition],
            };
            let marker = WritableTxnMarker {
                producer_id: open.producer_id,
                producer_epoch: open.producer_epoch,
                transaction_result: false,
                topics: vec![topic],
                coordinator_epoch: open.coordinator_epoch,
                ..Default::default()
            };
            let request = WriteTxnMarkersRequest { markers: vec![marker] };
            self.at_leader(partition, |leader| {
                let request = &request;
                async move {
                    let response = leader.send(request).await?;
                    let topics = response.markers.into_iter().flat_map(|marker| marker.topics);
                    let result = topics.flat_map(|topic| topic.partitions).next();
                    let result =
                        result.ok_or_else(|| ClientError::missing("WriteTxnMarkers", &partition.to_string()))?;
                    ClientError::check(result.error_code, None, || partition.to_string())
                }
            })
            .await
        })
    }

    /// Repeats `operation` while the coordinator is elsewhere, loads, or has a transaction to complete.
    async fn transaction_operation<T, F>(
        &self,
        transactional_id: &str,
        operation: impl Fn() -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let is_worth_it =
            |error: &ClientError| self.outlasts(error) || error.code().is_some_and(|code| code.is_retriable());
        let remembering =
            || async { self.client.forgetting(Coordinated::Transaction, transactional_id, operation().await) };
        crate::backoff::patiently(&self.client, is_worth_it, remembering).await
    }
}

fn subject(transactional_id: &str) -> String {
    format!("transactional id '{transactional_id}'")
}
