//! What the handlers of groups share.

use super::answer::Answer;
use super::codec::{Handled, respond};
use crate::Broker;
use futures_util::StreamExt;
use futures_util::future::{Either, ready};
use futures_util::stream;
use ottla_group::{GroupReply, GroupRequest, RequestContext};
use ottla_net::{Outcome, Request};
use ottla_protocol::RequestHeader;
use ottla_types::ErrorCode;
use std::sync::Arc;

/// Operations on a group that a client may do where nothing is forbidden: bits of READ, DELETE, DESCRIBE,
/// DESCRIBE_CONFIGS and ALTER_CONFIGS.
pub(super) const GROUP_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

/// Groups of one request that are asked at the same time.
const GROUPS_ASKED_MAX: usize = 64;

/// Takes the answer of a request's own kind out of a [`GroupReply`]; another kind is a bug.
macro_rules! reply_of {
    ($kind:ident, $reply:expr) => {
        match $reply {
            ottla_group::GroupReply::$kind(reply) => reply,
            other => panic!("a {} was answered with {other:?}", stringify!($kind)),
        }
    };
}
pub(super) use reply_of;

/// Who asks.
pub(super) fn context(request: &Request) -> RequestContext {
    RequestContext {
        api_version: request.header.api_version,
        client_id: request.header.client_id.as_deref().unwrap_or_default().into(),
        client_host: Arc::clone(&request.connection.host),
        regex_error: None,
    }
}

/// The broker itself, telling a group what it did for it.
pub(super) fn context_of_broker() -> RequestContext {
    RequestContext { api_version: 0, client_id: "".into(), client_host: "".into(), regex_error: None }
}

/// Hands a request to its group, now, and answers later.
pub(super) fn ask<A: Answer + Send + Sync + 'static>(
    broker: &Arc<Broker>,
    header: RequestHeader,
    context: RequestContext,
    request: GroupRequest,
    answer: impl FnOnce(GroupReply) -> A + Send + 'static,
) -> Handled {
    let under_way = broker.groups().answer(context, request);
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let reply = under_way.await;
        respond(&broker, &header, &answer(reply))
    })))
}

/// As [`ask`], for requests that need a group id: an empty one is INVALID_GROUP_ID.
pub(super) fn ask_named<A: Answer + Send + Sync + 'static>(
    broker: &Arc<Broker>,
    header: RequestHeader,
    context: RequestContext,
    request: GroupRequest,
    answer: impl FnOnce(GroupReply) -> A + Send + 'static,
) -> Handled {
    if request.group_id().is_some_and(str::is_empty) {
        let refused = answer(request.failed(ErrorCode::InvalidGroupId));
        return Ok(Outcome::Reply(respond(broker, &header, &refused)));
    }
    ask(broker, header, context, request, answer)
}

/// Whether groups of KIP-848 are switched on: by `group.coordinator.rebalance.protocols` and the feature `group.version`.
pub(super) fn has_consumer_protocol(broker: &Broker) -> bool {
    let is_finalized = broker.image().feature_level(ottla_metadata::features::GROUP_VERSION) >= 1;
    is_finalized && broker.groups().has_consumer_protocol()
}

/// Whether streams groups are switched on: by `group.coordinator.rebalance.protocols` and the feature `streams.version`.
pub(super) fn has_streams_protocol(broker: &Broker) -> bool {
    let is_finalized = broker.image().feature_level(ottla_metadata::features::STREAMS_VERSION) >= 1;
    is_finalized && broker.groups().has_streams_protocol()
}

/// Asks about many groups, a bounded number at a time, so that one request neither fills a shard's queue nor takes memory for
/// all at once. The answers come in the order of the questions.
pub(super) async fn ask_each<T, F: Future>(asked: Vec<T>, ask: impl FnMut(T) -> F) -> Vec<F::Output> {
    stream::iter(asked.into_iter().map(ask)).buffered(GROUPS_ASKED_MAX).collect().await
}

/// Describes groups, each asked by itself: UNSUPPORTED_VERSION where their protocol is switched off, INVALID_GROUP_ID for an
/// empty id.
pub(super) async fn describe_each<G>(
    broker: &Broker,
    context: &RequestContext,
    is_served: bool,
    group_ids: Vec<String>,
    request: impl Fn(String) -> GroupRequest,
    described: impl Fn(GroupReply) -> G,
) -> Vec<G> {
    let ask = |id: String| {
        let refused = match (is_served, id.is_empty()) {
            (false, _) => Some(ErrorCode::UnsupportedVersion),
            (true, true) => Some(ErrorCode::InvalidGroupId),
            (true, false) => None,
        };
        let request = request(id);
        match refused {
            Some(error) => Either::Left(ready(request.failed(error))),
            None => Either::Right(broker.groups().answer(context.clone(), request)),
        }
    };
    ask_each(group_ids, ask).await.into_iter().map(described).collect()
}
