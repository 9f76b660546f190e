//! What share groups give up on is brought to their dead-letter topics (KIP-1191).
//!
//! A record that is rejected, or was delivered as often as the group allows, is *archiving* until a copy of it (or a record that
//! says where it was) is committed in the group's dead-letter topic. One task at a time does that for a share partition. After a
//! crash it is done again, so a dead letter may come twice and is never lost; when the topic cannot be written to for
//! [`ATTEMPTS_MAX`] attempts the records are archived without, with a warning, so that the group goes on.

use super::cached::Cached;
use super::partitions::SharePartitions;
use super::settings::Settings;
use crate::partition::{AppendAs, Partition, PartitionError, ReadRequest};
use crate::watchers::Waiter;
use bytes::Bytes;
use ottla_config::ConfigValue;
use ottla_coordinator::VerificationGuard;
use ottla_metadata::{ConfigResource, MetadataImage, ResourceType, topic_name};
use ottla_protocol::generated::create_topics_request::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use ottla_records::{BatchBuilder, Compression, Record, TimestampType, read_all, scan, validate_produce};
use ottla_runtime::Runtime;
use ottla_share::{DeadLetters, GivenUp};
use ottla_types::{ErrorCode, NodeId, Uuid};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Attempts at one batch of dead letters.
const ATTEMPTS_MAX: u32 = 10;
/// Pause after the first attempt; it doubles.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long the topic's leader may take to commit a batch.
const APPEND_PATIENCE: Duration = Duration::from_secs(10);
/// How long the controller may take to create the topic.
const CREATION_PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of the source that are read at a time (more if one batch is larger).
const READ_BYTES_MAX: u64 = 1024 * 1024;
/// Bytes that one batch of the source may have decompressed; larger ones are not copied.
const DECOMPRESSED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most records of one batch of dead letters.
const LETTERS_MAX: usize = 500;
/// What a record takes besides key, value and headers, at most.
const RECORD_OVERHEAD: usize = 64;
/// Names of the headers that say where a record was, and why it is here.
const HEADER_PREFIX: &str = "__dlq.errors.";
/// Produce version whose rules a batch of dead letters follows.
const PRODUCE_VERSION: i16 = 13;

/// Where dead letters go.
struct Target {
    leader: NodeId,
    topic_id: Uuid,
    partition: i32,
    bytes_max: usize,
}

/// What is known of one offset of the source.
enum Source {
    Record(Record),
    /// The log holds no record there: there is nothing to bring.
    Nothing,
    /// It cannot be read (any more).
    Unreadable,
}

impl SharePartitions {
    /// Brings what was given up to the dead-letter topic, unless somebody does so already, or there is nothing.
    pub(super) fn begin_dead_letters(self: &Arc<Self>, cached: &Arc<Cached>) {
        if !cached.begin_to_bring() {
            return;
        }
        let (this, cached) = (Arc::clone(self), Arc::clone(cached));
        self.runtime.spawn("share.dead-letters", async move {
            let mut attempts = ATTEMPTS_MAX;
            loop {
                let letters = cached.next_to_bring();
                if letters.is_empty() {
                    return;
                }
                for letters in letters {
                    attempts = this.bring(&cached, &letters, attempts).await;
                }
            }
        });
    }

    /// How many attempts the next letters are worth: one, while the topic cannot be written to, so that a group that gives up
    /// many records does not wait for each of them.
    async fn bring(self: &Arc<Self>, cached: &Arc<Cached>, letters: &DeadLetters, mut attempts: u32) -> u32 {
        let mut from = letters.first_offset;
        while from <= letters.last_offset && !cached.is_fenced() {
            let (last, brought) = self.bring_some(cached, letters, from, attempts).await;
            match brought {
                Ok(count) => {
                    attempts = ATTEMPTS_MAX;
                    self.metrics().dead_letters.add(count);
                }
                Err(reason) => {
                    attempts = 1;
                    let share_partition = cached.key.coordinator_key();
                    self.metrics().dead_letters_failed.add(u64::try_from(last - from + 1).unwrap_or(0));
                    tracing::warn!(share_partition, from, last, reason, "records go to no dead-letter topic");
                }
            }
            from = last + 1;
        }
        if cached.is_fenced() {
            return attempts;
        }
        let write = cached.lock().dead_lettered(letters);
        if let Some(write) = write {
            drop(self.write(cached, write));
        }
        cached.wake();
        attempts
    }

