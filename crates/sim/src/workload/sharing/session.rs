//! The share session of a member, and what goes over it: ShareFetch and ShareAcknowledge.
//!
//! While the answer of a request is not known, whatever it said may have been done. Without the connection the node takes back
//! what the member had, so the member forgets it, too.

use super::{GROUP, Member, Words};
use crate::BOOTSTRAP;
use crate::oracle::{Check, Said, Saying, Sent, ShareAnswer, ShareSent, broken};
use crate::planted::ShareError;
use crate::workload::options;
use crate::workload::setup::SHARED;
use ottla_client::{ClientError, Connection};
use ottla_protocol::share_acknowledge_request::{
    AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch as AcknowledgedBatch,
};
use ottla_protocol::share_fetch_request::{AcknowledgementBatch, FetchPartition, FetchTopic, ForgottenTopic};
use ottla_protocol::share_fetch_response::PartitionData;
use ottla_protocol::{Records, ShareAcknowledgeRequest, ShareFetchRequest, ShareFetchResponse};
use ottla_records::{Record, read_all, scan};
use ottla_types::ErrorCode;
use std::collections::{BTreeMap, BTreeSet};

const INITIAL_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;
/// The first version that renews locks and has acquire modes.
const RENEWAL_VERSION: i16 = 2;
const FIRST_VERSION: i16 = 1;
/// Bounds what a batch decompresses to.
const BATCH_BYTES_MAX: u64 = 1 << 20;

/// Errors of a partition besides those that every answer may carry.
const PASSING: &[ErrorCode] = &[
    ErrorCode::CoordinatorNotAvailable,
    ErrorCode::UnknownTopicOrPartition,
    ErrorCode::UnknownTopicId,
    ErrorCode::UnknownServerError,
];

/// A share session.
pub(super) struct Session {
    connection: Connection,
    epoch: i32,
    /// The partitions that the node knows of.
    told: BTreeSet<i32>,
}

impl Session {
    /// Opens another session in its place; the member keeps what it has.
    pub(super) fn begin_anew(&mut self) {
        self.epoch = INITIAL_EPOCH;
        self.told.clear();
    }

    fn goes_on(&mut self) {
        self.epoch = if self.epoch == i32::MAX { 1 } else { self.epoch + 1 };
    }
}

/// What is said of consecutive records: first offset, last offset, the number of what is said of each.
type Batch = (i64, i64, Vec<i8>);

impl Member {
    /// Fetches, and says something along with it.
    pub(super) async fn fetch(&mut self, words: Words) -> Check {
        if self.session.as_ref().is_some_and(|session| session.connection.is_closed()) {
            self.lose_session();
        }
        if self.session.is_none() {
            match Connection::connect(&self.actor.runtime, BOOTSTRAP, &options()).await {
                Ok(connection) => {
                    self.session = Some(Session { connection, epoch: INITIAL_EPOCH, told: BTreeSet::new() });
                }
                Err(error) => return self.actor.expect("connecting", &error, &[]),
            }
        }
        let Some(session) = &self.session else { return Ok(()) };
        // A session is not opened with acknowledgements, and what was said is of an older one.
        let words = if session.epoch == INITIAL_EPOCH { Words::new() } else { words };
        let connection = session.connection.clone();
        let version = self.version(&words);
        let oracle = self.actor.oracle.clone();
        let logs: BTreeMap<i32, Sent> =
            self.keys().filter_map(|key| Some((key.partition, oracle.sending(&key)?))).collect();
        let sayings = self.begin_to_say(&words);
        let request = self.fetch_request(&words, version);
        let sent = oracle.asking_share_fetch(self.actor.now());
        let answered = match connection.begin(&request, version, &[]).await {
            Ok(pending) => pending.wait().await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(response) => {
                oracle.share_fetched(&sent);
                self.fetched(&sent, &logs, &sayings, response)
            }
            Err(error) => {
                oracle.share_fetch_lost(&sent, self.actor.now());
                self.unanswered("ShareFetch", &sent, &sayings, &error)
            }
        }
    }

