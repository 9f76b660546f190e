//! AllocateProducerIds: blocks of producer ids for brokers. No id is ever in two blocks.

use crate::{ApiError, Decision, MetadataImage, limits};
use ottla_protocol::{AllocateProducerIdsRequest, AllocateProducerIdsResponse, MetadataRecord, ProducerIdsRecord};
use ottla_types::{ErrorCode, NodeId};

/// The next block, for a registered broker.
pub fn allocate_producer_ids(
    image: &MetadataImage,
    request: &AllocateProducerIdsRequest,
) -> Decision<AllocateProducerIdsResponse> {
    let start = image.next_producer_id();
    let next = check_broker_epoch(image, request.broker_id, request.broker_epoch).and_then(|()| {
        let next = start.checked_add(i64::from(limits::PRODUCER_ID_BLOCK_SIZE));
        next.ok_or_else(|| ApiError::new(ErrorCode::UnknownServerError, "All producer ids have been handed out"))
    });
    match next {
        Ok(next) => {
            let record = ProducerIdsRecord {
                broker_id: request.broker_id,
                broker_epoch: request.broker_epoch,
                next_producer_id: next,
            };
            let response = AllocateProducerIdsResponse {
                producer_id_start: start,
                producer_id_len: limits::PRODUCER_ID_BLOCK_SIZE,
                ..Default::default()
            };
            Decision::atomic(vec![MetadataRecord::ProducerIds(record)], response)
        }
        Err(error) => {
            Decision::none(AllocateProducerIdsResponse { error_code: error.code.code(), ..Default::default() })
        }
    }
}

/// Whether a request comes from the incarnation of the broker that is registered.
pub(super) fn check_broker_epoch(image: &MetadataImage, id: i32, epoch: i64) -> Result<(), ApiError> {
    let refuse = |text: String| Err(ApiError::new(ErrorCode::StaleBrokerEpoch, text));
    match image.broker(NodeId(id)) {
        None => refuse(format!("No broker registration found for broker id {id}")),
        Some(broker) if broker.epoch != epoch => {
            refuse(format!("Expected broker epoch {}, but got broker epoch {epoch}", broker.epoch))
        }
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::testing::Cluster;

    fn allocate(cluster: &mut Cluster, broker_id: i32, broker_epoch: i64) -> AllocateProducerIdsResponse {
        let request = AllocateProducerIdsRequest { broker_id, broker_epoch };
        cluster.run(|image, _| allocate_producer_ids(image, &request))
    }

    #[test]
    fn blocks_never_overlap() {
        let mut cluster = Cluster::with_brokers(2);
        let epochs = [1, 2].map(|id| cluster.image.broker(NodeId(id)).unwrap().epoch);
        let starts = [(1, epochs[0]), (2, epochs[1]), (1, epochs[0])].map(|(id, epoch)| {
            let response = allocate(&mut cluster, id, epoch);
            assert_eq!((response.error_code, response.producer_id_len), (0, 1000));
            response.producer_id_start
        });
        assert_eq!(starts, [0, 1000, 2000]);
    }

    #[test]
    fn a_stale_broker_gets_none() {
        let mut cluster = Cluster::with_brokers(1);
        let epoch = cluster.image.broker(NodeId(1)).unwrap().epoch;
        for (id, epoch) in [(1, epoch - 1), (9, epoch)] {
            assert_eq!(allocate(&mut cluster, id, epoch).error_code, ErrorCode::StaleBrokerEpoch.code());
        }
        assert_eq!(cluster.image.next_producer_id(), 0);
    }

    #[test]
    fn ids_end_with_an_error_and_never_start_over() {
        let mut cluster = Cluster::with_brokers(1);
        let record = ProducerIdsRecord { next_producer_id: i64::MAX - 999, ..Default::default() };
        cluster.image.apply(&MetadataRecord::ProducerIds(record)).unwrap();
        let epoch = cluster.image.broker(NodeId(1)).unwrap().epoch;
        assert_eq!(allocate(&mut cluster, 1, epoch).error_code, ErrorCode::UnknownServerError.code());
    }
}
