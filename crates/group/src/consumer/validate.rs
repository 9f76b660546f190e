//! What a ConsumerGroupHeartbeat must look like before the group is looked at (Kafka's `GroupCoordinatorService`).

use super::error::GroupError;
use super::member::{LEAVE_GROUP_MEMBER_EPOCH, LEAVE_GROUP_STATIC_MEMBER_EPOCH};
use crate::config::GroupConfig;
use ottla_protocol::ConsumerGroupHeartbeatRequest;
use ottla_types::ErrorCode;

/// From this version on the client makes its own member id (KIP-1082).
const MEMBER_ID_REQUIRED_VERSION: i16 = 1;

/// Checks the request alone.
///
/// # Errors
/// UNSUPPORTED_VERSION when the consumer protocol is switched off, INVALID_REQUEST, INVALID_GROUP_ID, UNSUPPORTED_ASSIGNOR.
pub(super) fn heartbeat(
    request: &ConsumerGroupHeartbeatRequest,
    api_version: i16,
    config: &GroupConfig,
) -> Result<(), GroupError> {
    if !config.consumer_protocol {
        return Err(GroupError::new(ErrorCode::UnsupportedVersion, "The consumer group protocol is not enabled."));
    }
    let epoch = request.member_epoch;
    if api_version >= MEMBER_ID_REQUIRED_VERSION || epoch > 0 || epoch == LEAVE_GROUP_MEMBER_EPOCH {
        not_blank(Some(&request.member_id), "MemberId can't be empty.")?;
    }
    not_blank(Some(&request.group_id), "GroupId can't be empty.")?;
    not_blank(request.instance_id.as_deref(), "InstanceId can't be empty.")?;
    not_blank(request.rack_id.as_deref(), "RackId can't be empty.")?;
    if epoch == 0 {
        joining(request)?;
    } else if epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH {
        require(request.instance_id.is_some(), "InstanceId can't be null.")?;
    } else {
        require(epoch > LEAVE_GROUP_STATIC_MEMBER_EPOCH, "MemberEpoch is invalid.")?;
    }
    assignor(request.server_assignor.as_deref(), config)
}

fn joining(request: &ConsumerGroupHeartbeatRequest) -> Result<(), GroupError> {
    require(request.rebalance_timeout_ms != -1, "RebalanceTimeoutMs must be provided in first request.")?;
    let owns_nothing = request.topic_partitions.as_ref().is_some_and(Vec::is_empty);
    require(owns_nothing, "TopicPartitions must be empty when (re-)joining.")?;
    // No names or an empty expression: a member without subscription, which is allowed.
    let subscribed = request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some();
    require(subscribed, "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.")
}

fn assignor(name: Option<&str>, config: &GroupConfig) -> Result<(), GroupError> {
    let Some(name) = name else { return Ok(()) };
    if config.consumer_assignors.iter().any(|supported| supported == name) {
        return Ok(());
    }
    let supported = config.consumer_assignors.join(", ");
    let message = format!("ServerAssignor {name} is not supported. Supported assignors: {supported}.");
    Err(GroupError::new(ErrorCode::UnsupportedAssignor, message))
}

fn not_blank(text: Option<&str>, message: &str) -> Result<(), GroupError> {
    require(text.is_none_or(|text| !text.trim().is_empty()), message)
}

fn require(holds: bool, message: &str) -> Result<(), GroupError> {
    if holds { Ok(()) } else { Err(GroupError::new(ErrorCode::InvalidRequest, message)) }
}
