//! Where the two kinds of groups meet: offsets and administration of KIP-848 groups, and an empty one that becomes classic.

use super::rig::{Happened, Rig, config};
use ottla_group::{
    Group, GroupEvent, GroupReply, GroupRequest, GroupTopics, OffsetFetch, RequestContext, ShareRequest, TopicInfo,
};
use ottla_protocol::join_group_request::JoinGroupRequestProtocol;
use ottla_protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla_protocol::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla_protocol::{
    ConsumerGroupHeartbeatRequest, JoinGroupRequest, ListGroupsRequest, OffsetCommitRequest, ShareGroupHeartbeatRequest,
};
use ottla_types::{ErrorCode, Uuid};

pub(crate) fn ask(rig: &mut Rig, api_version: i16, request: GroupRequest) -> GroupReply {
    let caller = RequestContext { api_version, client_id: "c".into(), client_host: "/::1".into(), regex_error: None };
    let slot = rig.ask(&caller, request);
    let replies = rig.happened.drain(..).filter_map(|happened| match happened {
        Happened::Replied(replied, reply) if replied == slot => Some(reply),
        _ => None,
    });
    replies.last().expect("an answer at once")
}

fn heartbeat(rig: &mut Rig, member_epoch: i32) -> i32 {
    let request = ConsumerGroupHeartbeatRequest {
        group_id: "g".to_string(),
        member_id: "m".to_string(),
        member_epoch,
        rebalance_timeout_ms: if member_epoch == 0 { 10_000 } else { -1 },
        subscribed_topic_names: (member_epoch == 0).then(|| vec!["t".to_string()]),
        topic_partitions: (member_epoch == 0).then(Vec::new),
        ..ConsumerGroupHeartbeatRequest::default()
    };
    match ask(rig, 1, GroupRequest::ConsumerGroupHeartbeat(request)) {
        GroupReply::ConsumerGroupHeartbeat(response) if response.error_code == 0 => response.member_epoch,
        other => panic!("{other:?}"),
    }
}

fn commit(rig: &mut Rig, api_version: i16, member_id: &str, epoch: i32) -> ErrorCode {
    let partition = OffsetCommitRequestPartition { committed_offset: 5, ..OffsetCommitRequestPartition::default() };
    let topic = OffsetCommitRequestTopic {
        name: "t".to_string(),
        partitions: vec![partition],
        ..OffsetCommitRequestTopic::default()
    };
    let request = OffsetCommitRequest {
        group_id: "g".to_string(),
        generation_id_or_member_epoch: epoch,
        member_id: member_id.to_string(),
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    };
    match ask(rig, api_version, GroupRequest::OffsetCommit(request)) {
        GroupReply::OffsetCommit(response) => {
            ErrorCode::from_code(response.topics[0].partitions[0].error_code).expect("an error of Kafka")
        }
        other => panic!("{other:?}"),
    }
}

fn with_member() -> (Rig, i32) {
    let mut rig = Rig::new(config(&[]));
    let mut topics = GroupTopics::default();
    topics.put(TopicInfo { name: "t".into(), id: Uuid([1; 16]), partition_racks: vec![Vec::new(); 2] });
    rig.handle(GroupEvent::MetadataChanged(topics), None);
    let epoch = heartbeat(&mut rig, 0);
    (rig, epoch)
}

#[test]
fn commits_of_a_consumer_group_name_the_epoch() {
    let (mut rig, epoch) = with_member();
    assert_eq!(commit(&mut rig, 9, "m", epoch), ErrorCode::None);
    assert_eq!(commit(&mut rig, 9, "m", epoch + 1), ErrorCode::StaleMemberEpoch);
    assert_eq!(commit(&mut rig, 9, "x", epoch), ErrorCode::UnknownMemberId);
    assert_eq!(commit(&mut rig, 8, "m", epoch), ErrorCode::UnsupportedVersion);
    assert_eq!(commit(&mut rig, 9, "", -1), ErrorCode::UnknownMemberId);
    rig.check_durable();
}

