//! Clients that remember what they were told, of either protocol.

use super::show::{self, Names};
use super::world::{GROUP, World};
use crate::event::{GroupReply, GroupRequest};
use bytes::Bytes;
use ottla_coordinator::ReplySlot;
use ottla_protocol::consumer_group_heartbeat_request::TopicPartitions;
use ottla_protocol::join_group_request::JoinGroupRequestProtocol;
use ottla_protocol::leave_group_request::MemberIdentity;
use ottla_protocol::{
    ConsumerGroupHeartbeatRequest, ConsumerProtocolAssignment, ConsumerProtocolSubscription, HeartbeatRequest,
    JoinGroupRequest, LeaveGroupRequest, Message, Reader, SyncGroupRequest, Writer, consumer_protocol_subscription,
};
use ottla_types::{ErrorCode, Uuid};
use std::collections::{BTreeMap, BTreeSet};

pub(super) type Owned = BTreeMap<Uuid, BTreeSet<i32>>;

/// One consumer.
#[derive(Debug, Clone, Default)]
pub(super) struct Client {
    pub(super) member_id: String,
    pub(super) instance_id: Option<String>,
    pub(super) topics: Vec<String>,
    pub(super) regex: Option<String>,
    pub(super) assignor: Option<String>,
    pub(super) rebalance_timeout_ms: i32,
    /// Member epoch, or generation.
    pub(super) epoch: i32,
    /// What it was told to own last.
    pub(super) told: Owned,
    /// What it works on: more than `told` until it has stopped what was revoked.
    pub(super) owned: Owned,
    pub(super) waits: Option<ReplySlot>,
}

impl Client {
    pub(super) fn new(member_id: &str) -> Client {
        Client { member_id: member_id.to_string(), rebalance_timeout_ms: 30_000, ..Client::default() }
    }

    /// ConsumerGroupHeartbeat that says everything.
    pub(super) fn join(&mut self, world: &mut World) -> String {
        self.epoch = 0;
        self.owned = Owned::new();
        let request = ConsumerGroupHeartbeatRequest {
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            subscribed_topic_names: (self.regex.is_none() || !self.topics.is_empty()).then(|| self.topics.clone()),
            subscribed_topic_regex: self.regex.clone(),
            server_assignor: self.assignor.clone(),
            topic_partitions: Some(Vec::new()),
            ..self.heartbeat()
        };
        self.send(world, request)
    }

    /// A heartbeat with nothing new, or with what it owns now.
    pub(super) fn beat(&mut self, world: &mut World, says_owned: bool) -> String {
        let owned = says_owned.then(|| topic_partitions(&self.owned));
        let request = ConsumerGroupHeartbeatRequest { topic_partitions: owned, ..self.heartbeat() };
        self.send(world, request)
    }

    /// A heartbeat with another subscription.
    pub(super) fn subscribe(&mut self, world: &mut World) -> String {
        let request = ConsumerGroupHeartbeatRequest {
            subscribed_topic_names: Some(self.topics.clone()),
            subscribed_topic_regex: Some(self.regex.clone().unwrap_or_default()),
            ..self.heartbeat()
        };
        self.send(world, request)
    }

    /// Stops what was revoked and says so.
    pub(super) fn acknowledge(&mut self, world: &mut World) -> String {
        self.owned = self.told.clone();
        self.beat(world, true)
    }

    /// Leaves with epoch -1 or -2.
    pub(super) fn leave(&mut self, world: &mut World, epoch: i32) -> String {
        self.owned = Owned::new();
        self.told = Owned::new();
        let request = ConsumerGroupHeartbeatRequest { member_epoch: epoch, ..self.heartbeat() };
        self.send(world, request)
    }

