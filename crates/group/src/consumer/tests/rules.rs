//! Rules that need no story: commits and fetches by epoch, descriptions, and what an upgrade makes of strange classic groups.

use super::client::Client;
use super::world::{GROUP, World, config};
use crate::classic::{ClassicGroup, ClassicMember, ClassicState};
use crate::consumer;
use crate::consumer::member::Member;
use crate::group::Group;
use bytes::Bytes;
use ottla_protocol::join_group_request::JoinGroupRequestProtocol;
use ottla_types::{ErrorCode, Uuid};
use std::sync::Arc;

const FOO: Uuid = Uuid([1; 16]);

/// `a` owned both partitions in epoch 2 and now has partition 0 in epoch 3, `b` has partition 1.
fn two_members() -> World {
    let mut world = World::new(config());
    world.put_topic("foo", 2);
    let client = |id| Client { topics: vec!["foo".to_string()], ..Client::new(id) };
    let (mut a, mut b) = (client("a"), client("b"));
    a.join(&mut world);
    b.join(&mut world);
    a.acknowledge(&mut world);
    a.acknowledge(&mut world);
    b.beat(&mut world, false);
    world
}

#[test]
fn an_older_epoch_commits_only_partitions_owned_since_then() {
    let world = two_members();
    let group = world.group().expect("the group");
    let commit = |member, epoch| group.validate_offset_commit(member, None, epoch, false, 9);
    assert_eq!(commit("a", 3), Ok(()));
    assert_eq!(commit("a", 2), Ok(()), "decided by partition");
    assert_eq!(commit("a", 4), Err(ErrorCode::StaleMemberEpoch));
    assert_eq!(commit("x", 3), Err(ErrorCode::UnknownMemberId));
    assert_eq!(commit("", -1), Err(ErrorCode::UnknownMemberId), "the group has members");
    assert_eq!(group.validate_offset_commit("a", None, 3, false, 8), Err(ErrorCode::UnsupportedVersion));
    assert_eq!(group.validate_offset_commit("", None, -1, true, 3), Ok(()), "a transaction without member");
    let partition = |member, epoch, partition| group.validate_commit_of_partition(member, epoch, FOO, partition);
    assert_eq!(partition("a", 2, 0), Ok(()), "its own since epoch 2");
    assert_eq!(partition("a", 1, 0), Err(ErrorCode::StaleMemberEpoch));
    assert_eq!(partition("a", 2, 1), Err(ErrorCode::StaleMemberEpoch), "revoked");
    assert_eq!(partition("b", 2, 1), Err(ErrorCode::StaleMemberEpoch), "its own only since epoch 3");
    assert_eq!(partition("b", 3, 1), Ok(()));
}

#[test]
fn a_fetch_needs_the_present_epoch_or_no_member() {
    let world = two_members();
    let group = world.group().expect("the group");
    assert_eq!(group.validate_offset_fetch(None, -1), Ok(()));
    assert_eq!(group.validate_offset_fetch(Some("a"), 3), Ok(()));
    assert_eq!(group.validate_offset_fetch(Some("a"), 2), Err(ErrorCode::StaleMemberEpoch));
    assert_eq!(group.validate_offset_fetch(Some("x"), 3), Err(ErrorCode::UnknownMemberId));
    assert_eq!(group.validate_delete_group(), Err(ErrorCode::NonEmptyGroup));
    assert!(group.is_subscribed_to_topic("foo") && !group.is_subscribed_to_topic("bar"));
}

#[test]
fn a_description_tells_epochs_owners_and_targets() {
    let world = two_members();
    let described = consumer::describe(&world.shard, GROUP);
    let epochs = (described.group_epoch, described.assignment_epoch);
    assert_eq!(
        (described.group_state.as_str(), epochs, described.assignor_name.as_str()),
        ("Stable", (3, 3), "uniform")
    );
    let member = &described.members[0];
    assert_eq!((member.member_id.as_str(), member.member_epoch, member.member_type), ("a", 3, 1));
    assert_eq!(member.assignment.topic_partitions[0].topic_name, "foo");
    assert_eq!(member.assignment.topic_partitions[0].partitions, [0]);
    assert_eq!(member.target_assignment, member.assignment);
    let missing = consumer::describe(&world.shard, "other");
    assert_eq!(missing.error_code, ErrorCode::GroupIdNotFound.code());
    assert_eq!(missing.error_message.as_deref(), Some("Group other not found."));
}

