//! A shard with what the runtime does for it: a log, a clock, timers, and replies that find who asked.

use super::show;
use crate::config::{GroupConfig, MigrationPolicy};
use crate::consumer::{ConsumerEvent, ConsumerGroup, RegexTask};
use crate::effect::{GroupCount, GroupEffect};
use crate::event::{GroupEvent, GroupReply, GroupRequest, RequestContext};
use crate::group::Group;
use crate::shard::{GroupDecision, GroupShard};
use crate::streams::StreamsConfig;
use crate::timer::GroupTimer;
use crate::topics::{GroupTopics, TopicInfo};
use ottla_coordinator::{Change, Context, Position, Record, ReplySlot, Shard, TimerChange};
use ottla_re2::Re2Pattern;
use ottla_types::Uuid;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub(crate) const GROUP: &str = "g";

pub(crate) struct World {
    pub(crate) shard: GroupShard,
    pub(crate) log: Vec<(Record, Position)>,
    pub(crate) now_ms: i64,
    pub(crate) timers: BTreeMap<GroupTimer, i64>,
    /// Records that were written and replies that left, in order, as text.
    pub(crate) trace: Vec<String>,
    pub(crate) replies: Vec<(ReplySlot, GroupReply)>,
    /// What effects counted.
    pub(crate) counts: BTreeMap<GroupCount, u64>,
    /// Expressions are not matched at once: the last task waits in `held`.
    pub(crate) holds_matching: bool,
    pub(crate) held: Option<RegexTask>,
    topics: GroupTopics,
    next_topic: u8,
    next_slot: u64,
    random: u128,
}

pub(crate) fn config() -> GroupConfig {
    GroupConfig {
        min_session_timeout_ms: 6_000,
        max_session_timeout_ms: 1_800_000,
        initial_rebalance_delay_ms: 3_000,
        max_size: 1_000,
        consumer_protocol: true,
        consumer_session_timeout_ms: 45_000,
        consumer_session_timeout_bounds_ms: (45_000, 60_000),
        consumer_heartbeat_interval_ms: 5_000,
        consumer_heartbeat_interval_bounds_ms: (5_000, 15_000),
        consumer_assignment_interval_ms: 0,
        consumer_assignment_interval_bounds_ms: (0, 15_000),
        consumer_max_size: 1_000,
        consumer_assignors: vec!["uniform".to_string(), "range".to_string()],
        consumer_migration_policy: MigrationPolicy::Bidirectional,
        consumer_regex_refresh_interval_ms: 600_000,
        share_session_timeout_ms: 45_000,
        share_session_timeout_bounds_ms: (45_000, 60_000),
        share_heartbeat_interval_ms: 5_000,
        share_heartbeat_interval_bounds_ms: (5_000, 15_000),
        share_assignment_interval_ms: 0,
        share_assignment_interval_bounds_ms: (0, 15_000),
        share_max_size: 3,
        share_initialize_retry_interval_ms: 30_000,
        offset_metadata_max_bytes: 4_096,
        offsets_retention_ms: 604_800_000,
        offsets_retention_check_interval_ms: 600_000,
        max_record_bytes: 1_048_588,
        streams: StreamsConfig::default(),
        groups: BTreeMap::new(),
    }
}

impl World {
    pub(crate) fn new(config: GroupConfig) -> World {
        World {
            shard: GroupShard::new(Arc::new(config), GroupTopics::default()),
            log: Vec::new(),
            now_ms: 1_000_000,
            timers: BTreeMap::new(),
            trace: Vec::new(),
            replies: Vec::new(),
            counts: BTreeMap::new(),
            holds_matching: false,
            held: None,
            topics: GroupTopics::default(),
            next_topic: 1,
            next_slot: 1,
            random: 0,
        }
    }

    /// A request; answers its slot.
    pub(crate) fn request(&mut self, api_version: i16, request: GroupRequest) -> ReplySlot {
        let slot = ReplySlot(self.next_slot);
        self.next_slot += 1;
        let regex = match &request {
            GroupRequest::ConsumerGroupHeartbeat(request) => request.subscribed_topic_regex.as_deref(),
            _ => None,
        };
        let caller = RequestContext {
            api_version,
            client_id: Arc::from("client"),
            client_host: Arc::from("/127.0.0.1"),
            regex_error: regex.and_then(|regex| Re2Pattern::compile(regex).err()).map(Arc::from),
        };
        self.event(GroupEvent::Request(caller, request), Some(slot));
        slot
    }

    pub(crate) fn group(&self) -> Option<&ConsumerGroup> {
        self.shard.groups.consumer(GROUP)
    }

    /// Creates a topic or gives it so many partitions.
    pub(crate) fn put_topic(&mut self, name: &str, partitions: usize) {
        let id = self.topics.by_name(name).map(|topic| topic.id);
        let id = id.unwrap_or_else(|| {
            self.next_topic += 1;
            Uuid([self.next_topic - 1; 16])
        });
        self.topics.put(TopicInfo { name: Arc::from(name), id, partition_racks: vec![Vec::new(); partitions] });
        self.event(GroupEvent::MetadataChanged(self.topics.clone()), None);
    }

