//! Stories as text: `consumer/tests/*.txt`. Lines that begin with `>` are what happens, the others are what follows from it:
//! the records that are written, then the answer. `UPDATE_EXPECT=1 cargo test -p ottla-group` writes the traces anew.
//!
//! `topic NAME PARTITIONS` creates or grows, `delete NAME`; `join M [topics=a,b] [regex=..] [instance=..] [assignor=..]`,
//! `subscribe M ..`, `beat M`, `ack M` (stops what was revoked and says so), `say M` (says what it owns), `leave M`, `away M`;
//! `cjoin M ..`, `csync M [N=topic:0,1]`, `cbeat M`, `cleave M` for the classic protocol; `take M` looks for an answer that was
//! waited for; `epoch M N` sets what a client believes; `wait MS`; `reload`; `state`.

use super::client::{Client, Owned};
use super::world::{GROUP, World, config};
use crate::config::{GroupConfig, MigrationPolicy};
use crate::event::GroupRequest;
use std::collections::BTreeMap;

struct Story {
    world: World,
    clients: BTreeMap<String, Client>,
}

#[track_caller]
fn check(name: &str, config: GroupConfig) {
    // Tests run in the folder of their package.
    let path = std::path::absolute(format!("src/consumer/tests/{name}.txt")).expect("a working directory");
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
            ["state"] => Some(self.state()),
            ["epoch", name, epoch] => {
                self.clients.get_mut(*name).expect("a client").epoch = epoch.parse().expect("a number");
                None
            }
            [verb, name, options @ ..] => Some(self.client(verb, name, options)),
            _ => panic!("what is {command}?"),
        };
        let mut lines: Vec<String> = std::mem::take(&mut self.world.trace);
        lines.iter_mut().for_each(|line| *line = self.clients_by_name(std::mem::take(line)));
        lines.extend(answer.map(|answer| format!("=> {}", self.clients_by_name(answer))));
        lines
    }

    fn client(&mut self, verb: &str, name: &str, options: &[&str]) -> String {
        let mut client = self.clients.remove(name).unwrap_or_else(|| {
            // Classic members get their ids from the coordinator.
            Client::new(if verb == "cjoin" { "" } else { name })
        });
        let mut assignments: Vec<(String, Owned)> = Vec::new();
        for option in options {
            let (key, value) = option.split_once('=').expect("key=value");
            let list = || value.split(',').filter(|topic| !topic.is_empty()).map(str::to_string).collect();
            match key {
                "topics" => client.topics = list(),
                "regex" => client.regex = Some(value.to_string()),
                "instance" => client.instance_id = Some(value.to_string()),
                "assignor" => client.assignor = Some(value.to_string()),
                "id" => client.member_id = value.to_string(),
                member => assignments.push((self.id_of(member, name, &client), self.partitions(value))),
            }
        }
        let world = &mut self.world;
        let answer = match verb {
            "join" => client.join(world),
            "subscribe" => client.subscribe(world),
            "beat" => client.beat(world, false),
            "say" => client.beat(world, true),
            "ack" => client.acknowledge(world),
            "leave" => client.leave(world, -1),
            "away" => client.leave(world, -2),
            "cjoin" => client.classic_join(world),
            "csync" => {
                let assignments: Vec<(&str, Owned)> =
                    assignments.iter().map(|(id, owned)| (id.as_str(), owned.clone())).collect();
                client.classic_sync(world, &assignments)
            }
            "cbeat" => client.classic_beat(world),
            "cleave" => client.classic_leave(world),
            "take" => match client.waits {
                Some(slot) => client.take(world, slot),
                None => "waits for nothing".to_string(),
            },
            other => panic!("what is {other}?"),
        };
        self.clients.insert(name.to_string(), client);
        answer
    }

    fn id_of(&self, member: &str, acting: &str, client: &Client) -> String {
        if member == acting { client.member_id.clone() } else { self.clients[member].member_id.clone() }
    }

    /// `foo:0,1`
    fn partitions(&self, text: &str) -> Owned {
        let (topic, partitions) = text.split_once(':').expect("topic:partitions");
        let id = self.world.topics().by_name(topic).expect("a topic").id;
        [(id, partitions.split(',').map(|partition| partition.parse().expect("a number")).collect())]
            .into_iter()
            .collect()
    }

    /// Ids that the coordinator made, as the names of the story.
    fn clients_by_name(&self, mut line: String) -> String {
        for (name, client) in &self.clients {
            if client.member_id.len() > 8 {
                line = line.replace(&client.member_id, name);
            }
        }
        line
    }

    fn state(&mut self) -> String {
        let Some(group) = self.world.shard.groups.get(GROUP) else { return "no group".to_string() };
        format!("{} {}", group.type_name(), group.state_name())
    }
}

