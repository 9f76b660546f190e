//! Random lives of a group: clients start, crash, leave and come back, time passes, the coordinator moves.
//!
//! - Within a generation no partition is ever assigned to two clients.
//! - Committed offsets are those of a simple model.
//! - The log always holds what the shard holds ([`Rig::check_durable`]).
//! - Every request is answered once; when the dust has settled, all running clients share all partitions.

use super::rig::{Happened, Rig, config};
use super::script::subscription;
use bytes::Bytes;
use ottla_coordinator::ReplySlot;
use ottla_group::{GroupEvent, GroupReply, GroupRequest, OffsetFetch, RequestContext};
use ottla_protocol::join_group_request::JoinGroupRequestProtocol;
use ottla_protocol::leave_group_request::MemberIdentity;
use ottla_protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla_protocol::offset_fetch_request::OffsetFetchRequestGroup;
use ottla_protocol::sync_group_request::SyncGroupRequestAssignment;
use ottla_protocol::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, OffsetCommitRequest, SyncGroupRequest,
};
use ottla_types::ErrorCode;
use proptest::prelude::*;
use std::collections::BTreeMap;

const CLIENTS: usize = 5;
const PARTITIONS: i32 = 6;
const GROUP: &str = "g";

#[derive(Debug, Clone)]
enum Op {
    Start(usize),
    Crash(usize),
    Leave(usize),
    Step(usize),
    Commit(usize, i32, i64),
    Advance(i64),
    Reload,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let client = 0..CLIENTS;
    let op = prop_oneof![
        3 => client.clone().prop_map(Op::Start),
        1 => client.clone().prop_map(Op::Crash),
        1 => client.clone().prop_map(Op::Leave),
        20 => client.clone().prop_map(Op::Step),
        3 => (client, 0..PARTITIONS, 0..100_i64).prop_map(|(client, partition, offset)| Op::Commit(client, partition, offset)),
        5 => prop_oneof![Just(0), 1..3000_i64, Just(10_000)].prop_map(Op::Advance),
        1 => Just(Op::Reload),
    ];
    proptest::collection::vec(op, 0..120)
}

/// What a client does next.
#[derive(Debug, Clone, PartialEq)]
enum Todo {
    Join,
    Sync(Vec<SyncGroupRequestAssignment>),
    Heartbeat,
}

#[derive(Debug)]
struct Client {
    is_running: bool,
    caller: RequestContext,
    instance_id: Option<String>,
    member_id: String,
    generation_id: i32,
    todo: Todo,
    waits_for: Option<ReplySlot>,
    owned: Vec<i32>,
}

impl Client {
    /// Some are static, some use an old version.
    fn new(index: usize) -> Client {
        let api_version = if index.is_multiple_of(2) { 9 } else { 3 };
        Client {
            is_running: false,
            caller: RequestContext {
                api_version,
                client_id: format!("c{index}").into(),
                client_host: "/::1".into(),
                regex_error: None,
            },
            instance_id: (index == 2 || index == 4).then(|| format!("i{index}")),
            member_id: String::new(),
            generation_id: -1,
            todo: Todo::Join,
            waits_for: None,
            owned: Vec::new(),
        }
    }

    fn request(&self) -> GroupRequest {
        let (group_id, member_id) = (GROUP.to_string(), self.member_id.clone());
        let (generation_id, group_instance_id) = (self.generation_id, self.instance_id.clone());
        match &self.todo {
            Todo::Join => GroupRequest::JoinGroup(JoinGroupRequest {
                group_id,
                session_timeout_ms: 10_000,
                rebalance_timeout_ms: 5_000,
                member_id,
                group_instance_id,
                protocol_type: "consumer".to_string(),
                protocols: vec![JoinGroupRequestProtocol { name: "range".to_string(), metadata: subscription("t") }],
                reason: None,
            }),
            Todo::Sync(assignments) => GroupRequest::SyncGroup(SyncGroupRequest {
                group_id,
                generation_id,
                member_id,
                group_instance_id,
                protocol_type: Some("consumer".to_string()),
                protocol_name: Some("range".to_string()),
                assignments: assignments.clone(),
            }),
            Todo::Heartbeat => {
                GroupRequest::Heartbeat(HeartbeatRequest { group_id, generation_id, member_id, group_instance_id })
            }
        }
    }

