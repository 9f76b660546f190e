//! Fetch sessions (KIP-227): after a first full request only what changed is sent, and the broker answers only with
//! partitions that have something new.

use ottla_protocol::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use ottla_types::{ErrorCode, TopicPartition, Uuid};
use std::collections::BTreeMap;

/// The epoch of a request that opens a session.
const INITIAL_EPOCH: i32 = 0;

/// What is asked of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) topic_id: Uuid,
    pub(super) offset: i64,
    pub(super) leader_epoch: i32,
    pub(super) bytes_max: i32,
    /// The consumer's version of the partition: what an answer belongs to.
    pub(super) version: u64,
}

/// The client's side of a session with one broker.
#[derive(Debug, Default)]
pub(super) struct FetchSession {
    id: i32,
    epoch: i32,
    /// What the broker has been told.
    told: BTreeMap<TopicPartition, Wanted>,
}

/// What goes into a request.
#[derive(Debug, Default)]
pub(super) struct SessionRequest {
    pub(super) id: i32,
    pub(super) epoch: i32,
    pub(super) topics: Vec<FetchTopic>,
    pub(super) forgotten: Vec<ForgottenTopic>,
}

impl FetchSession {
    /// The request that makes the broker's picture the wanted one.
    pub(super) fn request(&mut self, wanted: BTreeMap<TopicPartition, Wanted>) -> SessionRequest {
        let is_full = self.epoch == INITIAL_EPOCH;
        let mut request = SessionRequest { id: self.id, epoch: self.epoch, ..SessionRequest::default() };
        for (partition, new) in &wanted {
            let told = self.told.get(partition);
            let is_news = told.is_none_or(|told| Wanted { version: new.version, ..*told } != *new);
            if !is_full && told.is_some_and(|told| told.topic_id != new.topic_id) {
                forget(&mut request.forgotten, partition, self.told[partition].topic_id);
            }
            if is_full || is_news {
                add(&mut request.topics, partition, new);
            }
        }
        if !is_full {
            for (partition, told) in self.told.iter().filter(|(partition, _)| !wanted.contains_key(*partition)) {
                forget(&mut request.forgotten, partition, told.topic_id);
            }
        }
        self.told = wanted;
        request
    }

    /// What was asked of a partition.
    pub(super) fn wanted(&self, partition: &TopicPartition) -> Option<&Wanted> {
        self.told.get(partition)
    }

    /// The name of a topic id that was asked for.
    pub(super) fn topic_of(&self, topic_id: Uuid) -> Option<std::sync::Arc<str>> {
        self.told.iter().find(|(_, wanted)| wanted.topic_id == topic_id).map(|(partition, _)| partition.topic.clone())
    }

    /// An answer came without an error of the session.
    pub(super) fn answered(&mut self, id: i32) {
        self.epoch = match (id, self.epoch) {
            // The broker keeps no session: ask in full again.
            (0, _) => INITIAL_EPOCH,
            (_, i32::MAX) => 1,
            (_, epoch) => epoch + 1,
        };
        self.id = id;
    }

    /// No answer, or an error: the next request opens a new session. It names the old one, so that the broker can drop it.
    pub(super) fn failed(&mut self, code: Option<ErrorCode>) {
        if code == Some(ErrorCode::FetchSessionIdNotFound) {
            self.id = 0;
        }
        self.epoch = INITIAL_EPOCH;
    }
}

fn add(topics: &mut Vec<FetchTopic>, partition: &TopicPartition, wanted: &Wanted) {
    let asked = FetchPartition {
        partition: partition.partition,
        current_leader_epoch: wanted.leader_epoch,
        fetch_offset: wanted.offset,
        partition_max_bytes: wanted.bytes_max,
        ..Default::default()
    };
    match topics.last_mut().filter(|topic| *topic.topic == *partition.topic) {
        Some(topic) => topic.partitions.push(asked),
        None => topics.push(FetchTopic {
            topic: partition.topic.to_string(),
            topic_id: wanted.topic_id,
            partitions: vec![asked],
        }),
    }
}

fn forget(topics: &mut Vec<ForgottenTopic>, partition: &TopicPartition, topic_id: Uuid) {
    match topics.last_mut().filter(|topic| topic.topic_id == topic_id && *topic.topic == *partition.topic) {
        Some(topic) => topic.partitions.push(partition.partition),
        None => topics.push(ForgottenTopic {
            topic: partition.topic.to_string(),
            topic_id,
            partitions: vec![partition.partition],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(offsets: &[(i32, i64)]) -> BTreeMap<TopicPartition, Wanted> {
        let one = |offset| Wanted { topic_id: Uuid::ZERO, offset, leader_epoch: 1, bytes_max: 9, version: 0 };
        offsets.iter().map(|(index, offset)| (TopicPartition::new("t", *index), one(*offset))).collect()
    }

    fn shape(request: &SessionRequest) -> (i32, i32, Vec<(i32, i64)>, Vec<i32>) {
        let asked = request.topics.iter().flat_map(|t| t.partitions.iter().map(|p| (p.partition, p.fetch_offset)));
        let forgotten = request.forgotten.iter().flat_map(|topic| topic.partitions.clone());
        (request.id, request.epoch, asked.collect(), forgotten.collect())
    }

    #[test]
    fn only_changes_are_sent_and_an_error_begins_anew() {
        let mut session = FetchSession::default();
        assert_eq!(shape(&session.request(wanted(&[(0, 5), (1, 6)]))), (0, 0, vec![(0, 5), (1, 6)], vec![]));
        session.answered(77);
        assert_eq!(shape(&session.request(wanted(&[(0, 5), (1, 8)]))), (77, 1, vec![(1, 8)], vec![]));
        session.answered(77);
        assert_eq!(shape(&session.request(wanted(&[(1, 8), (2, 0)]))), (77, 2, vec![(2, 0)], vec![0]));
        session.failed(Some(ErrorCode::InvalidFetchSessionEpoch));
        assert_eq!(shape(&session.request(wanted(&[(1, 8)]))), (77, 0, vec![(1, 8)], vec![]));
        session.failed(Some(ErrorCode::FetchSessionIdNotFound));
        assert_eq!(shape(&session.request(wanted(&[(1, 8)]))), (0, 0, vec![(1, 8)], vec![]));
        session.answered(0);
        assert_eq!(shape(&session.request(wanted(&[(1, 9)]))), (0, 0, vec![(1, 9)], vec![]), "no session is kept");
    }
}
