//! What a transactional producer asks the coordinators of transactions and of groups.
//!
//! One request at a time (`turn`), so that a partition is never added behind the end of its transaction.

use super::Shared;
use super::transaction::{Step, Transactions, Verdict, verdict};
use crate::backoff::Backoff;
use crate::connection::Connection;
use crate::consumer::{ConsumerGroupMetadata, Offsets};
use crate::coordinator::Coordinated;
use crate::error::ClientError;
use crate::simple_producer::ProducerIdentity;
use ottla_protocol::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use ottla_protocol::txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
use ottla_protocol::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, ApiKey, EndTxnRequest, InitProducerIdRequest,
    TxnOffsetCommitRequest,
};
use ottla_runtime::Instant;
use ottla_types::{ErrorCode, ProducerEpoch, ProducerId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The finalized feature that names the transaction version.
const TRANSACTION_VERSION: &str = "transaction.version";
/// The first InitProducerId that raises an epoch on request (KIP-360).
const BUMP_VERSION: i16 = 3;
/// The last AddPartitionsToTxn that clients speak; later ones are for brokers.
const ADD_PARTITIONS_VERSION: i16 = 3;
/// EndTxn and TxnOffsetCommit from here on are those of transaction version 2.
const END_V2: i16 = 5;
const COMMIT_OFFSETS_V2: i16 = 5;
/// The first TxnOffsetCommit that says which member commits.
const MEMBER_VERSION: i16 = 3;
/// While the transaction before is being completed, the coordinator asks for a moment.
const CONCURRENT_PAUSE: Duration = Duration::from_millis(20);
/// How often that is borne before something else gets its turn.
const CONCURRENT_TRIES: usize = 50;

impl Shared {
    /// Asks a coordinator until it gives an answer that counts, or the time is over.
    async fn coordinated<T, F>(
        self: &Arc<Self>,
        of: (Coordinated, &str),
        step: Step,
        deadline: Instant,
        ask: impl Fn(Connection) -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let (kind, key) = of;
        let mut backoff = Backoff::new(self.client.options());
        loop {
            let answered = {
                let _turn = self.turn.lock().await;
                match self.client.coordinator(kind, key).await {
                    Ok(coordinator) => ask(coordinator).await,
                    Err(error) => Err(error),
                }
            };
            let error = match self.client.forgetting(kind, key, answered) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if verdict(step, &error) != Verdict::Again {
                return Err(self.failed(step, error));
            }
            tracing::debug!(transactional_id = self.options.transactional_id, ?step, %error, "transaction waits");
            let left = deadline.saturating_duration_since(self.runtime().now());
            let is_concurrent = error.code() == Some(ErrorCode::ConcurrentTransactions);
            let pause = async {
                match is_concurrent {
                    true => self.runtime().sleep(CONCURRENT_PAUSE).await,
                    false => backoff.pause(self.runtime()).await,
                }
            };
            if self.runtime().timeout(left, pause).await.is_err() {
                return Err(self.late("the transaction's coordinator (max.block.ms)"));
            }
        }
    }

    /// InitProducerId: the first one, or with `current` one that raises the epoch.
    pub(super) async fn init(
        self: &Arc<Self>,
        current: Option<ProducerIdentity>,
        deadline: Instant,
        is_first: bool,
    ) -> Result<(), ClientError> {
        let transactional_id = self.transactional_id();
        let request = InitProducerIdRequest {
            transactional_id: Some(transactional_id.clone()),
            transaction_timeout_ms: i32::try_from(self.options.transaction_timeout.as_millis()).unwrap_or(i32::MAX),
            producer_id: current.map_or(-1, |identity| identity.producer_id.0),
            producer_epoch: current.map_or(-1, |identity| identity.producer_epoch.0),
            ..Default::default()
        };
        let request = &request;
        let ask = |coordinator: Connection| async move {
            let response = coordinator.send(request).await?;
            ClientError::check(response.error_code, None, || {
                format!("transactional id '{}'", self.transactional_id())
            })?;
            let can_bump =
                coordinator.versions().range(ApiKey::InitProducerId).is_some_and(|(_, max)| max >= BUMP_VERSION);
            Ok((response, is_v2(&coordinator), can_bump))
        };
        let of = (Coordinated::Transaction, transactional_id.as_str());
        let (response, is_v2, can_bump) = self.coordinated(of, Step::Init, deadline, ask).await?;
        let identity = ProducerIdentity {
            producer_id: ProducerId(response.producer_id),
            producer_epoch: ProducerEpoch(response.producer_epoch),
        };
        self.transactions(|transactions| {
            transactions.can_bump = can_bump;
            if is_first {
                transactions.learn_version(is_v2, true);
            }
            transactions.ready();
            Ok(())
        })?;
        self.lock().restart(identity);
        Ok(())
    }

    /// AddPartitionsToTxn for what is waiting for it (transaction version 1); nothing else to do otherwise.
    pub(super) async fn add_partitions(self: &Arc<Self>) -> Result<(), ClientError> {
        let transactional_id = self.transactional_id();
        for _ in 0..CONCURRENT_TRIES {
            let answered = {
                let _turn = self.turn.lock().await;
                let (wanted, identity) = {
                    let state = self.lock();
                    (state.transactions.as_ref().map(Transactions::to_add).unwrap_or_default(), state.identity)
                };
                let (false, Some(identity)) = (wanted.is_empty(), identity) else { return Ok(()) };
                let mut topics: BTreeMap<Arc<str>, Vec<i32>> = BTreeMap::new();
                wanted.iter().for_each(|(topic, partition)| topics.entry(topic.clone()).or_default().push(*partition));
                let topic =
                    |(name, partitions): (Arc<str>, _)| AddPartitionsToTxnTopic { name: name.to_string(), partitions };
                let request = AddPartitionsToTxnRequest {
                    v3_and_below_transactional_id: transactional_id.clone(),
                    v3_and_below_producer_id: identity.producer_id.0,
                    v3_and_below_producer_epoch: identity.producer_epoch.0,
                    v3_and_below_topics: topics.into_iter().map(topic).collect(),
                    ..Default::default()
                };
                self.ask_to_add(&transactional_id, &request).await.map(|()| wanted)
            };
            let error = match self.client.forgetting(Coordinated::Transaction, &transactional_id, answered) {
                Ok(added) => {
                    let mut state = self.lock();
                    state.transactions.iter_mut().for_each(|transactions| transactions.added(&added));
                    state.wake_all();
                    return Ok(());
                }
                Err(error) => error,
            };
            if verdict(Step::AddPartitions, &error) != Verdict::Again {
                self.failed(Step::AddPartitions, error);
                return Ok(());
            }
            if error.code() != Some(ErrorCode::ConcurrentTransactions) {
                return Err(error);
            }
            self.runtime().sleep(CONCURRENT_PAUSE).await;
        }
        Ok(())
    }

    async fn ask_to_add(&self, id: &str, request: &AddPartitionsToTxnRequest) -> Result<(), ClientError> {
        let coordinator = self.client.transaction_coordinator(id).await?;
        let version = coordinator.version_within::<AddPartitionsToTxnRequest>((0, ADD_PARTITIONS_VERSION))?;
        let response = coordinator.begin(request, version, &[]).await?.wait().await?;
        let rows = response.results_by_topic_v3_and_below.iter().flat_map(|topic| {
            topic.results_by_partition.iter().map(|row| (&topic.name, row.partition_index, row.partition_error_code))
        });
        let checked = rows.map(|(topic, partition, code)| {
            ClientError::check(code, None, || format!("{topic}-{partition} in the transaction of '{id}'"))
        });
        worst(Step::AddPartitions, checked)
    }

    /// AddOffsetsToTxn (transaction version 1).
    pub(super) async fn add_offsets(
        self: &Arc<Self>,
        group: &ConsumerGroupMetadata,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        let transactional_id = self.transactional_id();
        let identity = self.known_identity()?;
        let request = AddOffsetsToTxnRequest {
            transactional_id: transactional_id.clone(),
            producer_id: identity.producer_id.0,
            producer_epoch: identity.producer_epoch.0,
            group_id: group.group_id.clone(),
        };
        let request = &request;
        let ask = |coordinator: Connection| async move {
            let response = coordinator.send(request).await?;
            ClientError::check(response.error_code, None, || format!("offsets of group '{}'", request.group_id))
        };
        let of = (Coordinated::Transaction, transactional_id.as_str());
        self.coordinated(of, Step::AddOffsets, deadline, ask).await?;
        self.transactions(|transactions| {
            transactions.has_started = true;
            Ok(())
        })
    }

    /// TxnOffsetCommit.
    pub(super) async fn commit_offsets(
        self: &Arc<Self>,
        offsets: &Offsets,
        group: &ConsumerGroupMetadata,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        let identity = self.known_identity()?;
        let request = TxnOffsetCommitRequest {
            transactional_id: self.transactional_id(),
            group_id: group.group_id.clone(),
            producer_id: identity.producer_id.0,
            producer_epoch: identity.producer_epoch.0,
            generation_id: group.generation_id,
            member_id: group.member_id.clone(),
            group_instance_id: group.group_instance_id.clone(),
            topics: by_topic(offsets),
        };
        let is_v2 = self.transactions(|transactions| Ok(transactions.is_v2))?;
        let is_member = !group.member_id.is_empty() || group.generation_id >= 0;
        let least = if is_member { MEMBER_VERSION } else { 0 };
        let versions = if is_v2 { (COMMIT_OFFSETS_V2, i16::MAX) } else { (least, COMMIT_OFFSETS_V2 - 1) };
        let request = &request;
        let ask = |coordinator: Connection| async move {
            let latest = coordinator.version_of::<TxnOffsetCommitRequest>()?;
            let version = coordinator.version_within::<TxnOffsetCommitRequest>((versions.0, versions.1.min(latest)))?;
            let response = coordinator.begin(request, version, &[]).await?.wait().await?;
            let rows = response.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|row| (&topic.name, row.partition_index, row.error_code))
            });
            let checked = rows.map(|(topic, partition, code)| {
                ClientError::check(code, None, || format!("offset of {topic}-{partition} in the transaction"))
            });
            worst(Step::CommitOffsets, checked)
        };
        let of = (Coordinated::Group, group.group_id.as_str());
        self.coordinated(of, Step::CommitOffsets, deadline, ask).await
    }

    /// EndTxn, and InitProducerId where the next transaction needs a new epoch.
    pub(super) async fn end(self: &Arc<Self>, committed: bool, deadline: Instant) -> Result<(), ClientError> {
        let transactional_id = self.transactional_id();
        let (has_started, was_v2) = self.transactions(|known| Ok((known.has_started, known.is_v2)))?;
        if has_started {
            let identity = self.known_identity()?;
            let request = EndTxnRequest {
                transactional_id: transactional_id.clone(),
                producer_id: identity.producer_id.0,
                producer_epoch: identity.producer_epoch.0,
                committed,
            };
            let request = &request;
            let ask = |coordinator: Connection| async move {
                let latest = coordinator.version_of::<EndTxnRequest>()?;
                let versions = if was_v2 { (END_V2, latest) } else { (0, latest.min(END_V2 - 1)) };
                let version = coordinator.version_within::<EndTxnRequest>(versions)?;
                let response = coordinator.begin(request, version, &[]).await?.wait().await?;
                let subject = || format!("end of the transaction of '{}'", request.transactional_id);
                ClientError::check(response.error_code, None, subject)?;
                Ok((response, is_v2(&coordinator)))
            };
            let of = (Coordinated::Transaction, transactional_id.as_str());
            let (response, is_v2) = self.coordinated(of, Step::End { committed }, deadline, ask).await?;
            self.transactions(|transactions| {
                transactions.has_started = false;
                transactions.learn_version(is_v2, false);
                Ok(())
            })?;
            if response.producer_id >= 0 {
                let (producer_id, producer_epoch) =
                    (ProducerId(response.producer_id), ProducerEpoch(response.producer_epoch));
                self.lock().restart(ProducerIdentity { producer_id, producer_epoch });
            }
        }
        if self.transactions(|transactions| Ok(transactions.needs_bump))? {
            let current = self.known_identity()?;
            return self.init(Some(current), deadline, false).await;
        }
        self.transactions(|transactions| {
            transactions.ready();
            Ok(())
        })
    }
}