    fn failed(&mut self, error_code: i16) {
        let error = ErrorCode::from_code(error_code).expect("an error of Kafka");
        match error {
            ErrorCode::UnknownMemberId => self.member_id = String::new(),
            ErrorCode::FencedInstanceId => self.is_running = false,
            ErrorCode::IllegalGeneration | ErrorCode::RebalanceInProgress | ErrorCode::MemberIdRequired => {}
            other => panic!("a client is told {other:?}"),
        }
        self.todo = Todo::Join;
    }

    fn joined(&mut self, join: &JoinGroupResponse) {
        self.member_id = join.member_id.clone();
        self.generation_id = join.generation_id;
        let assigns = join.leader == join.member_id && !join.skip_assignment;
        self.todo = Todo::Sync(if assigns { assign(join) } else { Vec::new() });
    }
}

/// Deals partitions out one by one.
fn assign(join: &JoinGroupResponse) -> Vec<SyncGroupRequestAssignment> {
    let count = i32::try_from(join.members.len()).expect("few members");
    let assigned = join.members.iter().zip(0..).map(|(member, at)| {
        let partitions: Vec<String> = (0..PARTITIONS)
            .filter(|partition| partition % count == at)
            .map(|partition| partition.to_string())
            .collect();
        SyncGroupRequestAssignment {
            member_id: member.member_id.clone(),
            assignment: Bytes::from(partitions.join(",")),
        }
    });
    assigned.collect()
}

struct World {
    rig: Rig,
    clients: Vec<Client>,
    /// By generation and partition: which client it was assigned to.
    assigned: BTreeMap<(i32, i32), usize>,
    commits: BTreeMap<ReplySlot, (i32, i64)>,
    committed: BTreeMap<i32, i64>,
    answered: BTreeMap<ReplySlot, usize>,
}

