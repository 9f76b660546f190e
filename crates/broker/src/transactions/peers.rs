//! How transaction coordinators and partition leaders reach one another: one interface, also where the other side is this node.

use super::{MarkerWriter, TxnCoordinator, add_partitions};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ottla_metadata::MetadataImage;
use ottla_protocol::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};
use ottla_runtime::watch;
use ottla_types::NodeId;
use std::sync::{Arc, Weak};

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
}

/// The node itself. Others are not reached yet.
pub(crate) struct LocalPeers {
    node_id: NodeId,
    images: watch::Receiver<Arc<MetadataImage>>,
    markers: Arc<MarkerWriter>,
    /// Weak: the coordinator knows its peers.
    transactions: Weak<TxnCoordinator>,
}

impl LocalPeers {
    pub(crate) fn new(
        node_id: NodeId,
        images: watch::Receiver<Arc<MetadataImage>>,
        markers: Arc<MarkerWriter>,
        transactions: &Arc<TxnCoordinator>,
    ) -> LocalPeers {
        LocalPeers { node_id, images, markers, transactions: Arc::downgrade(transactions) }
    }
}

impl Peers for LocalPeers {
    fn write_txn_markers(
        &self,
        leader: NodeId,
        request: WriteTxnMarkersRequest,
    ) -> BoxFuture<'_, Result<WriteTxnMarkersResponse, Unreachable>> {
        async move {
            match leader == self.node_id {
                true => Ok(self.markers.write(&request).await),
                false => Err(Unreachable),
            }
        }
        .boxed()
    }

    fn add_partitions_to_txn(
        &self,
        coordinator: NodeId,
        request: AddPartitionsToTxnRequest,
    ) -> BoxFuture<'_, Result<AddPartitionsToTxnResponse, Unreachable>> {
        async move {
            let transactions =
                self.transactions.upgrade().filter(|_| coordinator == self.node_id).ok_or(Unreachable)?;
            let image = Arc::clone(&self.images.borrow());
            let results_by_transaction =
                add_partitions(&transactions, &image, request.transactions, super::add::VERSION_OF_LEADERS).await;
            Ok(AddPartitionsToTxnResponse { results_by_transaction, ..AddPartitionsToTxnResponse::default() })
        }
        .boxed()
    }
}