#[test]
fn consumer_groups_are_listed_and_deleted_as_others() {
    let (mut rig, epoch) = with_member();
    commit(&mut rig, 9, "m", epoch);
    let list = GroupRequest::ListGroups(ListGroupsRequest {
        states_filter: Vec::new(),
        types_filter: vec!["CONSUMER".to_string()],
    });
    let GroupReply::ListGroups(listed) = ask(&mut rig, 5, list) else { panic!("no list") };
    assert_eq!((listed[0].group_id.as_str(), listed[0].group_type.as_str()), ("g", "consumer"));
    let delete = || GroupRequest::DeleteGroup("g".to_string());
    assert_eq!(ask(&mut rig, 2, delete()), GroupReply::DeleteGroup(ErrorCode::NonEmptyGroup));
    heartbeat(&mut rig, -1);
    assert_eq!(ask(&mut rig, 2, delete()), GroupReply::DeleteGroup(ErrorCode::None));
    assert!(rig.shard.groups.is_empty());
    assert!(rig.shard.offsets.of_group("g").is_none());
    rig.check_durable();
}

#[test]
fn an_empty_consumer_group_becomes_classic_and_keeps_its_offsets() {
    let (mut rig, epoch) = with_member();
    commit(&mut rig, 9, "m", epoch);
    heartbeat(&mut rig, -1);
    let join = GroupRequest::JoinGroup(JoinGroupRequest {
        group_id: "g".to_string(),
        session_timeout_ms: 10_000,
        protocol_type: "consumer".to_string(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".to_string(), ..JoinGroupRequestProtocol::default() }],
        ..JoinGroupRequest::default()
    });
    let GroupReply::JoinGroup(joined) = ask(&mut rig, 9, join) else { panic!("no answer") };
    assert_eq!(joined.error_code, ErrorCode::MemberIdRequired.code());
    assert!(matches!(rig.shard.groups.get("g"), Some(Group::Classic(_))));
    rig.check_durable();
    rig.reload();
    assert!(matches!(rig.shard.groups.get("g"), Some(Group::Classic(_))));
    assert_eq!(rig.shard.offsets.get("g", "t", 0).map(|offset| offset.committed_offset), Some(5));
}

fn fetch_of_share_group(rig: &mut Rig, topics: Option<Vec<OffsetFetchRequestTopics>>, member: Option<&str>) -> String {
    let (member_id, member_epoch) = (member.map(str::to_string), if member.is_some() { 7 } else { -1 });
    let group = OffsetFetchRequestGroup { group_id: "shared".to_string(), member_id, member_epoch, topics };
    let request = GroupRequest::OffsetFetch(OffsetFetch { group, require_stable: true });
    let GroupReply::OffsetFetch(fetched) = ask(rig, 9, request) else { panic!("another answer") };
    let partitions = fetched.topics.iter().flat_map(|topic| &topic.partitions);
    let offsets: Vec<_> = partitions.map(|partition| (partition.committed_offset, partition.error_code)).collect();
    format!("error {} offsets {offsets:?}", fetched.error_code)
}

#[test]
fn a_share_group_has_no_committed_offsets_which_is_no_error() {
    let (mut rig, _) = with_member();
    let join = ShareGroupHeartbeatRequest {
        group_id: "shared".to_string(),
        member_id: "s".to_string(),
        subscribed_topic_names: Some(vec!["t".to_string()]),
        ..ShareGroupHeartbeatRequest::default()
    };
    ask(&mut rig, 1, GroupRequest::Share(ShareRequest::Heartbeat(join)));
    assert!(rig.shard.groups.share("shared").is_some());
    let topic = OffsetFetchRequestTopics {
        name: "t".to_string(),
        partition_indexes: vec![0, 1],
        ..OffsetFetchRequestTopics::default()
    };
    for member in [None, Some("s"), Some("stranger")] {
        let fetched = fetch_of_share_group(&mut rig, Some(vec![topic.clone()]), member);
        assert_eq!(fetched, "error 0 offsets [(-1, 0), (-1, 0)]", "{member:?}");
        assert_eq!(fetch_of_share_group(&mut rig, None, member), "error 0 offsets []", "{member:?}");
    }
}