impl World {
    fn new(initial_delay_ms: &str) -> World {
        World {
            rig: Rig::new(config(&[("group.initial.rebalance.delay.ms", initial_delay_ms)])),
            clients: (0..CLIENTS).map(Client::new).collect(),
            assigned: BTreeMap::new(),
            commits: BTreeMap::new(),
            committed: BTreeMap::new(),
            answered: BTreeMap::new(),
        }
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Start(index) => self.clients[*index].is_running = true,
            Op::Crash(index) => self.forget(*index),
            Op::Leave(index) => self.leave(*index),
            Op::Step(index) => self.step(*index),
            Op::Commit(index, partition, offset) => self.commit(*index, *partition, *offset),
            Op::Advance(ms) => self.rig.advance(*ms),
            Op::Reload => {
                self.rig.reload();
                self.clients.iter_mut().for_each(|client| client.waits_for = None);
            }
        }
        self.deliver();
        self.rig.check_durable();
    }

    /// The process is gone; what it waited for is answered to nobody.
    fn forget(&mut self, index: usize) {
        self.clients[index] = Client::new(index);
    }

    fn leave(&mut self, index: usize) {
        let client = &self.clients[index];
        let member = MemberIdentity { member_id: client.member_id.clone(), ..MemberIdentity::default() };
        if client.is_running && !client.member_id.is_empty() {
            let request = LeaveGroupRequest {
                group_id: GROUP.to_string(),
                member_id: client.member_id.clone(),
                members: vec![member],
            };
            let caller = RequestContext { api_version: 5, ..client.caller.clone() };
            self.rig.ask(&caller, GroupRequest::LeaveGroup(request));
        }
        self.forget(index);
    }

    fn step(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if client.is_running && client.waits_for.is_none() {
            let slot = self.rig.slot();
            client.waits_for = Some(slot);
            let caller = match client.todo {
                Todo::Join => client.caller.clone(),
                Todo::Sync(_) => RequestContext { api_version: 5, ..client.caller.clone() },
                Todo::Heartbeat => RequestContext { api_version: 4, ..client.caller.clone() },
            };
            self.rig.handle(GroupEvent::Request(caller, client.request()), Some(slot));
        }
    }

    fn commit(&mut self, index: usize, partition: i32, offset: i64) {
        let client = &self.clients[index];
        let request = OffsetCommitRequest {
            group_id: GROUP.to_string(),
            generation_id_or_member_epoch: client.generation_id,
            member_id: client.member_id.clone(),
            group_instance_id: client.instance_id.clone().filter(|_| !client.member_id.is_empty()),
            topics: vec![OffsetCommitRequestTopic {
                name: "t".to_string(),
                partitions: vec![OffsetCommitRequestPartition {
                    partition_index: partition,
                    committed_offset: offset,
                    ..OffsetCommitRequestPartition::default()
                }],
                ..OffsetCommitRequestTopic::default()
            }],
            ..OffsetCommitRequest::default()
        };
        let slot = self.rig.ask(&client.caller, GroupRequest::OffsetCommit(request));
        self.commits.insert(slot, (partition, offset));
    }

    fn deliver(&mut self) {
        for happened in std::mem::take(&mut self.rig.happened) {
            let Happened::Replied(slot, reply) = happened else { continue };
            let times = self.answered.entry(slot).or_insert(0);
            *times += 1;
            assert_eq!(*times, 1, "{slot:?} is answered twice");
            if let GroupReply::OffsetCommit(commit) = &reply {
                let (partition, offset) = self.commits[&slot];
                if commit.topics[0].partitions[0].error_code == 0 {
                    self.committed.insert(partition, offset);
                }
            }
            let waiting = self.clients.iter().position(|client| client.waits_for == Some(slot));
            if let Some(index) = waiting {
                self.answer(index, &reply);
            }
        }
    }

    fn answer(&mut self, index: usize, reply: &GroupReply) {
        let client = &mut self.clients[index];
        client.waits_for = None;
        match reply {
            GroupReply::JoinGroup(join) if join.error_code == 0 => client.joined(join),
            GroupReply::JoinGroup(join) => {
                client.failed(join.error_code);
                if join.error_code == ErrorCode::MemberIdRequired.code() {
                    client.member_id = join.member_id.clone();
                }
            }
            GroupReply::SyncGroup(sync) if sync.error_code == 0 => {
                client.todo = Todo::Heartbeat;
                let text = String::from_utf8_lossy(&sync.assignment).into_owned();
                let partitions = text.split(',').filter(|text| !text.is_empty());
                client.owned = partitions.map(|text| text.parse().expect("a partition")).collect();
                for partition in &client.owned {
                    let before = self.assigned.insert((client.generation_id, *partition), index);
                    let is_shared = before.is_some_and(|before| before != index);
                    assert!(
                        !is_shared,
                        "{partition} is assigned to {before:?} and {index} in {}",
                        client.generation_id
                    );
                }
            }
            GroupReply::SyncGroup(sync) => client.failed(sync.error_code),
            GroupReply::Heartbeat(heartbeat) if heartbeat.error_code != 0 => client.failed(heartbeat.error_code),
            _ => {}
        }
    }

    /// Everybody does what a client does, for long enough.
    fn settle(&mut self) {
        for _ in 0..120 {
            for index in 0..CLIENTS {
                self.run(&Op::Step(index));
            }
            self.run(&Op::Advance(500));
        }
    }

    fn check_settled(&mut self) {
        let running: Vec<&Client> = self.clients.iter().filter(|client| client.is_running).collect();
        let generations: Vec<i32> = running.iter().map(|client| client.generation_id).collect();
        assert!(running.iter().all(|client| client.todo == Todo::Heartbeat), "not settled: {:?}", self.clients);
        assert!(generations.windows(2).all(|pair| pair[0] == pair[1]), "different generations: {generations:?}");
        let mut owned: Vec<i32> = running.iter().flat_map(|client| client.owned.clone()).collect();
        owned.sort_unstable();
        if !running.is_empty() {
            assert_eq!(owned, (0..PARTITIONS).collect::<Vec<_>>());
        }
        self.check_offsets();
    }

    fn check_offsets(&mut self) {
        let group =
            OffsetFetchRequestGroup { group_id: GROUP.to_string(), member_id: None, member_epoch: -1, topics: None };
        let fetch = GroupRequest::OffsetFetch(OffsetFetch { group, require_stable: true });
        let slot = self.rig.ask(&self.clients[0].caller, fetch);
        let reply = self.rig.happened.drain(..).find_map(|happened| match happened {
            Happened::Replied(replied, GroupReply::OffsetFetch(fetch)) if replied == slot => Some(fetch),
            _ => None,
        });
        let topics = reply.expect("an answer").topics;
        let partitions = topics.iter().flat_map(|topic| &topic.partitions);
        let fetched: BTreeMap<i32, i64> =
            partitions.map(|partition| (partition.partition_index, partition.committed_offset)).collect();
        assert_eq!(fetched, self.committed);
    }
}

