//! TxnOffsetCommit, versions 0-5: refused until this broker has transactions.
//!
//! What such a commit needs is there: records with a producer id are kept as pending offsets until the transaction's
//! marker is replayed, see [`super::state`].

use crate::event::{GroupReply, RequestContext};
use crate::failed;
use crate::group::GroupId;
use crate::shard::{GroupDecision, GroupShard};
use ottla_coordinator::{Context, Decision, ReplySlot};
use ottla_protocol::TxnOffsetCommitRequest;
use ottla_types::ErrorCode;

/// Refuses a TxnOffsetCommit with UNSUPPORTED_VERSION.
pub fn handle(
    _shard: &GroupShard,
    _caller: &RequestContext,
    request: &TxnOffsetCommitRequest,
    slot: ReplySlot,
    _context: &Context,
) -> GroupDecision {
    let response = failed::txn_offset_commit(request, ErrorCode::UnsupportedVersion);
    let subject = GroupId::from(request.group_id.as_str());
    Decision::about(subject).reply(slot, GroupReply::TxnOffsetCommit(response))
}
