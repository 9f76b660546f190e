//! Consume, transform, produce: clients that copy what is in one topic into others, in transactions that commit their group's
//! positions, too. Two clients share each transactional id, one of each transaction version, so that each makes a zombie of
//! the other again and again. What they do becomes a [history](ottla_testkit::history).

mod producer;
pub(crate) mod reading;

use super::setup::{SOURCE, SOURCE_PARTITIONS};
use super::{Actor, compacting};
use crate::oracle::{Check, PartitionKey, broken};
use crate::planted::TransactionError;
use ottla_client::{Connection, FetchSpec};
use ottla_protocol::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla_protocol::{OffsetFetchRequest, OffsetFetchResponse};
use ottla_records::scan;
use ottla_runtime::Instant;
use ottla_testkit::history::Outcome;
use ottla_types::{ErrorCode, Uuid};
use producer::{Answer, Producer};
use std::time::Duration;

/// The group whose positions are in step with the output.
const GROUP: &str = "transformers";
/// Where every batch of the source goes, to one of two partitions.
const COPIED: &str = "copied";
/// Where every transaction leaves a value; compacted, each value has a key of its own.
const AUDITED: &str = "audited";
/// Topic and partitions of the output.
const OUTPUT: &[(&str, i32)] = &[(COPIED, 2), (AUDITED, 1)];
/// Batches that one transaction takes.
const BATCHES_MAX: u64 = 4;
/// In the end no client stands still for this long before everything is transformed.
const STANDSTILL_MAX: Duration = Duration::from_secs(45);

/// The part of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Of the source.
    pub(super) partition: i32,
    /// 1, or 2 (KIP-890).
    pub(super) version: i16,
    /// Whether it ends with the run, and leaves the rest to the other one.
    pub(super) is_spare: bool,
}

/// Creates the output, and makes the segments of the coordinators' topics small.
pub(super) async fn set_up(actor: &Actor) -> Check {
    for (topic, partitions) in OUTPUT {
        let configs = if *topic == AUDITED { compacting::CONFIGS } else { compacting::PLAIN_CONFIGS };
        let configs: Vec<_> = configs.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect();
        if !super::setup::try_create(actor, topic, *partitions, &configs).await? {
            return Ok(());
        }
    }
    compacting::make_segments_small(actor, "__consumer_offsets").await?;
    compacting::make_segments_small(actor, "__transaction_state").await
}

/// Transforms until the run is over and nothing is left.
pub(super) async fn run(actor: Actor, part: Part) -> Check {
    let producer = Producer::new(actor.clone(), format!("copier-{}", part.partition), part.version);
    let mut client = Transformer { actor, part, producer, position: None, transactions: 0, last_progress: None };
    while client.goes_on()? {
        if !client.producer.is_ready() {
            client.position = None;
            if !client.producer.init().await? {
                client.actor.pause(300).await;
                continue;
            }
        }
        if client.position.is_none() {
            client.position = client.find_position().await?;
        }
        if let Some(position) = client.position {
            client.transact(position).await?;
        }
        let rests = part.is_spare && client.actor.chance(25);
        client.actor.pause(if rests { 4000 } else { 120 }).await;
    }
    Ok(())
}

struct Transformer {
    actor: Actor,
    part: Part,
    producer: Producer,
    position: Option<i64>,
    transactions: u64,
    /// The furthest position after the run was over, and when it was reached.
    last_progress: Option<(i64, Instant)>,
}

impl Transformer {
    fn goes_on(&mut self) -> Check<bool> {
        if !self.actor.is_over() {
            return Ok(true);
        }
        let Some(key) = self.source() else { return Ok(false) };
        let end = self.actor.oracle.firm_end(&key);
        let position = self.position.unwrap_or(0);
        if self.part.is_spare || position >= end {
            return Ok(false);
        }
        let now = self.actor.now();
        let progress = self.last_progress.get_or_insert((position, now));
        if position > progress.0 {
            *progress = (position, now);
        }
        if now > progress.1 + STANDSTILL_MAX {
            return broken(format!("the transformer of {key} stays at offset {position}, {end} is promised"));
        }
        Ok(true)
    }

    fn source(&self) -> Option<PartitionKey> {
        let mut keys = self.actor.oracle.partitions(true).into_iter();
        keys.find(|key| &*key.topic == SOURCE && key.partition == self.part.partition)
    }

    /// Where the last transaction that counts left the group.
    async fn find_position(&self) -> Check<Option<i64>> {
        Ok(positions(&self.actor).await?.and_then(|all| all.get(self.part.partition as usize).copied()))
    }

    /// One transaction from this position on.
    async fn transact(&mut self, from: i64) -> Check {
        let batches = self.read(from).await?;
        let Some(&(_, to)) = batches.last() else { return Ok(()) };
        self.transactions += 1;
        let name = format!("{}-{}", self.actor.name, self.transactions);
        let offsets_first = self.actor.chance(30);
        let is_whole = (!offsets_first || self.commit_offset(&name, from, to).await?)
            && self.write(&name, &batches).await?
            && (offsets_first || self.commit_offset(&name, from, to).await?);
        if !is_whole {
            // Its commit was never asked for.
            self.actor.oracle.transaction_ended(&name, Outcome::Aborted);
            self.producer.forget();
            self.actor.pause(1500).await;
            return Ok(());
        }
        if self.actor.chance(10) {
            self.actor.oracle.transaction_ended(&name, Outcome::Aborted);
            self.producer.forget();
            return Ok(());
        }
        let commits = self.actor.chance(80);
        let outcome = self.end(commits).await?;
        self.actor.oracle.transaction_ended(&name, outcome);
        if outcome == Outcome::Committed {
            self.position = Some(to);
        }
        Ok(())
    }

