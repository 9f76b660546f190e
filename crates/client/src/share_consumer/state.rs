//! What a share consumer and its tasks know together: assigned partitions, what is to be sent to each broker, what came and
//! was not polled yet, how acknowledgements went.

use super::acknowledgements::{Acknowledgements, ByPlace, Place};
use super::delivered::Delivered;
use super::session::Partitions;
use crate::error::ClientError;
use ottla_runtime::{AbortOnDrop, Instant};
use ottla_types::{TopicPartition, Uuid};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// One assigned partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Assigned {
    pub(super) topic_id: Uuid,
    pub(super) leader: Option<i32>,
    /// The cluster is to be asked who leads it.
    pub(super) is_doubtful: bool,
}

/// What is to be sent to a broker.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) wake: Arc<Notify>,
    /// Acknowledgements that may go along with the next ShareFetch.
    pub(super) along: ByPlace,
    /// Those that go by themselves, in this order.
    pub(super) commits: VecDeque<Commit>,
    /// `poll` has asked for records since this broker was asked for some.
    pub(super) is_to_ask: bool,
    /// The session is to end.
    pub(super) is_closing: bool,
}

/// Acknowledgements of one call.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) acknowledgements: ByPlace,
    /// Until then errors that a later try may mend are tried again.
    pub(super) deadline: Instant,
    /// Who waits for the outcome.
    pub(super) done: Option<oneshot::Sender<Outcomes>>,
}

/// How acknowledgements went, by partition.
pub(super) type Outcomes = Vec<(Place, Result<(), ClientError>)>;

/// How one of them went.
#[derive(Debug)]
pub(super) struct Completed {
    pub(super) place: Place,
    pub(super) acknowledgements: Acknowledgements,
    pub(super) outcome: Result<(), ClientError>,
    pub(super) lock_timeout: Option<Duration>,
}

/// See the module.
#[derive(Default)]
pub(super) struct State {
    /// Member epoch; below 1 for who is no member.
    pub(super) epoch: i32,
    /// A heartbeat was sent, so the coordinator may count on it.
    pub(super) may_be_member: bool,
    pub(super) assigned: BTreeMap<TopicPartition, Assigned>,
    pub(super) nodes: BTreeMap<i32, Node>,
    /// `poll` waits for records.
    pub(super) wants_records: bool,
    /// With `record_limit`: who is asked for records now, and who was asked last.
    pub(super) asked: Option<i32>,
    pub(super) asked_last: Option<i32>,
    pub(super) delivered: VecDeque<Delivered>,
    pub(super) completed: Vec<Completed>,
    pub(super) errors: VecDeque<ClientError>,
    pub(super) tasks: Vec<AbortOnDrop<()>>,
    pub(super) is_closed: bool,
}

impl Node {
    pub(super) fn new(wake: Arc<Notify>) -> Node {
        Node { wake, along: ByPlace::new(), commits: VecDeque::new(), is_to_ask: false, is_closing: false }
    }
}

impl State {
    /// Partitions whose leader is not known for sure.
    pub(super) fn doubtful(&self) -> impl Iterator<Item = &TopicPartition> {
        self.assigned.iter().filter(|(_, assigned)| assigned.is_doubtful).map(|(partition, _)| partition)
    }

    /// The new assignment; leaders that are known stay. Whether anything changed.
    pub(super) fn assign(&mut self, wanted: &Partitions) -> bool {
        let before = self.assigned.len();
        self.assigned.retain(|partition, known| wanted.get(partition) == Some(&known.topic_id));
        let mut has_changed = self.assigned.len() != before;
        for (partition, topic_id) in wanted {
            self.assigned.entry(partition.clone()).or_insert_with(|| {
                has_changed = true;
                Assigned { topic_id: *topic_id, leader: None, is_doubtful: true }
            });
        }
        has_changed
    }

    /// The assigned partitions that this broker leads.
    pub(super) fn led_by(&self, node: i32) -> Partitions {
        let here = self.assigned.iter().filter(|(_, assigned)| assigned.leader == Some(node));
        here.map(|(partition, assigned)| (partition.clone(), assigned.topic_id)).collect()
    }

    /// With `record_limit` one broker is asked for records at a time, in turn. Whether it is this one's.
    pub(super) fn takes_turn(&mut self, node: i32) -> bool {
        if let Some(asked) = self.asked {
            return asked == node;
        }
        let mut leaders: Vec<i32> = self.assigned.values().filter_map(|assigned| assigned.leader).collect();
        leaders.sort_unstable();
        let next = leaders.iter().find(|leader| self.asked_last.is_none_or(|last| **leader > last)).or(leaders.first());
        if next != Some(&node) {
            return false;
        }
        (self.asked, self.asked_last) = (Some(node), Some(node));
        true
    }

    /// Whether this broker may be asked for records as far as `poll` goes.
    pub(super) fn wants_records_of(&self, node: i32) -> bool {
        self.wants_records || self.nodes.get(&node).is_some_and(|node| node.is_to_ask)
    }

    /// `poll` waits for nothing: there are records, or there is an error.
    pub(super) fn want_nothing(&mut self) {
        self.wants_records = false;
        self.nodes.values_mut().for_each(|node| node.is_to_ask = false);
    }

    pub(super) fn wake_fetchers(&self) {
        self.nodes.values().for_each(|node| node.wake.notify_one());
    }

    /// Takes partitions out of what came until there are this many records or nothing is left.
    pub(super) fn take_delivered(&mut self, now: Instant) -> Option<Delivered> {
        while let Some(delivered) = self.delivered.pop_front() {
            if !delivered.is_stale(now) {
                return Some(delivered);
            }
            // Nobody polled for so long that others may have them.
            tracing::debug!(partition = %delivered.place.partition, "locks ended before the records were polled");
        }
        None
    }
}