fn is_v2(coordinator: &Connection) -> bool {
    coordinator.versions().finalized_features.get(TRANSACTION_VERSION).is_some_and(|level| *level >= 2)
}

/// The error that decides: one that ends the transaction before one that passes.
fn worst(step: Step, checked: impl Iterator<Item = Result<(), ClientError>>) -> Result<(), ClientError> {
    let mut errors: Vec<ClientError> = checked.filter_map(Result::err).collect();
    errors.sort_by_key(|error| match (verdict(step, error), error.code()) {
        (_, Some(ErrorCode::OperationNotAttempted)) => 3,
        (Verdict::Fatal, _) => 0,
        (Verdict::Abort | Verdict::AbortAndBump, _) => 1,
        (Verdict::Again, _) => 2,
    });
    errors.into_iter().next().map_or(Ok(()), Err)
}

fn by_topic(offsets: &Offsets) -> Vec<TxnOffsetCommitRequestTopic> {
    let mut topics: BTreeMap<Arc<str>, Vec<TxnOffsetCommitRequestPartition>> = BTreeMap::new();
    for (partition, offset) in offsets {
        topics.entry(partition.topic.clone()).or_default().push(TxnOffsetCommitRequestPartition {
            partition_index: partition.partition,
            committed_offset: offset.offset,
            committed_leader_epoch: offset.leader_epoch,
            committed_metadata: Some(offset.metadata.clone()),
        });
    }
    let topic = |(name, partitions): (Arc<str>, _)| TxnOffsetCommitRequestTopic { name: name.to_string(), partitions };
    topics.into_iter().map(topic).collect()
}
