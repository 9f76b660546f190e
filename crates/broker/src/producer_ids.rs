//! Producer ids, handed out from blocks that the controller reserves durably: none is ever handed out twice, also after a
//! power loss, because the rest of a block is forgotten with the process.

use ottla_metadata::{ControllerChannel, MetadataImage};
use ottla_protocol::AllocateProducerIdsRequest;
use ottla_types::{ErrorCode, NodeId, ProducerId};
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::{Mutex, watch};

/// The block that this node hands out from.
pub(crate) struct ProducerIds {
    node_id: NodeId,
    controller: Arc<dyn ControllerChannel>,
    images: watch::Receiver<Arc<MetadataImage>>,
    block: Mutex<Range<i64>>,
}

/// Why there is no id to be had now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoProducerId {
    #[error("the controller could not be asked for producer ids: {0}")]
    Controller(#[from] ottla_metadata::ControllerError),
    #[error("the controller refused to allocate producer ids: {0}")]
    Refused(ErrorCode),
}

impl ProducerIds {
    pub(crate) fn new(
        node_id: NodeId,
        controller: Arc<dyn ControllerChannel>,
        images: watch::Receiver<Arc<MetadataImage>>,
    ) -> ProducerIds {
        ProducerIds { node_id, controller, images, block: Mutex::new(0..0) }
    }

    /// A producer id that nobody had before.
    pub(crate) async fn next(&self) -> Result<ProducerId, NoProducerId> {
        let mut block = self.block.lock().await;
        if block.is_empty() {
            *block = self.allocate().await?;
        }
        let id = block.start;
        block.start += 1;
        Ok(ProducerId(id))
    }

    async fn allocate(&self) -> Result<Range<i64>, NoProducerId> {
        let broker_epoch = self.images.borrow().broker(self.node_id).map_or(-1, |broker| broker.epoch);
        let request = AllocateProducerIdsRequest { broker_id: self.node_id.0, broker_epoch };
        let response = self.controller.submit(request.into()).await?.into_allocate_producer_ids();
        match ErrorCode::from_code(response.error_code) {
            Some(ErrorCode::None) => {
                assert!(response.producer_id_len > 0, "a block has ids");
                Ok(response.producer_id_start..response.producer_id_start + i64::from(response.producer_id_len))
            }
            other => Err(NoProducerId::Refused(other.unwrap_or(ErrorCode::UnknownServerError))),
        }
    }
}
