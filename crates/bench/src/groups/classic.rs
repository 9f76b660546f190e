//! A member of a classic group: joins, takes its part in rebalances, and stays alive.

use super::{Group, Member, error_code};
use bytes::Bytes;
use ottla_client::ClientError;
use ottla_protocol::heartbeat_request::HeartbeatRequest;
use ottla_protocol::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use ottla_protocol::join_group_response::JoinGroupResponse;
use ottla_protocol::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};
use ottla_types::ErrorCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const PROTOCOL_TYPE: &str = "consumer";
const PROTOCOL_NAME: &str = "range";
/// `heartbeat.interval.ms` of Kafka's consumer.
pub(super) const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(3);
/// While the group forms, so that everybody hears of a rebalance at once.
const FORMING_INTERVAL: Duration = Duration::from_millis(50);
const SESSION_TIMEOUT_MS: i32 = 45_000;
const REBALANCE_TIMEOUT_MS: i32 = 300_000;

/// Runs until the bench ends.
pub(super) async fn run(member: Member) -> Result<(), ClientError> {
    let mut member_id = String::new();
    loop {
        let joined = join(&member, &mut member_id).await?;
        if !sync(&member, &joined).await? {
            continue;
        }
        member.group.note_generation(joined.generation_id, &joined.members);
        if !stay(&member, &joined).await? {
            member_id.clear();
        }
    }
}

async fn join(member: &Member, member_id: &mut String) -> Result<JoinGroupResponse, ClientError> {
    loop {
        let request = JoinGroupRequest {
            group_id: member.group.id.clone(),
            session_timeout_ms: SESSION_TIMEOUT_MS,
            rebalance_timeout_ms: REBALANCE_TIMEOUT_MS,
            member_id: member_id.clone(),
            protocol_type: PROTOCOL_TYPE.to_string(),
            protocols: vec![JoinGroupRequestProtocol {
                name: PROTOCOL_NAME.to_string(),
                metadata: member.subscription.clone(),
            }],
            ..JoinGroupRequest::default()
        };
        let version = member.connection.version_of::<JoinGroupRequest>()?;
        let patience = Duration::from_millis(REBALANCE_TIMEOUT_MS as u64);
        let response = member.connection.begin(&request, version, &[]).await?.allow(patience).wait().await?;
        match error_code(response.error_code) {
            ErrorCode::None => {
                member_id.clone_from(&response.member_id);
                return Ok(response);
            }
            ErrorCode::MemberIdRequired => *member_id = response.member_id,
            other => {
                member.counts.note_error("JoinGroup", other);
                if other == ErrorCode::UnknownMemberId {
                    member_id.clear();
                }
                member.pause(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Whether the generation was reached by everybody; if not, the member joins again.
async fn sync(member: &Member, joined: &JoinGroupResponse) -> Result<bool, ClientError> {
    let assignment = |id: &str| SyncGroupRequestAssignment {
        member_id: id.to_string(),
        assignment: Bytes::from_static(b"\0\0\0\0\0\0\xff\xff\xff\xff"),
    };
    let request = SyncGroupRequest {
        group_id: member.group.id.clone(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        protocol_type: Some(PROTOCOL_TYPE.to_string()),
        protocol_name: Some(PROTOCOL_NAME.to_string()),
        assignments: joined.members.iter().map(|member| assignment(&member.member_id)).collect(),
        ..SyncGroupRequest::default()
    };
    let response = member.connection.send(&request).await?;
    match error_code(response.error_code) {
        ErrorCode::None => Ok(true),
        ErrorCode::RebalanceInProgress => Ok(false),
        other => {
            member.counts.note_error("SyncGroup", other);
            Ok(false)
        }
    }
}

/// Heartbeats until there is a rebalance (true) or the broker does not know the member any more (false).
async fn stay(member: &Member, joined: &JoinGroupResponse) -> Result<bool, ClientError> {
    let request = HeartbeatRequest {
        group_id: member.group.id.clone(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        group_instance_id: None,
    };
    let first = member.spread(HEARTBEAT_INTERVAL);
    let mut was_complete = false;
    let mut sent = Instant::now();
    loop {
        let complete = is_complete(&member.group, joined.generation_id);
        let interval = match (complete, was_complete) {
            (false, _) => FORMING_INTERVAL,
            (true, true) => HEARTBEAT_INTERVAL,
            (true, false) => first,
        };
        member.pause_since(sent, interval).await;
        was_complete = complete;
        sent = Instant::now();
        let response = member.connection.send(&request).await?;
        member.counts.heartbeats.fetch_add(1, Ordering::Relaxed);
        match error_code(response.error_code) {
            ErrorCode::None => {}
            ErrorCode::RebalanceInProgress => {
                member.counts.rebalances.fetch_add(1, Ordering::Relaxed);
                return Ok(true);
            }
            other => {
                member.counts.note_error("Heartbeat", other);
                return Ok(other == ErrorCode::IllegalGeneration);
            }
        }
    }
}

fn is_complete(group: &Group, generation: i32) -> bool {
    group.complete_generation.load(Ordering::Relaxed) == generation
}