    fn heartbeat(&self) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest {
            group_id: GROUP.to_string(),
            member_id: self.member_id.clone(),
            member_epoch: self.epoch,
            instance_id: self.instance_id.clone(),
            ..ConsumerGroupHeartbeatRequest::default()
        }
    }

    fn send(&mut self, world: &mut World, request: ConsumerGroupHeartbeatRequest) -> String {
        let slot = world.request(1, GroupRequest::ConsumerGroupHeartbeat(request));
        self.take(world, slot)
    }

    /// JoinGroup with the topics as subscription.
    pub(super) fn classic_join(&mut self, world: &mut World) -> String {
        let metadata = self.subscription(world);
        let protocols = ["range", "cooperative-sticky"].iter();
        let protocols =
            protocols.map(|name| JoinGroupRequestProtocol { name: (*name).to_string(), metadata: metadata.clone() });
        let request = JoinGroupRequest {
            group_id: GROUP.to_string(),
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id.clone(),
            session_timeout_ms: 45_000,
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            protocol_type: "consumer".to_string(),
            protocols: protocols.collect(),
            reason: None,
        };
        let slot = world.request(9, GroupRequest::JoinGroup(request));
        self.waits = Some(slot);
        self.take(world, slot)
    }

    /// SyncGroup; a leader assigns what `assignments` says.
    pub(super) fn classic_sync(&mut self, world: &mut World, assignments: &[(&str, Owned)]) -> String {
        let assignments = assignments.iter().map(|(member_id, owned)| {
            ottla_protocol::sync_group_request::SyncGroupRequestAssignment {
                member_id: (*member_id).to_string(),
                assignment: assignment(owned, &world.topic_names()),
            }
        });
        let request = SyncGroupRequest {
            group_id: GROUP.to_string(),
            generation_id: self.epoch,
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id.clone(),
            protocol_type: Some("consumer".to_string()),
            protocol_name: Some("range".to_string()),
            assignments: assignments.collect(),
        };
        let slot = world.request(5, GroupRequest::SyncGroup(request));
        self.waits = Some(slot);
        self.take(world, slot)
    }

    pub(super) fn classic_beat(&mut self, world: &mut World) -> String {
        let request = HeartbeatRequest {
            group_id: GROUP.to_string(),
            generation_id: self.epoch,
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id.clone(),
        };
        let slot = world.request(4, GroupRequest::Heartbeat(request));
        self.take(world, slot)
    }

    pub(super) fn classic_leave(&mut self, world: &mut World) -> String {
        let identity = MemberIdentity {
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id.clone(),
            reason: None,
        };
        let request =
            LeaveGroupRequest { group_id: GROUP.to_string(), member_id: String::new(), members: vec![identity] };
        let slot = world.request(5, GroupRequest::LeaveGroup(request));
        self.take(world, slot)
    }

    fn subscription(&self, world: &World) -> Bytes {
        let names = world.topic_names();
        let owned = self.owned.iter().map(|(topic_id, partitions)| consumer_protocol_subscription::TopicPartition {
            topic: names.get(topic_id).cloned().unwrap_or_default(),
            partitions: partitions.iter().copied().collect(),
        });
        let subscription = ConsumerProtocolSubscription {
            topics: self.topics.clone(),
            user_data: None,
            owned_partitions: owned.collect(),
            generation_id: self.epoch,
            rack_id: None,
        };
        versioned(&subscription, 3)
    }

    /// Takes the reply to a slot, if it has come.
    pub(super) fn take(&mut self, world: &mut World, slot: ReplySlot) -> String {
        let Some(index) = world.replies.iter().position(|(to, _)| *to == slot) else { return "waits".to_string() };
        let (_, reply) = world.replies.remove(index);
        self.waits = None;
        self.understand(reply, &world.topic_names())
    }

    fn understand(&mut self, reply: GroupReply, names: &Names) -> String {
        match reply {
            GroupReply::ConsumerGroupHeartbeat(response) => {
                if response.error_code != 0 {
                    return error(response.error_code, response.error_message.as_deref());
                }
                self.epoch = response.member_epoch;
                let Some(assignment) = response.assignment else { return format!("epoch {}", self.epoch) };
                self.told =
                    owned(assignment.topic_partitions.into_iter().map(|topic| (topic.topic_id, topic.partitions)));
                // What is new is taken up at once, what is revoked takes its time.
                for (topic_id, partitions) in &self.told {
                    self.owned.entry(*topic_id).or_default().extend(partitions);
                }
                format!("epoch {}{}", self.epoch, text(&self.told, names))
            }
            GroupReply::JoinGroup(response) => {
                if response.error_code == ErrorCode::MemberIdRequired.code() || response.error_code == 0 {
                    self.member_id = response.member_id;
                }
                if response.error_code != 0 {
                    return error(response.error_code, None);
                }
                self.epoch = response.generation_id;
                let leads = if response.leader == self.member_id { " leads" } else { "" };
                format!("generation {} {}{leads}", self.epoch, response.protocol_name.unwrap_or_default())
            }
            GroupReply::SyncGroup(response) => {
                if response.error_code != 0 {
                    return error(response.error_code, None);
                }
                self.told = read_assignment(&response.assignment, names);
                self.owned = self.told.clone();
                format!("synced{}", text(&self.told, names))
            }
            GroupReply::Heartbeat(response) => match response.error_code {
                0 => "ok".to_string(),
                code => error(code, None),
            },
            GroupReply::LeaveGroup(response) => {
                match response.members.first().map_or(response.error_code, |m| m.error_code) {
                    0 => "left".to_string(),
                    code => error(code, None),
                }
            }
            other => format!("{other:?}"),
        }
    }
}

