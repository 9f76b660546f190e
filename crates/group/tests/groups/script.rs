//! The commands of a story. A command has positional words, and options as `name=value`:
//!
//! ```text
//! config name=value ...                      before everything else
//! join SLOT GROUP [v=] [member=] [client=] [instance=] [session=] [rebalance=] [type=] [protocols=range:t1+t2,sticky:t1]
//! sync SLOT GROUP generation=N member=ID [instance=] [assign=ID:text,ID:text] [protocol=] [v=]
//! heartbeat SLOT GROUP generation=N member=ID [instance=]
//! leave SLOT GROUP members=ID,ID@INSTANCE,@INSTANCE
//! commit SLOT GROUP offsets=t1:0:10,t1:1:20 [generation=] [member=] [metadata=] [retention=] [v=]
//! fetch SLOT GROUP [offsets=t1:0,t1:1] [stable=true]
//! delete-offsets SLOT GROUP offsets=t1:0
//! describe SLOT GROUP [v=]     list SLOT [states=] [types=]     delete SLOT GROUP
//! topic NAME N                 drop-topic NAME
//! txn-offset PRODUCER GROUP t1:0:10    end-txn PRODUCER commit|abort
//! advance MS                   expire-offsets      reload       group GROUP
//! ```

use super::rig::{Rig, config};
use super::show;
use bytes::Bytes;
use ottla_coordinator::ReplySlot;
use ottla_group::offsets::{OffsetAndMetadata, record};
use ottla_group::{DeletedTopic, GroupEvent, GroupRequest, OffsetFetch, RequestContext, TopicInfo};
use ottla_protocol::join_group_request::JoinGroupRequestProtocol;
use ottla_protocol::leave_group_request::MemberIdentity;
use ottla_protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla_protocol::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use ottla_protocol::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla_protocol::sync_group_request::SyncGroupRequestAssignment;
use ottla_protocol::{
    ConsumerProtocolSubscription, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest, Message,
    OffsetCommitRequest, OffsetDeleteRequest, SyncGroupRequest, Writer,
};
use ottla_types::Uuid;
use std::collections::BTreeMap;

/// A command: its words, and its options.
pub(crate) struct Command {
    words: Vec<String>,
    options: BTreeMap<String, String>,
}

impl Command {
    fn parse(line: &str) -> Command {
        let mut command = Command { words: Vec::new(), options: BTreeMap::new() };
        for word in line.split_whitespace() {
            match word.split_once('=') {
                Some((name, value)) => drop(command.options.insert(name.to_string(), show::expand(value))),
                None => command.words.push(word.to_string()),
            }
        }
        command
    }

    fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", String::as_str)
    }

    fn text(&self, name: &str) -> String {
        self.options.get(name).cloned().unwrap_or_default()
    }

    fn option(&self, name: &str) -> Option<String> {
        self.options.get(name).cloned()
    }

    fn number(&self, name: &str, default: i64) -> i64 {
        self.options.get(name).map_or(default, |text| text.parse().expect("a number"))
    }

    fn int(&self, name: &str, default: i32) -> i32 {
        i32::try_from(self.number(name, i64::from(default))).expect("an int")
    }

    fn list(&self, name: &str) -> Vec<Vec<String>> {
        let text = self.text(name);
        let entries = text.split(',').filter(|entry| !entry.is_empty());
        entries.map(|entry| entry.split(':').map(str::to_string).collect()).collect()
    }
}

/// A story while it runs.
pub(crate) struct Script {
    rig: Rig,
    names: BTreeMap<ReplySlot, String>,
}

impl Script {
    pub(crate) fn new() -> Script {
        Script { rig: Rig::new(config(&[])), names: BTreeMap::new() }
    }

    /// Runs one command; returns what happened.
    pub(crate) fn run(&mut self, line: &str) -> String {
        let command = Command::parse(line);
        let extra = self.execute(&command);
        let mut lines: Vec<String> =
            self.rig.happened.drain(..).map(|happened| show::line(&happened, &self.names)).collect();
        lines.extend(extra);
        self.rig.check_durable();
        lines.into_iter().map(|line| line + "\n").collect()
    }

