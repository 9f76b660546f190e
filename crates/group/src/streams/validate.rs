//! What a StreamsGroupHeartbeat must look like before the group is looked at (Kafka's `GroupCoordinatorService`).

use super::topology::invalid;
use crate::config::GroupConfig;
use crate::consumer::error::GroupError;
use crate::consumer::member::LEAVE_GROUP_STATIC_MEMBER_EPOCH;
use ottla_protocol::StreamsGroupHeartbeatRequest;
use ottla_protocol::streams_group_heartbeat_request::{TaskIds, Topology};
use ottla_types::ErrorCode;

/// Checks the request alone.
///
/// # Errors
/// UNSUPPORTED_VERSION when the streams protocol is switched off, INVALID_REQUEST, STREAMS_INVALID_TOPOLOGY.
pub(super) fn heartbeat(request: &StreamsGroupHeartbeatRequest, config: &GroupConfig) -> Result<(), GroupError> {
    if !config.streams.protocol {
        return Err(GroupError::new(ErrorCode::UnsupportedVersion, "The streams group protocol is not enabled."));
    }
    only_supported_features(request)?;
    not_blank(Some(&request.member_id), "MemberId can't be empty.")?;
    not_blank(Some(&request.group_id), "GroupId can't be empty.")?;
    not_blank(request.rack_id.as_deref(), "RackId can't be empty.")?;
    let epoch = request.member_epoch;
    if epoch == 0 {
        joining(request)?;
    } else if epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH {
        require(request.instance_id.is_some(), "InstanceId can't be null.")?;
    } else {
        let message = format!("MemberEpoch is {epoch}, but must be greater than or equal to -2.");
        require(epoch > LEAVE_GROUP_STATIC_MEMBER_EPOCH, &message)?;
    }
    let given = [&request.active_tasks, &request.standby_tasks, &request.warmup_tasks];
    let given = given.iter().filter(|tasks| tasks.is_some()).count();
    require(given == 0 || given == 3, "If one task-type is non-null, all must be non-null.")?;
    require(epoch == 0 || request.topology.is_none(), "Topology can only be provided when (re-)joining.")
}

/// What the protocol has room for and Kafka 4.3 does not serve yet.
fn only_supported_features(request: &StreamsGroupHeartbeatRequest) -> Result<(), GroupError> {
    require(request.instance_id.is_none(), "Static membership is not yet supported.")?;
    require(request.task_offsets.is_none(), "TaskOffsets are not supported yet.")?;
    require(request.task_end_offsets.is_none(), "TaskEndOffsets are not supported yet.")?;
    require(request.warmup_tasks.as_ref().is_none_or(Vec::is_empty), "WarmupTasks are not supported yet.")?;
    let mut subtopologies = request.topology.iter().flat_map(|topology| &topology.subtopologies);
    let has_regex = subtopologies.any(|subtopology| !subtopology.source_topic_regex.is_empty());
    require(!has_regex, "Regular expressions for source topics are not supported yet.")
}

fn joining(request: &StreamsGroupHeartbeatRequest) -> Result<(), GroupError> {
    require(request.rebalance_timeout_ms != -1, "RebalanceTimeoutMs must be provided in first request.")?;
    require(is_given_empty(&request.active_tasks), "ActiveTasks must be empty when (re-)joining.")?;
    require(is_given_empty(&request.standby_tasks), "StandbyTasks must be empty when (re-)joining.")?;
    require(is_given_empty(&request.warmup_tasks), "WarmupTasks must be empty when (re-)joining.")?;
    match &request.topology {
        Some(topology) => changelogs_without_counts(topology),
        None => Err(GroupError::new(ErrorCode::InvalidRequest, "Topology must be non-null when (re-)joining.")),
    }
}

/// The coordinator decides how many partitions a changelog has.
fn changelogs_without_counts(topology: &Topology) -> Result<(), GroupError> {
    let mut changelogs = topology.subtopologies.iter().flat_map(|subtopology| &subtopology.state_changelog_topics);
    match changelogs.find(|topic| topic.partitions != 0) {
        None => Ok(()),
        Some(topic) => Err(invalid(format!(
            "Changelog topic {} must have an undefined partition count, but it is set to {}.",
            topic.name, topic.partitions
        ))),
    }
}

/// A member that joins says that it has no tasks; null would be to say nothing.
fn is_given_empty(tasks: &Option<Vec<TaskIds>>) -> bool {
    tasks.as_ref().is_some_and(Vec::is_empty)
}

fn not_blank(text: Option<&str>, message: &str) -> Result<(), GroupError> {
    require(text.is_none_or(|text| !text.trim().is_empty()), message)
}

fn require(holds: bool, message: &str) -> Result<(), GroupError> {
    if holds { Ok(()) } else { Err(GroupError::new(ErrorCode::InvalidRequest, message)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joining_request() -> StreamsGroupHeartbeatRequest {
        StreamsGroupHeartbeatRequest {
            group_id: "g".to_string(),
            member_id: "m".to_string(),
            rebalance_timeout_ms: 1_000,
            topology: Some(Topology::default()),
            active_tasks: Some(Vec::new()),
            standby_tasks: Some(Vec::new()),
            warmup_tasks: Some(Vec::new()),
            ..StreamsGroupHeartbeatRequest::default()
        }
    }

    fn check(request: &StreamsGroupHeartbeatRequest, message: &str) {
        let expected = Err(GroupError::new(ErrorCode::InvalidRequest, message));
        assert_eq!(heartbeat(request, &crate::consumer::tests::world::config()), expected);
    }

    #[test]
    fn a_member_that_joins_says_that_it_has_no_tasks() {
        assert_eq!(heartbeat(&joining_request(), &crate::consumer::tests::world::config()), Ok(()));
        let has_one = Some(vec![TaskIds::default()]);
        for tasks in [None, has_one] {
            let request = StreamsGroupHeartbeatRequest { active_tasks: tasks.clone(), ..joining_request() };
            check(&request, "ActiveTasks must be empty when (re-)joining.");
            let request = StreamsGroupHeartbeatRequest { standby_tasks: tasks, ..joining_request() };
            check(&request, "StandbyTasks must be empty when (re-)joining.");
        }
        let request = StreamsGroupHeartbeatRequest { warmup_tasks: None, ..joining_request() };
        check(&request, "WarmupTasks must be empty when (re-)joining.");
    }
}
