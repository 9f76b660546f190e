//! What a share consumer and its tasks share.

use super::acknowledgements::{ByPlace, merge_all};
use super::options::ShareConsumerOptions;
use super::session::Partitions;
use super::state::{Commit, Completed, Outcomes, State};
use crate::client::Client;
use crate::consumer::Signal;
use crate::error::ClientError;
use ottla_runtime::{Instant, Runtime};
use ottla_types::TopicPartition;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

/// Errors that wait for a poll.
const ERRORS_MAX: usize = 100;

pub(super) struct Shared {
    pub(super) client: Client,
    /// Its connections carry share sessions, and nothing else: fetches wait at the broker, and a session ends with its connection.
    pub(super) fetching: Client,
    /// Its connections go to the group's coordinator alone.
    pub(super) coordinating: Client,
    pub(super) options: ShareConsumerOptions,
    pub(super) member_id: String,
    state: Mutex<State>,
    /// When the application polled last.
    polled: Mutex<Instant>,
    /// Wakes `poll` and `commit`.
    pub(super) signal: Arc<Signal>,
    /// Wakes the task that finds leaders.
    pub(super) work: Notify,
    /// Told whenever a session was closed.
    closed: Notify,
}

impl Shared {
    pub(super) fn new(client: &Client, options: ShareConsumerOptions) -> Shared {
        Shared {
            client: client.clone(),
            fetching: client.separate(),
            coordinating: client.separate(),
            options,
            member_id: client.runtime().random_uuid().to_string(),
            state: Mutex::default(),
            polled: Mutex::new(client.runtime().now()),
            signal: Arc::default(),
            work: Notify::new(),
            closed: Notify::new(),
        }
    }

    pub(super) fn runtime(&self) -> &Runtime {
        self.client.runtime()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note_poll(&self) {
        *self.polled.lock().unwrap_or_else(PoisonError::into_inner) = self.runtime().now();
    }

    /// Whether the application has stopped polling.
    pub(super) fn is_idle(&self) -> bool {
        let polled = *self.polled.lock().unwrap_or_else(PoisonError::into_inner);
        self.runtime().now().saturating_duration_since(polled) > self.options.max_poll_interval
    }

    /// The new assignment. Whether anything changed.
    pub(super) fn assign(&self, partitions: &Partitions) -> bool {
        let has_changed = self.lock().assign(partitions);
        if has_changed {
            self.work.notify_one();
            self.wake_fetchers();
        }
        has_changed
    }

    pub(super) fn wake_fetchers(&self) {
        self.lock().wake_fetchers();
    }

    /// `poll` returns this error.
    pub(super) fn report(&self, error: ClientError) {
        self.lock().report(error);
        self.signal.notify();
    }

    /// There is no membership any more, and why.
    pub(super) fn end_membership(&self, error: ClientError) {
        {
            let mut state = self.lock();
            state.want_nothing();
            state.fatal = Some(error);
        }
        self.signal.notify();
    }

    /// All leaders are asked for again; until the answer comes they stay.
    pub(super) fn doubt_leaders(&self) {
        self.lock().assigned.values_mut().for_each(|assigned| assigned.is_doubtful = true);
    }

    /// A broker is not there, or does not lead these: perhaps another one does now.
    pub(super) fn lose_leaders<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        let mut state = self.lock();
        for partition in partitions {
            if let Some(assigned) = state.assigned.get_mut(partition) {
                (assigned.leader, assigned.is_doubtful) = (None, true);
            }
            self.client.forget_topic(&partition.topic);
        }
        drop(state);
        self.work.notify_one();
    }

    /// With `record_limit`: another broker may be asked now.
    pub(super) fn turn_is_over(&self, node: i32) {
        let mut state = self.lock();
        if state.asked == Some(node) {
            state.asked = None;
            state.wake_fetchers();
        }
    }

    /// Acknowledgements that did not reach a broker, or of which nobody knows.
    pub(super) fn fail(&self, acknowledgements: ByPlace, error: &ClientError) {
        let mut state = self.lock();
        for (place, acknowledgements) in acknowledgements {
            let outcome = Err(error.clone());
            state.completed.push(Completed { place, acknowledgements, outcome, lock_timeout: None });
        }
        drop(state);
        self.signal.notify();
    }

    /// Brokers are asked for records; acknowledgements go along where that is possible.
    pub(super) fn want_records(&self, along: ByPlace) {
        let mut state = self.lock();
        state.wants_records = true;
        // A poll that does not wait is over before anybody is asked; its records are for the next one.
        state.nodes.values_mut().for_each(|node| node.is_to_ask = true);
        for (node, acknowledgements) in self.by_node(along) {
            if let Some(node) = state.nodes.get_mut(&node) {
                merge_all(&mut node.along, acknowledgements);
            }
        }
        state.wake_fetchers();
    }

    /// Nobody waits any more: what brokers would lock from now on would be locked in vain.
    pub(super) fn stop_waiting(&self) {
        self.lock().wants_records = false;
    }

    /// Acknowledgements go by themselves; what a later try may mend is tried again until `deadline`.
    pub(super) fn commit(
        &self,
        node: i32,
        acknowledgements: ByPlace,
        deadline: Instant,
        done: Option<oneshot::Sender<Outcomes>>,
    ) {
        let mut state = self.lock();
        // Records came from there, so the node is known.
        if let Some(node) = state.nodes.get_mut(&node) {
            node.commits.push_back(Commit { acknowledgements, deadline, done });
            node.wake.notify_one();
        }
    }

    pub(super) fn by_node(&self, all: ByPlace) -> BTreeMap<i32, ByPlace> {
        let mut by_node: BTreeMap<i32, ByPlace> = BTreeMap::new();
        for (place, acknowledgements) in all {
            by_node.entry(place.node).or_default().insert(place, acknowledgements);
        }
        by_node
    }

    /// Sends these acknowledgements, and all that wait, and ends the sessions.
    pub(super) async fn close_sessions(&self, acknowledgements: ByPlace, deadline: Instant) {
        for (node, acknowledgements) in self.by_node(acknowledgements) {
            self.commit(node, acknowledgements, deadline, None);
        }
        {
            let mut state = self.lock();
            state.want_nothing();
            state.nodes.values_mut().for_each(|node| node.is_closing = true);
            state.wake_fetchers();
        }
        loop {
            let closed = self.closed.notified();
            if self.lock().nodes.values().all(|node| !node.is_closing) {
                return;
            }
            closed.await;
        }
    }

    pub(super) fn closed(&self, node: i32) {
        if let Some(node) = self.lock().nodes.get_mut(&node) {
            node.is_closing = false;
        }
        self.closed.notify_one();
    }

    /// Records that were given back, and everything of the group.
    pub(super) fn forget_records(&self) {
        let mut state = self.lock();
        state.subscriptions += 1;
        state.delivered.clear();
        state.errors.clear();
        state.fatal = None;
        state.assigned.clear();
        state.nodes.values_mut().for_each(|node| node.is_closing = false);
    }
}

impl State {
    /// `poll` returns this error, and asks for no records before it did.
    pub(super) fn report(&mut self, error: ClientError) {
        self.want_nothing();
        // What is told again and again while nobody polls is told once.
        if self.errors.len() < ERRORS_MAX && self.errors.back() != Some(&error) {
            self.errors.push_back(error);
        }
    }
}