    /// Says something in a request of its own.
    pub(super) async fn acknowledge(&mut self, words: Words) -> Check {
        let Some(session) = self.session.as_ref().filter(|session| session.epoch != INITIAL_EPOCH) else {
            return Ok(());
        };
        let (connection, epoch) = (session.connection.clone(), session.epoch);
        let version = self.version(&words);
        let sayings = self.begin_to_say(&words);
        let topics = self.with_hidden(&words).into_iter().map(|(partition_index, batches)| {
            let batch = |(first_offset, last_offset, acknowledge_types)| AcknowledgedBatch {
                first_offset,
                last_offset,
                acknowledge_types,
            };
            AcknowledgePartition { partition_index, acknowledgement_batches: batches.into_iter().map(batch).collect() }
        });
        let topic = AcknowledgeTopic { topic_id: self.topic_id, partitions: topics.collect() };
        let request = ShareAcknowledgeRequest {
            group_id: Some(GROUP.to_string()),
            member_id: Some(self.id.clone()),
            share_session_epoch: epoch,
            is_renew_ack: renews(&words),
            topics: vec![topic],
        };
        let sent = self.actor.oracle.asking_shares(self.actor.now());
        let answered = match connection.begin(&request, version, &[]).await {
            Ok(pending) => pending.wait().await,
            Err(error) => Err(error),
        };
        let response = match answered {
            Ok(response) => response,
            Err(error) => return self.unanswered("ShareAcknowledge", &sent, &sayings, &error),
        };
        if !self.is_admitted("ShareAcknowledge", response.error_code, response.error_message.as_deref())? {
            return self.all_said(&sent, &sayings, ShareAnswer::Refused);
        }
        let rows = response.responses.iter().flat_map(|topic| &topic.partitions);
        let codes: BTreeMap<i32, i16> = rows.map(|row| (row.partition_index, row.error_code)).collect();
        self.said_by_partition("ShareAcknowledge", &sent, &sayings, &codes)
    }

    /// Ends the session as a member does that leaves.
    pub(super) async fn close_session(&mut self) -> Check {
        self.actor.oracle.gives_up_shares(&self.id);
        let Some(session) = &self.session else { return Ok(()) };
        let request = ShareAcknowledgeRequest {
            group_id: Some(GROUP.to_string()),
            member_id: Some(self.id.clone()),
            share_session_epoch: FINAL_EPOCH,
            ..ShareAcknowledgeRequest::default()
        };
        let ended = session.connection.clone().send(&request).await;
        match ended {
            Ok(response) => {
                let message = response.error_message;
                self.is_admitted("ShareAcknowledge to end the session", response.error_code, message.as_deref())?;
            }
            Err(error) => self.actor.expect("ShareAcknowledge to end the session", &error, &[])?,
        }
        self.lose_session();
        Ok(())
    }

    /// The connection is gone, and what the member had.
    pub(super) fn lose_session(&mut self) {
        self.actor.oracle.gives_up_shares(&self.id);
        self.has.clear();
        if let Some(session) = self.session.take() {
            session.connection.close();
        }
    }

    /// Tells the oracle what is about to be said; the member does not have these records any more.
    pub(super) fn begin_to_say(&mut self, words: &Words) -> Vec<Saying> {
        let mut sayings = Vec::new();
        for (partition, records) in words {
            for (offset, _, _) in records.iter().filter(|(_, _, said)| *said != Said::Renew) {
                self.has.remove(&(*partition, *offset));
            }
            sayings.push(self.actor.oracle.saying(&self.id, *partition, records.clone()));
        }
        sayings
    }

    // ---- requests

    /// A version that can say this.
    fn version(&self, words: &Words) -> i16 {
        if renews(words) || self.actor.chance(70) { RENEWAL_VERSION } else { FIRST_VERSION }
    }