    /// Brings the letters from this offset on that fit into one batch: the last of them, and how many were written.
    async fn bring_some(
        &self,
        cached: &Cached,
        letters: &DeadLetters,
        from: i64,
        attempts: u32,
    ) -> (i64, Result<u64, String>) {
        let mut pause = PAUSE_MIN;
        let mut attempted = 1;
        loop {
            let settings = self.settings(&cached.key.group_id);
            let Some(topic) = settings.dead_letter_topic.clone() else { return (letters.last_offset, Ok(0)) };
            let (last, outcome) = match self.target(&topic, cached).await {
                Ok(target) => self.attempt(cached, letters, from, &settings, &target).await,
                Err(reason) => (letters.last_offset, Err(reason)),
            };
            let Err(reason) = outcome else { return (last, outcome) };
            if attempted >= attempts || cached.is_fenced() {
                return (last, Err(reason));
            }
            attempted += 1;
            self.runtime.sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn attempt(
        &self,
        cached: &Cached,
        letters: &DeadLetters,
        from: i64,
        settings: &Settings,
        target: &Target,
    ) -> (i64, Result<u64, String>) {
        let key = &cached.key;
        let found = match self.states.partitions.by_id(key.topic_id, key.partition) {
            Ok(partition) => read_source(&partition, from, letters.last_offset).await,
            Err(_) => Found::unreadable(letters.last_offset),
        };
        let source_topic = self.topic_name(key.topic_id);
        let described = Described { cached, letters, source_topic, settings };
        let (last, batch, count) = described.batch(from, found, target.bytes_max, self.runtime.wall_clock_ms());
        let batch = match (batch, count) {
            (Some(batch), _) => batch,
            (None, 0) => return (last, Ok(0)),
            (None, _) => return (last, Err("the dead letters do not fit into one batch".to_string())),
        };
        let appending = self.states.peers.append_dead_letters(target.leader, target.topic_id, target.partition, batch);
        let outcome = match appending.await {
            Ok(Ok(())) => Ok(count),
            Ok(Err(error)) => Err(format!("{}: {}", error.code.name(), error.message)),
            Err(_) => Err(format!("node {} cannot be reached", target.leader)),
        };
        (last, outcome)
    }

    fn topic_name(&self, topic_id: Uuid) -> String {
        let image = self.states.images.borrow();
        image.topic_by_id(topic_id).map(|topic| topic.name.to_string()).unwrap_or_default()
    }

    /// The partition of the dead-letter topic for a share partition; the topic is created where that is allowed.
    async fn target(&self, topic: &str, cached: &Cached) -> Result<Target, String> {
        let config = self.states.config();
        let prefix = match config.get("errors.deadletterqueue.topic.name.prefix") {
            Some(ConfigValue::String(prefix)) => prefix.as_str(),
            _ => "",
        };
        if !topic.starts_with(prefix) {
            return Err(format!(
                "the name of topic '{topic}' does not begin with '{prefix}' (errors.deadletterqueue.topic.name.prefix)"
            ));
        }
        if topic_name::is_internal(topic) || topic == self.topic_name(cached.key.topic_id) {
            return Err(format!("topic '{topic}' is internal, or the one that the group reads"));
        }
        let image = Arc::clone(&self.states.images.borrow());
        if image.topic(topic).is_none() {
            if !config.boolean("errors.deadletterqueue.auto.create.topics.enable") {
                return Err(format!(
                    "there is no topic '{topic}', and errors.deadletterqueue.auto.create.topics.enable is false"
                ));
            }
            self.create_topic(topic).await?;
        }
        let image = Arc::clone(&self.states.images.borrow());
        target_in(&image, topic, cached.key.partition, config.long("message.max.bytes"))
    }

    async fn create_topic(&self, name: &str) -> Result<(), String> {
        let enable = CreatableTopicConfig { name: ENABLE.to_string(), value: Some("true".to_string()) };
        let topic = CreatableTopic {
            name: name.to_string(),
            num_partitions: -1,
            replication_factor: -1,
            configs: vec![enable],
            ..CreatableTopic::default()
        };
        let timeout_ms = i32::try_from(CREATION_PATIENCE.as_millis()).unwrap_or(i32::MAX);
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms, validate_only: false };
        let under_way = self.controller.submit(request.into());
        let failed = |reason: String| format!("topic '{name}' cannot be created: {reason}");
        let response = self.runtime.timeout(CREATION_PATIENCE, under_way).await;
        let response = response.map_err(|_| failed("the controller does not answer".to_string()))?;
        let response = response.map_err(|error| failed(error.to_string()))?.into_create_topics();
        self.states.wait_until_applied(CREATION_PATIENCE).await;
        let codes = response.topics.iter().map(|topic| topic.error_code);
        let exists = ErrorCode::TopicAlreadyExists.code();
        match codes.into_iter().find(|code| *code != 0 && *code != exists) {
            None => Ok(()),
            Some(code) => Err(failed(ErrorCode::from_code(code).map_or("?", ErrorCode::name).to_string())),
        }
    }
}

/// The topic config that lets share groups use a topic.
const ENABLE: &str = "errors.deadletterqueue.group.enable";

fn target_in(image: &MetadataImage, name: &str, source_partition: i32, bytes_max: i64) -> Result<Target, String> {
    let topic = image.topic(name).ok_or_else(|| format!("there is no topic '{name}'"))?;
    let configs = image.configs(&ConfigResource { resource_type: ResourceType::Topic, name: name.to_string() });
    if !configs.get(ENABLE).is_some_and(|text| text.trim().eq_ignore_ascii_case("true")) {
        return Err(format!("topic '{name}' may not be used by share groups: set {ENABLE}=true on it"));
    }
    let own_max = configs.get("max.message.bytes").and_then(|text| text.trim().parse::<i64>().ok());
    let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX).max(1);
    let partition = source_partition.rem_euclid(count);
    let leader = topic.partition(partition).and_then(|partition| partition.leader);
    let leader = leader.ok_or_else(|| format!("{name}-{partition} has no leader"))?;
    let bytes_max = usize::try_from(own_max.unwrap_or(bytes_max)).unwrap_or(0);
    Ok(Target { leader, topic_id: topic.id, partition, bytes_max })
}

