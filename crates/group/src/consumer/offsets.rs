//! What a consumer group has to say about offsets that are committed and fetched in its name, and about its own deletion.

use super::group::ConsumerGroup;
use super::member::Member;
use super::records;
use ottla_coordinator::Record;
use ottla_protocol::EncodeError;
use ottla_types::{ErrorCode, Uuid};

/// From this version of OffsetCommit on the epoch of a KIP-848 or KIP-1071 member has a place.
pub(crate) const EPOCH_COMMIT_VERSION: i16 = 9;

impl ConsumerGroup {
    /// Whether an OffsetCommit or TxnOffsetCommit is accepted as a whole. `member_epoch` is the generation of a classic member.
    /// An epoch older than the member's is accepted here and decided partition by partition, see
    /// [`ConsumerGroup::validate_commit_of_partition`].
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID; UNSUPPORTED_VERSION for a member that cannot be told of epochs; STALE_MEMBER_EPOCH, or
    /// ILLEGAL_GENERATION for a classic member.
    pub fn validate_offset_commit(
        &self,
        member_id: &str,
        group_instance_id: Option<&str>,
        member_epoch: i32,
        is_transactional: bool,
        api_version: i16,
    ) -> Result<(), ErrorCode> {
        // From an admin client, or a consumer that assigns partitions itself.
        if member_epoch < 0 && self.is_empty() {
            return Ok(());
        }
        // A transactional producer need not say for whom it commits.
        if is_transactional && member_epoch == -1 && member_id.is_empty() && group_instance_id.is_none() {
            return Ok(());
        }
        let member = self.member(member_id).ok_or(ErrorCode::UnknownMemberId)?;
        if !is_transactional && !member.uses_classic_protocol() && api_version < EPOCH_COMMIT_VERSION {
            return Err(ErrorCode::UnsupportedVersion);
        }
        if member_epoch > member.member_epoch { Err(wrong_epoch(member)) } else { Ok(()) }
    }

    /// Whether a member may commit this partition in an epoch that the group as a whole accepted: the present one, or one since
    /// which the partition has been its own.
    ///
    /// # Errors
    /// STALE_MEMBER_EPOCH, or ILLEGAL_GENERATION for a classic member.
    pub fn validate_commit_of_partition(
        &self,
        member_id: &str,
        member_epoch: i32,
        topic_id: Uuid,
        partition: i32,
    ) -> Result<(), ErrorCode> {
        // Commits without member were accepted as a whole.
        let Some(member) = self.member(member_id) else { return Ok(()) };
        if member_epoch == member.member_epoch {
            return Ok(());
        }
        match member.assignment_epoch(topic_id, partition) {
            Some(since) if member_epoch >= since => Ok(()),
            _ => Err(wrong_epoch(member)),
        }
    }

    /// Whether an OffsetFetch is accepted; `member_id` is None and the epoch -1 for admin clients.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID; STALE_MEMBER_EPOCH, or ILLEGAL_GENERATION for a classic member.
    pub fn validate_offset_fetch(&self, member_id: Option<&str>, member_epoch: i32) -> Result<(), ErrorCode> {
        if member_id.is_none() && member_epoch < 0 {
            return Ok(());
        }
        let member = self.member(member_id.unwrap_or_default()).ok_or(ErrorCode::UnknownMemberId)?;
        if member_epoch == member.member_epoch { Ok(()) } else { Err(wrong_epoch(member)) }
    }

    /// Whether the group may be deleted.
    ///
    /// # Errors
    /// NON_EMPTY_GROUP.
    pub fn validate_delete_group(&self) -> Result<(), ErrorCode> {
        if self.is_empty() { Ok(()) } else { Err(ErrorCode::NonEmptyGroup) }
    }

    /// Tombstones of all records of the group, in Kafka's order.
    pub fn tombstones(&self, group_id: &str) -> Vec<Record> {
        let ids = self.members().map(|member| &*member.member_id);
        let tombstones = self.tombstones_of(group_id, &ids.collect::<Vec<_>>());
        // Every one of these keys was encoded before.
        tombstones.into_iter().filter_map(Result::ok).collect()
    }

    /// The same with other member ids in the place of the group's own.
    pub(crate) fn tombstones_of(&self, group_id: &str, member_ids: &[&str]) -> Vec<Result<Record, EncodeError>> {
        let mut tombstones = Vec::new();
        tombstones.extend(member_ids.iter().map(|member_id| records::current_tombstone(group_id, member_id)));
        tombstones.extend(member_ids.iter().map(|member_id| records::target_member_tombstone(group_id, member_id)));
        tombstones.push(records::target_epoch_tombstone(group_id));
        tombstones.extend(member_ids.iter().map(|member_id| records::member_tombstone(group_id, member_id)));
        let regexes = self.subscriptions.all_resolved();
        tombstones.extend(regexes.map(|(regex, _)| records::regex_tombstone(group_id, regex)));
        tombstones.push(records::partition_metadata_tombstone(group_id));
        tombstones.push(records::epoch_tombstone(group_id));
        tombstones
    }
}

fn wrong_epoch(member: &Member) -> ErrorCode {
    if member.uses_classic_protocol() { ErrorCode::IllegalGeneration } else { ErrorCode::StaleMemberEpoch }
}
