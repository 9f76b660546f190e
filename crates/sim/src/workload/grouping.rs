//! Members of groups: what both protocols have in common. Each client is one member at a time.
//!
//! A member reads on where its group has committed, tells the oracle what it has read, commits, and now and then leaves, falls
//! silent, or is gone and comes back as another one. When it cannot know whether a commit was made it begins anew as another
//! member, unless the process that it asked is gone: so that no commit of its own can overtake a later one.

pub(super) mod classic;
pub(super) mod modern;

use super::reading::{self, Order};
use super::setup::{GROUPED, GROUPED_PARTITIONS};
use super::{Actor, ClientError};
use crate::oracle::{Check, GroupSent, PartitionKey, broken};
use crate::planted::GroupError;
use ottla_client::{Connection, FetchSpec};
use ottla_protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla_protocol::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla_protocol::{OffsetCommitRequest, OffsetFetchRequest};
use ottla_types::{ErrorCode, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The groups: one of each protocol.
const CLASSIC: &str = "classic-group";
const MODERN: &str = "modern-group";

/// In the end everything that is promised is committed by every group within this time.
const CATCH_UP_MAX: Duration = Duration::from_secs(60);

/// What a coordinator that is not ready answers.
pub(crate) const UNREADY: &[ErrorCode] =
    &[ErrorCode::CoordinatorLoadInProgress, ErrorCode::CoordinatorNotAvailable, ErrorCode::NotCoordinator];

/// What a member is told that is not one any more.
const FENCED: &[ErrorCode] = &[
    ErrorCode::UnknownMemberId,
    ErrorCode::IllegalGeneration,
    ErrorCode::RebalanceInProgress,
    ErrorCode::StaleMemberEpoch,
    ErrorCode::FencedMemberEpoch,
    ErrorCode::GroupIdNotFound,
];

/// How an exchange with the coordinator ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Done,
    /// It could not be asked, or could not answer; it did nothing, or what it did does not matter.
    Later,
    /// The member is out: join again.
    Fenced,
    /// A process that still runs may do it at any time.
    Unknown,
}

/// Who asks in the name of a member.
#[derive(Debug, Clone, Default)]
struct Credentials {
    member_id: String,
    /// Generation or member epoch.
    epoch: i32,
    is_classic: bool,
}

/// A member's place in its group: what it reads, and how far it is.
struct Seat {
    actor: Actor,
    group: &'static str,
    positions: BTreeMap<i32, i64>,
    /// Positions that are committed.
    committed: BTreeMap<i32, i64>,
    ends_at: Option<ottla_runtime::Instant>,
}

impl Seat {
    fn new(actor: Actor, group: &'static str) -> Seat {
        Seat { actor, group, positions: BTreeMap::new(), committed: BTreeMap::new(), ends_at: None }
    }

    /// Whether to go on: until the run is over, and then until the group has committed everything.
    fn goes_on(&mut self) -> Check<bool> {
        if !self.actor.is_over() {
            return Ok(true);
        }
        let ends: BTreeMap<i32, i64> =
            self.partitions().iter().map(|key| (key.partition, self.actor.oracle.firm_end(key))).collect();
        let Some((partition, committed, end)) = self.actor.oracle.group_lag(self.group, &ends) else {
            return Ok(false);
        };
        let now = self.actor.now();
        if now > *self.ends_at.get_or_insert(now + CATCH_UP_MAX) {
            let group = self.group;
            return broken(format!("{group} stays at offset {committed} of partition {partition}, {end} is promised"));
        }
        Ok(true)
    }

    fn partitions(&self) -> Vec<PartitionKey> {
        self.actor.oracle.partitions(true).into_iter().filter(|key| &*key.topic == GROUPED).collect()
    }

    /// Reads on with these partitions, from where the group has committed.
    async fn take(&mut self, credentials: &Credentials, partitions: &BTreeSet<i32>) -> Check<Told> {
        self.positions.retain(|partition, _| partitions.contains(partition));
        self.committed.retain(|partition, _| partitions.contains(partition));
        let new: Vec<i32> = partitions.iter().filter(|new| !self.positions.contains_key(new)).copied().collect();
        if new.is_empty() {
            return Ok(Told::Done);
        }
        let (told, found) = match ask(&self.actor, self.group, credentials, &new).await? {
            Ok(answer) => answer,
            Err(error) => return self.weather("OffsetFetch", &error),
        };
        for (partition, offset) in found {
            self.positions.insert(partition, offset.max(0));
            self.committed.insert(partition, offset);
        }
        Ok(told)
    }

    fn give_up_all(&mut self) {
        self.positions.clear();
        self.committed.clear();
    }