/// What was read of the source.
struct Found {
    /// Up to where something is known.
    last: i64,
    records: BTreeMap<i64, Record>,
    is_readable: bool,
}

impl Found {
    fn unreadable(last: i64) -> Found {
        Found { last, records: BTreeMap::new(), is_readable: false }
    }

    fn take(&mut self, offset: i64) -> Source {
        match (self.records.remove(&offset), self.is_readable) {
            (Some(record), _) => Source::Record(record),
            (None, true) => Source::Nothing,
            (None, false) => Source::Unreadable,
        }
    }
}

/// The records from `from` on, up to `last` or as far as one read reaches.
async fn read_source(partition: &Arc<Partition>, from: i64, last: i64) -> Found {
    let request = ReadRequest {
        offset: from,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
        max_bytes: READ_BYTES_MAX,
        at_least_one_batch: true,
        read_committed: false,
    };
    let Ok(outcome) = partition.read(&request, None).await else { return Found::unreadable(last) };
    let Some(range) = outcome.range else { return Found::unreadable(last) };
    let len = usize::try_from(range.len).unwrap_or(usize::MAX);
    let Ok(bytes) = range.file.read_at(range.offset, len).await else { return Found::unreadable(last) };
    let mut found = Found { last: from - 1, records: BTreeMap::new(), is_readable: true };
    for (header, place) in scan(&bytes, false).map_while(Result::ok) {
        if header.base_offset > last {
            // The log holds nothing before it (any more).
            found.last = last;
            break;
        }
        if found.records.len() >= LETTERS_MAX {
            break;
        }
        if !header.is_control() {
            match read_all(&bytes.slice(place), DECOMPRESSED_BYTES_MAX) {
                Ok(records) => found
                    .records
                    .extend(records.into_iter().filter(|r| (from..=last).contains(&r.offset)).map(|r| (r.offset, r))),
                // What is known so far is brought first.
                Err(_) if found.last < from => return Found::unreadable(header.last_offset().min(last)),
                Err(_) => break,
            }
        }
        found.last = header.last_offset().min(last);
    }
    if found.last < from { Found::unreadable(last) } else { found }
}

