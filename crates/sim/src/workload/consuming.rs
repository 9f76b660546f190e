//! Consumers: long polls over many partitions, with fetch sessions, from position to position.

use super::Actor;
use super::reading::{self, Order};
use super::session::{Session, SessionRequest};
use crate::oracle::{Check, PartitionKey, Sent, broken};
use ottla_client::{ClientError, Connection, Isolation, OffsetSpec};
use ottla_protocol::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use ottla_protocol::fetch_response::PartitionData;
use ottla_protocol::{FetchRequest, FetchResponse, Records};
use ottla_types::{ErrorCode, Uuid};
use std::collections::BTreeMap;
use std::time::Duration;

/// The lowest version there is.
const FIRST_VERSION: i16 = 4;
/// The first version with sessions.
const SESSION_VERSION: i16 = 7;
/// The first version that names topics by id.
const TOPIC_ID_VERSION: i16 = 13;
/// In the end everything that is promised is read within this time.
const CATCH_UP_MAX: Duration = Duration::from_secs(60);

/// Consumes until the run is over, and then until there is nothing left.
pub(super) async fn run(actor: Actor) -> Check {
    let mut consumer = Consumer { actor, link: None, session: Session::default(), positions: BTreeMap::new() };
    while consumer.actor.pause(60).await {
        consumer.choose();
        consumer.poll().await?;
    }
    consumer.catch_up().await
}

struct Consumer {
    actor: Actor,
    /// The connection and the version that is spoken over it.
    link: Option<(Connection, i16)>,
    session: Session,
    positions: BTreeMap<PartitionKey, i64>,
}

impl Consumer {
    /// Takes partitions on, and sometimes lets one go.
    fn choose(&mut self) {
        let has_ids = self.link.as_ref().is_some_and(|(_, version)| *version >= TOPIC_ID_VERSION);
        for key in self.actor.oracle.partitions(true) {
            let is_nameable = !has_ids || self.actor.oracle.topic_id(&key.topic).is_some();
            if is_nameable && self.actor.chance(30) {
                self.positions.entry(key).or_insert(0);
            }
        }
        if self.actor.chance(3) {
            self.positions.pop_first();
        }
    }

    async fn catch_up(mut self) -> Check {
        let deadline = self.actor.now() + CATCH_UP_MAX;
        loop {
            let behind = self.positions.iter().find(|(key, at)| **at < self.actor.oracle.firm_end(key));
            let Some((key, position)) = behind else { return Ok(()) };
            if self.actor.now() > deadline {
                let end = self.actor.oracle.firm_end(key);
                return broken(format!("a consumer of {key} stays at offset {position}, {end} is promised"));
            }
            self.actor.pause(100).await;
            self.poll().await?;
        }
    }

    /// One Fetch.
    async fn poll(&mut self) -> Check {
        if self.positions.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.try_poll().await? {
            self.actor.expect("Fetch", &error, &[])?;
            self.link = None;
            let forgets_id = self.actor.chance(50);
            self.session.start_over(forgets_id);
        }
        Ok(())
    }