    /// Fetches once from one partition.
    async fn read(&mut self) -> Check {
        let owned: Vec<i32> = self.positions.keys().copied().collect();
        let Some(&partition) = self.actor.one_of(&owned) else { return Ok(()) };
        let Some(key) = self.partitions().into_iter().find(|key| key.partition == partition) else { return Ok(()) };
        let Some(sent) = self.actor.oracle.sending(&key) else { return Ok(()) };
        let position = self.positions[&partition];
        let spec = FetchSpec {
            max_wait: Duration::from_millis(20),
            max_bytes: 500 + self.actor.below(30_000) as i32,
            ..FetchSpec::new(GROUPED, partition, position)
        };
        let fetched = match self.actor.client.fetch(&spec).await {
            Ok(fetched) => fetched,
            Err(error) => {
                let stale = [ErrorCode::FencedLeaderEpoch, ErrorCode::UnknownLeaderEpoch];
                self.actor.expect(&format!("Fetch of {key}"), &error, &stale)?;
                self.actor.client.forget_topic(GROUPED);
                return Ok(());
            }
        };
        let (oracle, now) = (&self.actor.oracle, self.actor.now());
        oracle.high_watermark(&sent, fetched.high_watermark, now)?;
        let next = reading::batches(oracle, &sent, position, &fetched.batches, &mut Order::default(), now)?;
        oracle.group_read(self.group, partition, position, next);
        self.positions.insert(partition, next);
        Ok(())
    }

    /// Commits what was read since the last commit.
    async fn commit(&mut self, credentials: &Credentials) -> Check<Told> {
        let is_news =
            |(partition, position): &(&i32, &i64)| self.committed.get(*partition).is_none_or(|at| at < *position);
        let news: BTreeMap<i32, i64> = self.positions.iter().filter(is_news).map(|(key, at)| (*key, *at)).collect();
        if news.is_empty() {
            return Ok(Told::Done);
        }
        for (partition, offset) in &news {
            self.actor.oracle.committing(self.group, *partition, *offset)?;
        }
        let sent = self.actor.oracle.asking_group(self.group, self.actor.now());
        let response = if self.actor.has(GroupError::CommitDropped) && self.actor.chance(10) {
            None
        } else {
            match self.send_commit(credentials, &news).await {
                Ok(response) => Some(response),
                Err(error) => return self.uncertain("OffsetCommit", &sent, &error),
            }
        };
        let rows = response.iter().flat_map(|response| &response.topics).flat_map(|topic| &topic.partitions);
        let codes: BTreeMap<i32, i16> = rows.map(|row| (row.partition_index, row.error_code)).collect();
        let mut told = Told::Done;
        for (partition, offset) in &news {
            let code = match codes.get(partition) {
                Some(code) => ErrorCode::from_code(*code).unwrap_or(ErrorCode::UnknownServerError),
                None if response.is_none() => ErrorCode::None,
                None => return broken(format!("OffsetCommit of partition {partition} was not answered")),
            };
            let is_unfenced = self.actor.has(GroupError::CommitUnfenced) && FENCED.contains(&code);
            let code = if is_unfenced { ErrorCode::None } else { code };
            if code == ErrorCode::None {
                let generation = credentials.is_classic.then_some(credentials.epoch);
                self.actor.oracle.committed(&sent, *partition, *offset, generation)?;
                self.committed.insert(*partition, *offset);
            } else if FENCED.contains(&code) {
                told = Told::Fenced;
            } else {
                self.actor.expect_code("OffsetCommit", code, None, UNREADY)?;
                // A write that was not committed in time may still be.
                let is_done_with = UNREADY.contains(&code) || sent.process != self.actor.oracle.process();
                let now = if is_done_with { Told::Later } else { Told::Unknown };
                told = if told == Told::Done { now } else { told };
            }
        }
        Ok(told)
    }

    async fn send_commit(
        &self,
        credentials: &Credentials,
        news: &BTreeMap<i32, i64>,
    ) -> Result<ottla_protocol::OffsetCommitResponse, ClientError> {
        let connection = self.actor.client.group_coordinator(self.group).await?;
        let version = connection.version_of::<OffsetCommitRequest>()?;
        let partition = |(index, offset): (&i32, &i64)| OffsetCommitRequestPartition {
            partition_index: *index,
            committed_offset: *offset,
            committed_leader_epoch: -1,
            committed_metadata: Some(String::new()),
        };
        let topic = OffsetCommitRequestTopic {
            name: GROUPED.to_string(),
            topic_id: self.actor.oracle.topic_id(GROUPED).unwrap_or(Uuid::ZERO),
            partitions: news.iter().map(partition).collect(),
        };
        let request = OffsetCommitRequest {
            group_id: self.group.to_string(),
            generation_id_or_member_epoch: credentials.epoch,
            member_id: credentials.member_id.clone(),
            topics: vec![topic],
            ..OffsetCommitRequest::default()
        };
        connection.begin(&request, version, &[]).await?.wait().await
    }

