//! Share groups of the small broker: one group, records of partition 0 of `events`, locks without end, sessions.

use super::broker::Inside;
use bytes::Bytes;
use ottla_protocol::share_acknowledge_response as acknowledged;
use ottla_protocol::share_fetch_response as fetched;
use ottla_protocol::share_group_heartbeat_response::{Assignment, TopicPartitions};
use ottla_protocol::{
    AnyResponse, Records, ShareAcknowledgeRequest, ShareAcknowledgeResponse, ShareFetchRequest, ShareFetchResponse,
    ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse,
};
use ottla_types::{ErrorCode, Uuid};
use std::collections::{BTreeMap, VecDeque};

const RENEW: i8 = 4;
const RELEASE: i8 = 2;

/// See the module.
#[derive(Default)]
pub(crate) struct Sharing {
    /// Next session epoch of each member.
    pub(crate) sessions: BTreeMap<String, i32>,
    pub(crate) records: BTreeMap<i64, Shared>,
    /// What the next heartbeats, fetches of the partition and acknowledgements are refused with.
    pub(crate) heartbeat_errors: VecDeque<ErrorCode>,
    pub(crate) fetch_errors: VecDeque<ErrorCode>,
    pub(crate) acknowledge_errors: VecDeque<ErrorCode>,
    /// Assignments that the next heartbeats of members bring, by topic.
    pub(crate) assignments: VecDeque<Uuid>,
    /// The newest version of ShareFetch and ShareAcknowledge, if it is not the newest of all.
    pub(crate) version_max: Option<i16>,
    /// Refuses all acknowledgements, if it does.
    pub(crate) acknowledge_refusal: Option<ErrorCode>,
    /// Session epochs of all requests, in their order.
    pub(crate) epochs: Vec<i32>,
    /// Who is a member.
    pub(crate) members: BTreeMap<String, i32>,
}

/// A record that somebody fetched.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Shared {
    pub(crate) owner: Option<String>,
    pub(crate) is_done: bool,
    pub(crate) count: i16,
}

impl Sharing {
    /// The broker restarts: sessions and locks are gone.
    pub(crate) fn forget_sessions(&mut self) {
        self.sessions.clear();
        self.records.values_mut().for_each(|record| record.owner = None);
    }

    fn admit(&mut self, member: &str, epoch: i32) -> ErrorCode {
        self.epochs.push(epoch);
        if epoch <= 0 {
            let owned = self.records.values_mut().filter(|record| record.owner.as_deref() == Some(member));
            owned.for_each(|record| record.owner = None);
        }
        match (epoch, self.sessions.get(member)) {
            (-1, _) => drop(self.sessions.remove(member)),
            (0, _) => drop(self.sessions.insert(member.to_string(), 1)),
            (_, Some(next)) if *next == epoch => drop(self.sessions.insert(member.to_string(), epoch + 1)),
            (_, Some(_)) => return ErrorCode::InvalidShareSessionEpoch,
            (_, None) => return ErrorCode::ShareSessionNotFound,
        }
        ErrorCode::None
    }

    /// Takes acknowledgements of one batch of offsets.
    fn take(&mut self, member: &str, first: i64, last: i64, types: &[i8]) -> ErrorCode {
        for (offset, index) in (first..=last).zip(0..) {
            let kind = types.get(index).or(types.first()).copied().unwrap_or_default();
            let record = self.records.entry(offset).or_default();
            if record.owner.as_deref() != Some(member) {
                return ErrorCode::InvalidRecordState;
            }
            if kind != RENEW {
                record.owner = None;
                record.is_done = kind != RELEASE;
            }
        }
        ErrorCode::None
    }
}

