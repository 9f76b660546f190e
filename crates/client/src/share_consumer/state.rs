//! What a share consumer and its tasks know together: assigned partitions, what is to be sent to each broker, what came and
//! was not polled yet, how acknowledgements went.

use super::acknowledgements::{Acknowledged, Acknowledgements, ByPlace, Place};
use super::delivered::Delivered;
use super::session::Partitions;
use crate::error::ClientError;
use ottla_runtime::{AbortOnDrop, Instant};
use ottla_types::{ErrorCode, TopicPartition, Uuid};
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
    /// Its task is at work, or rests after an error.
    pub(super) is_busy: bool,
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

/// How acknowledgements went.
pub(super) type Outcomes = Vec<Acknowledged>;

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
    /// How many it takes.
    pub(super) records_max: usize,
    /// With `record_limit`: who is asked for records now, and who was asked last.
    pub(super) asked: Option<i32>,
    pub(super) asked_last: Option<i32>,
    /// How many subscriptions have ended: what comes for one of them is not for the next.
    pub(super) subscriptions: u64,
    pub(super) delivered: VecDeque<Delivered>,
    pub(super) completed: Vec<Completed>,
    pub(super) errors: VecDeque<ClientError>,
    /// Why there is no membership any more: every poll returns it.
    pub(super) fatal: Option<ClientError>,
    pub(super) tasks: Vec<AbortOnDrop<()>>,
    pub(super) is_closed: bool,
}

impl Node {
    pub(super) fn new(wake: Arc<Notify>) -> Node {
        Node {
            wake,
            along: ByPlace::new(),
            commits: VecDeque::new(),
            is_to_ask: false,
            is_closing: false,
            is_busy: false,
        }
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

    /// With `record_limit` one broker is asked for records at a time, in turn; nobody waits for one that is busy. Whether it is
    /// this one's turn.
    pub(super) fn takes_turn(&mut self, node: i32) -> bool {
        if let Some(asked) = self.asked {
            return asked == node;
        }
        let leaders = self.assigned.values().filter_map(|assigned| assigned.leader);
        let is_free = |leader: &i32| *leader == node || self.nodes.get(leader).is_some_and(|leader| !leader.is_busy);
        let mut leaders: Vec<i32> = leaders.filter(is_free).collect();
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

    /// A session is over. Records that nobody has polled yet are not this member's any more where the broker gives them back:
    /// the connection is lost, or the broker knows of no session.
    pub(super) fn session_ended(&mut self, node: i32, error: &ClientError) {
        if error.code().is_none_or(|code| code == ErrorCode::ShareSessionNotFound) {
            self.delivered.retain(|delivered| delivered.place.node != node);
        }
    }

    /// What `poll` has to say in place of records.
    pub(super) fn next_error(&mut self) -> Option<ClientError> {
        self.errors.pop_front().or_else(|| self.fatal.clone())
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

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use ottla_runtime::sim::World;

    fn state_with_leaders(leaders: &[i32]) -> State {
        let mut state = State::default();
        for (leader, index) in leaders.iter().zip(0..) {
            let assigned = Assigned { topic_id: Uuid::ZERO, leader: Some(*leader), is_doubtful: false };
            state.assigned.insert(TopicPartition::new("t", index), assigned);
            state.nodes.insert(*leader, Node::new(Arc::default()));
        }
        state
    }

    #[test]
    fn brokers_take_turns_and_nobody_waits_for_a_busy_one() {
        let mut state = state_with_leaders(&[1, 2, 3]);
        assert!(!state.takes_turn(2) && state.takes_turn(1));
        assert!(state.takes_turn(1) && !state.takes_turn(2), "one at a time");
        state.asked = None;
        assert!(!state.takes_turn(3), "it is the second one's turn");
        state.nodes.get_mut(&2).expect("it is there").is_busy = true;
        assert!(state.takes_turn(3));
        state.asked = None;
        assert!(state.takes_turn(1), "and round again");
    }

    #[test]
    fn records_that_the_broker_gave_back_are_not_handed_out() {
        let mut state = State::default();
        let world = World::new(1);
        let now = world.run(async { world.node("client").now() });
        for node in [1, 2] {
            let place = Place { node, partition: TopicPartition::new("t", 0), topic_id: Uuid::ZERO };
            let (bytes, acquired) = (Bytes::new(), Vec::new());
            state.delivered.push_back(Delivered { place, lock_timeout: None, came_at: now, bytes, acquired });
        }
        let broker = |code| ClientError::Broker { subject: "b".to_string(), code, message: None };
        state.session_ended(1, &broker(ErrorCode::InvalidShareSessionEpoch));
        assert_eq!(state.delivered.len(), 2, "the broker has them locked still");
        state.session_ended(1, &broker(ErrorCode::ShareSessionNotFound));
        assert_eq!(state.take_delivered(now).map(|delivered| delivered.place.node), Some(2));
        assert!(state.take_delivered(now).is_none());
    }
}
