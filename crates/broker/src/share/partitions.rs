//! The share partitions and share sessions of this node.

use super::cached::Cached;
use super::initializing::Initializing;
use super::settings::Settings;
use super::states::ShareStates;
use crate::partition::PartitionError;
use ottla_config::BrokerConfig;
use ottla_metadata::ControllerChannel;
use ottla_net::ConnectionInfo;
use ottla_runtime::{Instant, Runtime};
use ottla_share::state::{StateError, StateKey, StateRequest};
use ottla_share::{FINAL_EPOCH, INITIAL_EPOCH, SessionError, SessionKey, ShareSessions, TopicIdPartition, Write};
use ottla_telemetry::ShareGroupMetrics;
use ottla_types::{ErrorCode, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::Notify;

/// What share groups fetch from this node.
pub(crate) struct SharePartitions {
    pub(super) runtime: Runtime,
    pub(super) states: Arc<ShareStates>,
    pub(super) controller: Arc<dyn ControllerChannel>,
    sessions: Mutex<ShareSessions<Weak<ConnectionInfo>>>,
    cached: Mutex<BTreeMap<StateKey, Arc<Cached>>>,
    /// One load at a time for each share partition: whoever comes second finds what the first one loaded.
    pub(super) loading: Mutex<BTreeMap<StateKey, Arc<tokio::sync::Mutex<()>>>>,
    /// States that heartbeats asked for.
    pub(crate) initializing: Initializing,
    /// Told when there is a share session, or a share partition.
    pub(super) used: Notify,
    began: Instant,
}

impl SharePartitions {
    pub(crate) fn new(
        states: &Arc<ShareStates>,
        controller: Arc<dyn ControllerChannel>,
        config: &BrokerConfig,
    ) -> Arc<SharePartitions> {
        let sessions_max = usize::try_from(config.long("group.share.max.share.sessions")).unwrap_or(1);
        Arc::new(SharePartitions {
            runtime: states.runtime.clone(),
            states: Arc::clone(states),
            controller,
            sessions: Mutex::new(ShareSessions::new(sessions_max)),
            cached: Mutex::default(),
            loading: Mutex::default(),
            initializing: Initializing::default(),
            used: Notify::new(),
            began: states.runtime.now(),
        })
    }

    /// The settings of a group as they stand now.
    pub(crate) fn settings(&self, group_id: &str) -> Settings {
        Settings::of(group_id, &self.states.images.borrow(), &self.states.config())
    }

    /// Admits a request to its session. All partitions of the session, or none for one that ends.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub(crate) fn admit(
        self: &Arc<Self>,
        key: &SessionKey,
        epoch: i32,
        (added, forgotten): (&[TopicIdPartition], &[TopicIdPartition]),
        acknowledges: bool,
        connection: &Arc<ConnectionInfo>,
    ) -> Result<Vec<TopicIdPartition>, SessionError> {
        if epoch != INITIAL_EPOCH {
            let all = self.sessions().go_on(key, epoch, (added, forgotten), Arc::downgrade(connection))?;
            return Ok(if epoch == FINAL_EPOCH { Vec::new() } else { all });
        }
        let open = || self.sessions().open(key, added, acknowledges, Arc::downgrade(connection));
        let opened = match open() {
            Err(SessionError::LimitReached(_)) => {
                self.close_abandoned();
                open()
            }
            opened => opened,
        }?;
        self.used.notify_one();
        if let Some((replaced, before)) = opened.replaced {
            tracing::debug!(member_id = &*key.member_id, partitions = replaced.len(), "a share session begins anew");
            // As in Kafka the member has what it acquired, as it may only have lost an answer; with the connection it lost all.
            if before.strong_count() == 0 {
                self.release(key, &replaced);
            }
        }
        Ok(added.to_vec())
    }

    /// A ShareAcknowledge carries the next epoch of its session, too.
    ///
    /// # Errors
    /// See [`SessionError`]; it opens no session.
    pub(crate) fn admit_acknowledge(
        &self,
        key: &SessionKey,
        epoch: i32,
        connection: &Arc<ConnectionInfo>,
    ) -> Result<(), SessionError> {
        if epoch == INITIAL_EPOCH {
            return Err(SessionError::WrongEpoch { expected: 1, found: epoch });
        }
        self.sessions().go_on(key, epoch, (&[], &[]), Arc::downgrade(connection)).map(drop)
    }

    /// Which of these partitions, with whether they have an error, an answer has to name though it has no records of them.
    pub(crate) fn must_name(
        &self,
        key: &SessionKey,
        epoch: i32,
        read: impl Iterator<Item = (TopicIdPartition, bool)>,
    ) -> BTreeSet<TopicIdPartition> {
        let mut sessions = self.sessions();
        let is_named =
            |(place, has_error): &(TopicIdPartition, bool)| sessions.must_name(key, epoch, *place, *has_error);
        read.filter(is_named).map(|(place, _)| place).collect()
    }

    /// Ends a session; what its member has is available again.
    pub(crate) fn close(self: &Arc<Self>, key: &SessionKey) {
        let closed = self.sessions().close(key);
        if let Some(partitions) = closed {
            self.release(key, &partitions);
        }
        self.forget_idle_group(&key.group_id);
    }

    /// Ends sessions whose connections are gone.
    pub(super) fn close_abandoned(self: &Arc<Self>) {
        let gone = self.sessions().close_where(|connection| connection.strong_count() == 0);
        for (key, partitions) in gone {
            self.release(&key, &partitions);
            self.forget_idle_group(&key.group_id);
        }
    }

    fn release(self: &Arc<Self>, key: &SessionKey, partitions: &[TopicIdPartition]) {
        let limits = self.settings(&key.group_id).limits;
        for (topic_id, partition) in partitions {
            let Some(cached) = self.get(&state_key(&key.group_id, *topic_id, *partition)) else { continue };
            let write = cached.lock().release(&key.member_id, &limits);
            if let Some(write) = write {
                drop(self.write(&cached, write));
            }
        }
    }

    /// Without sessions nobody has a record, and nobody waits: the state is loaded again when it is needed.
    fn forget_idle_group(&self, group_id: &Arc<str>) {
        if !self.sessions().has_group(group_id) {
            self.forget_where(|cached| cached.key.group_id == *group_id && !cached.lock().is_writing());
        }
    }

    /// Forgets what nobody has a session for; what is being written is forgotten later, so that it is not read before.
    pub(super) fn forget_idle(&self) {
        self.forget_where(|cached| {
            let has_session = self.sessions().has_group(&cached.key.group_id);
            !has_session && !cached.lock().is_writing()
        });
    }

    /// Writes states in a task of its own, so that a client that goes away leaves nothing half done. Resolves with how it went.
    pub(super) fn write(
        self: &Arc<Self>,
        cached: &Arc<Cached>,
        write: Write,
    ) -> impl Future<Output = Result<(), StateError>> + Send + use<> + 'static {
        let request = StateRequest::Write {
            state_epoch: cached.lock().state_epoch(),
            leader_epoch: cached.leader_epoch,
            start_offset: write.start_offset,
            delivery_complete_count: write.delivery_complete_count,
            batches: write.batches,
        };
        let (this, cached) = (Arc::clone(self), Arc::clone(cached));
        let task = self.runtime.spawn("share.write", async move {
            let written = this.states.ask(cached.key.clone(), request).await.map(drop);
            if let Some(id) = write.id {
                let mut core = cached.lock();
                core.written(id, written.is_ok());
                // Records that their member has again, or that are kept back.
                core.next_expiry_ms().into_iter().for_each(|until_ms| cached.locked_until(until_ms));
            }
            this.begin_dead_letters(&cached);
            if let Err(error) = &written {
                tracing::warn!(share_partition = cached.key.coordinator_key(), %error, "a state could not be written");
                if is_fenced(error.code) {
                    this.forget(&cached);
                }
            }
            cached.wake();
            written
        });
        async move {
            let ended = |_| StateError { code: ErrorCode::NotLeaderOrFollower, message: "the node stops".to_string() };
            task.await.map_err(ended)?
        }
    }

    /// Share partitions of a group are altered or deleted: they are loaded again.
    pub(crate) fn forget_group(&self, group_id: &str) {
        self.forget_where(|cached| *cached.key.group_id == *group_id);
    }

    /// Forgets one share partition, unless another one has taken its place.
    pub(super) fn forget(&self, cached: &Arc<Cached>) {
        self.forget_where(|other| std::ptr::eq(other, &**cached));
    }

    pub(super) fn forget_where(&self, is_gone: impl Fn(&Cached) -> bool) {
        let gone: Vec<(StateKey, Arc<Cached>)> = {
            let mut cached = self.cached();
            cached.extract_if(.., |_, cached| is_gone(cached)).collect()
        };
        gone.iter().for_each(|(_, cached)| cached.fence());
    }

    pub(super) fn get(&self, key: &StateKey) -> Option<Arc<Cached>> {
        self.cached().get(key).cloned()
    }

    pub(super) fn put(&self, cached: &Arc<Cached>) {
        self.cached().insert(cached.key.clone(), Arc::clone(cached));
        self.used.notify_one();
    }

    pub(super) fn all(&self) -> Vec<Arc<Cached>> {
        self.cached().values().cloned().collect()
    }

    /// Milliseconds of a clock that only rises.
    pub(super) fn now_ms(&self) -> i64 {
        let passed = self.runtime.now().saturating_duration_since(self.began);
        i64::try_from(passed.as_millis()).unwrap_or(i64::MAX)
    }

    pub(super) fn metrics(&self) -> &ShareGroupMetrics {
        &self.states.coordinator.metrics
    }

    /// Shows how full everything is.
    pub(super) fn show(&self) {
        self.metrics().sessions.set(self.sessions().len() as u64);
        self.metrics().partitions.set(self.cached().len() as u64);
    }

    /// Whether there is nothing that could end by itself: no session, no share partition, and the metrics say so.
    pub(super) fn is_unused(&self) -> bool {
        let shown = self.metrics().sessions.get() + self.metrics().partitions.get();
        self.sessions().is_empty() && self.cached().is_empty() && shown == 0
    }

    fn sessions(&self) -> MutexGuard<'_, ShareSessions<Weak<ConnectionInfo>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cached(&self) -> MutexGuard<'_, BTreeMap<StateKey, Arc<Cached>>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn state_key(group_id: &Arc<str>, topic_id: Uuid, partition: i32) -> StateKey {
    StateKey { group_id: Arc::clone(group_id), topic_id, partition }
}

