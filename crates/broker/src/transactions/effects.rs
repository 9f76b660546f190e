//! What a transaction shard has others do: markers on every partition of a transaction, and producer ids.
//!
//! At most one attempt at the markers of a transactional id runs at a time: a later one aborts the earlier and waits until it
//! is gone. So no marker is written late, into a transaction that the same producer has begun after it (which has the same
//! epoch in version 1).

use super::TxnCoordinator;
use futures_util::future::join_all;
use ottla_protocol::WriteTxnMarkersRequest;
use ottla_protocol::generated::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use ottla_protocol::generated::write_txn_markers_response::WriteTxnMarkersResponse;
use ottla_runtime::{TaskHandle, watch};
use ottla_txn::{MarkersAnswered, MarkersToWrite, TransactionalId, TxnEffect, TxnEvent};
use ottla_types::{ErrorCode, NodeId, TopicPartition};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex;

/// How long one attempt waits for a partition leader; then the markers are sent again.
const ATTEMPT_PATIENCE: Duration = Duration::from_secs(30);
/// Below this many ids no sweep for those that have ended is worth while.
const SWEEP_IDS_MIN: usize = 64;

/// An attempt at the markers of one id.
struct Attempt {
    /// Held while it writes.
    turn: Arc<Mutex<()>>,
    task: TaskHandle<()>,
    /// Closed once it has ended and the shard has its results.
    ended: watch::Receiver<()>,
}

/// The attempts that run.
#[derive(Default)]
pub(super) struct UnderWay {
    by_id: BTreeMap<TransactionalId, Attempt>,
    /// Ids after the last sweep.
    swept: usize,
}

impl UnderWay {
    pub(super) fn abort_all(&mut self) {
        self.by_id.values().for_each(|attempt| attempt.task.abort());
        self.by_id.clear();
    }

    /// Ends the attempt of an id, and gives what the next one has to hold.
    fn take_over(&mut self, id: &TransactionalId) -> Arc<Mutex<()>> {
        if self.by_id.len() >= SWEEP_IDS_MIN.max(2 * self.swept) {
            self.by_id.retain(|_, attempt| !attempt.task.is_finished());
            self.swept = self.by_id.len();
        }
        match self.by_id.get(id) {
            Some(attempt) => {
                attempt.task.abort();
                Arc::clone(&attempt.turn)
            }
            None => Arc::default(),
        }
    }
}

impl TxnCoordinator {
    /// Begins an effect of the shard of this partition.
    pub(super) fn begin(self: &Arc<Self>, index: i32, effect: TxnEffect) {
        let coordinator = Arc::clone(self);
        match effect {
            TxnEffect::WriteMarkers(wanted) => {
                let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
                let id = Arc::clone(&wanted.transactional_id);
                let turn = under_way.take_over(&id);
                let held = Arc::clone(&turn);
                let (ends, ended) = watch::channel(());
                let task = self.runtime.spawn("broker.write-markers", async move {
                    let _ends = ends;
                    let _turn = held.lock().await;
                    let answered = coordinator.write_markers(wanted).await;
                    coordinator.tell(index, TxnEvent::MarkersAnswered(answered)).await;
                });
                under_way.by_id.insert(id, Attempt { turn, task, ended });
            }
            TxnEffect::AllocateProducerId(id) => {
                self.runtime.spawn("broker.producer-id-of-transaction", async move {
                    // Without one the next check asks again.
                    if let Ok(fresh) = coordinator.producer_ids.next().await {
                        coordinator.tell(index, TxnEvent::AbortTimedOut(id, Some(fresh.0))).await;
                    }
                });
            }
        }
    }

    /// Waits for the attempt at the markers of an id that is under way, if there is one. A request to the shard that comes
    /// behind it finds the transaction complete, unless markers have to be sent again.
    pub(super) async fn markers_written(&self, id: &str) {
        let ended = {
            let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            under_way.by_id.get(id).map(|attempt| attempt.ended.clone())
        };
        if let Some(mut ended) = ended {
            // Nothing is ever sent: it only closes.
            let _ = self.runtime.timeout(self.end_patience, ended.changed()).await;
        }
    }