    async fn coordinator(&self) -> Result<Connection, ClientError> {
        self.actor.client.group_coordinator(self.group).await
    }

    /// An error after which the same can be asked again.
    fn weather(&self, what: &str, error: &ClientError) -> Check<Told> {
        self.actor.expect(what, error, UNREADY)?;
        Ok(Told::Later)
    }

    /// An error after which it is not known what was done.
    fn uncertain(&self, what: &str, sent: &GroupSent, error: &ClientError) -> Check<Told> {
        self.actor.expect(what, error, UNREADY)?;
        let was_sent = error.is_outcome_unknown() && sent.process == self.actor.oracle.process();
        Ok(if was_sent { Told::Unknown } else { Told::Later })
    }

    /// What an answer's error code means for the member.
    fn judge(&self, what: &str, code: i16) -> Check<Told> {
        match ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError) {
            ErrorCode::None => Ok(Told::Done),
            code if FENCED.contains(&code) => Ok(Told::Fenced),
            code => self.actor.expect_code(what, code, None, UNREADY).map(|()| Told::Later),
        }
    }
}

/// Asks what a group has committed for these partitions.
async fn ask(
    actor: &Actor,
    group: &str,
    credentials: &Credentials,
    partitions: &[i32],
) -> Check<Result<(Told, BTreeMap<i32, i64>), ClientError>> {
    let sent = actor.oracle.asking_group(group, actor.now());
    let topic = OffsetFetchRequestTopics {
        name: GROUPED.to_string(),
        topic_id: actor.oracle.topic_id(GROUPED).unwrap_or(Uuid::ZERO),
        partition_indexes: partitions.to_vec(),
    };
    let is_member = !credentials.member_id.is_empty() && !credentials.is_classic;
    let asked = OffsetFetchRequestGroup {
        group_id: group.to_string(),
        member_id: is_member.then(|| credentials.member_id.clone()),
        member_epoch: if is_member { credentials.epoch } else { -1 },
        topics: Some(vec![topic]),
    };
    let request = OffsetFetchRequest { groups: vec![asked], require_stable: true, ..OffsetFetchRequest::default() };
    let answered = match actor.client.group_coordinator(group).await {
        Ok(connection) => connection.send(&request).await,
        Err(error) => Err(error),
    };
    let response = match answered {
        Ok(response) => response,
        Err(error) => return Ok(Err(error)),
    };
    let Some(answer) = response.groups.first() else {
        return broken(format!("OffsetFetch of {group} was not answered"));
    };
    let code = ErrorCode::from_code(answer.error_code).unwrap_or(ErrorCode::UnknownServerError);
    if code != ErrorCode::None {
        if is_member && FENCED.contains(&code) {
            return Ok(Ok((Told::Fenced, BTreeMap::new())));
        }
        actor.expect_code(&format!("OffsetFetch of {group}"), code, None, UNREADY)?;
        return Ok(Ok((Told::Later, BTreeMap::new())));
    }
    let mut found = BTreeMap::new();
    let mut told = Told::Done;
    for row in answer.topics.iter().flat_map(|topic| &topic.partitions) {
        let code = ErrorCode::from_code(row.error_code).unwrap_or(ErrorCode::UnknownServerError);
        if code == ErrorCode::None {
            actor.oracle.fetched_offset(&sent, row.partition_index, row.committed_offset)?;
            found.insert(row.partition_index, row.committed_offset);
        } else {
            actor.expect_code(&format!("OffsetFetch of {group}"), code, None, &[ErrorCode::UnknownTopicId])?;
            told = Told::Later;
        }
    }
    Ok(Ok((told, found)))
}

/// Asks what all groups have committed.
pub(crate) async fn ask_all(actor: &Actor) -> Check<Result<(), ClientError>> {
    let partitions: Vec<i32> = (0..GROUPED_PARTITIONS).collect();
    if actor.oracle.topic_id(GROUPED).is_none() {
        return Ok(Ok(()));
    }
    for group in [CLASSIC, MODERN] {
        match ask(actor, group, &Credentials::default(), &partitions).await? {
            Ok((Told::Done, _)) => {}
            Ok(_) => {
                let (subject, code) = (group.to_string(), ErrorCode::CoordinatorNotAvailable);
                return Ok(Err(ClientError::Broker { subject, code, message: None }));
            }
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(()))
}
