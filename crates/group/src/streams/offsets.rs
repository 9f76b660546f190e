//! What a streams group has to say about offsets that are committed and fetched in its name, and about its own deletion.

use super::group::StreamsGroup;
use super::records;
use crate::consumer::EPOCH_COMMIT_VERSION;
use ottla_coordinator::Record;
use ottla_types::ErrorCode;

impl StreamsGroup {
    /// Whether an OffsetCommit or TxnOffsetCommit is accepted as a whole. An epoch older than the member's is accepted here and
    /// decided partition by partition, see [`StreamsGroup::validate_commit_of_partition`].
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID; UNSUPPORTED_VERSION for a member that cannot be told of epochs; STALE_MEMBER_EPOCH.
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
        if !is_transactional && api_version < EPOCH_COMMIT_VERSION {
            return Err(ErrorCode::UnsupportedVersion);
        }
        if member_epoch > member.member_epoch { Err(ErrorCode::StaleMemberEpoch) } else { Ok(()) }
    }

    /// Whether a member may commit this partition in an epoch that the group as a whole accepted: the present one, or one since
    /// which the task that reads it has been its own.
    ///
    /// # Errors
    /// STALE_MEMBER_EPOCH.
    pub fn validate_commit_of_partition(
        &self,
        member_id: &str,
        member_epoch: i32,
        topic: &str,
        partition: i32,
    ) -> Result<(), ErrorCode> {
        // Commits without member were accepted as a whole.
        let Some(member) = self.member(member_id) else { return Ok(()) };
        if member_epoch == member.member_epoch {
            return Ok(());
        }
        let subtopology_id = self.topology.as_ref().and_then(|topology| topology.subtopology_of(topic));
        let since = subtopology_id.and_then(|id| {
            let assigned = member.assigned_tasks.active_epoch(id, partition);
            assigned.or_else(|| member.tasks_pending_revocation.active_epoch(id, partition))
        });
        match since {
            Some(since) if member_epoch >= since => Ok(()),
            _ => Err(ErrorCode::StaleMemberEpoch),
        }
    }

    /// Whether an OffsetFetch is accepted; `member_id` is None and the epoch -1 for admin clients.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH.
    pub fn validate_offset_fetch(&self, member_id: Option<&str>, member_epoch: i32) -> Result<(), ErrorCode> {
        if member_id.is_none() && member_epoch < 0 {
            return Ok(());
        }
        let member = self.member(member_id.unwrap_or_default()).ok_or(ErrorCode::UnknownMemberId)?;
        if member_epoch == member.member_epoch { Ok(()) } else { Err(ErrorCode::StaleMemberEpoch) }
    }

    /// Whether the group may be deleted.
    ///
    /// # Errors
    /// NON_EMPTY_GROUP.
    pub fn validate_delete_group(&self) -> Result<(), ErrorCode> {
        if self.is_empty() { Ok(()) } else { Err(ErrorCode::NonEmptyGroup) }
    }

    /// Tombstones of all records of the group, in Kafka's order.
    pub fn tombstones(&self) -> Vec<Record> {
        // Every one of these keys was encoded before.
        records::group_tombstones(self).into_iter().filter_map(Result::ok).collect()
    }
}