    /// First offset of a few batches, and the offset behind each.
    async fn read(&self, from: i64) -> Check<Vec<(i64, i64)>> {
        let spec = FetchSpec {
            max_wait: Duration::from_millis(20),
            max_bytes: 3000,
            ..FetchSpec::new(SOURCE, self.part.partition, from)
        };
        let fetched = match self.actor.client.fetch(&spec).await {
            Ok(fetched) => fetched,
            Err(error) => {
                self.actor.expect("Fetch of the source", &error, reading::STALE)?;
                self.actor.client.forget_topic(SOURCE);
                return Ok(Vec::new());
            }
        };
        let headers = scan(&fetched.batches, true).map_while(Result::ok).map(|(header, _)| header);
        let batches = headers.map(|header| (header.base_offset.max(from), header.next_offset()));
        Ok(batches.take(1 + self.actor.below(BATCHES_MAX) as usize).collect())
    }

    /// Writes a value for each batch, and one for the whole; whether all was taken.
    async fn write(&mut self, name: &str, batches: &[(i64, i64)]) -> Check<bool> {
        let partition = self.part.partition;
        for (index, (base, next)) in (0..).zip(batches) {
            let value = format!("{name}/{SOURCE}-{partition}/{base}..{next}");
            if !self.write_one(name, COPIED, index % 2, &value).await? {
                return Ok(false);
            }
        }
        if self.actor.has(TransactionError::MarkerTwice) && self.actor.chance(30) {
            self.producer.write_marker(COPIED, 0).await?;
        }
        self.write_one(name, AUDITED, 0, &format!("{name}/{}", batches.len())).await
    }

    async fn write_one(&mut self, name: &str, topic: &str, partition: i32, value: &str) -> Check<bool> {
        self.actor.oracle.writing(name, &format!("{topic}-{partition}"), value);
        self.producer.write(topic, partition, value).await
    }

    async fn commit_offset(&mut self, name: &str, from: i64, to: i64) -> Check<bool> {
        self.actor.oracle.moving(name, GROUP, &format!("{SOURCE}-{}", self.part.partition), from, to);
        if self.actor.has(TransactionError::OffsetOutside) && self.actor.chance(30) {
            return self.producer.commit_outside(GROUP, SOURCE, self.part.partition, to).await;
        }
        self.producer.commit_offset(GROUP, SOURCE, self.part.partition, to).await
    }

    async fn end(&mut self, commits: bool) -> Check<Outcome> {
        let (answer, is_known) = self.producer.end(commits).await?;
        Ok(match answer {
            Answer::Done(()) if commits => Outcome::Committed,
            Answer::Refused | Answer::GaveUp if commits && !is_known => Outcome::Unknown,
            _ => Outcome::Aborted,
        })
    }
}

/// What the group has committed for each partition of the source, once no transaction holds it back; `None` if that cannot be
/// told now.
async fn positions(actor: &Actor) -> Check<Option<Vec<i64>>> {
    let asked = OffsetFetchRequestGroup {
        group_id: GROUP.to_string(),
        member_epoch: -1,
        topics: Some(vec![OffsetFetchRequestTopics {
            name: SOURCE.to_string(),
            topic_id: actor.oracle.topic_id(SOURCE).unwrap_or(Uuid::ZERO),
            partition_indexes: (0..SOURCE_PARTITIONS).collect(),
        }]),
        ..OffsetFetchRequestGroup::default()
    };
    let request = OffsetFetchRequest { groups: vec![asked], require_stable: true, ..OffsetFetchRequest::default() };
    let answered = match actor.client.group_coordinator(GROUP).await {
        Ok(connection) => ask_positions(&connection, &request).await,
        Err(error) => Err(error),
    };
    let response = match answered {
        Ok(response) => response,
        Err(error) => return actor.expect("OffsetFetch", &error, producer::PASSING).map(|()| None),
    };
    let Some(group) = response.groups.first() else { return broken("OffsetFetch was not answered".to_string()) };
    let mut positions = vec![0; SOURCE_PARTITIONS as usize];
    let rows = group.topics.iter().flat_map(|topic| &topic.partitions);
    let mut codes = rows.clone().map(|row| row.error_code).chain([group.error_code]);
    if let Some(code) = codes.find(|code| *code != 0) {
        let code = ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError);
        let passing = [producer::PASSING, &[ErrorCode::UnstableOffsetCommit, ErrorCode::UnknownTopicId]].concat();
        return actor.expect_code("OffsetFetch", code, None, &passing).map(|()| None);
    }
    for row in rows {
        if let Some(position) = positions.get_mut(row.partition_index as usize) {
            *position = row.committed_offset.max(0);
        }
    }
    Ok(Some(positions))
}

async fn ask_positions(
    connection: &Connection,
    request: &OffsetFetchRequest,
) -> Result<OffsetFetchResponse, ottla_client::ClientError> {
    connection.send(request).await
}
