//! ShareAcknowledge (key 79), versions 1 and 2 (KIP-932).
//!
//! v2 renewal of locks (KIP-1222). Needs an open session, whose epoch it carries on; epoch -1 ends it, and what its member still
//! has is available again. Errors: UNSUPPORTED_VERSION, INVALID_REQUEST, SHARE_SESSION_NOT_FOUND,
//! INVALID_SHARE_SESSION_EPOCH; by partition INVALID_RECORD_STATE, INVALID_REQUEST, UNKNOWN_TOPIC_OR_PARTITION and what the share
//! coordinator refuses.

use super::codec::{Handled, decode, respond};
use super::share_groups::{ack_batch, are_enabled, names, session_code};
use crate::Broker;
use crate::partition::PartitionError;
use crate::share::Acknowledgement;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::share_acknowledge_request::ShareAcknowledgeRequest;
use ottla_protocol::generated::share_acknowledge_response::{
    LeaderIdAndEpoch, PartitionData, ShareAcknowledgeResponse, ShareAcknowledgeTopicResponse,
};
use ottla_share::{FINAL_EPOCH, SessionKey, TopicIdPartition};
use ottla_types::ErrorCode;
use std::collections::BTreeMap;
use std::sync::Arc;

/// First version with renewal.
const RENEWAL_FROM: i16 = 2;

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
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let acknowledged = acknowledging.await;
        let partitions = broker.share_partitions();
        if epoch == FINAL_EPOCH {
            partitions.close(&key);
        }
        let lock_ms = partitions.settings(&key.group_id).limits.lock_duration_ms;
        let response = ShareAcknowledgeResponse {
            acquisition_lock_timeout_ms: i32::try_from(lock_ms).unwrap_or(i32::MAX),
            responses: topics(acknowledged),
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

fn topics(acknowledged: Vec<(TopicIdPartition, Result<(), PartitionError>)>) -> Vec<ShareAcknowledgeTopicResponse> {
    let mut topics: BTreeMap<ottla_types::Uuid, Vec<PartitionData>> = BTreeMap::new();
    for ((topic_id, partition_index), result) in acknowledged {
        let error = result.err();
        topics.entry(topic_id).or_default().push(PartitionData {
            partition_index,
            error_code: error.as_ref().map_or(0, |error| error.code.code()),
            error_message: error.map(|error| error.message.into_owned()),
            current_leader: LeaderIdAndEpoch { leader_id: -1, leader_epoch: -1 },
        });
    }
    let topics = topics.into_iter();
    topics.map(|(topic_id, partitions)| ShareAcknowledgeTopicResponse { topic_id, partitions }).collect()
}
