//! What a client may not do: fill the memory, or write what could not be read again.

use super::kinds::ask;
use super::rig::{Happened, Rig, config};
use bytes::Bytes;
use ottla_group::{GroupReply, GroupRequest, RequestContext};
use ottla_protocol::join_group_request::JoinGroupRequestProtocol;
use ottla_protocol::leave_group_request::MemberIdentity;
use ottla_protocol::sync_group_request::SyncGroupRequestAssignment;
use ottla_protocol::{JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest};
use ottla_types::ErrorCode;

fn protocols(count: usize, metadata: &Bytes) -> Vec<JoinGroupRequestProtocol> {
    let protocol = |number| JoinGroupRequestProtocol { name: format!("p{number}"), metadata: metadata.clone() };
    (0..count).map(protocol).collect()
}

fn join_request(group: &str, protocols: Vec<JoinGroupRequestProtocol>) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: group.to_string(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 30_000,
        protocol_type: "consumer".to_string(),
        protocols,
        ..JoinGroupRequest::default()
    }
}

/// Joins a group of one in version 3, which needs no member id.
fn join(rig: &mut Rig, request: JoinGroupRequest) -> JoinGroupResponse {
    let caller =
        RequestContext { api_version: 3, client_id: "c".into(), client_host: "/::1".into(), regex_error: None };
    let slot = rig.ask(&caller, GroupRequest::JoinGroup(request));
    rig.advance(0);
    let answer = rig.happened.drain(..).find_map(|happened| match happened {
        Happened::Replied(replied, GroupReply::JoinGroup(response)) if replied == slot => Some(response),
        _ => None,
    });
    answer.expect("nobody else is waited for")
}

/// How a first join is answered; one that succeeds waits for the initial delay, and counts as `None`.
fn first_error(protocols: Vec<JoinGroupRequestProtocol>) -> ErrorCode {
    let mut rig = Rig::new(config(&[("message.max.bytes", "100000")]));
    let mut request = join_request("g", protocols);
    request.member_id = String::new();
    match ask(&mut rig, 5, GroupRequest::JoinGroup(request)) {
        // MEMBER_ID_REQUIRED: the protocols were looked at before.
        GroupReply::JoinGroup(response) => ErrorCode::from_code(response.error_code).expect("an error of Kafka"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn protocols_of_a_member_are_bounded_in_number_and_bytes() {
    let small = Bytes::from_static(b"m");
    assert_eq!(first_error(protocols(1_000, &small)), ErrorCode::MemberIdRequired);
    assert_eq!(first_error(protocols(1_001, &small)), ErrorCode::UnknownServerError);
    // Each would fit, all together would not.
    let large = Bytes::from(vec![7; 40_000]);
    assert_eq!(first_error(protocols(2, &large)), ErrorCode::MemberIdRequired);
    assert_eq!(first_error(protocols(3, &large)), ErrorCode::UnknownServerError);
}

#[test]
fn a_request_that_waits_keeps_none_of_its_payload_and_fails_as_before() {
    let payload = Bytes::from(vec![1; 1_000]);
    let joining = GroupRequest::JoinGroup(JoinGroupRequest {
        member_id: "m".to_string(),
        ..join_request("g", protocols(3, &payload))
    });
    let syncing = GroupRequest::SyncGroup(SyncGroupRequest {
        group_id: "g".to_string(),
        member_id: "m".to_string(),
        assignments: vec![SyncGroupRequestAssignment { member_id: "m".to_string(), assignment: payload }],
        ..SyncGroupRequest::default()
    });
    for request in [joining, syncing] {
        let small = request.without_payload();
        match &small {
            GroupRequest::JoinGroup(request) => assert!(request.protocols.is_empty()),
            GroupRequest::SyncGroup(request) => assert!(request.assignments.is_empty()),
            other => panic!("{other:?}"),
        }
        assert_eq!(small.group_id(), request.group_id());
        let error = ErrorCode::CoordinatorNotAvailable;
        assert_eq!(small.failed(error), request.failed(error));
    }
}

#[test]
fn thousands_of_groups_that_live_shortly_leave_nothing_behind() {
    let mut rig = Rig::new(config(&[("group.initial.rebalance.delay.ms", "0")]));
    let metadata = Bytes::from_static(b"m");
    for number in 0..2_000 {
        let group = format!("g{number}");
        let joined = join(&mut rig, join_request(&group, protocols(1, &metadata)));
        assert_eq!(joined.error_code, 0);
        // Every third one just goes away.
        if number % 3 != 0 {
            let identity = MemberIdentity { member_id: joined.member_id, ..MemberIdentity::default() };
            let leave = LeaveGroupRequest { group_id: group, members: vec![identity], ..LeaveGroupRequest::default() };
            ask(&mut rig, 3, GroupRequest::LeaveGroup(leave));
        }
        // Nobody looks at the log here, and the rig keeps all of it.
        rig.log.clear();
    }
    assert_eq!(rig.shard.groups.len(), 2_000);
    // Sessions end; then groups without offsets go with the next look.
    rig.advance(60_000);
    rig.handle(ottla_group::GroupEvent::ExpireOffsets, None);
    assert!(rig.shard.groups.is_empty(), "{} are left", rig.shard.groups.len());
    assert_eq!(rig.timer_count(), 0, "timers of groups that are gone");
}

#[test]
fn a_member_that_changes_its_order_of_preference_starts_a_rebalance() {
    let mut rig = Rig::new(config(&[("group.initial.rebalance.delay.ms", "0")]));
    let metadata = Bytes::from_static(b"m");
    let joined = join(&mut rig, join_request("g", protocols(2, &metadata)));
    assert_eq!(joined.protocol_name.as_deref(), Some("p0"));
    let mut again = join_request("g", protocols(2, &metadata).into_iter().rev().collect());
    again.member_id = joined.member_id;
    let again = join(&mut rig, again);
    assert_eq!((again.generation_id, again.protocol_name.as_deref()), (2, Some("p1")));
}
