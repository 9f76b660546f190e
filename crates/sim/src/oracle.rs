//! The oracle: every promise that a client was given, and the comparison of every answer with all of them.
//!
//! It knows only what clients see, never what the node holds. A client takes a [`Sent`] before it asks, and brings the
//! answer with it; a broken promise is an `Err(Broken)`, which ends the run.

mod groups;
mod keyed;
mod partition;
mod records;
mod shares;
mod topics;
mod transactions;

pub(crate) use groups::{GroupSent, Shares};
pub(crate) use keyed::KeyedReading;
pub(crate) use partition::{Backing, Sent};
pub(crate) use shares::{DELIVERIES_MAX, IN_FLIGHT_MAX, LOCK, Said, Saying, ShareAnswer, ShareSent};
pub(crate) use topics::FoundTopic;

use crate::report::Counts;
use crate::story::Story;
use groups::GroupHistory;
use keyed::KeyedBook;
use ottla_records::Record;
use ottla_runtime::Instant;
use ottla_types::Uuid;
use partition::{Health, PartitionHistory};
use records::RecordBook;
use shares::ShareHistory;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use topics::{Existence, Topics};
use transactions::Transactions;

/// A promise that was not kept: what was promised, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) String);

/// The result of a comparison.
pub(crate) type Check<T = ()> = Result<T, Broken>;

pub(crate) fn broken<T>(what: String) -> Check<T> {
    Err(Broken(what))
}

/// One partition of one creation of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PartitionKey {
    pub(crate) topic: Arc<str>,
    pub(crate) incarnation: u32,
    pub(crate) partition: i32,
}

impl PartitionKey {
    pub(crate) fn new(topic: &str, incarnation: u32, partition: i32) -> PartitionKey {
        PartitionKey { topic: topic.into(), incarnation, partition }
    }
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)?;
        if self.incarnation > 0 {
            write!(f, " (creation {})", self.incarnation + 1)?;
        }
        Ok(())
    }
}

/// How the node went down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Down {
    /// Everything was closed first.
    Cleanly,
    Crash,
    PowerLoss,
}

/// The oracle; clones are the same one.
#[derive(Clone)]
pub(crate) struct Oracle {
    state: Arc<Mutex<State>>,
}

struct State {
    started: Instant,
    life: u32,
    /// Processes that have ended.
    ends: u32,
    health: Health,
    records: RecordBook,
    partitions: BTreeMap<PartitionKey, PartitionHistory>,
    topics: Topics,
    producer_ids: BTreeSet<i64>,
    groups: BTreeMap<Arc<str>, GroupHistory>,
    keyed: KeyedBook,
    transactions: Transactions,
    shares: ShareHistory,
    wall_clock_ms: i64,
    counts: Counts,
    story: Story,
}

