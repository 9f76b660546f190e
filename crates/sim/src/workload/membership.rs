//! What members of all groups of the newer protocols share: the epochs that mean something, and how leaving is answered.

use super::Actor;
use super::grouping::UNREADY;
use crate::oracle::Check;
use ottla_client::ClientError;
use ottla_types::ErrorCode;

/// The epoch of a member that joins.
pub(super) const JOIN_EPOCH: i32 = 0;
/// The epoch of a member that leaves.
pub(super) const LEAVE_EPOCH: i32 = -1;
/// What a member of a share or a streams group is told that is not one any more.
pub(super) const FENCED: &[ErrorCode] =
    &[ErrorCode::UnknownMemberId, ErrorCode::FencedMemberEpoch, ErrorCode::GroupIdNotFound];

/// Judges the answer to a heartbeat that leaves: the node need not hear it, nor know the member.
pub(super) fn expect_left(actor: &Actor, what: &str, answer: Result<i16, ClientError>) -> Check {
    match answer {
        Ok(code) => {
            let code = ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError);
            actor.expect_code(what, code, None, &[UNREADY, FENCED, &[ErrorCode::None]].concat())
        }
        Err(error) => actor.expect(what, &error, UNREADY),
    }
}
