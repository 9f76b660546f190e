//! How coordinators and partition leaders reach one another: one interface, also where the other side is this node.
//!
//! Transaction coordinators have partition leaders write markers, and leaders ask them about partitions. Leaders of what share
//! groups read, and group coordinators, ask share coordinators for the states of share partitions; group coordinators ask
//! leaders how far a partition reaches, and leaders have one another append what share groups give up on.

use crate::partition::{OffsetQuery, PartitionError};
use crate::partitions::Partitions;
use crate::share::{ShareCoordinator, append_dead_letters};
use crate::transactions::{MarkerWriter, TxnCoordinator, VERSION_OF_LEADERS, add_partitions};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ottla_metadata::MetadataImage;
use ottla_protocol::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};
use ottla_runtime::{Runtime, watch};
use ottla_share::state::{StateKey, StateReply, StateRequest};
use ottla_types::{ErrorCode, NodeId, Uuid};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How long a leader may take to say how far a partition reaches.
const OFFSETS_PATIENCE: Duration = Duration::from_secs(5);

/// The other node does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreachable;

/// Calls to other nodes. A future that is dropped takes back what it has not done yet.
pub(crate) trait Peers: Send + Sync {
    /// Has a partition leader write markers; answers when they are committed.
    fn write_txn_markers(
        &self,
        leader: NodeId,
        request: WriteTxnMarkersRequest,
    ) -> BoxFuture<'_, Result<WriteTxnMarkersResponse, Unreachable>>;

    /// Asks a transaction coordinator about partitions (version 5).
    fn add_partitions_to_txn(
        &self,
        coordinator: NodeId,
        request: AddPartitionsToTxnRequest,
    ) -> BoxFuture<'_, Result<AddPartitionsToTxnResponse, Unreachable>>;

    /// Asks a share coordinator about one share partition (Initialize-, Read-, Write-, DeleteShareGroupState and
    /// ReadShareGroupStateSummary).
    fn share_group_state(
        &self,
        coordinator: NodeId,
        key: StateKey,
        request: StateRequest,
    ) -> BoxFuture<'_, Result<StateReply, Unreachable>>;

    /// Asks a partition leader for the offset behind the last record that consumers may see.
    fn latest_offset(
        &self,
        leader: NodeId,
        topic_id: Uuid,
        partition: i32,
    ) -> BoxFuture<'_, Result<Result<i64, ErrorCode>, Unreachable>>;

    /// Has a partition leader append a batch of records that a share group gave up on; answers when it is committed.
    fn append_dead_letters(
        &self,
        leader: NodeId,
        topic_id: Uuid,
        partition: i32,
        batch: Bytes,
    ) -> BoxFuture<'_, Result<Result<(), PartitionError>, Unreachable>>;
}

/// The node itself. Others are not reached yet.
pub(crate) struct LocalPeers {
    pub(crate) runtime: Runtime,
    pub(crate) node_id: NodeId,
    pub(crate) images: watch::Receiver<Arc<MetadataImage>>,
    pub(crate) partitions: Arc<Partitions>,
    pub(crate) markers: Arc<MarkerWriter>,
    pub(crate) share_coordinator: Arc<ShareCoordinator>,
    /// Weak: the coordinator knows its peers.
    pub(crate) transactions: Weak<TxnCoordinator>,
}

impl LocalPeers {
    fn reach(&self, node: NodeId) -> Result<(), Unreachable> {
        if node == self.node_id { Ok(()) } else { Err(Unreachable) }
    }
}

impl Peers for LocalPeers {
    fn write_txn_markers(
        &self,
        leader: NodeId,
        request: WriteTxnMarkersRequest,
    ) -> BoxFuture<'_, Result<WriteTxnMarkersResponse, Unreachable>> {
        async move {
            self.reach(leader)?;
            Ok(self.markers.write(&request).await)
        }
        .boxed()
    }

    fn add_partitions_to_txn(
        &self,
        coordinator: NodeId,
        request: AddPartitionsToTxnRequest,
    ) -> BoxFuture<'_, Result<AddPartitionsToTxnResponse, Unreachable>> {
        async move {
            self.reach(coordinator)?;
            let transactions = self.transactions.upgrade().ok_or(Unreachable)?;
            let image = Arc::clone(&self.images.borrow());
            let results_by_transaction =
                add_partitions(&transactions, &image, request.transactions, VERSION_OF_LEADERS).await;
            Ok(AddPartitionsToTxnResponse { results_by_transaction, ..AddPartitionsToTxnResponse::default() })
        }
        .boxed()
    }

    fn share_group_state(
        &self,
        coordinator: NodeId,
        key: StateKey,
        request: StateRequest,
    ) -> BoxFuture<'_, Result<StateReply, Unreachable>> {
        async move {
            self.reach(coordinator)?;
            Ok(self.share_coordinator.serve(key, request).await)
        }
        .boxed()
    }

    fn latest_offset(
        &self,
        leader: NodeId,
        topic_id: Uuid,
        partition: i32,
    ) -> BoxFuture<'_, Result<Result<i64, ErrorCode>, Unreachable>> {
        async move {
            self.reach(leader)?;
            let deadline = self.runtime.now() + OFFSETS_PATIENCE;
            let found = match self.partitions.by_id(topic_id, partition) {
                Ok(partition) => partition.find_offset(OffsetQuery::Latest, -1, false, deadline).await,
                Err(error) => Err(error),
            };
            Ok(found.map(|found| found.offset).map_err(|error| error.code))
        }
        .boxed()
    }

    fn append_dead_letters(
        &self,
        leader: NodeId,
        topic_id: Uuid,
        partition: i32,
        batch: Bytes,
    ) -> BoxFuture<'_, Result<Result<(), PartitionError>, Unreachable>> {
        async move {
            self.reach(leader)?;
            let partition = self.partitions.by_id(topic_id, partition);
            Ok(match partition {
                Ok(partition) => append_dead_letters(&self.runtime, &partition, batch).await,
                Err(error) => Err(error),
            })
        }
        .boxed()
    }
}