impl Oracle {
    pub(crate) fn new(started: Instant) -> Oracle {
        let state = State {
            started,
            life: 0,
            ends: 0,
            health: Health::default(),
            records: RecordBook::default(),
            partitions: BTreeMap::new(),
            topics: Topics::default(),
            producer_ids: BTreeSet::new(),
            groups: BTreeMap::new(),
            keyed: KeyedBook::default(),
            transactions: Transactions::default(),
            shares: ShareHistory::default(),
            wall_clock_ms: 0,
            counts: Counts::default(),
            story: Story::default(),
        };
        Oracle { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- the story

    pub(crate) fn tell(&self, now: Instant, line: impl AsRef<str>) {
        let mut state = self.state();
        let at = now.saturating_duration_since(state.started);
        state.story.tell(at, line.as_ref());
    }

    pub(crate) fn story(&self) -> Vec<String> {
        self.state().story.lines()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.state().counts
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.state().counts);
    }

    // ---- lives

    /// A process begins.
    pub(crate) fn life_begins(&self) -> u32 {
        let mut state = self.state();
        state.life += 1;
        state.counts.lives += 1;
        state.health = Health::default();
        state.shares.life_begins();
        state.partitions.values_mut().for_each(PartitionHistory::life_begins);
        state.life
    }

    pub(crate) fn life(&self) -> u32 {
        self.state().life
    }

    /// From now on until the process ends, writes or syncs may fail.
    pub(crate) fn disk_fails(&self, now: Instant) {
        let state = &mut *self.state();
        if state.health.is_failing {
            return;
        }
        state.age(now);
        state.health.is_failing = true;
        state.forget_soft();
        state.shares.forget_locks();
    }

    /// From now on until the process ends, syncs may take long.
    pub(crate) fn disk_is_slow(&self, now: Instant) {
        let state = &mut *self.state();
        state.age(now);
        state.health.is_slow = true;
    }

    /// The process is gone, and perhaps the machine with it.
    pub(crate) fn node_is_down(&self, down: Down, now: Instant) {
        let state = &mut *self.state();
        state.ends += 1;
        match down {
            Down::Cleanly => state.counts.shutdowns += 1,
            Down::Crash => state.counts.crashes += 1,
            Down::PowerLoss => state.counts.power_losses += 1,
        }
        state.age(now);
        match (down, state.health.is_failing) {
            (Down::Cleanly, false) => state.partitions.values_mut().for_each(PartitionHistory::closed_cleanly),
            (Down::Crash, false) => {}
            (Down::PowerLoss, _) | (_, true) => state.forget_soft(),
        }
        state.partitions.values_mut().for_each(PartitionHistory::forget_seen_start);
        state.shares.forget_locks();
        // Until the next process begins, nothing is added to what is known.
        state.health.is_failing = true;
    }

    // ---- producing

    /// What is known of a partition, to be brought along with the answer.
    pub(crate) fn sending(&self, key: &PartitionKey) -> Option<Sent> {
        let state = self.state();
        state.partitions.get(key).map(|history| history.sent(key, state.life))
    }

    /// New records for a partition.
    pub(crate) fn new_records(&self, key: &PartitionKey, count: usize, timestamp: i64) -> Vec<(u64, Record)> {
        let records = &mut self.state().records;
        (0..count).map(|_| records.add(key, timestamp)).collect()
    }

    /// Records were acknowledged, the first one at `base_offset`.
    pub(crate) fn acknowledged(
        &self,
        sent: &Sent,
        numbers: &[u64],
        base_offset: i64,
        backing: Backing,
        now: Instant,
    ) -> Check {
        let state = &mut *self.state();
        state.counts.acknowledged += numbers.len() as u64;
        if base_offset < 0 {
            return Ok(());
        }
        let end = base_offset + numbers.len() as i64;
        let is_placed = state.promised(sent, end, backing, now);
        for (&number, offset) in numbers.iter().zip(base_offset..) {
            state.records.is_at(number, offset)?;
            state.records.acknowledge(number, offset);
            state.place(&sent.key, number, offset, is_placed)?;
        }
        Ok(())
    }

    /// A producer id was handed out.
    pub(crate) fn producer_id(&self, id: i64) -> Check {
        match self.state().producer_ids.insert(id) {
            true => Ok(()),
            false => broken(format!("producer id {id} was handed out twice")),
        }
    }

    /// Whether a lost sequence would be the node's fault.
    pub(crate) fn keeps_sequences(&self, key: &PartitionKey) -> bool {
        self.state().partitions.get(key).is_some_and(PartitionHistory::was_always_durable)
    }

    // ---- reading

    /// A record was read.
    pub(crate) fn read(&self, sent: &Sent, record: &Record, now: Instant) -> Check<u64> {
        let state = &mut *self.state();
        state.counts.read += 1;
        let number = state.records.recognise(&sent.key, record)?;
        state.records.is_at(number, record.offset)?;
        let is_placed = state.promised(sent, record.offset + 1, Backing::Visible, now);
        state.place(&sent.key, number, record.offset, is_placed)?;
        Ok(number)
    }

    /// An answer named the high watermark.
    pub(crate) fn high_watermark(&self, sent: &Sent, found: i64, now: Instant) -> Check {
        let state = &mut *self.state();
        let health = state.health;
        let Some(history) = state.partitions.get_mut(&sent.key) else { return Ok(()) };
        history.check_high_watermark(sent, found, health)?;
        history.promised(sent, found, Backing::Visible, state.life, health, now);
        Ok(())
    }

    /// ListOffsets named the end.
    pub(crate) fn latest(&self, sent: &Sent, found: i64, now: Instant) -> Check {
        {
            let state = self.state();
            let Some(history) = state.partitions.get(&sent.key) else { return Ok(()) };
            history.check_latest(sent, found, state.life, state.health)?;
        }
        self.high_watermark(sent, found, now)
    }

    /// An answer named the log start offset; `wall_clock_ms` is the node's clock.
    pub(crate) fn log_start(&self, sent: &Sent, found: i64, wall_clock_ms: i64) -> Check {
        let state = &mut *self.state();
        state.wall_clock_ms = state.wall_clock_ms.max(wall_clock_ms);
        let retention = state.retention(&sent.key);
        let Some(history) = state.partitions.get_mut(&sent.key) else { return Ok(()) };
        let from = history.seen_start().max(history.asked_start());
        let may_retain = retention != Retention::Nothing;
        let rose = history.check_log_start(sent, found, may_retain, state.life, state.health)?;
        state.counts.log_starts += u64::from(rose);
        let Retention::Age(retention_ms) = retention else { return Ok(()) };
        for (offset, number) in history.numbers(from, found) {
            let age_ms = state.wall_clock_ms - state.records.timestamp(number);
            if age_ms < retention_ms {
                let key = &sent.key;
                return broken(format!("{key} lost offset {offset} to retention at an age of {age_ms} ms"));
            }
        }
        Ok(())
    }

    /// The wall clock stands here, and is about to jump.
    pub(crate) fn wall_clock(&self, now_ms: i64) {
        let state = &mut *self.state();
        state.wall_clock_ms = state.wall_clock_ms.max(now_ms);
    }

    /// A Fetch from `position` was out of range, and the log starts at `earliest`.
    pub(crate) fn out_of_range(&self, sent: &Sent, position: i64, earliest: i64) -> Check {
        let state = self.state();
        // A new process, or a log that was opened again, may start earlier than what was asked.
        let is_settled = sent.life == state.life && !state.health.is_failing;
        if is_settled && position >= earliest && position <= sent.firm_end() {
            let end = sent.firm_end();
            return broken(format!(
                "{} starts at {earliest}, {end} is promised, and {position} is out of range",
                sent.key
            ));
        }
        Ok(())
    }

    /// What a reading of a whole partition found: it began at `start` and holds `bytes`.
    pub(crate) fn whole_partition(&self, key: &PartitionKey, start: i64, bytes: u64) -> Check {
        let state = self.state();
        let Retention::Bytes(limit) = state.retention(key) else { return Ok(()) };
        let Some(history) = state.partitions.get(key) else { return Ok(()) };
        if start > history.asked_start() && bytes < limit {
            return broken(format!("retention left {bytes} of {limit} bytes of {key}"));
        }
        Ok(())
    }

    /// Everything below this must be readable.
    pub(crate) fn firm_end(&self, key: &PartitionKey) -> i64 {
        self.state().partitions.get(key).map_or(0, PartitionHistory::firm_end)
    }

    /// Metadata named the leader epoch in an answer of life `life`.
    pub(crate) fn leader_epoch(&self, key: &PartitionKey, life: u32, epoch: i32) -> Check {
        match self.state().partitions.get_mut(key) {
            Some(history) => history.check_leader_epoch(key, life, epoch),
            None => Ok(()),
        }
    }

    // ---- deleting records

    /// DeleteRecords is about to be sent; `None` is "all".
    pub(crate) fn deleting_records(&self, key: &PartitionKey, offset: Option<i64>) {
        if let Some(history) = self.state().partitions.get_mut(key) {
            history.deletion_asked(offset);
        }
    }

    /// DeleteRecords was answered.
    pub(crate) fn records_deleted(&self, sent: &Sent, asked: Option<i64>, low_watermark: i64) -> Check {
        let state = &mut *self.state();
        state.counts.deletions += 1;
        match state.partitions.get_mut(&sent.key) {
            Some(history) => history.deleted(sent, asked, low_watermark),
            None => Ok(()),
        }
    }

    // ---- topics

    /// A creation is about to be sent; the number of the creation under this name.
    pub(crate) fn creating(
        &self,
        name: &str,
        partitions: i32,
        configs: &[(String, String)],
        is_permanent: bool,
    ) -> u32 {
        self.state().topics.create(name, partitions, configs, is_permanent)
    }

    /// The topic exists now.
    pub(crate) fn created(&self, name: &str) {
        let state = &mut *self.state();
        state.counts.topic_changes += 1;
        state.topics.created(name);
        state.open_partitions(name);
    }

    pub(crate) fn deleting(&self, name: &str) {
        self.state().topics.deleting(name);
    }

    pub(crate) fn deleted(&self, name: &str) {
        let state = &mut *self.state();
        state.counts.topic_changes += 1;
        state.topics.deleted(name);
        state.partitions.retain(|key, _| &*key.topic != name);
    }

    pub(crate) fn growing(&self, name: &str, total: i32) {
        self.state().topics.growing(name, total);
    }

    pub(crate) fn grown(&self, name: &str) {
        let state = &mut *self.state();
        state.counts.topic_changes += 1;
        state.topics.grown(name);
        state.open_partitions(name);
    }

    pub(crate) fn altering(&self, name: &str, config: &str, value: &str) {
        let state = &mut *self.state();
        state.topics.altering(name, config, value);
        if (config, value) == ("write.caching", "true") {
            state.partitions_of(name).for_each(PartitionHistory::caching_on);
        }
    }

    pub(crate) fn altered(&self, name: &str, config: &str, value: &str) {
        let state = &mut *self.state();
        state.counts.topic_changes += 1;
        state.topics.altered(name, config, value);
        if (config, value) == ("write.caching", "false") {
            state.partitions_of(name).for_each(PartitionHistory::caching_off);
        }
    }

    /// How often a topic has changed, to be brought along with the answer.
    pub(crate) fn topic_changes(&self, name: &str) -> u64 {
        self.state().topics.get(name).map_or(0, |topic| topic.changes)
    }

    pub(crate) fn topic_names(&self) -> Vec<Arc<str>> {
        self.state().topics.by_name.keys().cloned().collect()
    }

    /// The configs of a topic that are known.
    pub(crate) fn config_names(&self, name: &str) -> Vec<String> {
        self.state().topics.get(name).map(|topic| topic.configs.keys().cloned().collect()).unwrap_or_default()
    }

    /// Whether a topic exists, as metadata says.
    pub(crate) fn topic(&self, name: &str, changes: u64, found: Option<&FoundTopic>) -> Check {
        self.state().topics.check(name, changes, found)
    }

    pub(crate) fn config(&self, name: &str, changes: u64, config: &str, found: Option<&str>) -> Check {
        self.state().topics.check_config(name, changes, config, found)
    }

    /// The topic's id, if it is known.
    pub(crate) fn topic_id(&self, name: &str) -> Option<Uuid> {
        self.state().topics.get(name)?.topic_id
    }

    /// The number of the creation that exists under this name, if one does for certain.
    pub(crate) fn incarnation(&self, name: &str) -> Option<u32> {
        let state = self.state();
        state.topics.get(name).filter(|topic| topic.existence == Existence::Yes).map(|topic| topic.incarnation)
    }

    /// All partitions that exist for certain; only those of permanent topics if asked.
    pub(crate) fn partitions(&self, only_permanent: bool) -> Vec<PartitionKey> {
        let state = self.state();
        let is_wanted = |key: &&PartitionKey| {
            state
                .topics
                .get(&key.topic)
                .is_some_and(|topic| topic.existence == Existence::Yes && (topic.is_permanent || !only_permanent))
        };
        state.partitions.keys().filter(is_wanted).cloned().collect()
    }
}

/// What retention may take from the front of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retention {
    Nothing,
    Bytes(u64),
    /// Milliseconds.
    Age(i64),
}

