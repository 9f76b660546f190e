//! Stories as text: `streams/tests/*.txt`. Lines that begin with `>` are what happens, the others are what follows from it: the
//! records that are written, then the answer. `UPDATE_EXPECT=1 cargo test -p ottla-group` writes the traces anew.
//!
//! `topic NAME PARTITIONS` creates or grows, `delete NAME`; `join M [topology=..] [version=..] [process=..] [endpoint=..]`, `beat M`,
//! `say M` (says what it has), `ack M` (closes what was revoked and says so), `lose M` (does not hear the
//! answer), `create M` (makes the internal topics of its last
//! answer), `leave M`, `shutdown M`, `epoch M N` sets what a client believes; `commit M EPOCH TOPIC PARTITION`, `fetch M EPOCH`;
//! `cjoin`, `csync`, `consumer` are requests of other protocols, `remove` is DeleteGroups; `standbys N` configures the group;
//! `wait MS`; `reload`; `state`; `describe`.

use super::client::Client;
use crate::config::GroupConfig;
use crate::consumer::tests::world::{GROUP, World, config};
use crate::event::{GroupEvent, GroupReply, GroupRequest, OffsetFetch};
use crate::streams::{StreamsConfig, StreamsOverrides};
use ottla_protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla_protocol::offset_fetch_request::OffsetFetchRequestGroup;
use ottla_protocol::{
    ConsumerGroupHeartbeatRequest, JoinGroupRequest, OffsetCommitRequest, SyncGroupRequest, join_group_request,
};
use ottla_types::ErrorCode;
use std::collections::BTreeMap;
use std::sync::Arc;

struct Story {
    world: World,
    clients: BTreeMap<String, Client>,
}

/// Without waiting.
pub(super) fn prompt() -> GroupConfig {
    let streams =
        StreamsConfig { initial_rebalance_delay_ms: 0, assignment_interval_ms: 0, ..StreamsConfig::default() };
    GroupConfig { streams, ..config() }
}

#[track_caller]
fn check(name: &str, config: GroupConfig) {
    // Tests run in the folder of their package.
    let path = std::path::absolute(format!("src/streams/tests/{name}.txt")).expect("a working directory");
    #[allow(clippy::disallowed_methods)]
    let text = std::fs::read_to_string(&path).expect("the story is there");
    let mut story = Story { world: World::new(config), clients: BTreeMap::new() };
    let mut trace = String::new();
    for line in text.lines().filter(|line| line.starts_with(['>', '#']) || line.is_empty()) {
        trace.push_str(line);
        trace.push('\n');
        if let Some(command) = line.strip_prefix("> ") {
            for line in story.run(command) {
                trace.push_str(&format!("  {line}\n"));
            }
        }
    }
    expect_test::expect_file![path].assert_eq(&trace);
}

impl Story {
    fn run(&mut self, command: &str) -> Vec<String> {
        let words: Vec<&str> = command.split_whitespace().collect();
        let number = |text: &str| text.parse::<i32>().expect("a number");
        let answer = match words.as_slice() {
            ["topic", name, partitions] => {
                self.world.put_topic(name, partitions.parse().expect("a number"));
                None
            }
            ["delete", name] => {
                self.world.delete_topic(name);
                None
            }
            ["wait", ms] => {
                self.world.wait(ms.parse().expect("a number"));
                None
            }
            ["reload"] => {
                self.world.reload();
                None
            }
            ["standbys", count] => {
                self.standbys(count.parse().expect("a number"));
                None
            }
            ["state"] => Some(
                self.world
                    .shard
                    .groups
                    .get(GROUP)
                    .map_or("none".to_string(), |group| format!("{} {}", group.type_name(), group.state_name())),
            ),
            ["describe"] => Some(self.describe()),
            ["remove"] => Some(self.request(2, GroupRequest::DeleteGroup(GROUP.to_string()))),
            ["cjoin"] => Some(self.classic_join()),
            ["csync"] => {
                let request = SyncGroupRequest { group_id: GROUP.to_string(), ..SyncGroupRequest::default() };
                Some(self.request(3, GroupRequest::SyncGroup(request)))
            }
            ["consumer"] => Some(self.consumer_join()),
            ["epoch", name, epoch] => {
                self.clients.get_mut(*name).expect("a client").epoch = number(epoch);
                None
            }
            ["commit", name, epoch, topic, partition] => {
                Some(self.commit(name, number(epoch), topic, number(partition)))
            }
            ["fetch", name, epoch] => Some(self.fetch(name, number(epoch))),
            [verb, name, options @ ..] => Some(self.client(verb, name, options)),
            _ => panic!("what is {command}?"),
        };
        let mut lines: Vec<String> = std::mem::take(&mut self.world.trace);
        lines.extend(answer.map(|answer| format!("=> {answer}")));
        lines
    }

