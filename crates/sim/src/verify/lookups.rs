//! What lookups tell agrees with what reading shows: offsets by timestamp and the ends of leader epochs, in every partition.
//!
//! They are answered from files beside the log, which a power loss may have taken without any record missing. The cleaner and
//! retention may be at work meanwhile, so only what disagrees again and again is held against the node.

use super::{PATIENCE, PAUSE, STALE};
use crate::life::Stage;
use crate::oracle::{Check, broken};
use crate::workload::{Actor, grouping};
use ottla_client::{Admin, ClientError, FetchSpec, Isolation, OffsetSpec};
use ottla_protocol::OffsetForLeaderEpochRequest;
use ottla_protocol::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use ottla_protocol::offset_for_leader_epoch_response::EpochEndOffset;
use ottla_records::{BatchHeader, NO_TIMESTAMP, scan};
use ottla_types::ErrorCode;
use std::collections::BTreeMap;

/// A partition and its lookups are compared at most so often before it counts that they disagree.
const TRIES: u32 = 5;

/// Compares both for all partitions of all topics, internal ones too.
pub(crate) async fn agree(stage: &Stage) -> Check {
    let actor = Actor::observer(stage);
    let deadline = actor.now() + PATIENCE;
    let topics = loop {
        match Admin::cautious(&actor.client).list_topics().await {
            Ok(metadata) => break metadata.topics,
            Err(error) if actor.now() > deadline => return broken(format!("Metadata: {error}")),
            Err(error) => actor.expect("Metadata", &error, &[])?,
        }
        actor.runtime.sleep(PAUSE).await;
    };
    for (name, topic) in topics {
        let count = topic.partitions.map_or(0, |partitions| partitions.len() as i32);
        for partition in 0..count {
            Place { actor: &actor, topic: name.to_string(), partition }.agrees().await?;
        }
    }
    Ok(())
}

/// Why a comparison did not come to its end.
enum Stopped {
    Disagree(String),
    Failed(ClientError),
}

impl From<ClientError> for Stopped {
    fn from(error: ClientError) -> Stopped {
        Stopped::Failed(error)
    }
}

/// A partition to be compared.
struct Place<'a> {
    actor: &'a Actor,
    topic: String,
    partition: i32,
}