impl State {
    fn age(&mut self, now: Instant) {
        if !self.health.is_failing && !self.health.is_slow {
            self.partitions.values_mut().for_each(|history| history.age(now));
        }
    }

    fn forget_soft(&mut self) {
        for history in self.partitions.values_mut() {
            self.records.displace(&history.forget_soft());
            history.forget_seen_start();
        }
    }

    fn promised(&mut self, sent: &Sent, end: i64, backing: Backing, now: Instant) -> bool {
        let (life, health) = (self.life, self.health);
        self.partitions
            .get_mut(&sent.key)
            .is_some_and(|history| history.promised(sent, end, backing, life, health, now))
    }

    fn place(&mut self, key: &PartitionKey, number: u64, offset: i64, is_placed: bool) -> Check {
        if let Some(history) = self.partitions.get_mut(key).filter(|_| is_placed) {
            history.place(key, offset, number)?;
            self.records.place(number, offset);
        }
        Ok(())
    }

    fn partitions_of(&mut self, name: &str) -> impl Iterator<Item = &mut PartitionHistory> {
        self.partitions.iter_mut().filter(move |(key, _)| &*key.topic == name).map(|(_, history)| history)
    }

    /// Begins the histories of partitions that exist now.
    fn open_partitions(&mut self, name: &str) {
        let Some(topic) = self.topics.get(name) else { return };
        let (incarnation, partitions) = (topic.incarnation, topic.partitions.0);
        let caching = topic.configs.get("write.caching").is_some_and(|values| values.contains("true"));
        for partition in 0..partitions {
            let key = PartitionKey::new(name, incarnation, partition);
            self.partitions.entry(key).or_insert_with(|| PartitionHistory::new(caching));
        }
    }

    fn retention(&self, key: &PartitionKey) -> Retention {
        let Some(topic) = self.topics.get(&key.topic) else { return Retention::Nothing };
        let least = |config: &str| {
            let values = topic.configs.get(config)?.iter();
            values.filter_map(|value| value.parse::<i64>().ok()).filter(|value| *value >= 0).min()
        };
        match (least("retention.bytes"), least("retention.ms")) {
            (Some(bytes), _) => Retention::Bytes(bytes.unsigned_abs()),
            (None, Some(ms)) => Retention::Age(ms),
            (None, None) => Retention::Nothing,
        }
    }
}
