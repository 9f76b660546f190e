//! Lookups: ends by ListOffsets and OffsetForLeaderEpoch, producer ids.

use super::Actor;
use crate::oracle::{Check, PartitionKey, broken};
use ottla_client::{ClientError, Isolation, OffsetSpec};
use ottla_protocol::InitProducerIdRequest;
use ottla_types::ErrorCode;

/// Looks until the run is over.
pub(super) async fn run(actor: Actor) -> Check {
    while actor.pause(250).await {
        let partitions = actor.oracle.partitions(true);
        let Some(key) = actor.one_of(&partitions) else { continue };
        let looked = match actor.below(5) {
            0..2 => latest(&actor, key).await?,
            2 => earliest(&actor, key).await?,
            3 => by_time(&actor, key).await?,
            _ => producer_id(&actor).await?,
        };
        if let Err(error) = looked {
            let stale = [ErrorCode::FencedLeaderEpoch, ErrorCode::UnknownLeaderEpoch];
            actor.expect(&format!("a lookup in {key}"), &error, &stale)?;
            actor.client.forget_topic(&key.topic);
        }
    }
    Ok(())
}

async fn latest(actor: &Actor, key: &PartitionKey) -> Check<Result<(), ClientError>> {
    let Some(sent) = actor.oracle.sending(key) else { return Ok(Ok(())) };
    match look(actor, key, OffsetSpec::Latest).await {
        Ok(found) => actor.oracle.latest(&sent, found, actor.now()).map(Ok),
        Err(error) => Ok(Err(error)),
    }
}

async fn earliest(actor: &Actor, key: &PartitionKey) -> Check<Result<(), ClientError>> {
    let Some(sent) = actor.oracle.sending(key) else { return Ok(Ok(())) };
    match look(actor, key, OffsetSpec::Earliest).await {
        Ok(found) => actor.oracle.log_start(&sent, found, actor.runtime.wall_clock_ms()).map(Ok),
        Err(error) => Ok(Err(error)),
    }
}

/// The first record at or behind the beginning of all times is the first record, or there is none.
async fn by_time(actor: &Actor, key: &PartitionKey) -> Check<Result<(), ClientError>> {
    let first = match look(actor, key, OffsetSpec::AtTimestamp(0)).await {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    match look(actor, key, OffsetSpec::Earliest).await {
        // It may have risen between the two questions.
        Ok(start) if first > start => broken(format!("{key} starts at {start}, and its first record is at {first}")),
        Ok(_) => Ok(Ok(())),
        Err(error) => Ok(Err(error)),
    }
}

async fn look(actor: &Actor, key: &PartitionKey, spec: OffsetSpec) -> Result<i64, ClientError> {
    let found = actor.client.list_offset(&key.topic, key.partition, spec, Isolation::ReadUncommitted).await?;
    Ok(found.offset)
}

async fn producer_id(actor: &Actor) -> Check<Result<(), ClientError>> {
    let connection = match actor.client.any_broker().await {
        Ok(connection) => connection,
        Err(error) => return Ok(Err(error)),
    };
    let request =
        InitProducerIdRequest { transactional_id: None, transaction_timeout_ms: i32::MAX, ..Default::default() };
    let response = match connection.send(&request).await {
        Ok(response) => response,
        Err(error) => return Ok(Err(error)),
    };
    match ErrorCode::from_code(response.error_code).unwrap_or(ErrorCode::UnknownServerError) {
        ErrorCode::None => actor.oracle.producer_id(response.producer_id).map(Ok),
        code => {
            let busy = [ErrorCode::CoordinatorLoadInProgress, ErrorCode::CoordinatorNotAvailable];
            actor.expect_code("InitProducerId", code, None, &busy).map(Ok)
        }
    }
}
