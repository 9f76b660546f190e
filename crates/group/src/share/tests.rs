//! Lives of share groups: heartbeats, states at the share coordinator, offsets, reloads.

use super::*;
use crate::config::GroupConfig;
use crate::event::{DeletedTopic, GroupEvent, GroupReply, GroupRequest};
use crate::topics::{GroupTopics, TopicInfo};
use ottla_config::BrokerConfig;
use ottla_coordinator::{Change, Position, Record, Shard};
use ottla_protocol::alter_share_group_offsets_request::{
    AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
};
use ottla_protocol::delete_share_group_offsets_request::DeleteShareGroupOffsetsRequestTopic;
use ottla_protocol::{
    AlterShareGroupOffsetsRequest, DeleteShareGroupOffsetsRequest, ShareGroupHeartbeatRequest,
    ShareGroupHeartbeatResponse,
};
use ottla_types::{ErrorCode, Uuid};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

const FOO: Uuid = Uuid([1; 16]);

struct World {
    shard: GroupShard,
    log: Vec<(Record, Position)>,
    now_ms: i64,
    timers: BTreeMap<GroupTimer, i64>,
}

fn config() -> GroupConfig {
    let fixed = [
        ("node.id", "1"),
        ("process.roles", "broker,controller"),
        ("controller.quorum.voters", "1@localhost:9093"),
        ("controller.listener.names", "CONTROLLER"),
        ("listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"),
        ("log.dirs", "/unused"),
        ("group.share.max.size", "3"),
        ("group.share.assignment.interval.ms", "0"),
    ];
    let fixed = fixed.map(|(name, value)| (name.to_string(), value.to_string()));
    let broker = BrokerConfig::parse(fixed.into_iter().collect()).expect("configs of a test");
    GroupConfig::new(&broker, &BTreeMap::new(), 1_048_588)
}

impl World {
    fn new(partitions: usize) -> World {
        let shard = GroupShard::new(Arc::new(config()), GroupTopics::default());
        let mut world = World { shard, log: Vec::new(), now_ms: 1_000_000, timers: BTreeMap::new() };
        world.put_topic(partitions);
        world
    }

    fn put_topic(&mut self, partitions: usize) {
        let mut topics = GroupTopics::default();
        topics.put(TopicInfo { name: Arc::from("foo"), id: FOO, partition_racks: vec![Vec::new(); partitions] });
        self.event(GroupEvent::MetadataChanged(topics));
    }

    fn context(&self) -> Context {
        Context { now_ms: self.now_ms, random: 1, leader_epoch: 0 }
    }