    fn fetch_request(&mut self, words: &Words, version: i16) -> ShareFetchRequest {
        let says = self.with_hidden(words);
        let renews = renews(words);
        let (actor, topic_id) = (&self.actor, self.topic_id);
        let mut request = ShareFetchRequest {
            group_id: Some(GROUP.to_string()),
            member_id: Some(self.id.clone()),
            is_renew_ack: renews,
            // A request that renews locks asks for no records.
            max_bytes: 0,
            ..ShareFetchRequest::default()
        };
        if !renews {
            request.max_wait_ms = if actor.is_over() { 50 } else { actor.below(400) as i32 };
            request.min_bytes = if actor.chance(80) { 1 } else { 700 };
            request.max_bytes = 200 + actor.below(20_000) as i32;
            request.max_records = if actor.is_over() { 60 } else { 1 + actor.below(25) as i32 };
            request.batch_size = 1 + actor.below(30) as i32;
            let is_strict = version >= RENEWAL_VERSION && actor.chance(40);
            request.share_acquire_mode = i8::from(is_strict);
        }
        let Some(session) = &mut self.session else { return request };
        request.share_session_epoch = session.epoch;
        let named: BTreeSet<i32> = self.assigned.difference(&session.told).chain(says.keys()).copied().collect();
        let forgotten: Vec<i32> = session.told.difference(&self.assigned).copied().collect();
        let partition = |index: &i32| FetchPartition {
            partition_index: *index,
            acknowledgement_batches: says.get(index).into_iter().flatten().cloned().map(batch).collect(),
            ..FetchPartition::default()
        };
        let partitions: Vec<FetchPartition> = named.iter().map(partition).collect();
        if !partitions.is_empty() {
            request.topics = vec![FetchTopic { topic_id, partitions }];
        }
        if !forgotten.is_empty() {
            request.forgotten_topics_data = vec![ForgottenTopic { topic_id, partitions: forgotten }];
        }
        session.told.clone_from(&self.assigned);
        request
    }

    /// What is said as it goes over the wire; with a planted error, also something that nobody knows of.
    fn with_hidden(&mut self, words: &Words) -> BTreeMap<i32, Vec<Batch>> {
        let mut said: BTreeMap<i32, BTreeMap<i64, i8>> = BTreeMap::new();
        for (partition, records) in words {
            let numbers = records.iter().map(|(offset, _, said)| (*offset, number(*said)));
            said.entry(*partition).or_default().extend(numbers);
        }
        let hidden = match (self.actor.has(ShareError::RecordSkipped), self.actor.has(ShareError::LockDropped)) {
            (true, _) => Some(number(Said::Accept)),
            (_, true) => Some(number(Said::Release)),
            _ => None,
        };
        if let Some(hidden) = hidden.filter(|_| !words.is_empty() && self.actor.chance(20))
            && let Some(((partition, offset), _)) = self.has.pop_last()
        {
            said.entry(partition).or_default().entry(offset).or_insert(hidden);
        }
        said.into_iter().map(|(partition, numbers)| (partition, batches(&numbers))).collect()
    }

    // ---- answers

    fn fetched(
        &mut self,
        sent: &ShareSent,
        logs: &BTreeMap<i32, Sent>,
        sayings: &[Saying],
        response: ShareFetchResponse,
    ) -> Check {
        if !self.is_admitted("ShareFetch", response.error_code, response.error_message.as_deref())? {
            return self.all_said(sent, sayings, ShareAnswer::Refused);
        }
        let mut codes = BTreeMap::new();
        for data in response.responses.into_iter().flat_map(|topic| topic.partitions) {
            codes.insert(data.partition_index, data.acknowledge_error_code);
            let code = ErrorCode::from_code(data.error_code).unwrap_or(ErrorCode::UnknownServerError);
            if code != ErrorCode::None {
                let message = data.error_message.as_deref();
                let partition = data.partition_index;
                self.tell(format!("{} gets none of partition {partition}: {} ({message:?})", self.id, code.name()));
                self.actor.expect_code("ShareFetch of a partition", code, message, PASSING)?;
            }
            self.acquired(sent, logs, &data)?;
        }
        self.said_by_partition("ShareFetch", sent, sayings, &codes)
    }

    fn acquired(&mut self, sent: &ShareSent, logs: &BTreeMap<i32, Sent>, data: &PartitionData) -> Check {
        let (partition, now) = (data.partition_index, self.actor.now());
        let found = records(data)?;
        for range in &data.acquired_records {
            let offsets = range.first_offset..=range.last_offset;
            if offsets.is_empty() || range.first_offset < 0 {
                return broken(format!("ShareFetch of {SHARED}-{partition} acquired {offsets:?}"));
            }
            let count = range.delivery_count;
            self.actor.oracle.shares_delivered(sent, &self.id, partition, offsets.clone(), count, now)?;
            for offset in offsets {
                let Some(record) = found.get(&offset) else {
                    return broken(format!("ShareFetch acquired offset {offset} of {SHARED}-{partition} without it"));
                };
                if let Some(log) = logs.get(&partition) {
                    self.actor.oracle.read(log, record, now)?;
                }
                self.has.insert((partition, offset), count);
            }
        }
        Ok(())
    }

