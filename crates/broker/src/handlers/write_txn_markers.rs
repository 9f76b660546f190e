//! WriteTxnMarkers (key 27), versions 1 to 2: ends transactions on partitions that this node leads.
//!
//! From transaction coordinators, and from administrators who abort a transaction that nobody coordinates any more (KIP-664). v2
//! transaction version (KIP-890). Answered when the markers are committed. UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER,
//! INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED, NOT_ENOUGH_REPLICAS, REQUEST_TIMED_OUT, KAFKA_STORAGE_ERROR.

use super::codec::{Handled, decode, respond};
use crate::Broker;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::write_txn_markers_request::WriteTxnMarkersRequest;
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: WriteTxnMarkersRequest = decode(&request)?;
    let header = request.header;
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let response = broker.markers().write(&body).await;
        respond(&broker, &header, &response)
    })))
}