/// `range` with version 0 of the subscription to `foo`.
fn protocols() -> Arc<[JoinGroupRequestProtocol]> {
    let metadata = Bytes::from_static(b"\0\0\0\0\0\x01\0\x03foo\xff\xff\xff\xff");
    Arc::from([JoinGroupRequestProtocol { name: "range".to_string(), metadata }])
}

fn classic_member(id: &str, assignment: &'static [u8]) -> ClassicMember {
    ClassicMember {
        member_id: Arc::from(id),
        group_instance_id: None,
        client_id: Arc::from("client"),
        client_host: Arc::from("/127.0.0.1"),
        rebalance_timeout_ms: 30_000,
        session_timeout_ms: 45_000,
        protocols: protocols(),
        assignment: Bytes::from_static(assignment),
        awaiting_join: None,
        awaiting_sync: None,
        is_new: false,
    }
}

/// A classic group in generation 5 whose members were given these bytes; then a member of the new protocol joins.
fn upgrade(assignments: &[&'static [u8]], protocol_type: &str) -> (World, String) {
    let mut world = World::new(config());
    world.put_topic("foo", 2);
    let mut group = ClassicGroup::new(Arc::from(GROUP), None);
    for (index, assignment) in assignments.iter().enumerate() {
        group.add_member(classic_member(&format!("classic-{index}"), assignment), protocol_type);
    }
    group.state = ClassicState::Stable;
    group.generation_id = 5;
    group.protocol_name = Some(Arc::from("range"));
    world.shard.groups.put(Arc::from(GROUP), Group::Classic(group));
    let mut client = Client { topics: vec!["foo".to_string()], ..Client::new("new") };
    let answer = client.join(&mut world);
    (world, answer)
}

/// Version 0, one topic `foo` with partitions 0 and 1, no user data.
const BOTH: &[u8] = b"\0\0\0\0\0\x01\0\x03foo\0\0\0\x02\0\0\0\0\0\0\0\x01\xff\xff\xff\xff";
/// The same with a byte of user data.
const USER_DATA: &[u8] = b"\0\0\0\0\0\x01\0\x03foo\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0\x01x";

#[test]
fn a_partition_that_a_classic_leader_gave_twice_has_one_owner_after_the_upgrade() {
    let (world, answer) = upgrade(&[BOTH, BOTH], "consumer");
    assert!(answer.starts_with("epoch 6"), "{answer}");
    let group = world.group().expect("upgraded");
    let owned =
        |id: &str| group.member(id).map(|member| member.assigned_partitions.values().map(|list| list.len()).sum());
    assert_eq!((owned("classic-0"), owned("classic-1")), (Some(2), Some(0)));
}

#[test]
fn strange_classic_groups_are_not_upgraded() {
    for (assignments, protocol_type, reason) in [
        ([USER_DATA], "consumer", "custom assignor"),
        ([b"\0\0\0\0\0\x09" as &[u8]], "consumer", "malformed"),
        ([b"\xff\xff\0\0\0\0" as &[u8]], "consumer", "malformed"),
        ([b"\0" as &[u8]], "consumer", "malformed"),
        ([BOTH], "connect", "does not use the consumer embedded protocol"),
    ] {
        let (world, answer) = upgrade(&assignments, protocol_type);
        assert!(answer.starts_with("GROUP_ID_NOT_FOUND") && answer.contains(reason), "{answer}");
        assert_eq!(world.shard.groups.get(GROUP).map(Group::type_name), Some("classic"), "unchanged");
        assert!(world.log.is_empty(), "nothing was written");
    }
}

#[test]
fn a_members_state_of_a_newer_kafka_fences_it_until_it_owns_nothing() {
    let mut world = two_members();
    let Some(Group::Consumer(group)) = world.shard.groups.get_mut(GROUP) else { panic!("a consumer group") };
    let member =
        Member { state: crate::consumer::member::MemberState::Unknown, ..(**group.member("a").expect("a")).clone() };
    group.update_member(member);
    let mut client = Client { epoch: 3, ..Client::new("a") };
    assert!(client.beat(&mut world, false).starts_with("FENCED_MEMBER_EPOCH"));
    client.topics = vec!["foo".to_string()];
    assert!(client.join(&mut world).starts_with("epoch 3 foo=0"));
}
