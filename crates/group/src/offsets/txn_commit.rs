//! TxnOffsetCommit, versions 0-5: offsets that count when the producer's transaction commits.
//!
//! v2: leader epoch. v3: member id, generation and instance id (KIP-447). v4: TRANSACTION_ABORTABLE. v5: the partition of
//! `__consumer_offsets` joins the transaction by the request itself (KIP-890). The broker has verified with the transaction
//! coordinator that this partition belongs to the transaction; the log refuses the batch if that is no longer so.
//!
//! The records stand in a batch of the transaction. Until its marker comes they are pending, and a `require_stable`
//! OffsetFetch is told so; see [`super::state`].
//!
//! Errors: of the whole (on every partition) UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, INVALID_GROUP_ID (too
//! long), and those of the log: INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE; of a partition OFFSET_METADATA_TOO_LARGE.

use super::commit::{is_too_large, topic_id, validate_classic, validate_partition};
use super::record;
use super::state::OffsetAndMetadata;
use crate::event::{GroupReply, RequestContext};
use crate::failed;
use crate::group::{Group, GroupId};
use crate::shard::{GroupDecision, GroupShard};
use ottla_coordinator::{Change, Context, Decision, ReplySlot, TransactionalWrite, VerificationGuard};
use ottla_protocol::txn_offset_commit_request::TxnOffsetCommitRequestPartition;
use ottla_protocol::txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic};
use ottla_protocol::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use ottla_types::{ErrorCode, ProducerEpoch, ProducerId, Uuid};
use std::sync::Arc;

/// Decides about a TxnOffsetCommit. `guard` says what is known of the transaction.
pub fn handle(
    shard: &GroupShard,
    caller: &RequestContext,
    request: &TxnOffsetCommitRequest,
    guard: VerificationGuard,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    let group_id = GroupId::from(request.group_id.as_str());
    let transaction = TransactionalWrite {
        producer_id: ProducerId(request.producer_id),
        producer_epoch: ProducerEpoch(request.producer_epoch),
        guard,
    };
    let mut decision = Decision::about(group_id.clone()).within(transaction);
    let result = validate(shard, caller, request).and_then(|()| commit(shard, request, context, &mut decision));
    match result {
        Ok(response) => decision.reply(slot, GroupReply::TxnOffsetCommit(response)),
        Err(error) => {
            // Transactional producers know no epochs of members.
            let error = if error == ErrorCode::StaleMemberEpoch { ErrorCode::IllegalGeneration } else { error };
            let response = failed::txn_offset_commit(request, error);
            Decision::about(group_id).reply(slot, GroupReply::TxnOffsetCommit(response))
        }
    }
}

fn validate(shard: &GroupShard, caller: &RequestContext, request: &TxnOffsetCommitRequest) -> Result<(), ErrorCode> {
    let (epoch, instance_id) = (request.generation_id, request.group_instance_id.as_deref());
    match shard.groups.get(&request.group_id) {
        None if epoch < 0 => Ok(()),
        None => Err(ErrorCode::IllegalGeneration),
        Some(Group::Classic(group)) => validate_classic(group, &request.member_id, instance_id, epoch, true),
        Some(Group::Consumer(group)) => {
            group.validate_offset_commit(&request.member_id, instance_id, epoch, true, caller.api_version)
        }
        Some(Group::Streams(group)) => {
            group.validate_offset_commit(&request.member_id, instance_id, epoch, true, caller.api_version)
        }
        Some(Group::Share(_)) => Err(ErrorCode::GroupIdNotFound),
    }
}

fn commit(
    shard: &GroupShard,
    request: &TxnOffsetCommitRequest,
    context: &Context,
    decision: &mut GroupDecision,
) -> Result<TxnOffsetCommitResponse, ErrorCode> {
    let group = shard.groups.get(&request.group_id);
    let mut response = TxnOffsetCommitResponse::default();
    for topic in &request.topics {
        let id = topic_id(shard, Uuid::ZERO, &topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let index = partition.partition_index;
            validate_partition(group, &request.member_id, request.generation_id, (&topic.name, id, index))?;
            let offset = offset_of(partition, id, context);
            let mut error = ErrorCode::None;
            if is_too_large(shard, &offset.metadata) {
                error = ErrorCode::OffsetMetadataTooLarge;
            } else {
                let record = record::offset_commit(&request.group_id, &topic.name, index, &offset);
                decision.changes.push(Change::Record(record.map_err(|_| ErrorCode::InvalidGroupId)?));
            }
            partitions.push(TxnOffsetCommitResponsePartition { partition_index: index, error_code: error.code() });
        }
        response.topics.push(TxnOffsetCommitResponseTopic { name: topic.name.clone(), partitions });
    }
    Ok(response)
}

fn offset_of(partition: &TxnOffsetCommitRequestPartition, topic_id: Uuid, context: &Context) -> OffsetAndMetadata {
    OffsetAndMetadata {
        record_offset: -1,
        committed_offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: Arc::from(partition.committed_metadata.as_deref().unwrap_or("")),
        commit_timestamp_ms: context.now_ms,
        expire_timestamp_ms: None,
        topic_id,
    }
}
