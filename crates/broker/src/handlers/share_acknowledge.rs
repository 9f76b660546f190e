//! ShareAcknowledge (key 79), versions 1 and 2 (KIP-932).
//!
//! v2 renewal of locks (KIP-1222). Needs an open session, whose epoch it carries on; epoch -1 ends it, and what its member still
//! has is available again. Errors: UNSUPPORTED_VERSION, INVALID_REQUEST, SHARE_SESSION_NOT_FOUND,
//! INVALID_SHARE_SESSION_EPOCH; by partition INVALID_RECORD_STATE, INVALID_REQUEST, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION,
//! NOT_LEADER_OR_FOLLOWER, with who leads, and what else the share coordinator refuses.

use super::codec::{Handled, decode, respond};
use super::share_groups::{ack_batch, are_enabled, names, session_code};
use crate::Broker;
use crate::partition::PartitionError;
use crate::share::Acknowledgement;
use ottla_metadata::MetadataImage;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::share_acknowledge_request::ShareAcknowledgeRequest;
use ottla_protocol::generated::share_acknowledge_response::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionData, ShareAcknowledgeResponse, ShareAcknowledgeTopicResponse,
};
use ottla_share::{FINAL_EPOCH, SessionKey, TopicIdPartition};
use ottla_types::{ErrorCode, Uuid};
use std::collections::BTreeMap;
use std::sync::Arc;

/// First version with renewal.
const RENEWAL_FROM: i16 = 2;
/// What is said of a leader where nobody needs to know.
const NO_LEADER: LeaderIdAndEpoch = LeaderIdAndEpoch { leader_id: -1, leader_epoch: -1 };

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: ShareAcknowledgeRequest = decode(&request)?;
    let header = request.header;
    let refuse = |error: ErrorCode, message: &str| {
        let response = ShareAcknowledgeResponse {
            error_code: error.code(),
            error_message: Some(message.to_string()),
            ..ShareAcknowledgeResponse::default()
        };
        Ok(Outcome::Reply(respond(broker, &header, &response)))
    };
    if !are_enabled(broker) {
        return refuse(ErrorCode::UnsupportedVersion, "share groups are switched off (share.version)");
    }
    let (group_id, member_id) = match names(body.group_id.as_deref(), body.member_id.as_deref()) {
        Ok(names) => names,
        Err(message) => return refuse(ErrorCode::InvalidRequest, message),
    };
    let key = SessionKey { group_id, member_id };
    let epoch = body.share_session_epoch;
    if let Err(error) = broker.share_partitions().admit_acknowledge(&key, epoch, &request.connection) {
        return refuse(session_code(error), &error.to_string());
    }
    let is_renew_ack = header.api_version >= RENEWAL_FROM && body.is_renew_ack;
    let acknowledging = broker.share_partitions().acknowledge(&key, acknowledgements(&body, is_renew_ack));
    let (broker, listener) = (Arc::clone(broker), Arc::clone(&request.connection.listener));
    Ok(Outcome::Later(Box::pin(async move {
        let acknowledged = acknowledging.await;
        let partitions = broker.share_partitions();
        if epoch == FINAL_EPOCH {
            partitions.close(&key);
        }
        let lock_ms = partitions.settings(&key.group_id).limits.lock_duration_ms;
        let responses = topics(&broker.image(), acknowledged);
        let response = ShareAcknowledgeResponse {
            acquisition_lock_timeout_ms: i32::try_from(lock_ms).unwrap_or(i32::MAX),
            node_endpoints: node_endpoints(&broker, &listener, &responses),
            responses,
            ..ShareAcknowledgeResponse::default()
        };
        respond(&broker, &header, &response)
    })))
}

fn acknowledgements(body: &ShareAcknowledgeRequest, is_renew_ack: bool) -> Vec<Acknowledgement> {
    let partitions = body.topics.iter().flat_map(|topic| topic.partitions.iter().map(|p| (topic.topic_id, p)));
    partitions
        .map(|(topic_id, partition)| {
            let batches = partition.acknowledgement_batches.iter();
            let batches = batches
                .map(|batch| ack_batch(batch.first_offset, batch.last_offset, &batch.acknowledge_types, is_renew_ack));
            ((topic_id, partition.partition_index), batches.collect())
        })
        .collect()
}

fn topics(
    image: &MetadataImage,
    acknowledged: Vec<(TopicIdPartition, Result<(), PartitionError>)>,
) -> Vec<ShareAcknowledgeTopicResponse> {
    let mut topics: BTreeMap<Uuid, Vec<PartitionData>> = BTreeMap::new();
    for (place, result) in acknowledged {
        let error = result.err();
        topics.entry(place.0).or_default().push(PartitionData {
            partition_index: place.1,
            error_code: error.as_ref().map_or(0, |error| error.code.code()),
            current_leader: error.as_ref().map_or(NO_LEADER, |error| current_leader(image, place, error.code)),
            error_message: error.map(|error| error.message.into_owned()),
        });
    }
    let topics = topics.into_iter();
    topics.map(|(topic_id, partitions)| ShareAcknowledgeTopicResponse { topic_id, partitions }).collect()
}

/// Who leads a partition, for a client that asked the wrong node or in the wrong epoch.
fn current_leader(image: &MetadataImage, (topic_id, index): TopicIdPartition, error: ErrorCode) -> LeaderIdAndEpoch {
    let is_stale = matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch);
    let partition = image.topic_by_id(topic_id).filter(|_| is_stale).and_then(|topic| topic.partition(index));
    partition.map_or(NO_LEADER, |partition| LeaderIdAndEpoch {
        leader_id: partition.leader.map_or(-1, |leader| leader.0),
        leader_epoch: partition.leader_epoch.0,
    })
}

fn node_endpoints(broker: &Broker, listener: &str, responses: &[ShareAcknowledgeTopicResponse]) -> Vec<NodeEndpoint> {
    let leaders = responses.iter().flat_map(|topic| &topic.partitions).map(|data| data.current_leader.leader_id);
    let endpoints = broker.endpoints_of(leaders, listener).into_iter();
    endpoints.map(|e| NodeEndpoint { node_id: e.node_id, host: e.host, port: e.port, rack: e.rack }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_images::{LEADER_EPOCH, image_of, topic_id};

    /// KafkaApis.processShareAcknowledgeResponse.
    #[test]
    fn who_asked_the_wrong_node_is_told_who_leads() {
        let image = image_of(&[("t", &[2])]);
        let told = |index, result: Result<(), ErrorCode>| {
            let result = result.map_err(|code| PartitionError::of(code, "refused"));
            let topics = topics(&image, vec![((topic_id(1), index), result)]);
            let leader = &topics[0].partitions[0].current_leader;
            (leader.leader_id, leader.leader_epoch)
        };
        assert_eq!(told(0, Err(ErrorCode::NotLeaderOrFollower)), (2, LEADER_EPOCH));
        assert_eq!(told(0, Err(ErrorCode::FencedLeaderEpoch)), (2, LEADER_EPOCH));
        assert_eq!(told(0, Err(ErrorCode::InvalidRecordState)), (-1, -1));
        assert_eq!(told(0, Ok(())), (-1, -1));
        assert_eq!(told(1, Err(ErrorCode::NotLeaderOrFollower)), (-1, -1), "nobody knows");
    }
}