    fn client(&mut self, verb: &str, name: &str, options: &[&str]) -> String {
        let mut client = self.clients.remove(name).unwrap_or_else(|| Client::new(name));
        for option in options {
            let (key, value) = option.split_once('=').expect("key=value");
            match key {
                "topology" => client.topology = value.to_string(),
                "version" => client.topology_epoch = value.parse().expect("a number"),
                "process" => client.process_id = value.to_string(),
                "endpoint" => client.endpoint = Some((value.to_string(), 80)),
                other => panic!("what is {other}?"),
            }
        }
        let world = &mut self.world;
        let answer = match verb {
            "join" => client.join(world),
            "beat" => client.beat(world, false),
            "say" => client.beat(world, true),
            "ack" => client.acknowledge(world),
            "lose" => client.clone().beat(world, false),
            "leave" => client.leave(world),
            "shutdown" => client.shut_down(world),
            "create" => {
                for topic in std::mem::take(&mut client.creates) {
                    world.put_topic(&topic.name, usize::try_from(topic.num_partitions).expect("positive"));
                }
                "created".to_string()
            }
            other => panic!("what is {other}?"),
        };
        self.clients.insert(name.to_string(), client);
        answer
    }

    fn standbys(&mut self, count: u64) {
        let mut config = (*self.world.shard.config).clone();
        let overrides = StreamsOverrides { num_standby_replicas: Some(count), ..StreamsOverrides::default() };
        config.streams.groups.insert(GROUP.to_string(), overrides);
        self.world.event(GroupEvent::ConfigChanged(Arc::new(config)), None);
    }

    fn request(&mut self, api_version: i16, request: GroupRequest) -> String {
        let slot = self.world.request(api_version, request);
        let index = self.world.replies.iter().position(|(to, _)| *to == slot);
        let Some(index) = index else { return "waits".to_string() };
        let error = |code| format!("{:?}", ErrorCode::from_code(code));
        match self.world.replies.remove(index).1 {
            GroupReply::DeleteGroup(code) => format!("{code:?}"),
            GroupReply::JoinGroup(response) => error(response.error_code),
            GroupReply::SyncGroup(response) => error(response.error_code),
            GroupReply::OffsetCommit(response) => error(response.topics[0].partitions[0].error_code),
            GroupReply::OffsetFetch(response) => error(response.error_code),
            GroupReply::ConsumerGroupHeartbeat(response) => {
                format!("{}: {}", error(response.error_code), response.error_message.unwrap_or_default())
            }
            other => format!("{other:?}"),
        }
    }

    fn commit(&mut self, name: &str, epoch: i32, topic: &str, partition: i32) -> String {
        let partition = OffsetCommitRequestPartition {
            partition_index: partition,
            committed_offset: 1,
            ..OffsetCommitRequestPartition::default()
        };
        let topic = OffsetCommitRequestTopic {
            name: topic.to_string(),
            partitions: vec![partition],
            ..OffsetCommitRequestTopic::default()
        };
        let request = OffsetCommitRequest {
            group_id: GROUP.to_string(),
            generation_id_or_member_epoch: epoch,
            member_id: if name == "-" { String::new() } else { name.to_string() },
            topics: vec![topic],
            ..OffsetCommitRequest::default()
        };
        self.request(9, GroupRequest::OffsetCommit(request))
    }

    fn fetch(&mut self, name: &str, epoch: i32) -> String {
        let group = OffsetFetchRequestGroup {
            group_id: GROUP.to_string(),
            member_id: (name != "-").then(|| name.to_string()),
            member_epoch: epoch,
            topics: None,
        };
        self.request(9, GroupRequest::OffsetFetch(OffsetFetch { group, require_stable: true }))
    }