    async fn tell(&self, index: i32, event: TxnEvent) {
        if let Some(shard) = self.shards.get(index) {
            // A shard that has ended begins anew elsewhere, from its log.
            let _ = shard.notify(event).await;
        }
    }

    /// One attempt at every partition.
    async fn write_markers(&self, wanted: MarkersToWrite) -> MarkersAnswered {
        let mut results = Vec::with_capacity(wanted.partitions.len());
        let mut by_leader: BTreeMap<NodeId, Vec<TopicPartition>> = BTreeMap::new();
        let image = Arc::clone(&self.images.borrow());
        for partition in &wanted.partitions {
            match image.partition(&partition.topic, partition.partition).map(|found| found.leader) {
                // It was deleted: there is nothing to end.
                None => results.push((partition.clone(), ErrorCode::None)),
                Some(None) => results.push((partition.clone(), ErrorCode::LeaderNotAvailable)),
                Some(Some(leader)) => by_leader.entry(leader).or_default().push(partition.clone()),
            }
        }
        let calls = by_leader.into_iter().map(|(leader, partitions)| self.write_at(leader, &wanted, partitions));
        results.extend(join_all(calls).await.into_iter().flatten());
        MarkersAnswered { transactional_id: wanted.transactional_id, producer: wanted.producer, results }
    }

    async fn write_at(
        &self,
        leader: NodeId,
        wanted: &MarkersToWrite,
        partitions: Vec<TopicPartition>,
    ) -> Vec<(TopicPartition, ErrorCode)> {
        let request = request(wanted, &partitions);
        let Some(peers) = self.peers.get() else {
            return partitions.into_iter().map(|partition| (partition, ErrorCode::NetworkException)).collect();
        };
        let answered = self.runtime.timeout(ATTEMPT_PATIENCE, peers.write_txn_markers(leader, request)).await;
        let (response, otherwise) = match answered {
            Ok(Ok(response)) => (response, ErrorCode::UnknownServerError),
            Ok(Err(_)) => (WriteTxnMarkersResponse::default(), ErrorCode::NetworkException),
            Err(_) => (WriteTxnMarkersResponse::default(), ErrorCode::RequestTimedOut),
        };
        let codes = codes(&response);
        let code_of = |partition: &TopicPartition| codes.get(&(&*partition.topic, partition.partition)).copied();
        partitions.into_iter().map(|partition| (partition.clone(), code_of(&partition).unwrap_or(otherwise))).collect()
    }
}

fn request(wanted: &MarkersToWrite, partitions: &[TopicPartition]) -> WriteTxnMarkersRequest {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    let topic = |(name, partition_indexes): (&str, Vec<i32>)| WritableTxnMarkerTopic {
        name: name.to_string(),
        partition_indexes,
    };
    let marker = WritableTxnMarker {
        producer_id: wanted.producer.id,
        producer_epoch: wanted.producer.epoch,
        transaction_result: wanted.committed,
        topics: topics.into_iter().map(topic).collect(),
        coordinator_epoch: wanted.coordinator_epoch,
        transaction_version: i8::try_from(wanted.transaction_version).unwrap_or(i8::MAX),
    };
    WriteTxnMarkersRequest { markers: vec![marker] }
}

fn codes(response: &WriteTxnMarkersResponse) -> BTreeMap<(&str, i32), ErrorCode> {
    let topics = response.markers.iter().flat_map(|marker| &marker.topics);
    let partitions = topics.flat_map(|topic| topic.partitions.iter().map(|partition| (topic.name.as_str(), partition)));
    let code = |code: i16| ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError);
    partitions.map(|(name, partition)| ((name, partition.partition_index), code(partition.error_code))).collect()
}