macro_rules! stories {
    ($($name:ident $config:expr;)*) => {
        $(#[test] fn $name() { check(stringify!($name), $config); })*
    };
}

stories! {
    join_and_leave config();
    reconciliation config();
    sessions config();
    static_members config();
    epochs config();
    regular_expressions config();
    topics config();
    assignment_interval GroupConfig {
        consumer_assignment_interval_ms: 1_000,
        ..config()
    };
    limits GroupConfig { consumer_max_size: 2, ..config() };
    upgrade config();
    classic_members config();
    downgrade config();
    downgrade_by_static_member config();
    no_migration GroupConfig { consumer_migration_policy: MigrationPolicy::Disabled, ..config() };
}

#[test]
fn a_heartbeat_that_brings_nothing_new_writes_nothing_and_sets_one_timer() {
    let mut world = World::new(config());
    world.put_topic("foo", 2);
    let mut client = Client { topics: vec!["foo".to_string()], ..Client::new("a") };
    client.join(&mut world);
    client.beat(&mut world, false);
    let written = world.log.len();
    let request = ottla_protocol::ConsumerGroupHeartbeatRequest {
        group_id: GROUP.to_string(),
        member_id: "a".to_string(),
        member_epoch: client.epoch,
        ..Default::default()
    };
    let caller = crate::event::RequestContext {
        api_version: 1,
        client_id: std::sync::Arc::from("client"),
        client_host: std::sync::Arc::from("/127.0.0.1"),
        regex_error: None,
    };
    let context = ottla_coordinator::Context { now_ms: world.now_ms, random: 1, leader_epoch: 0 };
    let decision =
        crate::consumer::heartbeat(&world.shard, &caller, request, ottla_coordinator::ReplySlot(9), &context);
    assert!(decision.changes.is_empty() && decision.next.is_empty());
    assert_eq!((decision.timers.len(), decision.replies.len(), world.log.len()), (1, 1, written));
}

#[test]
fn version_0_is_given_a_member_id_and_version_1_must_have_one() {
    let mut world = World::new(config());
    let request = ottla_protocol::ConsumerGroupHeartbeatRequest {
        group_id: GROUP.to_string(),
        rebalance_timeout_ms: 1_000,
        subscribed_topic_names: Some(Vec::new()),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    };
    for (version, error) in [(0, 0), (1, ottla_types::ErrorCode::InvalidRequest.code())] {
        let slot = world.request(version, GroupRequest::ConsumerGroupHeartbeat(request.clone()));
        let (to, reply) = world.replies.pop().expect("an answer");
        let crate::event::GroupReply::ConsumerGroupHeartbeat(response) = reply else { panic!("another answer") };
        assert_eq!((to, response.error_code), (slot, error));
        assert_eq!(response.member_id.is_some_and(|id| id.len() == 22), version == 0);
    }
}

/// A member with an expression of its own.
fn joined_with_regex(world: &mut World, member_id: &str, regex: &str) {
    let mut client = Client { regex: Some(regex.to_string()), ..Client::new(member_id) };
    client.join(world);
}

#[test]
fn the_shard_neither_compiles_nor_matches_and_one_task_of_a_group_is_under_way_at_a_time() {
    let mut world = World::new(config());
    world.put_topic("foo", 1);
    world.holds_matching = true;
    joined_with_regex(&mut world, "a", "fo.*");
    let first = world.held.take().expect("the expression is handed out");
    // Another one, and a new topic, while the first is being matched: nothing more is handed out.
    joined_with_regex(&mut world, "b", "ba.*");
    world.put_topic("bar", 1);
    assert!(world.held.is_none());
    world.match_regexes(first);
    let resolved = |world: &World, regex: &str| {
        let resolved = world.group().expect("there").subscriptions.resolved(regex).cloned();
        resolved.map(|resolved| resolved.topics.iter().cloned().collect::<Vec<_>>())
    };
    assert_eq!((resolved(&world, "fo.*"), resolved(&world, "ba.*")), (Some(vec!["foo".to_string()]), None));
    // Ten seconds later the rest follows, with the next heartbeat.
    world.wait(11_000);
    joined_with_regex(&mut world, "c", "fo.*");
    let second = world.held.take().expect("all are handed out again");
    world.match_regexes(second);
    assert_eq!(resolved(&world, "ba.*"), Some(vec!["bar".to_string()]));
    assert_eq!(
        world.counts[&crate::GroupCount::ConsumerRebalances],
        3,
        "two results, and a join with an expression that is known"
    );
}

#[test]
fn a_result_that_comes_after_a_reload_or_for_an_expression_that_is_gone_changes_nothing() {
    let mut world = World::new(config());
    world.put_topic("foo", 1);
    world.holds_matching = true;
    joined_with_regex(&mut world, "a", "fo.*");
    let lost = world.held.take().expect("handed out");
    world.reload();
    let written = world.log.len();
    world.match_regexes(lost);
    assert_eq!(world.log.len(), written, "the shard that asked is gone");
    joined_with_regex(&mut world, "a", "fo.*");
    let task = world.held.take().expect("handed out anew, as it was never matched");
    let mut client = Client { regex: Some("ba.*".to_string()), ..Client::new("a") };
    client.join(&mut world);
    let written = world.log.len();
    world.match_regexes(task);
    assert_eq!(world.log.len(), written, "nobody has this expression any more");
}
