//! Produce (key 0), versions 3 to 13 (advertised from 0, because librdkafka's feature detection needs that).
//!
//! v3 batch format 2 only (KIP-98), v7 zstd (KIP-110), v8 record errors (KIP-467), v10 leader discovery (KIP-951),
//! v13 topic ids (KIP-516). acks=0: no response; an error closes the connection, as in Kafka. acks=1: reply after the
//! append. acks=-1: reply when the high watermark covers the batch. Errors: see `ProduceRejected` in
//! `ottla-records` and `PartitionError`; INVALID_REQUIRED_ACKS, INVALID_TOPIC_EXCEPTION for internal topics,
//! REQUEST_TIMED_OUT. A duplicate of an idempotent producer gets the original offset, once that is below the high
//! watermark. Transactional batches are refused with INVALID_TXN_STATE until transactions land.

mod append;
mod respond;

use super::codec::{Handled, Refused, decode};
use crate::Broker;
use append::{Acks, PartitionResult, append_all, await_replication};
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::produce_request::ProduceRequest;
use std::sync::Arc;
use std::time::Duration;

/// Versions below this are advertised but carry message formats that Kafka 4 no longer accepts.
const FIRST_VERSION: i16 = 3;

/// Appends in the connection's order; waiting for replication comes later.
pub(super) async fn handle(broker: &Arc<Broker>, request: &Request) -> Handled {
    if request.header.api_version < FIRST_VERSION {
        return Err(Refused::unsupported_version(&request.header));
    }
    let body: ProduceRequest = decode(request)?;
    let header = request.header.clone();
    let listener = Arc::clone(&request.connection.listener);
    let Some(acks) = Acks::parse(body.acks) else {
        return Ok(Outcome::Reply(respond::invalid_acks(&header, &body)));
    };
    let timeout = Duration::from_millis(body.timeout_ms.max(0) as u64);
    let results = append_all(broker, &header, body, acks).await;
    match acks {
        Acks::None => Ok(without_reply(&results)),
        Acks::Leader => Ok(Outcome::Reply(respond::respond(broker, &header, &listener, results))),
        Acks::All => {
            let broker = Arc::clone(broker);
            Ok(Outcome::Later(Box::pin(async move {
                let results = await_replication(&broker, results, timeout).await;
                respond::respond(&broker, &header, &listener, results)
            })))
        }
    }
}

/// A producer that wants no answer learns of an error by the closed connection, as in Kafka.
fn without_reply(results: &[PartitionResult]) -> Outcome {
    match results.iter().find_map(|result| result.outcome.as_ref().err()) {
        None => Outcome::NoReply,
        Some(error) => Outcome::Close { reason: format!("a produce request with acks=0 failed: {error}") },
    }
}