    async fn try_poll(&mut self) -> Check<Result<(), ClientError>> {
        let (connection, version) = match self.connect().await {
            Ok(link) => link,
            Err(error) => return Ok(Err(error)),
        };
        if version >= TOPIC_ID_VERSION {
            self.positions.retain(|key, _| self.actor.oracle.topic_id(&key.topic).is_some());
        }
        if version < SESSION_VERSION {
            self.session.start_over(true);
        }
        let sent: BTreeMap<_, _> =
            self.positions.keys().filter_map(|key| Some((key.clone(), self.actor.oracle.sending(key)?))).collect();
        let session = self.session.request(&self.positions);
        let request = self.request(session);
        let pending = match connection.begin(&request, version, &[]).await {
            Ok(pending) => pending,
            Err(error) => return Ok(Err(error)),
        };
        match pending.wait().await {
            Ok(response) => self.judge(&sent, version, response).await.map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn connect(&mut self) -> Result<(Connection, i16), ClientError> {
        if let Some((connection, version)) = self.link.as_ref().filter(|(connection, _)| !connection.is_closed()) {
            return Ok((connection.clone(), *version));
        }
        self.session.start_over(self.actor.chance(50));
        let connection = self.actor.client.any_broker().await?;
        let max = connection.version_of::<FetchRequest>()?;
        let version = FIRST_VERSION + self.actor.below((max - FIRST_VERSION + 1) as u64) as i16;
        self.link = Some((connection.clone(), version));
        Ok((connection, version))
    }

    fn request(&self, session: SessionRequest) -> FetchRequest {
        let actor = &self.actor;
        let id_of = |key: &PartitionKey| actor.oracle.topic_id(&key.topic).unwrap_or(Uuid::ZERO);
        let mut topics: Vec<FetchTopic> = Vec::new();
        for (key, fetch_offset) in &session.fetch {
            let partition = FetchPartition {
                partition: key.partition,
                fetch_offset: *fetch_offset,
                partition_max_bytes: 100 + actor.below(6000) as i32,
                ..FetchPartition::default()
            };
            match topics.last_mut().filter(|topic| topic.topic == *key.topic) {
                Some(topic) => topic.partitions.push(partition),
                None => topics.push(FetchTopic {
                    topic: key.topic.to_string(),
                    topic_id: id_of(key),
                    partitions: vec![partition],
                }),
            }
        }
        let forgotten = session.forget.iter().map(|key| ForgottenTopic {
            topic: key.topic.to_string(),
            topic_id: id_of(key),
            partitions: vec![key.partition],
        });
        FetchRequest {
            max_wait_ms: actor.below(600) as i32,
            min_bytes: if actor.chance(70) { 1 } else { 2000 },
            max_bytes: 1000 + actor.below(20_000) as i32,
            isolation_level: i8::from(actor.chance(50)),
            session_id: session.id,
            session_epoch: session.epoch,
            topics,
            forgotten_topics_data: forgotten.collect(),
            ..FetchRequest::default()
        }
    }

    async fn judge(&mut self, sent: &BTreeMap<PartitionKey, Sent>, version: i16, response: FetchResponse) -> Check {
        use ErrorCode::{FetchSessionIdNotFound, FetchSessionTopicIdError, InvalidFetchSessionEpoch};
        match ErrorCode::from_code(response.error_code) {
            Some(ErrorCode::None) => self.session.answered(response.session_id),
            Some(FetchSessionIdNotFound | InvalidFetchSessionEpoch | FetchSessionTopicIdError) => {
                self.session.start_over(true);
                return Ok(());
            }
            code => return broken(format!("Fetch: {code:?}")),
        }
        for topic in response.responses {
            for partition in topic.partitions {
                let is_meant = |key: &&PartitionKey| {
                    let is_topic = match version >= TOPIC_ID_VERSION {
                        true => self.actor.oracle.topic_id(&key.topic) == Some(topic.topic_id),
                        false => *key.topic == *topic.topic,
                    };
                    is_topic && key.partition == partition.partition_index
                };
                let Some(key) = sent.keys().find(is_meant).cloned() else {
                    let named = format!("{}{}-{}", topic.topic, topic.topic_id, partition.partition_index);
                    return broken(format!("Fetch was answered for {named}, which was not asked for"));
                };
                self.partition(&sent[&key], partition).await?;
            }
        }
        Ok(())
    }

    async fn partition(&mut self, sent: &Sent, data: PartitionData) -> Check {
        let key = &sent.key;
        let position = self.positions[key];
        match ErrorCode::from_code(data.error_code).unwrap_or(ErrorCode::UnknownServerError) {
            ErrorCode::None => {}
            ErrorCode::OffsetOutOfRange => return self.reposition(sent, position).await,
            code => return self.actor.expect_code(&format!("Fetch of {key}"), code, None, &[]),
        }
        let oracle = &self.actor.oracle;
        let now = self.actor.now();
        oracle.high_watermark(sent, data.high_watermark, now)?;
        if data.log_start_offset >= 0 {
            oracle.log_start(sent, data.log_start_offset, self.actor.runtime.wall_clock_ms())?;
        }
        let Records::Inline(bytes) = &data.records else { return Ok(()) };
        let next = reading::batches(oracle, sent, position, bytes, &mut Order::default(), now)?;
        // A position may be beyond the watermark: what was behind it is lost, and the log has grown again since.
        if next > position.max(data.high_watermark) {
            return broken(format!(
                "{key} showed offset {} beyond the high watermark {}",
                next - 1,
                data.high_watermark
            ));
        }
        self.positions.insert(key.clone(), next);
        Ok(())
    }

    /// The position is not in the log: right only if the log starts behind it, or lost what was not promised.
    async fn reposition(&mut self, sent: &Sent, position: i64) -> Check {
        let key = &sent.key;
        let earliest = self.look(sent, OffsetSpec::Earliest).await?;
        let latest = self.look(sent, OffsetSpec::Latest).await?;
        let (Some(earliest), Some(latest)) = (earliest, latest) else { return Ok(()) };
        self.actor.oracle.out_of_range(sent, position, earliest)?;
        let next = if earliest > position { earliest } else { latest.min(position) };
        self.positions.insert(key.clone(), next);
        Ok(())
    }

    async fn look(&self, sent: &Sent, spec: OffsetSpec) -> Check<Option<i64>> {
        let key = &sent.key;
        match self.actor.client.list_offset(&key.topic, key.partition, spec, Isolation::ReadUncommitted).await {
            Ok(found) => Ok(Some(found.offset)),
            Err(error) => {
                self.actor.client.forget_topic(&key.topic);
                let stale = [ErrorCode::FencedLeaderEpoch, ErrorCode::UnknownLeaderEpoch];
                self.actor.expect(&format!("ListOffsets of {key}"), &error, &stale).map(|()| None)
            }
        }
    }
}
