//! Acknowledgements of one request.

use super::partitions::{SharePartitions, partition_error, state_key};
use crate::partition::PartitionError;
use futures_util::future::{BoxFuture, FutureExt, join_all, ready};
use ottla_share::{AckBatch, AckError, SessionKey, TopicIdPartition};
use ottla_types::ErrorCode;
use std::sync::Arc;

/// What a member says of the records of one partition.
pub(crate) type Acknowledgement = (TopicIdPartition, Result<Vec<AckBatch>, PartitionError>);

/// How it went.
type Acknowledged = (TopicIdPartition, Result<(), PartitionError>);

impl SharePartitions {
    /// Takes acknowledgements, now; resolves when they are written.
    pub(crate) fn acknowledge(
        self: &Arc<Self>,
        session: &SessionKey,
        acknowledgements: Vec<Acknowledgement>,
    ) -> impl Future<Output = Vec<Acknowledged>> + Send + use<> + 'static {
        let under_way: Vec<BoxFuture<'static, Acknowledged>> = acknowledgements
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

fn refused(error: AckError) -> PartitionError {
    let code = match error {
        AckError::Malformed | AckError::BeyondDelivered { .. } => ErrorCode::InvalidRequest,
        AckError::NotAcquired { .. } | AckError::RenewDisabled => ErrorCode::InvalidRecordState,
    };
    PartitionError::of(code, error.to_string())
}
