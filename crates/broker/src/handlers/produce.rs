//! Produce (key 0), versions 3 to 13 (advertised from 0, because librdkafka's feature detection needs that).
//!
//! v3 batch format 2 only (KIP-98), v7 zstd (KIP-110), v8 record errors (KIP-467), v10 leader discovery (KIP-951),
//! v13 topic ids (KIP-516). acks=0: no response; an error closes the connection, as in Kafka. acks=1: reply after the
//! append. acks=-1: reply when the high watermark covers the batch. Errors: see `ProduceRejected` in
//! `ottla-records` and `PartitionError`; INVALID_REQUIRED_ACKS, INVALID_TOPIC_EXCEPTION for internal topics,
//! REQUEST_TIMED_OUT. A duplicate of an idempotent producer gets the original offset, once that is below the high
//! watermark. Transactional batches (KIP-98): the partition's place in the transaction is verified with the coordinator (v11
//! TRANSACTION_ABORTABLE), or made by the request itself (v12, KIP-890), see `transactional`.

mod append;
mod respond;
mod transactional;

use super::codec::{Handled, count, decode_with};
use super::controlled::timeout_ms;
use crate::Broker;
use crate::parked::Parked;
use append::{Acks, TopicResult, append_all, await_replication, is_replicated};
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::produce_request::ProduceRequestRef;
use std::sync::Arc;

/// Appends in the connection's order; waiting for replication comes later.
pub(super) async fn handle(broker: &Arc<Broker>, request: &Request) -> Handled {
    let body = decode_with(request, ProduceRequestRef::decode)?;
    let (header, listener) = (&request.header, &request.connection.listener);
    let Some(acks) = Acks::parse(body.acks) else {
        return Ok(Outcome::Reply(respond::invalid_acks(broker, header, &body)));
    };
    let deadline = broker.runtime().now() + timeout_ms(body.timeout_ms);
    let results = append_all(broker, header, body, acks).await;
    let wait_ms = broker.quotas.produced(header, request.size as u64);
    if wait_ms > 0 {
        // From now on, not from when the answer leaves: what a client sends ahead is not read meanwhile.
        request.connection.mute_until(broker.quotas.after_ms(wait_ms));
    }
    match acks {
        Acks::None => {
            count(broker, header, respond::first_error(&results));
            Ok(without_reply(&results))
        }
        Acks::Leader => Ok(Outcome::Reply(respond::respond(broker, header, listener, results, wait_ms))),
        Acks::All if is_replicated(&results) => {
            Ok(Outcome::Reply(respond::respond(broker, header, listener, results, wait_ms)))
        }
        Acks::All => {
            let (broker, header, listener) = (Arc::clone(broker), header.clone(), Arc::clone(listener));
            let parked = Parked::new(broker.metrics().parked_produces.clone());
            Ok(Outcome::Later(Box::pin(async move {
                let results = await_replication(&broker, results, deadline).await;
                drop(parked);
                respond::respond(&broker, &header, &listener, results, wait_ms)
            })))
        }
    }
}

/// A producer that wants no answer learns of an error by the closed connection, as in Kafka.
fn without_reply(results: &[TopicResult]) -> Outcome {
    let mut partitions = results.iter().flat_map(|topic| &topic.partitions);
    match partitions.find_map(|result| result.outcome.as_ref().err()) {
        None => Outcome::NoReply,
        Some(error) => Outcome::Close { reason: format!("a produce request with acks=0 failed: {error}") },
    }
}
