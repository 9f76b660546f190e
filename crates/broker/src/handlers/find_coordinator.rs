//! FindCoordinator (key 10), versions 0 to 6.
//!
//! v1 key type (KIP-98), v4 many keys (KIP-699), v6 share groups (KIP-932). Groups, transactional ids and states of share
//! partitions (keys `group:topicId:partition`): the leader of their partition of `__consumer_offsets`, `__transaction_state` or
//! `__share_group_state`; the first who asks has that topic created and waits for it, so that the first try already succeeds.
//! COORDINATOR_NOT_AVAILABLE, with the reason, while the topic cannot be created or its partition has no leader.
//! INVALID_REQUEST for an unknown key type, and a share key that is none.

use super::codec::{Handled, decode, respond};
use crate::Broker;
use crate::coordination::{InternalTopic, partition_of};
use ottla_net::{Outcome, Request};
use ottla_protocol::RequestHeader;
use ottla_protocol::generated::find_coordinator_request::FindCoordinatorRequest;
use ottla_protocol::generated::find_coordinator_response::{Coordinator, FindCoordinatorResponse};
use ottla_share::state::StateKey;
use ottla_types::{ErrorCode, NodeId};
use std::sync::Arc;
use std::time::Duration;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;
/// First version with share groups.
const SHARE_FROM: i16 = 6;
/// First version with many keys.
const BATCHED_FROM: i16 = 4;
/// How long the answer waits for a topic that was just created to be applied here.
const APPLIED_PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: FindCoordinatorRequest = decode(&request)?;
    let listener = Arc::clone(&request.connection.listener);
    let header = request.header;
    let missing = topic(broker, &header, body.key_type).filter(|topic| broker.image().topic(topic.name()).is_none());
    let Some(missing) = missing.filter(|_| asks_for_any(&header, &body)) else {
        let response = answer(broker, &header, body, &listener, None);
        return Ok(Outcome::Reply(respond(broker, &header, &response)));
    };
    let creation = missing.create(&broker.image(), &broker.config());
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let failure = creation.await.err();
        if failure.is_none() {
            let deadline = broker.runtime().now() + APPLIED_PATIENCE;
            broker.wait_until_applied(deadline).await;
        }
        let response = answer(&broker, &header, body, &listener, failure.as_deref());
        respond(&broker, &header, &response)
    })))
}

/// The topic that keeps what is looked for.
fn topic<'a>(broker: &'a Broker, header: &RequestHeader, key_type: i8) -> Option<&'a InternalTopic> {
    match key_type {
        GROUP => Some(broker.offsets_topic()),
        SHARE if header.api_version >= SHARE_FROM => Some(broker.share_states().topic()),
        TRANSACTION => Some(broker.transaction_state_topic()),
        _ => None,
    }
}

fn asks_for_any(header: &RequestHeader, body: &FindCoordinatorRequest) -> bool {
    match body.key_type {
        SHARE => body.coordinator_keys.iter().any(|key| StateKey::parse(key).is_some()),
        _ => header.api_version < BATCHED_FROM || !body.coordinator_keys.is_empty(),
    }
}

fn answer(
    broker: &Broker,
    header: &RequestHeader,
    body: FindCoordinatorRequest,
    listener: &str,
    failure: Option<&str>,
) -> FindCoordinatorResponse {
    let found = |key: String| match find(broker, header, body.key_type, &key, listener, failure) {
        Ok((node_id, host, port)) => Coordinator { key, node_id, host, port, ..Coordinator::default() },
        Err((error, message)) => Coordinator {
            key,
            node_id: -1,
            port: -1,
            error_code: error.code(),
            error_message: Some(message),
            ..Coordinator::default()
        },
    };
    if header.api_version >= BATCHED_FROM {
        let coordinators = body.coordinator_keys.into_iter().map(found).collect();
        return FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() };
    }
    let Coordinator { node_id, host, port, error_code, error_message, .. } = found(body.key);
    FindCoordinatorResponse { error_code, error_message, node_id, host, port, ..FindCoordinatorResponse::default() }
}

/// Node, host and port of the coordinator.
fn find(
    broker: &Broker,
    header: &RequestHeader,
    key_type: i8,
    key: &str,
    listener: &str,
    failure: Option<&str>,
) -> Result<(i32, String, i32), (ErrorCode, String)> {
    let refuse = |message: &str| Err((ErrorCode::InvalidRequest, message.to_string()));
    let Some(topic) = topic(broker, header, key_type) else {
        return refuse("coordinators of this type are not supported by this version of ottla");
    };
    let (not_available, topic) = (ErrorCode::CoordinatorNotAvailable, topic.name());
    if key_type == SHARE && StateKey::parse(key).is_none() {
        return refuse("the key of a share partition is group:topicId:partition");
    }
    if let Some(failure) = failure {
        return Err((not_available, format!("{topic} cannot be created: {failure}")));
    }
    let image = broker.image();
    let index = match key_type {
        SHARE => broker.share_coordinator().partition_of(key),
        TRANSACTION => broker.transactions().partition_of(key),
        _ => partition_of(key, broker.groups().partition_count()),
    };
    let leader = image.partition(topic, index).and_then(|partition| partition.leader);
    let Some(leader) = leader.and_then(|leader: NodeId| image.broker(leader)).filter(|leader| !leader.fenced) else {
        return Err((not_available, format!("{topic}-{index} has no leader")));
    };
    match leader.endpoint(listener) {
        Some(endpoint) => Ok((leader.id.0, endpoint.host.clone(), i32::from(endpoint.port))),
        None => Err((not_available, format!("broker {} has no listener {listener}", leader.id))),
    }
}
