//! Acknowledgements of one request.

use super::partitions::{SharePartitions, partition_error, state_key};
use crate::partition::PartitionError;
use futures_util::future::{BoxFuture, FutureExt, join_all, ready};
use ottla_metadata::MetadataImage;
use ottla_share::{AckBatch, AckError, SessionKey, TopicIdPartition};
use ottla_types::ErrorCode;
use std::sync::Arc;

/// What a member says of the records of one partition.
pub(crate) type Acknowledgement = (TopicIdPartition, Result<Vec<AckBatch>, PartitionError>);

/// How it went.
type Acknowledged = (TopicIdPartition, Result<(), PartitionError>);

impl SharePartitions {
    /// Takes acknowledgements, now; resolves when they are written. A partition of which nothing is acknowledged is answered
    /// beside others only, as in Kafka.
    pub(crate) fn acknowledge(
        self: &Arc<Self>,
        session: &SessionKey,
        acknowledgements: Vec<Acknowledgement>,
    ) -> impl Future<Output = Vec<Acknowledged>> + Send + use<> + 'static {
        let image = Arc::clone(&self.states.images.borrow());
        let checked = acknowledgements.into_iter().map(|(place, batches)| (place, check(&image, place, batches)));
        let under_way: Vec<BoxFuture<'static, Acknowledged>> = without_lone_empty(checked.collect())
            .into_iter()
            .map(|(place, batches)| match batches.and_then(|batches| self.begin(session, place, &batches)) {
                Ok(writing) => async move { (place, writing.await) }.boxed(),
                Err(error) => ready((place, Err(error))).boxed(),
            })
            .collect();
        join_all(under_way)
    }

    fn begin(
        self: &Arc<Self>,
        session: &SessionKey,
        (topic_id, partition): TopicIdPartition,
        batches: &[AckBatch],
    ) -> Result<BoxFuture<'static, Result<(), PartitionError>>, PartitionError> {
        if batches.is_empty() {
            return Ok(ready(Ok(())).boxed());
        }
        let key = state_key(&session.group_id, topic_id, partition);
        let Some(cached) = self.get(&key) else {
            let message = "the share partition is not here; fetch from it first";
            return Err(PartitionError::of(ErrorCode::UnknownTopicOrPartition, message));
        };
        let limits = self.settings(&session.group_id).limits;
        let now_ms = self.now_ms();
        let write = cached.lock().acknowledge(&session.member_id, batches, now_ms, &limits).map_err(refused)?;
        let count = batches.iter().map(|batch| batch.last_offset - batch.first_offset + 1).sum::<i64>();
        self.metrics().acknowledgements.add(u64::try_from(count).unwrap_or(0));
        cached.locked_until(now_ms.saturating_add(limits.lock_duration_ms));
        Ok(match write {
            Some(write) => {
                let writing = self.write(&cached, write);
                async move { writing.await.map_err(partition_error) }.boxed()
            }
            None => ready(Ok(())).boxed(),
        })
    }
}

/// The batches, if the topic and its partition exist.
fn check(
    image: &MetadataImage,
    (topic_id, partition): TopicIdPartition,
    batches: Result<Vec<AckBatch>, PartitionError>,
) -> Result<Vec<AckBatch>, PartitionError> {
    let unknown_topic = || PartitionError::of(ErrorCode::UnknownTopicId, "no topic has this id");
    let topic = image.topic_by_id(topic_id).ok_or_else(unknown_topic)?;
    let batches = batches?;
    match topic.partition(partition) {
        Some(_) => Ok(batches),
        None => Err(PartitionError::of(ErrorCode::UnknownTopicOrPartition, "the topic has no such partition")),
    }
}

/// Leaves out partitions without acknowledgements where no partition has any that could be taken.
fn without_lone_empty(mut checked: Vec<Acknowledgement>) -> Vec<Acknowledgement> {
    let is_empty = |batches: &Result<Vec<AckBatch>, PartitionError>| batches.as_ref().is_ok_and(Vec::is_empty);
    if checked.iter().all(|(_, batches)| batches.is_err() || is_empty(batches)) {
        checked.retain(|(_, batches)| !is_empty(batches));
    }
    checked
}

fn refused(error: AckError) -> PartitionError {
    let code = match error {
        AckError::Malformed | AckError::BeyondDelivered { .. } => ErrorCode::InvalidRequest,
        AckError::NotAcquired { .. } | AckError::RenewDisabled => ErrorCode::InvalidRecordState,
    };
    PartitionError::of(code, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_images::{image_of, topic_id};
    use ottla_share::AckType;
    use ottla_types::Uuid;

    const KNOWN: Uuid = topic_id(1);
    const UNKNOWN: Uuid = topic_id(2);

    fn accepted() -> Result<Vec<AckBatch>, PartitionError> {
        Ok(vec![AckBatch { first_offset: 0, last_offset: 0, types: vec![AckType::Accept] }])
    }

    /// KafkaApis.getAcknowledgeBatchesFromShareAcknowledgeRequest and handleAcknowledgements.
    #[test]
    fn a_deleted_topic_has_an_unknown_id_and_a_topic_may_lack_the_partition() {
        let image = image_of(&[("t", &[1])]);
        let code = |place, batches| check(&image, place, batches).err().map(|error| error.code);
        let malformed = || Err(PartitionError::of(ErrorCode::InvalidRequest, "malformed"));
        assert_eq!(code((KNOWN, 0), accepted()), None);
        assert_eq!(code((KNOWN, 0), malformed()), Some(ErrorCode::InvalidRequest));
        assert_eq!(code((KNOWN, 1), accepted()), Some(ErrorCode::UnknownTopicOrPartition));
        assert_eq!(code((UNKNOWN, 0), accepted()), Some(ErrorCode::UnknownTopicId));
        assert_eq!(code((UNKNOWN, 0), malformed()), Some(ErrorCode::UnknownTopicId));
    }

    /// KafkaApis.handleAcknowledgements.
    #[test]
    fn of_partitions_without_acknowledgements_is_told_beside_others_only() {
        let refused = || Err(PartitionError::of(ErrorCode::UnknownTopicId, "no topic has this id"));
        let left = |batches: [Result<Vec<AckBatch>, PartitionError>; 2]| {
            let checked = (0..).map(|index| (KNOWN, index)).zip(batches).collect();
            let left = without_lone_empty(checked).into_iter().map(|((_, index), _)| index);
            left.collect::<Vec<i32>>()
        };
        assert_eq!(left([Ok(Vec::new()), accepted()]), [0, 1]);
        assert_eq!(left([Ok(Vec::new()), refused()]), [1]);
        assert_eq!(left([Ok(Vec::new()), Ok(Vec::new())]), [0; 0]);
    }
}