    fn event(&mut self, event: GroupEvent) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let decision = self.shard.handle(event, None, &self.context());
            events.extend(self.apply(decision).1);
        }
    }

    fn apply(&mut self, decision: GroupDecision) -> (Vec<GroupReply>, Vec<GroupEvent>) {
        for change in decision.changes {
            match change {
                Change::Record(record) => {
                    let offset = self.log.len() as i64;
                    let position = Position { offset, timestamp_ms: self.now_ms, producer_id: None };
                    self.shard.replay(&record, position).expect("what was decided can be replayed");
                    self.log.push((record, position));
                }
                Change::Volatile(change) => self.shard.apply(change),
            }
        }
        for timer in decision.timers {
            match timer {
                TimerChange::Schedule { key, after_ms } => drop(self.timers.insert(key, self.now_ms + after_ms as i64)),
                TimerChange::Cancel(key) => drop(self.timers.remove(&key)),
            }
        }
        (decision.replies.into_iter().map(|(_, reply)| reply).collect(), decision.next)
    }

    fn request(&mut self, request: GroupRequest) -> GroupReply {
        let caller = RequestContext {
            api_version: 1,
            client_id: Arc::from("c"),
            client_host: Arc::from("/127.0.0.1"),
            regex_error: None,
        };
        let decision = self.shard.handle(GroupEvent::Request(caller, request), Some(ReplySlot(1)), &self.context());
        let reply = self.apply(decision).0.remove(0);
        self.check_reload();
        reply
    }

    fn ask(&mut self, request: ShareRequest) -> ShareReply {
        match self.request(GroupRequest::Share(request)) {
            GroupReply::Share(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    fn heartbeat(&mut self, member: &str, epoch: i32) -> (ShareGroupHeartbeatResponse, Option<StateCall>) {
        let request = ShareGroupHeartbeatRequest {
            group_id: "g".to_string(),
            member_id: member.to_string(),
            member_epoch: epoch,
            rack_id: None,
            subscribed_topic_names: (epoch == 0).then(|| vec!["foo".to_string()]),
        };
        match self.ask(ShareRequest::Heartbeat(request)) {
            ShareReply::Heartbeat(response, call) => (response, call),
            other => panic!("{other:?}"),
        }
    }

    /// A heartbeat with the calls that the broker makes.
    fn beat(&mut self, member: &str, epoch: i32) -> (i32, Option<Vec<i32>>) {
        let (response, call) = self.heartbeat(member, epoch);
        assert_eq!(response.error_code, 0, "{:?}", response.error_message);
        if let Some(call) = call {
            self.initialized(&call, true);
        }
        let assigned = response.assignment.map(|assignment| {
            assignment.topic_partitions.into_iter().flat_map(|topic| topic.partitions).collect::<Vec<_>>()
        });
        (response.member_epoch, assigned)
    }

    fn initialized(&mut self, call: &StateCall, is_ok: bool) {
        let topics = call.partitions();
        let done = self.ask(ShareRequest::StateInitialized { group_id: "g".to_string(), topics, is_ok });
        assert_eq!(done, ShareReply::Done(ErrorCode::None));
    }

    fn expire(&mut self, ms: i64) {
        self.now_ms += ms;
        let due: Vec<GroupTimer> =
            self.timers.iter().filter(|(_, at)| **at <= self.now_ms).map(|(timer, _)| timer.clone()).collect();
        for timer in due {
            self.timers.remove(&timer);
            let decision = self.shard.expired(timer, &self.context());
            self.apply(decision);
        }
        self.check_reload();
    }

    /// The log, whole and compacted, makes the same groups.
    fn check_reload(&self) {
        let mut last: BTreeMap<&[u8], usize> = BTreeMap::new();
        for (index, (record, _)) in self.log.iter().enumerate() {
            last.insert(&record.key, index);
        }
        for is_compacted in [false, true] {
            let mut fresh = GroupShard::new(Arc::new(config()), self.shard.topics.clone());
            for (index, (record, position)) in self.log.iter().enumerate() {
                if !is_compacted || last[&record.key[..]] == index {
                    fresh.replay(record, *position).expect("the log is good");
                }
            }
            let durable = |groups: &Groups| {
                groups.iter().map(|(id, group)| (id.clone(), without_volatile(group))).collect::<Vec<_>>()
            };
            assert_eq!(durable(&fresh.groups), durable(&self.shard.groups), "compacted: {is_compacted}");
        }
    }
}

fn without_volatile(group: &Group) -> Group {
    match group {
        Group::Share(group) => Group::Share(ShareGroup { topics_have_changed: false, ..group.clone() }),
        other => other.clone(),
    }
}

fn code(error_code: i16) -> ErrorCode {
    ErrorCode::from_code(error_code).expect("an error of Kafka")
}

#[test]
fn partitions_are_assigned_once_they_have_a_state() {
    let mut world = World::new(2);
    let (response, call) = world.heartbeat("a", 0);
    assert_eq!((response.error_code, response.member_epoch), (0, 2));
    assert_eq!(response.assignment.map(|assignment| assignment.topic_partitions.len()), Some(0));
    let call = call.expect("states are missing");
    assert_eq!(call, StateCall { state_epoch: 2, topics: [(FOO, vec![(0, -1), (1, -1)])].into() });
    assert_eq!(world.heartbeat("a", 2).1, None, "it is under way");
    world.initialized(&call, true);
    assert_eq!(world.beat("a", 2), (3, Some(vec![0, 1])));
    assert_eq!(world.beat("a", 3), (3, None));
    let written = world.log.len();
    world.beat("a", 3);
    assert_eq!(world.log.len(), written, "nothing is new");
}

#[test]
fn states_that_could_not_be_initialised_are_tried_again() {
    let mut world = World::new(1);
    let call = world.heartbeat("a", 0).1.expect("a state is missing");
    world.initialized(&call, false);
    assert!(world.heartbeat("a", 2).1.is_some(), "at once");
    world.now_ms += 29_999;
    assert!(world.heartbeat("a", 2).1.is_none(), "the broker may still be at it");
    world.now_ms += 1;
    assert!(world.heartbeat("a", 2).1.is_some());
}

#[test]
fn members_share_partitions_and_others_take_over() {
    let mut world = World::new(2);
    world.beat("a", 0);
    assert_eq!(world.beat("a", 2), (3, Some(vec![0, 1])));
    let (epoch, of_b) = world.beat("b", 0);
    assert_eq!((epoch, of_b.as_ref().map(Vec::len)), (4, Some(1)));
    let (_, of_a) = world.beat("a", 3);
    assert_ne!(of_a, of_b, "each has one");
    let (epoch, of_c) = world.beat("c", 0);
    assert_eq!((epoch, of_c.map(|of_c| of_c.len())), (5, Some(1)), "one of them is shared");
    let refused = world.heartbeat("d", 0).0;
    assert_eq!(code(refused.error_code), ErrorCode::GroupMaxSizeReached);
    world.beat("c", -1);
    assert_eq!(code(world.heartbeat("c", 5).0.error_code), ErrorCode::UnknownMemberId);
    world.expire(44_999);
    world.beat("a", 4);
    world.expire(1);
    let group = world.shard.groups.share("g").expect("it has a member");
    assert_eq!(group.members.len(), 1, "b was silent");
    let (_, of_a) = world.beat("a", world.shard.groups.share("g").expect("it is there").members["a"].member_epoch);
    assert_eq!(of_a, Some(vec![0, 1]));
}

#[test]
fn epochs_and_requests_are_checked() {
    let mut world = World::new(1);
    world.beat("a", 0);
    world.beat("a", 2);
    let mut refused = |member: &str, epoch: i32| code(world.heartbeat(member, epoch).0.error_code);
    assert_eq!(refused("a", 2), ErrorCode::None, "the last answer may have been lost");
    assert_eq!(refused("a", 1), ErrorCode::FencedMemberEpoch);
    assert_eq!(refused("a", 9), ErrorCode::FencedMemberEpoch);
    assert_eq!(refused("a", -2), ErrorCode::InvalidRequest);
    assert_eq!(refused("", 0), ErrorCode::InvalidRequest);
    assert_eq!(refused(&"x".repeat(37), 0), ErrorCode::InvalidRequest);
    assert_eq!(refused("b", 1), ErrorCode::UnknownMemberId);
}

#[test]
fn topics_that_grow_or_go_change_the_assignment() {
    let mut world = World::new(1);
    world.beat("a", 0);
    world.beat("a", 2);
    world.put_topic(2);
    let (epoch, _) = world.beat("a", 3);
    assert_eq!(epoch, 4, "the topic has changed");
    assert_eq!(world.beat("a", 4), (5, Some(vec![0, 1])), "the new partition has a state now");
    world.event(GroupEvent::MetadataChanged(GroupTopics::default()));
    world.event(GroupEvent::TopicsDeleted(vec![DeletedTopic { name: Arc::from("foo"), id: FOO }]));
    assert_eq!(world.beat("a", 5), (6, Some(Vec::new())));
    assert!(!world.shard.groups.share("g").expect("it is there").partitions.knows(FOO));
}

#[test]
fn offsets_are_altered_and_deleted_while_nobody_is_there() {
    let mut world = World::new(2);
    let alter = |offset| {
        let partition =
            |partition_index| AlterShareGroupOffsetsRequestPartition { partition_index, start_offset: offset };
        let topic = |name: &str, indexes: &[i32]| AlterShareGroupOffsetsRequestTopic {
            topic_name: name.to_string(),
            partitions: indexes.iter().map(|index| partition(*index)).collect(),
        };
        let topics = vec![topic("foo", &[0, 7]), topic("bar", &[0])];
        ShareRequest::AlterOffsets(AlterShareGroupOffsetsRequest { group_id: "g".to_string(), topics })
    };
    let ShareReply::AlterOffsets(response, Some(call)) = world.ask(alter(5)) else { panic!("nothing to do") };
    let codes: Vec<ErrorCode> =
        response.responses.iter().flat_map(|topic| &topic.partitions).map(|p| code(p.error_code)).collect();
    let unknown = ErrorCode::UnknownTopicOrPartition;
    assert_eq!(codes, [ErrorCode::None, unknown, unknown]);
    let texts = response.responses.iter().flat_map(|topic| &topic.partitions).map(|p| p.error_message.as_deref());
    let text = Some("This server does not host this topic-partition.");
    assert_eq!(texts.collect::<Vec<_>>(), [None, text, text]);
    assert_eq!(call.topics, [(FOO, vec![(0, 5)])].into());
    world.initialized(&call, true);
    let partitions = world.ask(ShareRequest::Partitions("g".to_string()));
    assert_eq!(partitions, ShareReply::Partitions([(FOO, vec![0])].into()));
    let delete = || {
        let topics = ["foo", "bar"].map(|name| DeleteShareGroupOffsetsRequestTopic { topic_name: name.to_string() });
        ShareRequest::DeleteOffsets(DeleteShareGroupOffsetsRequest { group_id: "g".to_string(), topics: topics.into() })
    };
    let ShareReply::DeleteOffsets(response, Some(call)) = world.ask(delete()) else { panic!("nothing to do") };
    assert_eq!(
        response.responses.iter().map(|topic| code(topic.error_code)).collect::<Vec<_>>(),
        [ErrorCode::None, unknown]
    );
    assert_eq!(response.responses[1].error_message.as_deref(), text);
    assert_eq!(call.partitions(), [(FOO, vec![0])].into());
    let again = world.ask(delete());
    assert!(
        matches!(again, ShareReply::DeleteOffsets(_, Some(call)) if call.topics[&FOO].len() == 2),
        "all there may be"
    );
    world.ask(ShareRequest::StateDeleted { group_id: "g".to_string(), topics: vec![FOO] });
    assert!(matches!(world.ask(delete()), ShareReply::DeleteOffsets(_, None)));
    world.beat("a", 0);
    let refusals = [world.ask(alter(5)), world.ask(delete())].map(|reply| match reply {
        ShareReply::AlterOffsets(response, None) => code(response.error_code),
        ShareReply::DeleteOffsets(response, None) => code(response.error_code),
        other => panic!("{other:?}"),
    });
    assert_eq!(refusals, [ErrorCode::NonEmptyGroup; 2]);
}

/// GroupMetadataManager.alterShareGroupOffsets does not look at the offset: -1 is that of a state that was never read.
#[test]
fn a_start_offset_can_be_left_to_the_groups_config_again() {
    let mut world = World::new(1);
    let partitions = vec![AlterShareGroupOffsetsRequestPartition { partition_index: 0, start_offset: -1 }];
    let topics = vec![AlterShareGroupOffsetsRequestTopic { topic_name: "foo".to_string(), partitions }];
    let request = AlterShareGroupOffsetsRequest { group_id: "g".to_string(), topics };
    let reply = world.ask(ShareRequest::AlterOffsets(request));
    let ShareReply::AlterOffsets(response, Some(call)) = reply else { panic!("{reply:?}") };
    assert_eq!(code(response.responses[0].partitions[0].error_code), ErrorCode::None);
    assert_eq!(call.topics, [(FOO, vec![(0, -1)])].into());
}

#[test]
fn offsets_of_a_group_that_is_not_there_are_not_deleted() {
    let mut world = World::new(1);
    let request = DeleteShareGroupOffsetsRequest { group_id: "g".to_string(), topics: Vec::new() };
    let reply = world.ask(ShareRequest::DeleteOffsets(request));
    let ShareReply::DeleteOffsets(response, None) = reply else { panic!("{reply:?}") };
    let refusal = (code(response.error_code), response.error_message.as_deref());
    assert_eq!(refusal, (ErrorCode::GroupIdNotFound, Some("Group g not found.")));
}

#[test]
fn share_groups_are_described_listed_and_deleted() {
    let mut world = World::new(1);
    world.beat("a", 0);
    world.beat("a", 2);
    let ShareReply::Describe(described) = world.ask(ShareRequest::Describe("g".to_string())) else { panic!("another") };
    let member = &described.members[0];
    assert_eq!((described.group_state.as_str(), described.group_epoch, described.assignment_epoch), ("Stable", 3, 3));
    assert_eq!(
        (member.member_id.as_str(), member.assignment.topic_partitions[0].partitions.as_slice()),
        ("a", &[0][..])
    );
    let delete = || GroupRequest::DeleteGroup("g".to_string());
    assert_eq!(world.request(delete()), GroupReply::DeleteGroup(ErrorCode::NonEmptyGroup));
    let begin = || ShareRequest::BeginDelete("g".to_string());
    assert_eq!(world.ask(begin()), ShareReply::BeginDelete(Err(ErrorCode::NonEmptyGroup)));
    world.beat("a", -1);
    let ShareReply::BeginDelete(Ok(call)) = world.ask(begin()) else { panic!("refused") };
    assert_eq!(call.partitions(), [(FOO, vec![0])].into());
    assert_eq!(world.request(delete()), GroupReply::DeleteGroup(ErrorCode::None));
    assert!(world.shard.groups.is_empty());
    assert_eq!(world.ask(begin()), ShareReply::BeginDelete(Ok(StateCall::default())));
}

#[test]
fn a_group_has_one_kind() {
    let mut world = World::new(1);
    world.beat("a", 0);
    let join = ottla_protocol::ConsumerGroupHeartbeatRequest {
        group_id: "g".to_string(),
        member_id: "m".to_string(),
        rebalance_timeout_ms: 1_000,
        subscribed_topic_names: Some(Vec::new()),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    };
    let GroupReply::ConsumerGroupHeartbeat(response) = world.request(GroupRequest::ConsumerGroupHeartbeat(join)) else {
        panic!("another answer")
    };
    assert_eq!(code(response.error_code), ErrorCode::GroupIdNotFound);
}