proptest! {
    #[test]
    fn a_group_never_shares_a_partition_and_always_settles(
        ops in ops(),
        initial_delay_ms in prop_oneof![Just("0"), Just("1000")],
    ) {
        let mut world = World::new(initial_delay_ms);
        for op in &ops {
            world.run(op);
        }
        world.settle();
        world.check_settled();
    }
}

/// A request of somebody who knows nothing: any member, generation and instance.
fn any_request() -> impl Strategy<Value = (i16, GroupRequest)> {
    let group = prop_oneof![Just(""), Just("g"), Just("h")].prop_map(str::to_string);
    let member = prop_oneof![Just(""), Just("x"), (1..6_u32).prop_map(|_| "c-#1")].prop_map(super::show::expand);
    let generation = -1..4_i32;
    let instance = proptest::option::of(prop_oneof![Just("i1"), Just("i2")].prop_map(str::to_string));
    let protocol = prop_oneof![Just("a"), Just("b")].prop_map(str::to_string);
    let who = (group, member, generation, instance, protocol, 0..6, 0..10_i16);
    who.prop_map(|(group_id, member_id, generation_id, group_instance_id, name, kind, version)| {
        let request = match kind {
            0 | 1 => GroupRequest::JoinGroup(JoinGroupRequest {
                group_id,
                session_timeout_ms: 6_000,
                rebalance_timeout_ms: 4_000,
                member_id,
                group_instance_id,
                protocol_type: "consumer".to_string(),
                protocols: vec![JoinGroupRequestProtocol { name, metadata: Bytes::from_static(b"?") }],
                reason: None,
            }),
            2 => GroupRequest::SyncGroup(SyncGroupRequest {
                group_id,
                generation_id,
                member_id,
                group_instance_id,
                ..SyncGroupRequest::default()
            }),
            3 => GroupRequest::Heartbeat(HeartbeatRequest { group_id, generation_id, member_id, group_instance_id }),
            4 => {
                let member = MemberIdentity { member_id: member_id.clone(), group_instance_id, reason: None };
                GroupRequest::LeaveGroup(LeaveGroupRequest { group_id, member_id, members: vec![member] })
            }
            _ => GroupRequest::DeleteGroup(group_id),
        };
        (version, request)
    })
}

proptest! {
    #[test]
    fn any_request_at_any_time_leaves_the_log_as_the_state(
        requests in proptest::collection::vec((any_request(), 0..3_000_i64), 0..60),
    ) {
        let mut rig = Rig::new(config(&[]));
        let mut asked = 0;
        for ((api_version, request), wait_ms) in requests {
            let caller = RequestContext { api_version, client_id: "c".into(), client_host: "/::1".into(), regex_error: None };
            rig.ask(&caller, request);
            asked += 1;
            rig.advance(if wait_ms < 1_500 { 0 } else { wait_ms });
            rig.check_durable();
        }
        // Sessions end, new members that wait time out: nobody is left waiting.
        rig.advance(1_000_000);
        rig.check_durable();
        let replies = rig.happened.iter().filter(|happened| matches!(happened, Happened::Replied(..))).count();
        assert_eq!(replies, asked);
        assert!(rig.shard.groups.iter().all(|(_, group)| group.is_empty()));
    }
}
