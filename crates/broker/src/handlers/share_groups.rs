//! What the handlers of share groups share: whether they are switched on, and the calls to the share coordinator that follow
//! from what the group coordinator decides.

use super::groups::context_of_broker;
use crate::Broker;
use crate::partition::PartitionError;
use futures_util::{StreamExt, stream};
use ottla_group::{GroupReply, GroupRequest, ShareReply, ShareRequest, StateCall};
use ottla_share::state::{StateError, StateKey, StateRequest};
use ottla_share::{AckBatch, AckType, SessionError};
use ottla_types::{ErrorCode, Uuid};
use std::collections::BTreeMap;
use std::sync::Arc;

/// States of one request that are asked about at the same time.
const STATES_ASKED_MAX: usize = 64;
/// Longest member id: a UUID as people read it.
const MEMBER_ID_CHARS_MAX: usize = 36;

/// Takes the answer of a request's own kind out of a [`GroupReply`]; another kind is a bug.
macro_rules! share_reply_of {
    ($kind:ident, $reply:expr) => {
        match $reply {
            ottla_group::GroupReply::Share(ottla_group::ShareReply::$kind(reply)) => reply,
            other => panic!("a {} was answered with {other:?}", stringify!($kind)),
        }
    };
    ($kind:ident with call, $reply:expr) => {
        match $reply {
            ottla_group::GroupReply::Share(ottla_group::ShareReply::$kind(reply, call)) => (reply, call),
            other => panic!("a {} was answered with {other:?}", stringify!($kind)),
        }
    };
}
pub(super) use share_reply_of;

/// Whether share groups are switched on: by the feature `share.version`.
pub(super) fn are_enabled(broker: &Broker) -> bool {
    broker.image().feature_level(ottla_metadata::features::SHARE_VERSION) >= 1
}

/// How each partition's call to the share coordinator went.
pub(super) type StateResults = BTreeMap<(Uuid, i32), Result<(), StateError>>;

/// Calls the share coordinator about every partition of a [`StateCall`].
pub(super) async fn call_states(
    broker: &Arc<Broker>,
    group_id: &str,
    call: &StateCall,
    request: impl Fn(i64) -> StateRequest,
) -> StateResults {
    let group_id: Arc<str> = Arc::from(group_id);
    let places = call.topics.iter().flat_map(|(topic_id, partitions)| {
        partitions.iter().map(|(partition, start_offset)| (*topic_id, *partition, *start_offset))
    });
    let calls: Vec<_> = places
        .map(|(topic_id, partition, start_offset)| {
            let key = StateKey { group_id: Arc::clone(&group_id), topic_id, partition };
            let asked = broker.share_states().ask(key, request(start_offset));
            async move { ((topic_id, partition), asked.await.map(drop)) }
        })
        .collect();
    stream::iter(calls).buffered(STATES_ASKED_MAX).collect().await
}

/// Initialises states and has the group write down how it went.
pub(super) async fn initialize(broker: &Arc<Broker>, group_id: &str, call: StateCall) -> StateResults {
    let state_epoch = call.state_epoch;
    let results =
        call_states(broker, group_id, &call, |start_offset| StateRequest::Initialize { state_epoch, start_offset })
            .await;
    for is_ok in [true, false] {
        let mut topics: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
        for ((topic_id, partition), _) in results.iter().filter(|(_, result)| result.is_ok() == is_ok) {
            topics.entry(*topic_id).or_default().push(*partition);
        }
        if !topics.is_empty() {
            tell(broker, ShareRequest::StateInitialized { group_id: group_id.to_string(), topics, is_ok }).await;
        }
    }
    if let Some(error) = results.values().find_map(|result| result.as_ref().err()) {
        tracing::warn!(group_id, %error, "states of share partitions could not be initialised; it is tried again");
    }
    results
}

/// Deletes states and has the group write down those topics of which none is left.
pub(super) async fn delete(broker: &Arc<Broker>, group_id: &str, call: StateCall) -> StateResults {
    let results = call_states(broker, group_id, &call, |_| StateRequest::Delete).await;
    let is_gone = |topic_id: &Uuid| {
        let mut of_topic = results.iter().filter(|((id, _), _)| id == topic_id);
        // Without its topic there is no state either.
        of_topic.all(|(_, result)| result.as_ref().err().is_none_or(|e| e.code == ErrorCode::UnknownTopicOrPartition))
    };
    let topics: Vec<Uuid> = call.topics.keys().copied().filter(is_gone).collect();
    if !topics.is_empty() {
        tell(broker, ShareRequest::StateDeleted { group_id: group_id.to_string(), topics }).await;
    }
    broker.share_partitions().forget_group(group_id);
    results
}

/// Tells a group what was done for it. If that is lost it is done again.
async fn tell(broker: &Arc<Broker>, request: ShareRequest) {
    let reply = broker.groups().answer(context_of_broker(), GroupRequest::Share(request)).await;
    if let GroupReply::Share(ShareReply::Done(error)) = reply
        && error != ErrorCode::None
    {
        tracing::debug!(error = error.name(), "a share group could not be told of its states");
    }
}

/// Asks a group.
pub(super) async fn ask_share(broker: &Arc<Broker>, request: ShareRequest) -> GroupReply {
    broker.groups().answer(context_of_broker(), GroupRequest::Share(request)).await
}

/// Group and member of a request that has to name both; the texts are Kafka's.
pub(super) fn names(group_id: Option<&str>, member_id: Option<&str>) -> Result<(Arc<str>, Arc<str>), &'static str> {
    let group_id = group_id.filter(|id| !id.is_empty()).ok_or("Invalid group id in the request.")?;
    let is_valid = |id: &&str| !id.is_empty() && id.chars().count() <= MEMBER_ID_CHARS_MAX;
    let member_id = member_id.filter(is_valid).ok_or("Invalid member id in the request.")?;
    Ok((Arc::from(group_id), Arc::from(member_id)))
}

/// A batch of acknowledgements of a request: first offset, last offset, types.
pub(super) fn ack_batch(
    first_offset: i64,
    last_offset: i64,
    types: &[i8],
    is_renew_ack: bool,
) -> Result<AckBatch, PartitionError> {
    let refused = |message: &'static str| Err(PartitionError::of(ErrorCode::InvalidRequest, message));
    let Some(types) = types.iter().map(|code| AckType::from_code(*code)).collect::<Option<Vec<AckType>>>() else {
        return refused("there is no such type of acknowledgement");
    };
    if types.contains(&AckType::Renew) && !is_renew_ack {
        return refused("the request renews locks and does not say so (is_renew_ack)");
    }
    Ok(AckBatch { first_offset, last_offset, types })
}

/// The code of a session error.
pub(super) fn session_code(error: SessionError) -> ErrorCode {
    match error {
        SessionError::NotFound => ErrorCode::ShareSessionNotFound,
        SessionError::WrongEpoch { .. } => ErrorCode::InvalidShareSessionEpoch,
        SessionError::LimitReached(_) | SessionError::TooManyPartitions => ErrorCode::ShareSessionLimitReached,
        SessionError::AcknowledgesFirst => ErrorCode::InvalidRequest,
    }
}