    fn classic_join(&mut self) -> String {
        let protocol =
            join_group_request::JoinGroupRequestProtocol { name: "stream".to_string(), ..Default::default() };
        let request = JoinGroupRequest {
            group_id: GROUP.to_string(),
            session_timeout_ms: 45_000,
            rebalance_timeout_ms: 30_000,
            protocol_type: "consumer".to_string(),
            protocols: vec![protocol],
            ..JoinGroupRequest::default()
        };
        self.request(9, GroupRequest::JoinGroup(request))
    }

    fn consumer_join(&mut self) -> String {
        let request = ConsumerGroupHeartbeatRequest {
            group_id: GROUP.to_string(),
            member_id: "consumer".to_string(),
            rebalance_timeout_ms: 30_000,
            subscribed_topic_names: Some(Vec::new()),
            topic_partitions: Some(Vec::new()),
            ..ConsumerGroupHeartbeatRequest::default()
        };
        self.request(1, GroupRequest::ConsumerGroupHeartbeat(request))
    }

    fn describe(&mut self) -> String {
        let slot = self.world.request(0, GroupRequest::StreamsGroupDescribe(GROUP.to_string()));
        let index = self.world.replies.iter().position(|(to, _)| *to == slot).expect("an answer");
        let (_, GroupReply::StreamsGroupDescribe(group)) = self.world.replies.remove(index) else { panic!("another") };
        let mut text =
            format!("{} epoch {} assignment {}", group.group_state, group.group_epoch, group.assignment_epoch);
        for subtopology in group.topology.iter().flat_map(|topology| topology.subtopologies.iter().flatten()) {
            let topics = |topics: &[ottla_protocol::streams_group_describe_response::TopicInfo]| {
                topics.iter().map(|topic| format!("{}={}", topic.name, topic.partitions)).collect::<Vec<_>>()
            };
            let changelogs = topics(&subtopology.state_changelog_topics);
            let repartition = topics(&subtopology.repartition_source_topics);
            let (id, sources) = (&subtopology.subtopology_id, &subtopology.source_topics);
            text.push_str(&format!("\n     subtopology {id} reads {sources:?} {repartition:?} keeps {changelogs:?}"));
        }
        for member in &group.members {
            let tasks = |tasks: &[ottla_protocol::streams_group_describe_response::TaskIds]| {
                super::show::tasks_text(
                    tasks.iter().map(|task| (task.subtopology_id.as_str(), task.partitions.as_slice())),
                )
            };
            let (has, target) = (&member.assignment, &member.target_assignment);
            let (active, standby) = (tasks(&has.active_tasks), tasks(&has.standby_tasks));
            let (target_active, target_standby) = (tasks(&target.active_tasks), tasks(&target.standby_tasks));
            let (id, epoch) = (&member.member_id, member.member_epoch);
            text.push_str(&format!(
                "\n     {id} in {epoch} has {active} / {standby} wants {target_active} / {target_standby}"
            ));
        }
        text
    }
}

macro_rules! stories {
    ($($name:ident $config:expr;)*) => {
        $(#[test] fn $name() { check(stringify!($name), $config); })*
    };
}

stories! {
    joining prompt();
    rebalancing prompt();
    internal_topics prompt();
    copartitioning prompt();
    topics prompt();
    bad_topologies prompt();
    standbys prompt();
    endpoints prompt();
    first_assignment GroupConfig { streams: StreamsConfig { assignment_interval_ms: 0, ..StreamsConfig::default() }, ..config() };
    assignment_interval GroupConfig {
        streams: StreamsConfig { initial_rebalance_delay_ms: 0, ..StreamsConfig::default() },
        ..config()
    };
    timeouts prompt();
    stale_members prompt();
    lost_answers prompt();
    offsets prompt();
    other_protocols prompt();
    shutdown prompt();
    too_many_tasks GroupConfig { max_record_bytes: 1_000, ..prompt() };
    limits GroupConfig { streams: StreamsConfig { max_size: 1, ..prompt().streams }, ..config() };
    switched_off GroupConfig { streams: StreamsConfig { protocol: false, ..prompt().streams }, ..config() };
}