/// Says of records where they were, and why they are given up.
struct Described<'a> {
    cached: &'a Cached,
    letters: &'a DeadLetters,
    source_topic: String,
    settings: &'a Settings,
}

impl Described<'_> {
    /// A batch of letters from this offset on: the last offset that it speaks of, and how many there are.
    fn batch(&self, from: i64, mut found: Found, bytes_max: usize, now_ms: i64) -> (i64, Option<Bytes>, u64) {
        let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
        let mut last = from - 1;
        let mut count = 0;
        for offset in from..=found.last {
            let source = found.take(offset);
            if matches!(source, Source::Nothing) {
                last = offset;
                continue;
            }
            let mut letter = self.letter(offset, source, now_ms);
            let room = bytes_max.saturating_sub(builder.uncompressed_len());
            if size(&letter) > room && count > 0 || count as usize >= LETTERS_MAX {
                break;
            }
            if size(&letter) > room {
                letter = self.letter(offset, Source::Unreadable, now_ms);
            }
            last = offset;
            if builder.append_record(&letter).is_err() {
                return (last, None, count + 1);
            }
            count += 1;
        }
        let batch = if count == 0 { None } else { builder.build().ok().map(|batch| batch.to_bytes()) };
        (last, batch, count)
    }

    fn letter(&self, offset: i64, source: Source, now_ms: i64) -> Record {
        let why = self.letters.why.unwrap_or_else(|| {
            let is_limit = self.letters.delivery_count >= self.settings.limits.delivery_count_limit;
            if is_limit { GivenUp::DeliveredTooOften } else { GivenUp::Rejected }
        });
        let message = match why {
            GivenUp::Rejected => "Offset rejected by client.",
            GivenUp::DeliveredTooOften => "Offset delivery count exceeded the threshold.",
        };
        let facts = [
            ("topic", self.source_topic.clone()),
            ("partition", self.cached.key.partition.to_string()),
            ("offset", offset.to_string()),
            ("group", self.cached.key.group_id.to_string()),
            ("delivery.count", self.letters.delivery_count.to_string()),
            ("message", message.to_string()),
        ];
        let header =
            |(name, value): (&str, String)| (Bytes::from(format!("{HEADER_PREFIX}{name}")), Some(Bytes::from(value)));
        let mut letter =
            Record { timestamp: now_ms, headers: facts.into_iter().map(header).collect(), ..Record::default() };
        if let (Source::Record(record), true) = (source, self.settings.copies_dead_letters) {
            letter.key = record.key;
            letter.value = record.value;
            // A record may have been a dead letter before.
            let own = record.headers.into_iter().filter(|(name, _)| !name.starts_with(HEADER_PREFIX.as_bytes()));
            letter.headers.extend(own);
        }
        letter
    }
}

/// Bytes that a record takes in a batch, at most.
fn size(record: &Record) -> usize {
    let len = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + len(value) + 10).sum();
    RECORD_OVERHEAD + len(&record.key) + len(&record.value) + headers
}

/// Appends dead letters as the leader, and waits until they are committed.
pub(crate) async fn append(runtime: &Runtime, partition: &Arc<Partition>, batch: Bytes) -> Result<(), PartitionError> {
    let appending = async {
        let limits = partition.produce_limits(PRODUCE_VERSION, runtime.wall_clock_ms())?;
        let batch = validate_produce(&batch, &limits)
            .map_err(|rejected| PartitionError::of(rejected.error, rejected.message))?;
        let append_as = AppendAs::Client { acks_all: true, guard: VerificationGuard::NotRequired };
        let appended = partition.append(&batch, append_as).await?;
        let waiter = Waiter::new();
        while !partition.replicated(&appended, &waiter)? {
            waiter.woken().await;
        }
        Ok(())
    };
    runtime.timeout(APPEND_PATIENCE, appending).await.unwrap_or_else(|_| {
        Err(PartitionError::of(ErrorCode::RequestTimedOut, "the dead letters were not committed in time"))
    })
}