pub(crate) fn heartbeat(inside: &mut Inside, topic_id: Uuid, request: &ShareGroupHeartbeatRequest) -> AnyResponse {
    let partitions = inside.topics["events"].partitions.len();
    let sharing = &mut inside.sharing;
    if let Some(error) = sharing.heartbeat_errors.pop_front() {
        return ShareGroupHeartbeatResponse { error_code: error.code(), ..Default::default() }.into();
    }
    if request.member_epoch < 0 {
        sharing.members.remove(&request.member_id);
        return ShareGroupHeartbeatResponse { member_epoch: -1, ..Default::default() }.into();
    }
    let is_new = sharing.members.insert(request.member_id.clone(), 1).is_none() || request.member_epoch == 0;
    let indexes = (0..).take(partitions).collect();
    let scripted = sharing.assignments.pop_front();
    let assigned = scripted.or(is_new.then_some(topic_id));
    let assignment = assigned
        .map(|topic_id| Assignment { topic_partitions: vec![TopicPartitions { topic_id, partitions: indexes }] });
    ShareGroupHeartbeatResponse {
        member_id: Some(request.member_id.clone()),
        member_epoch: 1,
        heartbeat_interval_ms: 1000,
        assignment,
        ..Default::default()
    }
    .into()
}

pub(crate) fn fetch(inside: &mut Inside, topic_id: Uuid, request: &ShareFetchRequest) -> AnyResponse {
    let member = request.member_id.clone().unwrap();
    let partition = &inside.topics["events"].partitions[0];
    let (bytes, end) = (partition.batches.concat(), partition.end);
    let sharing = &mut inside.sharing;
    let admitted = sharing.admit(&member, request.share_session_epoch);
    if admitted != ErrorCode::None {
        return ShareFetchResponse { error_code: admitted.code(), ..Default::default() }.into();
    }
    let records = Records::Inline(Bytes::new());
    let mut data = fetched::PartitionData { partition_index: 0, records, ..Default::default() };
    let asked = request.topics.iter().flat_map(|topic| &topic.partitions).find(|asked| asked.partition_index == 0);
    for batch in asked.iter().flat_map(|asked| &asked.acknowledgement_batches) {
        let taken = sharing.take(&member, batch.first_offset, batch.last_offset, &batch.acknowledge_types);
        data.acknowledge_error_code = taken.code();
    }
    match sharing.fetch_errors.pop_front() {
        Some(error) => data.error_code = error.code(),
        None => {
            let max_records = usize::try_from(request.max_records).unwrap();
            for offset in 0..end {
                let record = sharing.records.entry(offset).or_default();
                if record.is_done || record.owner.is_some() || data.acquired_records.len() >= max_records {
                    continue;
                }
                (record.owner, record.count) = (Some(member.clone()), record.count + 1);
                let acquired = (offset, offset, record.count);
                let (first_offset, last_offset, delivery_count) = acquired;
                data.acquired_records.push(fetched::AcquiredRecords { first_offset, last_offset, delivery_count });
            }
            data.records = Records::Inline(bytes.into());
        }
    }
    let topic = fetched::ShareFetchableTopicResponse { topic_id, partitions: vec![data] };
    ShareFetchResponse { acquisition_lock_timeout_ms: 30_000, responses: vec![topic], ..Default::default() }.into()
}

pub(crate) fn acknowledge(inside: &mut Inside, topic_id: Uuid, request: &ShareAcknowledgeRequest) -> AnyResponse {
    let member = request.member_id.clone().unwrap();
    let sharing = &mut inside.sharing;
    let admitted = sharing.admit(&member, request.share_session_epoch);
    if admitted != ErrorCode::None {
        return ShareAcknowledgeResponse { error_code: admitted.code(), ..Default::default() }.into();
    }
    let mut partitions = Vec::new();
    for asked in request.topics.iter().flat_map(|topic| &topic.partitions) {
        let refused = sharing.acknowledge_refusal.or_else(|| sharing.acknowledge_errors.pop_front());
        let error = refused.unwrap_or_else(|| {
            let batches = asked.acknowledgement_batches.iter();
            let taken = batches
                .map(|batch| sharing.take(&member, batch.first_offset, batch.last_offset, &batch.acknowledge_types));
            taken.filter(|code| *code != ErrorCode::None).last().unwrap_or(ErrorCode::None)
        });
        let (partition_index, error_code) = (asked.partition_index, error.code());
        partitions.push(acknowledged::PartitionData { partition_index, error_code, ..Default::default() });
    }
    let topic = acknowledged::ShareAcknowledgeTopicResponse { topic_id, partitions };
    ShareAcknowledgeResponse { acquisition_lock_timeout_ms: 30_000, responses: vec![topic], ..Default::default() }
        .into()
}