    fn execute(&mut self, command: &Command) -> Option<String> {
        let number = |at: usize| command.word(at).parse::<i64>().expect("a number");
        match command.word(0) {
            "config" => {
                let overrides: Vec<(&str, &str)> =
                    command.options.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                self.rig.handle(GroupEvent::ConfigChanged(config(&overrides)), None);
            }
            "topic" => self.topic(command.word(1), usize::try_from(number(2)).expect("a count")),
            "drop-topic" => self.drop_topic(command.word(1)),
            "lose-topic" => self.lose_topic(command.word(1)),
            "advance" => self.rig.advance(number(1)),
            "expire-offsets" => self.rig.handle(GroupEvent::ExpireOffsets, None),
            "reload" => {
                self.rig.reload();
                return Some("loaded".to_string());
            }
            "group" => {
                let group = self.rig.shard.groups.get(command.word(1));
                return Some(group.map_or("none".to_string(), show::group));
            }
            "txn-offset" => self.txn_offset(command),
            "end-txn" => self.rig.end_transaction(number(1), command.word(2) == "commit"),
            _ => self.ask(command),
        }
        None
    }

    fn ask(&mut self, command: &Command) {
        let version = i16::try_from(command.number("v", default_version(command.word(0)))).expect("a version");
        let caller = RequestContext {
            api_version: version,
            client_id: command.option("client").unwrap_or_else(|| "c".to_string()).into(),
            client_host: "/127.0.0.1".into(),
            regex_error: None,
        };
        let slot = self.rig.slot();
        self.names.insert(slot, command.word(1).to_string());
        self.rig.handle(GroupEvent::Request(caller, request(command)), Some(slot));
    }

    fn topic(&mut self, name: &str, partitions: usize) {
        let mut topics = self.rig.shard.topics.clone();
        topics.put(TopicInfo { name: name.into(), id: topic_id(name), partition_racks: vec![Vec::new(); partitions] });
        self.rig.handle(GroupEvent::MetadataChanged(topics), None);
    }

    fn drop_topic(&mut self, name: &str) {
        let mut topics = self.rig.shard.topics.clone();
        topics.remove(name);
        self.rig.handle(GroupEvent::MetadataChanged(topics), None);
        let deleted = DeletedTopic { name: name.into(), id: topic_id(name) };
        self.rig.handle(GroupEvent::TopicsDeleted(vec![deleted]), None);
    }

    /// The topic is deleted, and the tombstones of its offsets are lost in an append that fails.
    fn lose_topic(&mut self, name: &str) {
        let mut topics = self.rig.shard.topics.clone();
        topics.remove(name);
        self.rig.handle(GroupEvent::MetadataChanged(topics), None);
    }

    fn txn_offset(&mut self, command: &Command) {
        let place: Vec<&str> = command.word(3).split(':').collect();
        let offset = OffsetAndMetadata {
            record_offset: -1,
            committed_offset: place[2].parse().expect("an offset"),
            leader_epoch: -1,
            metadata: "".into(),
            commit_timestamp_ms: self.rig.now_ms,
            expire_timestamp_ms: None,
            topic_id: Uuid::ZERO,
        };
        let partition = place[1].parse().expect("a partition");
        let record = record::offset_commit(command.word(2), place[0], partition, &offset).expect("a short name");
        self.rig.append(record, Some(command.word(1).parse().expect("a producer id")));
    }
}

fn topic_id(name: &str) -> Uuid {
    let mut id = [7; 16];
    id.iter_mut().zip(name.bytes()).for_each(|(byte, letter)| *byte = letter);
    Uuid(id)
}

fn default_version(command: &str) -> i64 {
    match command {
        "join" => 9,
        "sync" | "leave" | "list" => 5,
        "heartbeat" => 4,
        "describe" => 6,
        _ => 9,
    }
}