    pub(crate) fn delete_topic(&mut self, name: &str) {
        self.topics.remove(name);
        self.event(GroupEvent::MetadataChanged(self.topics.clone()), None);
    }

    /// Lets time pass; timers fire in order.
    pub(crate) fn wait(&mut self, ms: i64) {
        let until_ms = self.now_ms + ms;
        loop {
            let due = self.timers.iter().filter(|(_, due_ms)| **due_ms <= until_ms).min_by_key(|(_, due_ms)| **due_ms);
            let Some((timer, due_ms)) = due.map(|(timer, due_ms)| (timer.clone(), *due_ms)) else { break };
            self.timers.remove(&timer);
            self.now_ms = self.now_ms.max(due_ms);
            let decision = self.shard.expired(timer, &self.context());
            self.apply(decision);
        }
        self.now_ms = until_ms;
    }

    /// The shard is dropped and loaded from its log, which must give the same state.
    pub(crate) fn reload(&mut self) {
        let mut shard = GroupShard::new(self.shard.config.clone(), GroupTopics::default());
        for (record, position) in &self.log {
            shard.replay(record, *position).expect("what was written can be read");
        }
        let (before, after) = (self.shard.groups.get(GROUP), shard.groups.get(GROUP));
        if let Some(Group::Consumer(before)) = before {
            let after = shard.groups.consumer(GROUP).expect("a consumer group comes back as one");
            assert_eq!(before.without_volatile(), after.without_volatile(), "replay makes the live state");
        } else if let Some(Group::Streams(before)) = before {
            let after = shard.groups.streams(GROUP).expect("a streams group comes back as one");
            assert_eq!(before.without_volatile(), after.without_volatile(), "replay makes the live state");
        } else {
            assert_eq!(before.map(Group::type_name), after.map(Group::type_name));
        }
        self.shard = shard;
        self.timers.clear();
        let decision = self.shard.loaded(&self.context());
        self.apply(decision);
        self.event(GroupEvent::MetadataChanged(self.topics.clone()), None);
    }

    pub(crate) fn topic_names(&self) -> BTreeMap<Uuid, String> {
        (1..self.next_topic).map(|number| Uuid([number; 16])).map(|id| (id, self.topic_name(id))).collect()
    }

    pub(crate) fn topics(&self) -> &GroupTopics {
        &self.topics
    }

    fn topic_name(&self, id: Uuid) -> String {
        self.topics.by_id(id).map_or_else(|| format!("deleted-{}", id.0[0]), |topic| topic.name.to_string())
    }

    pub(crate) fn event(&mut self, event: GroupEvent, slot: Option<ReplySlot>) {
        self.random += 1;
        let decision = self.shard.handle(event, slot, &self.context());
        self.apply(decision);
    }

    fn context(&self) -> Context {
        // Ids that differ although few bits do.
        let random = self.random.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_0c5f_2545_f491);
        Context { now_ms: self.now_ms, random, leader_epoch: 0 }
    }

    fn apply(&mut self, decision: GroupDecision) {
        for change in decision.changes {
            match change {
                Change::Record(record) => self.append(record),
                Change::Volatile(change) => self.shard.apply(change),
            }
        }
        for timer in decision.timers {
            match timer {
                TimerChange::Schedule { key, after_ms } => {
                    let due_ms = self.now_ms.saturating_add(i64::try_from(after_ms).expect("no timer is that long"));
                    self.timers.insert(key, due_ms);
                }
                TimerChange::Cancel(key) => drop(self.timers.remove(&key)),
            }
        }
        self.replies.extend(decision.replies);
        let mut next = VecDeque::from(decision.next);
        while let Some(event) = next.pop_front() {
            self.event(event, None);
        }
        for effect in decision.effects {
            match effect {
                GroupEffect::Counted(what, by) => *self.counts.entry(what).or_default() += by,
                GroupEffect::MatchRegexes(task) if self.holds_matching => self.held = Some(task),
                GroupEffect::MatchRegexes(task) => self.match_regexes(task),
            }
        }
    }

    /// Does what the broker does with such a task.
    pub(crate) fn match_regexes(&mut self, task: RegexTask) {
        let mut matching = task.begin();
        let matched = loop {
            match matching.step(Re2Pattern::compile) {
                Ok(matched) => break matched,
                Err(more) => matching = *more,
            }
        };
        self.event(GroupEvent::Consumer(ConsumerEvent::RegexesMatched(matched)), None);
    }

    fn append(&mut self, record: Record) {
        let position = Position { offset: self.log.len() as i64, timestamp_ms: self.now_ms, producer_id: None };
        self.trace.push(show::record(&record, position, &self.topic_names()));
        self.shard.replay(&record, position).expect("what is decided can be replayed");
        self.log.push((record, position));
    }
}
