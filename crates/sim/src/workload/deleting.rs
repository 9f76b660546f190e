//! DeleteRecords: the log start offset rises when asked, and never goes back once that was answered.

use super::Actor;
use crate::oracle::{Check, PartitionKey};
use ottla_client::ClientError;
use ottla_protocol::DeleteRecordsRequest;
use ottla_protocol::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use ottla_types::ErrorCode;

/// Longest pause between two. Milliseconds.
const PAUSE_MAX_MS: u64 = 1500;

/// Deletes until the run is over.
pub(super) async fn run(actor: Actor) -> Check {
    while actor.pause(PAUSE_MAX_MS).await {
        let partitions = actor.oracle.partitions(true);
        let Some(key) = actor.one_of(&partitions) else { continue };
        let end = actor.oracle.firm_end(key);
        let asked = if actor.chance(20) || end == 0 { None } else { Some(actor.below(end as u64 + 1) as i64) };
        match delete(&actor, key, asked).await? {
            Ok(()) => {}
            Err(error) => actor.expect("DeleteRecords", &error, &[])?,
        }
    }
    Ok(())
}

/// Deletes everything in front of `asked`, or everything.
pub(super) async fn delete(actor: &Actor, key: &PartitionKey, asked: Option<i64>) -> Check<Result<(), ClientError>> {
    let connection = match actor.client.any_broker().await {
        Ok(connection) => connection,
        Err(error) => return Ok(Err(error)),
    };
    let Some(sent) = actor.oracle.sending(key) else { return Ok(Ok(())) };
    actor.oracle.deleting_records(key, asked);
    let partition = DeleteRecordsPartition { partition_index: key.partition, offset: asked.unwrap_or(-1) };
    let topic = DeleteRecordsTopic { name: key.topic.to_string(), partitions: vec![partition] };
    let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: 4000 };
    let response = match connection.send(&request).await {
        Ok(response) => response,
        Err(error) => return Ok(Err(error)),
    };
    for answer in response.topics.iter().flat_map(|topic| &topic.partitions) {
        match ErrorCode::from_code(answer.error_code).unwrap_or(ErrorCode::UnknownServerError) {
            ErrorCode::None => {
                actor.oracle.records_deleted(&sent, asked, answer.low_watermark)?;
                actor.oracle.tell(actor.now(), format!("{key} is deleted up to {}", answer.low_watermark));
            }
            code => actor.expect_code(&format!("DeleteRecords of {key} up to {asked:?}"), code, None, &[])?,
        }
    }
    Ok(Ok(()))
}