fn request(command: &Command) -> GroupRequest {
    let group_id = command.word(2).to_string();
    let (member_id, group_instance_id) = (command.text("member"), command.option("instance"));
    let generation_id = command.int("generation", -1);
    match command.word(0) {
        "join" => GroupRequest::JoinGroup(join(command)),
        "sync" => GroupRequest::SyncGroup(SyncGroupRequest {
            group_id,
            generation_id,
            member_id,
            group_instance_id,
            protocol_type: Some(command.option("type").unwrap_or_else(|| "consumer".to_string())),
            protocol_name: Some(command.option("protocol").unwrap_or_else(|| "range".to_string())),
            assignments: command
                .list("assign")
                .into_iter()
                .map(|entry| SyncGroupRequestAssignment {
                    member_id: entry[0].clone(),
                    assignment: Bytes::from(entry[1].clone()),
                })
                .collect(),
        }),
        "heartbeat" => {
            GroupRequest::Heartbeat(HeartbeatRequest { group_id, generation_id, member_id, group_instance_id })
        }
        "leave" => {
            let identity = |entry: Vec<String>| {
                let (member_id, instance_id) = match entry[0].split_once('@') {
                    Some((member_id, instance_id)) => (member_id, Some(instance_id.to_string())),
                    None => (entry[0].as_str(), None),
                };
                MemberIdentity { member_id: member_id.to_string(), group_instance_id: instance_id, reason: None }
            };
            let members = command.list("members").into_iter().map(identity).collect();
            GroupRequest::LeaveGroup(LeaveGroupRequest { group_id, member_id, members })
        }
        "commit" => GroupRequest::OffsetCommit(OffsetCommitRequest {
            group_id,
            generation_id_or_member_epoch: generation_id,
            member_id,
            group_instance_id,
            retention_time_ms: command.number("retention", -1),
            topics: command.list("offsets").iter().map(|entry| committed(entry, command.option("metadata"))).collect(),
        }),
        "fetch" => GroupRequest::OffsetFetch(OffsetFetch {
            group: OffsetFetchRequestGroup {
                group_id,
                topics: command
                    .option("offsets")
                    .map(|_| command.list("offsets").iter().map(|entry| fetched(entry)).collect()),
                ..OffsetFetchRequestGroup::default()
            },
            require_stable: command.text("stable") == "true",
        }),
        "delete-offsets" => GroupRequest::OffsetDelete(OffsetDeleteRequest {
            group_id,
            topics: command.list("offsets").iter().map(|entry| deleted(entry)).collect(),
        }),
        "describe" => GroupRequest::DescribeGroup(group_id),
        "delete" => GroupRequest::DeleteGroup(group_id),
        "list" => {
            let filter = |name| command.list(name).into_iter().map(|entry| entry[0].clone()).collect();
            GroupRequest::ListGroups(ListGroupsRequest {
                states_filter: filter("states"),
                types_filter: filter("types"),
            })
        }
        other => panic!("unknown command {other}"),
    }
}

fn join(command: &Command) -> JoinGroupRequest {
    let protocols = command.option("protocols").unwrap_or_else(|| "range:t1".to_string());
    let protocols = protocols.split(',').filter(|entry| !entry.is_empty()).map(|entry| {
        let (name, topics) = entry.split_once(':').unwrap_or((entry, ""));
        JoinGroupRequestProtocol { name: name.to_string(), metadata: subscription(topics) }
    });
    JoinGroupRequest {
        group_id: command.word(2).to_string(),
        session_timeout_ms: command.int("session", 10_000),
        rebalance_timeout_ms: command.int("rebalance", 30_000),
        member_id: command.text("member"),
        group_instance_id: command.option("instance"),
        protocol_type: command.option("type").unwrap_or_else(|| "consumer".to_string()),
        protocols: protocols.collect(),
        reason: None,
    }
}

/// A consumer's subscription: the version, then its fields.
pub(crate) fn subscription(topics: &str) -> Bytes {
    let topics = topics.split('+').filter(|topic| !topic.is_empty()).map(str::to_string).collect();
    let mut w = Writer::new();
    ConsumerProtocolSubscription { topics, ..ConsumerProtocolSubscription::default() }.encode(&mut w, 1).expect("fits");
    let fields = w.finish().buf;
    Bytes::from([&1_i16.to_be_bytes()[..], &fields].concat())
}

fn committed(entry: &[String], metadata: Option<String>) -> OffsetCommitRequestTopic {
    OffsetCommitRequestTopic {
        name: entry[0].clone(),
        topic_id: Uuid::ZERO,
        partitions: vec![OffsetCommitRequestPartition {
            partition_index: entry[1].parse().expect("a partition"),
            committed_offset: entry[2].parse().expect("an offset"),
            committed_leader_epoch: -1,
            committed_metadata: metadata,
        }],
    }
}

fn fetched(entry: &[String]) -> OffsetFetchRequestTopics {
    OffsetFetchRequestTopics {
        name: entry[0].clone(),
        topic_id: Uuid::ZERO,
        partition_indexes: vec![entry[1].parse().expect("a partition")],
    }
}

fn deleted(entry: &[String]) -> OffsetDeleteRequestTopic {
    OffsetDeleteRequestTopic {
        name: entry[0].clone(),
        partitions: vec![OffsetDeleteRequestPartition { partition_index: entry[1].parse().expect("a partition") }],
    }
}
