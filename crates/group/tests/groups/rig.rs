//! A shard with a log, a clock and timers, as the coordinator runtime drives it: one event at a time, records replayed at
//! once, timers in the order of their deadlines.

use ottla_config::BrokerConfig;
use ottla_coordinator::{Change, Context, Position, Record, ReplySlot, Shard, TimerChange};
use ottla_group::classic::ClassicState;
use ottla_group::classic::replay::group_metadata_record;
use ottla_group::{
    Group, GroupConfig, GroupDecision, GroupEvent, GroupReply, GroupRequest, GroupShard, GroupTimer, GroupTopics,
    RequestContext,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The wall clock when a rig starts.
pub(crate) const START_MS: i64 = 1_000_000;

/// What happened, in order.
#[derive(Debug)]
pub(crate) enum Happened {
    /// A record was appended.
    Appended(Record),
    /// A slot was answered.
    Replied(ReplySlot, GroupReply),
    /// A timer fired.
    Fired(GroupTimer),
}

/// A shard and its surroundings.
pub(crate) struct Rig {
    pub(crate) shard: GroupShard,
    pub(crate) now_ms: i64,
    pub(crate) log: Vec<(Record, Position)>,
    pub(crate) ends: Vec<(usize, i64, bool)>,
    pub(crate) happened: Vec<Happened>,
    timers: BTreeMap<GroupTimer, i64>,
    random: u128,
    next_slot: u64,
}

/// Configs as a broker would have them with these overrides.
pub(crate) fn config(overrides: &[(&str, &str)]) -> Arc<GroupConfig> {
    let mut fixed = BTreeMap::new();
    for (name, value) in [
        ("node.id", "1"),
        ("process.roles", "broker,controller"),
        ("controller.quorum.voters", "1@localhost:9093"),
        ("controller.listener.names", "CONTROLLER"),
        ("listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"),
        ("log.dirs", "/unused"),
    ] {
        fixed.insert(name.to_string(), value.to_string());
    }
    fixed.extend(overrides.iter().map(|(name, value)| (name.to_string(), value.to_string())));
    let broker = BrokerConfig::parse(fixed).expect("configs of a test");
    let max_message_bytes = usize::try_from(broker.long("message.max.bytes")).expect("no negative size");
    Arc::new(GroupConfig::new(&broker, &BTreeMap::new(), max_message_bytes))
}

impl Rig {
    pub(crate) fn new(config: Arc<GroupConfig>) -> Rig {
        Rig {
            shard: GroupShard::new(config, GroupTopics::default()),
            now_ms: START_MS,
            log: Vec::new(),
            ends: Vec::new(),
            happened: Vec::new(),
            timers: BTreeMap::new(),
            random: 0,
            next_slot: 0,
        }
    }

    /// A slot of its own.
    pub(crate) fn slot(&mut self) -> ReplySlot {
        self.next_slot += 1;
        ReplySlot(self.next_slot)
    }

    /// Asks; the answer may come at once or later.
    pub(crate) fn ask(&mut self, caller: &RequestContext, request: GroupRequest) -> ReplySlot {
        let slot = self.slot();
        self.handle(GroupEvent::Request(caller.clone(), request), Some(slot));
        slot
    }

    /// Handles an event and all that follows from it.
    pub(crate) fn handle(&mut self, event: GroupEvent, slot: Option<ReplySlot>) {
        let mut events = VecDeque::from([(event, slot)]);
        while let Some((event, slot)) = events.pop_front() {
            // Ids that are drawn are numbered from 1, in the order in which members without one join.
            let draws =
                |request: &GroupRequest| matches!(request, GroupRequest::JoinGroup(join) if join.member_id.is_empty());
            self.random += u128::from(matches!(&event, GroupEvent::Request(_, request) if draws(request)));
            let context = self.context();
            let decision = self.shard.handle(event, slot, &context);
            for next in self.apply(decision).into_iter().rev() {
                events.push_front((next, None));
            }
        }
    }

    fn context(&self) -> Context {
        Context { now_ms: self.now_ms, random: self.random, leader_epoch: 0 }
    }

    fn apply(&mut self, decision: GroupDecision) -> Vec<GroupEvent> {
        for change in decision.changes {
            match change {
                Change::Record(record) => self.append(record, None),
                Change::Volatile(change) => self.shard.apply(change),
            }
        }
        for timer in decision.timers {
            match timer {
                TimerChange::Schedule { key, after_ms } => {
                    self.timers.insert(key, self.now_ms + i64::try_from(after_ms).expect("a timeout"));
                }
                TimerChange::Cancel(key) => drop(self.timers.remove(&key)),
            }
        }
        self.happened.extend(decision.replies.into_iter().map(|(slot, reply)| Happened::Replied(slot, reply)));
        decision.next
    }

    /// Appends a record, also one of a transaction.
    pub(crate) fn append(&mut self, record: Record, producer_id: Option<i64>) {
        let offset = i64::try_from(self.log.len()).expect("a short log");
        let position = Position { offset, timestamp_ms: self.now_ms, producer_id };
        self.shard.replay(&record, position).expect("a record that was just written");
        self.happened.push(Happened::Appended(record.clone()));
        self.log.push((record, position));
    }

    /// Ends a transaction.
    pub(crate) fn end_transaction(&mut self, producer_id: i64, is_commit: bool) {
        self.ends.push((self.log.len(), producer_id, is_commit));
        self.shard.replay_end_of_transaction(producer_id, is_commit);
    }

    /// Lets time pass; timers fire on the way.
    pub(crate) fn advance(&mut self, by_ms: i64) {
        let until_ms = self.now_ms + by_ms;
        while let Some((timer, at_ms)) = self.next_timer().filter(|(_, at_ms)| *at_ms <= until_ms) {
            self.now_ms = self.now_ms.max(at_ms);
            self.timers.remove(&timer);
            self.happened.push(Happened::Fired(timer.clone()));
            let context = self.context();
            let decision = self.shard.expired(timer, &context);
            for next in self.apply(decision) {
                self.handle(next, None);
            }
        }
        self.now_ms = until_ms;
    }

    /// Timers that are set.
    pub(crate) fn timer_count(&self) -> usize {
        self.timers.len()
    }

    fn next_timer(&self) -> Option<(GroupTimer, i64)> {
        let next = self.timers.iter().min_by_key(|(timer, at_ms)| (**at_ms, (*timer).clone()));
        next.map(|(timer, at_ms)| (timer.clone(), *at_ms))
    }

    /// What a new coordinator makes of the log. A compacted log has only the last record of each key that no transaction
    /// wrote.
    pub(crate) fn replayed(&self, is_compacted: bool) -> GroupShard {
        let mut shard = GroupShard::new(self.shard.config.clone(), self.shard.topics.clone());
        let is_newest = |at: usize| {
            let key = &self.log[at].0.key;
            self.log[at + 1..].iter().all(|(later, position)| later.key != *key || position.producer_id.is_some())
        };
        let mut ends = self.ends.iter().peekable();
        for (at, (record, position)) in self.log.iter().enumerate() {
            while let Some((_, producer_id, is_commit)) = ends.next_if(|(before, _, _)| *before <= at) {
                shard.replay_end_of_transaction(*producer_id, *is_commit);
            }
            if !is_compacted || position.producer_id.is_some() || is_newest(at) {
                shard.replay(record, *position).expect("a record of the log");
            }
        }
        for (_, producer_id, is_commit) in ends {
            shard.replay_end_of_transaction(*producer_id, *is_commit);
        }
        shard
    }

    /// The shard is dropped and loaded again: whoever waits is forgotten.
    pub(crate) fn reload(&mut self) {
        self.shard = self.replayed(true);
        self.timers.clear();
        let context = self.context();
        let decision = self.shard.loaded(&context);
        for next in self.apply(decision) {
            self.handle(next, None);
        }
    }

    /// What the log holds is what the shard holds: offsets, and every classic group that is not in a rebalance.
    pub(crate) fn check_durable(&self) {
        for is_compacted in [false, true] {
            let replayed = self.replayed(is_compacted);
            assert_eq!(self.shard.offsets, replayed.offsets, "offsets differ, compacted: {is_compacted}");
            for (group_id, group) in self.shard.groups.iter() {
                let Group::Classic(group) = group else { continue };
                if !matches!(group.state, ClassicState::Stable | ClassicState::Empty) {
                    continue;
                }
                if group.is_simple() && self.shard.offsets.of_group(group_id).is_none() {
                    // Its tombstones are all that is left of it, and they go too.
                    continue;
                }
                let loaded = replayed.groups.classic(group_id);
                let loaded = loaded.unwrap_or_else(|| panic!("group {group_id} is not in the log"));
                let record = |group| group_metadata_record(group, usize::MAX);
                assert_eq!(record(group), record(loaded), "group {group_id} differs, compacted: {is_compacted}");
            }
            for (group_id, _) in replayed.groups.iter() {
                assert!(self.shard.groups.get(group_id).is_some(), "group {group_id} is only in the log");
            }
        }
    }
}