impl Place<'_> {
    async fn agrees(&self) -> Check {
        let Place { actor, topic, partition } = self;
        let (deadline, mut tries) = (actor.now() + PATIENCE, 0);
        loop {
            match self.compare().await {
                Ok(()) => return Ok(()),
                Err(Stopped::Disagree(what)) if tries == TRIES => {
                    return broken(format!("{topic}-{partition}: {what}"));
                }
                Err(Stopped::Disagree(_)) => tries += 1,
                Err(Stopped::Failed(error)) if actor.now() > deadline => {
                    return broken(format!("lookups in {topic}-{partition}: {error}"));
                }
                Err(Stopped::Failed(error)) => {
                    let allowed = [STALE, grouping::UNREADY].concat();
                    actor.expect(&format!("lookups in {topic}-{partition}"), &error, &allowed)?;
                    actor.client.forget_topic(topic);
                }
            }
            actor.runtime.sleep(PAUSE).await;
        }
    }

    async fn compare(&self) -> Result<(), Stopped> {
        let headers = self.read().await?;
        // A batch that compaction emptied has no timestamp, markers are not looked up, and a compressed batch has one header.
        let holds = |header: &&BatchHeader| !header.is_control() && header.record_count > 0;
        for header in headers.iter().filter(holds).filter(|header| header.max_timestamp != NO_TIMESTAMP) {
            self.by_time(header).await?;
        }
        let highest = headers.iter().filter(holds).map(|header| header.max_timestamp).max();
        let found = self.look(OffsetSpec::MaxTimestamp).await?;
        if highest.is_some_and(|highest| found.timestamp < highest) {
            return Err(Stopped::Disagree(format!("the highest timestamp is {highest:?}, found {found:?}")));
        }
        let mut epochs: BTreeMap<i32, (i64, i64)> = BTreeMap::new();
        for header in &headers {
            let ends = epochs.entry(header.partition_leader_epoch.0).or_insert((header.base_offset, 0));
            ends.1 = header.next_offset();
        }
        for (&epoch, &(_, end)) in &epochs {
            let next = epochs.range(epoch + 1..).next().map(|(_, &(start, _))| start);
            self.by_epoch(epoch, end, next).await?;
        }
        let told = self.look(OffsetSpec::Latest).await?.leader_epoch;
        for epoch in (0..=told).filter(|epoch| !epochs.contains_key(epoch)) {
            let answer = self.end_of_epoch(epoch).await?;
            if answer.end_offset < 0 || answer.leader_epoch > epoch {
                return Err(Stopped::Disagree(format!("epoch {epoch} of {told} without records ends at {answer:?}")));
            }
        }
        Ok(())
    }

    /// The headers of all batches.
    async fn read(&self) -> Result<Vec<BatchHeader>, Stopped> {
        let mut position = self.look(OffsetSpec::Earliest).await?.offset;
        let mut headers = Vec::new();
        loop {
            let spec = FetchSpec { max_wait: PAUSE, ..FetchSpec::new(&self.topic, self.partition, position) };
            let fetched = self.actor.client.fetch(&spec).await?;
            let before = position;
            for found in scan(&fetched.batches, true) {
                let damaged = |error| Stopped::Disagree(format!("offset {position}: {error}"));
                let (header, _) = found.map_err(damaged)?;
                position = header.next_offset();
                headers.push(header);
            }
            if position >= fetched.high_watermark {
                return Ok(headers);
            }
            if position == before {
                return Err(Stopped::Disagree(format!("nothing comes at offset {position}")));
            }
        }
    }

    async fn look(&self, spec: OffsetSpec) -> Result<ottla_client::ListedOffset, ClientError> {
        self.actor.client.list_offset(&self.topic, self.partition, spec, Isolation::ReadUncommitted).await
    }

    /// The first record that is as late is in this batch or before it.
    async fn by_time(&self, header: &BatchHeader) -> Result<(), Stopped> {
        let found = self.look(OffsetSpec::AtTimestamp(header.max_timestamp)).await?;
        if found.offset < 0 || found.offset > header.last_offset() || found.timestamp < header.max_timestamp {
            let (at, last) = (header.max_timestamp, header.last_offset());
            return Err(Stopped::Disagree(format!(
                "offset {last} or one before it has timestamp {at}, found {found:?}"
            )));
        }
        Ok(())
    }

    /// An epoch ends behind its last record, and not behind the first one of the next.
    async fn by_epoch(&self, epoch: i32, end: i64, next: Option<i64>) -> Result<(), Stopped> {
        let answer = self.end_of_epoch(epoch).await?;
        let is_late = next.is_some_and(|next| answer.end_offset > next);
        if answer.leader_epoch != epoch || answer.end_offset < end || is_late {
            let what = format!("epoch {epoch} ends at {end}, the next one begins at {next:?}, found {answer:?}");
            return Err(Stopped::Disagree(what));
        }
        Ok(())
    }

    async fn end_of_epoch(&self, epoch: i32) -> Result<EpochEndOffset, Stopped> {
        let asked = OffsetForLeaderPartition { partition: self.partition, leader_epoch: epoch, ..Default::default() };
        let topic = OffsetForLeaderTopic { topic: self.topic.clone(), partitions: vec![asked] };
        let request = OffsetForLeaderEpochRequest { replica_id: -1, topics: vec![topic] };
        let response = self.actor.client.any_broker().await?.send(&request).await?;
        let answer = response.topics.into_iter().flat_map(|topic| topic.partitions).next();
        let Some(answer) = answer else { return Err(Stopped::Disagree("no end of an epoch is told".to_string())) };
        let code = ErrorCode::from_code(answer.error_code).unwrap_or(ErrorCode::UnknownServerError);
        if code != ErrorCode::None {
            let subject = format!("the end of epoch {epoch}");
            return Err(ClientError::Broker { subject, code, message: None }.into());
        }
        Ok(answer)
    }
}