fn error(code: i16, message: Option<&str>) -> String {
    let name = ErrorCode::from_code(code).map_or_else(|| code.to_string(), |code| code.name().to_string());
    message.map_or(name.clone(), |message| format!("{name}: {message}"))
}

pub(super) fn owned(topics: impl Iterator<Item = (Uuid, Vec<i32>)>) -> Owned {
    topics.map(|(topic_id, partitions)| (topic_id, partitions.into_iter().collect())).collect()
}

pub(super) fn text(owned: &Owned, names: &Names) -> String {
    let lists: Vec<(Uuid, Vec<i32>)> = owned.iter().map(|(id, list)| (*id, list.iter().copied().collect())).collect();
    show::partitions(lists.iter().map(|(id, list)| (*id, list.as_slice())), names)
}

fn topic_partitions(owned: &Owned) -> Vec<TopicPartitions> {
    let topics = owned.iter();
    topics.map(|(id, list)| TopicPartitions { topic_id: *id, partitions: list.iter().copied().collect() }).collect()
}

fn versioned<M: Message>(message: &M, version: i16) -> Bytes {
    let mut writer = Writer::new();
    message.encode(&mut writer, version).expect("it fits");
    Bytes::from([&version.to_be_bytes(), writer.finish().buf.as_ref()].concat())
}

fn assignment(owned: &Owned, names: &Names) -> Bytes {
    let assigned = owned.iter().map(|(id, list)| ottla_protocol::consumer_protocol_assignment::TopicPartition {
        topic: names[id].clone(),
        partitions: list.iter().copied().collect(),
    });
    versioned(&ConsumerProtocolAssignment { assigned_partitions: assigned.collect(), user_data: None }, 3)
}

fn read_assignment(bytes: &Bytes, names: &Names) -> Owned {
    if bytes.is_empty() {
        return Owned::new();
    }
    let version = i16::from_be_bytes([bytes[0], bytes[1]]);
    let body = bytes.slice(2..);
    let mut reader = Reader::new(&body);
    let assignment = ConsumerProtocolAssignment::decode(&mut reader, version).expect("a valid assignment");
    let id = |topic: &str| names.iter().find(|(_, name)| *name == topic).map(|(id, _)| *id);
    owned(assignment.assigned_partitions.into_iter().filter_map(|topic| Some((id(&topic.topic)?, topic.partitions))))
}