    fn tell(&self, line: String) {
        self.actor.oracle.tell(self.actor.now(), line);
    }

    /// Whether the session took the request; otherwise it begins anew.
    fn is_admitted(&mut self, what: &str, code: i16, message: Option<&str>) -> Check<bool> {
        match ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError) {
            ErrorCode::None => {
                if let Some(session) = &mut self.session {
                    session.goes_on();
                }
                Ok(true)
            }
            ErrorCode::ShareSessionNotFound | ErrorCode::InvalidShareSessionEpoch => {
                self.lose_session();
                Ok(false)
            }
            code => {
                self.lose_session();
                self.actor.expect_code(what, code, message, &[]).map(|()| false)
            }
        }
    }

    fn unanswered(&mut self, what: &str, sent: &ShareSent, sayings: &[Saying], error: &ClientError) -> Check {
        self.lose_session();
        self.all_said(sent, sayings, ShareAnswer::Unknown)?;
        self.actor.expect(what, error, &[])
    }

    fn all_said(&self, sent: &ShareSent, sayings: &[Saying], answer: ShareAnswer) -> Check {
        let (oracle, now) = (&self.actor.oracle, self.actor.now());
        sayings.iter().try_for_each(|saying| oracle.said(sent, &self.id, saying, answer, now))
    }

    fn said_by_partition(&self, what: &str, sent: &ShareSent, sayings: &[Saying], codes: &BTreeMap<i32, i16>) -> Check {
        for saying in sayings {
            let Some(code) = codes.get(&saying.partition()) else {
                return broken(format!("{what} did not answer for {SHARED}-{}", saying.partition()));
            };
            let answer = match ErrorCode::from_code(*code).unwrap_or(ErrorCode::UnknownServerError) {
                ErrorCode::None => ShareAnswer::Done,
                ErrorCode::InvalidRecordState | ErrorCode::InvalidRequest | ErrorCode::UnknownTopicOrPartition => {
                    ShareAnswer::NotTheirs
                }
                code => {
                    self.actor.expect_code(&format!("{what} of a partition"), code, None, PASSING)?;
                    ShareAnswer::Unknown
                }
            };
            self.actor.oracle.said(sent, &self.id, saying, answer, self.actor.now())?;
        }
        Ok(())
    }
}

/// The records of an answer by offset.
fn records(data: &PartitionData) -> Check<BTreeMap<i64, Record>> {
    let mut found = BTreeMap::new();
    let Records::Inline(bytes) = &data.records else { return Ok(found) };
    for batch in scan(bytes, true) {
        let records = batch.and_then(|(_, range)| read_all(&bytes.slice(range), BATCH_BYTES_MAX));
        match records {
            Ok(records) => found.extend(records.into_iter().map(|record| (record.offset, record))),
            Err(error) => return broken(format!("ShareFetch of {SHARED}-{}: {error}", data.partition_index)),
        }
    }
    Ok(found)
}

fn renews(words: &Words) -> bool {
    words.values().flatten().any(|(_, _, said)| *said == Said::Renew)
}

/// Kafka's number of what is said.
fn number(said: Said) -> i8 {
    match said {
        Said::Accept => 1,
        Said::Release => 2,
        Said::Reject => 3,
        Said::Renew => 4,
    }
}

/// Runs of consecutive offsets; one number stands for all where they are equal.
fn batches(numbers: &BTreeMap<i64, i8>) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for (offset, number) in numbers {
        match batches.last_mut().filter(|(_, last, _)| last + 1 == *offset) {
            Some((_, last, all)) => {
                *last = *offset;
                all.push(*number);
            }
            None => batches.push((*offset, *offset, vec![*number])),
        }
    }
    for (_, _, all) in &mut batches {
        if all.iter().all(|number| *number == all[0]) {
            all.truncate(1);
        }
    }
    batches
}

fn batch((first_offset, last_offset, acknowledge_types): Batch) -> AcknowledgementBatch {
    AcknowledgementBatch { first_offset, last_offset, acknowledge_types }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_offsets_are_one_batch() {
        let numbers = BTreeMap::from([(3, 1), (4, 1), (5, 1), (9, 1), (10, 2)]);
        assert_eq!(batches(&numbers), [(3, 5, vec![1]), (9, 10, vec![1, 2])]);
    }
}