/// Whether what this node knows of a share partition is of no use any more.
fn is_fenced(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::FencedStateEpoch
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::GroupIdNotFound
            | ErrorCode::InvalidRequest
            | ErrorCode::UnknownTopicOrPartition
    )
}

/// What a client is told of a state that could not be read or written: what Kafka's clients expect of a partition, and what
/// nobody expects is UNKNOWN_SERVER_ERROR, after which they try again.
pub(super) fn partition_error(error: StateError) -> PartitionError {
    use ErrorCode::{CoordinatorLoadInProgress, CoordinatorNotAvailable, FencedLeaderEpoch, FencedStateEpoch};
    use ErrorCode::{GroupIdNotFound, InvalidRequest, NotCoordinator, NotLeaderOrFollower, UnknownTopicOrPartition};
    let code = match error.code {
        NotCoordinator | CoordinatorNotAvailable | CoordinatorLoadInProgress => CoordinatorNotAvailable,
        NotLeaderOrFollower | FencedLeaderEpoch | FencedStateEpoch => NotLeaderOrFollower,
        // The group has no such partition, or not yet.
        UnknownTopicOrPartition | InvalidRequest => UnknownTopicOrPartition,
        GroupIdNotFound => GroupIdNotFound,
        _ => ErrorCode::UnknownServerError,
    };
    PartitionError::of(code, error.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_what_they_expect_of_states() {
        let told = |code| partition_error(StateError { code, message: String::new() }).code;
        assert_eq!(told(ErrorCode::FencedStateEpoch), ErrorCode::NotLeaderOrFollower);
        assert_eq!(told(ErrorCode::FencedLeaderEpoch), ErrorCode::NotLeaderOrFollower);
        assert_eq!(told(ErrorCode::CoordinatorLoadInProgress), ErrorCode::CoordinatorNotAvailable);
        assert_eq!(told(ErrorCode::GroupIdNotFound), ErrorCode::GroupIdNotFound);
        for unexpected in [ErrorCode::RequestTimedOut, ErrorCode::KafkaStorageError, ErrorCode::NotEnoughReplicas] {
            assert_eq!(told(unexpected), ErrorCode::UnknownServerError);
        }
    }
}
