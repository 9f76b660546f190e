//! Members that go: by their own word (epoch -1), or because they fell silent.

use super::group::{ShareGroup, ShareMember};
use super::records;
use crate::consumer::error::GroupError;
use crate::consumer::metadata_hash;
use crate::consumer::step::Step;
use crate::group::Group;
use crate::shard::{GroupDecision, GroupShard};
use crate::timer::{GroupTimer, TimerKind};
use ottla_coordinator::{Context, Decision};
use ottla_protocol::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use ottla_types::ErrorCode;

/// A heartbeat with epoch -1.
pub(super) fn handle(
    step: &mut Step<'_>,
    request: &ShareGroupHeartbeatRequest,
) -> Result<ShareGroupHeartbeatResponse, GroupError> {
    let shard = step.shard;
    let Some(Group::Share(group)) = shard.groups.get(&request.group_id) else {
        let message = match shard.groups.get(&request.group_id) {
            Some(_) => format!("Group {} is not a share group.", request.group_id),
            None => format!("Group {} not found.", request.group_id),
        };
        return Err(GroupError::new(ErrorCode::GroupIdNotFound, message));
    };
    let member = group.members.get(request.member_id.as_str());
    let member = member.ok_or_else(|| GroupError::unknown_member(&request.member_id, &request.group_id))?;
    remove(step, group, member);
    Ok(ShareGroupHeartbeatResponse {
        member_id: Some(member.member_id.to_string()),
        member_epoch: request.member_epoch,
        ..ShareGroupHeartbeatResponse::default()
    })
}

/// A session timeout.
pub(super) fn expired(shard: &GroupShard, timer: &GroupTimer, context: &Context) -> GroupDecision {
    let Some(group) = shard.groups.share(&timer.group) else { return Decision::none() };
    let Some(member) = group.members.get(&timer.member) else { return Decision::none() };
    tracing::info!(
        group_id = &*timer.group,
        member_id = &*timer.member,
        "the session of a share group's member expired"
    );
    let mut step = Step::new(shard, &timer.group, context);
    remove(&mut step, group, member);
    step.finish().unwrap_or_else(|error| {
        tracing::error!(group_id = &*timer.group, %error, "cannot remove a member");
        Decision::none()
    })
}

fn remove(step: &mut Step<'_>, group: &ShareGroup, member: &ShareMember) {
    let group_id = &group.group_id;
    step.record(records::current_tombstone(group_id, &member.member_id));
    step.record(records::target_member_tombstone(group_id, &member.member_id));
    step.record(records::member_tombstone(group_id, &member.member_id));
    let names = group.subscribed_topics(&member.member_id, None);
    let hash = metadata_hash::of_topics(names.iter().map(String::as_str), &step.shard.topics);
    step.record(records::epoch(group_id, group.group_epoch + 1, hash));
    step.cancel(TimerKind::ShareSession, &member.member_id);
}
