//! The consumer: partitions by assignment or by a group, records out, offsets back.
//!
//! 1. [`Consumer::subscribe`] joins a group (`membership.rs`, classic or KIP-848), [`Consumer::assign`] names partitions.
//! 2. One task (`positions.rs`) finds leaders, committed offsets and offsets by the reset policy.
//! 3. One task for each broker (`fetcher.rs`) fetches what has nothing buffered, in a fetch session.
//! 4. [`Consumer::poll`] hands out what is buffered, takes the steps of a rebalance, and commits now and then.

pub(crate) mod offsets;

mod batches;
mod controls;
mod fetcher;
mod membership;
mod options;
mod positions;
mod rebalance;
mod record;
mod session;
mod signal;
mod state;
mod subscription;
mod topic_ids;

pub(crate) use batches::FetchedBatches;
pub(crate) use membership::subscription_changes;
pub(crate) use signal::Signal;
pub(crate) use topic_ids::TopicIds;

pub use controls::ConsumerWaker;
pub use options::{ConsumerOptions, GroupProtocol, OffsetReset};
pub use rebalance::RebalanceListener;
pub use record::{ConsumerGroupMetadata, ConsumerRecord, OffsetAndMetadata, Offsets};

use crate::call::Call;
use crate::client::Client;
use crate::error::ClientError;
use offsets::Committer;
use ottla_protocol::leave_group_request::MemberIdentity;
use ottla_protocol::{ConsumerGroupHeartbeatRequest, LeaveGroupRequest};
use ottla_runtime::{AbortOnDrop, Instant, Runtime, watch};
use ottla_types::TopicPartition;
use rebalance::{Membership, Step};
use state::{Phase, State};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use subscription::{Pattern, Wanted};
use tokio::sync::{Notify, mpsc};

/// How long closing takes at most.
const CLOSE_MAX: Duration = Duration::from_secs(30);
/// From this version on a LeaveGroup names members in a list (KIP-345).
const LEAVE_BY_LIST_VERSION: i16 = 3;
/// Member epochs by which a KIP-848 member leaves, for good or for a while as a static one.
const LEAVE_EPOCH: i32 = -1;
const LEAVE_STATIC_EPOCH: i32 = -2;

/// Reads records. One task polls; [`Consumer::waker`] ends a poll from elsewhere.
///
/// ```no_run
/// # async fn example(client: ottla_client::Client) -> Result<(), ottla_client::ClientError> {
/// use ottla_client::{Consumer, ConsumerOptions, OffsetReset};
/// use std::time::Duration;
/// let options = ConsumerOptions { offset_reset: OffsetReset::Earliest, ..ConsumerOptions::group("readers") };
/// let mut consumer = Consumer::new(&client, options)?;
/// consumer.subscribe(&["events"])?;
/// for record in consumer.poll(Duration::from_secs(10)).await? {
///     println!("{}-{}@{}: {:?}", record.topic, record.partition, record.offset, record.value);
/// }
/// consumer.commit().await?;
/// consumer.close().await
/// # }
/// ```
pub struct Consumer {
    shared: Arc<Shared>,
    subscription: Option<Subscription>,
    listener: Option<Box<dyn RebalanceListener>>,
    next_auto_commit: Instant,
    _positions: AbortOnDrop<()>,
}

/// A place in a group.
struct Subscription {
    wanted: watch::Sender<Wanted>,
    steps: mpsc::UnboundedReceiver<Step>,
    task: AbortOnDrop<()>,
}

/// What the consumer's tasks share.
struct Shared {
    client: Client,
    /// Its connections carry nothing but Fetch, which waits at the broker.
    fetching: Client,
    /// Its connections go to the group's coordinator alone, where JoinGroup waits.
    coordinating: Client,
    options: ConsumerOptions,
    state: Mutex<State>,
    membership: Mutex<Membership>,
    /// When the application polled last.
    polled: Mutex<Instant>,
    /// Topics whose metadata is too old.
    stale: Mutex<BTreeSet<Arc<str>>>,
    /// Wakes `poll`.
    signal: Arc<Signal>,
    /// Wakes the task that finds positions.
    work: Notify,
    /// Whether a pattern is subscribed to.
    has_pattern: AtomicBool,
    /// Commits go one after another.
    committing: tokio::sync::Mutex<()>,
}

impl Consumer {
    /// A consumer of the cluster behind `client`.
    ///
    /// # Errors
    /// `Invalid` for options that do not go together.
    pub fn new(client: &Client, options: ConsumerOptions) -> Result<Consumer, ClientError> {
        options.check()?;
        let now = client.runtime().now();
        let next_auto_commit = now + options.auto_commit_interval;
        let shared = Arc::new(Shared {
            client: client.clone(),
            fetching: client.separate(),
            coordinating: client.separate(),
            options,
            state: Mutex::default(),
            membership: Mutex::new(Membership { member_id: String::new(), epoch: -1 }),
            polled: Mutex::new(now),
            stale: Mutex::default(),
            signal: Arc::default(),
            work: Notify::new(),
            has_pattern: AtomicBool::new(false),
            committing: tokio::sync::Mutex::new(()),
        });
        let task = client.runtime().spawn("client.consumer", positions::run(shared.clone()));
        let (subscription, listener) = (None, None);
        Ok(Consumer { shared, subscription, listener, next_auto_commit, _positions: task.abort_on_drop() })
    }

    /// Its settings.
    pub fn options(&self) -> &ConsumerOptions {
        &self.shared.options
    }

    /// Who is told when partitions come and go.
    pub fn set_rebalance_listener(&mut self, listener: impl RebalanceListener + 'static) {
        self.listener = Some(Box::new(listener));
    }

    /// Joins the group for these topics, or changes what this member subscribes to. Partitions come while polling. A topic
    /// that is missing is made when `allow.auto.create.topics` and the broker have it so; else it is read once it is there.
    ///
    /// # Errors
    /// `Invalid` without `group.id`, without topics, or when partitions were assigned by hand.
    pub fn subscribe(&mut self, topics: &[&str]) -> Result<(), ClientError> {
        if topics.is_empty() {
            return Err(ClientError::Invalid("subscribe names no topic; unsubscribe leaves the group".to_string()));
        }
        self.want(Wanted::Topics(topics.iter().map(ToString::to_string).collect()))
    }

    /// Joins the group for all topics whose whole name matches a regular expression (the syntax of RE2), also those that are
    /// created later. In the classic protocol this client looks for them, every `metadata.max.age.ms`; with KIP-848 the broker
    /// does. Topics of the cluster itself are left out.
    ///
    /// # Errors
    /// `Invalid` without `group.id`, for a pattern that cannot be read, or when partitions were assigned by hand.
    pub fn subscribe_pattern(&mut self, pattern: &str) -> Result<(), ClientError> {
        self.want(Wanted::Pattern(Pattern::new(pattern)?))
    }

    fn want(&mut self, wanted: Wanted) -> Result<(), ClientError> {
        let group_id = self.shared.group_id()?;
        let has_pattern = matches!(wanted, Wanted::Pattern(_));
        self.shared.has_pattern.store(has_pattern, Ordering::Relaxed);
        if let Some(subscription) = &self.subscription {
            subscription.wanted.send_if_modified(|known| {
                let is_news = *known != wanted;
                *known = wanted;
                is_news
            });
            return Ok(());
        }
        if !self.shared.lock().partitions.is_empty() {
            return Err(ClientError::Invalid("partitions are assigned by hand; unsubscribe first".to_string()));
        }
        self.shared.note_poll();
        let (sender, steps) = mpsc::unbounded_channel();
        let (wanted, receiver) = watch::channel(wanted);
        let member = membership::run(self.shared.clone(), group_id, sender, receiver);
        let task = self.shared.runtime().spawn("client.consumer.member", member).abort_on_drop();
        self.subscription = Some(Subscription { wanted, steps, task });
        Ok(())
    }

    /// Reads these partitions, without a group's rebalances.
    ///
    /// # Errors
    /// `Invalid` when there is a subscription.
    pub fn assign(&mut self, partitions: impl IntoIterator<Item = TopicPartition>) -> Result<(), ClientError> {
        if self.subscription.is_some() {
            return Err(ClientError::Invalid("there is a subscription; unsubscribe first".to_string()));
        }
        let wanted = partitions.into_iter().collect();
        self.shared.lock().assign(&wanted, Phase::Committed);
        self.shared.work.notify_one();
        Ok(())
    }

    /// Leaves the group, after an automatic commit, and gives up all partitions.
    pub async fn unsubscribe(&mut self) {
        if self.subscription.is_some() {
            let owned = self.assignment();
            self.revoke(&owned).await;
            if let Some(subscription) = self.subscription.take() {
                drop(subscription.task);
                self.shared.leave().await;
            }
        }
        self.shared.lock().assign(&BTreeSet::new(), Phase::Committed);
    }

    /// The partitions that it has now.
    pub fn assignment(&self) -> BTreeSet<TopicPartition> {
        self.shared.lock().partitions.keys().cloned().collect()
    }

    /// The topics of its subscription; with a pattern, those of the partitions that it has now.
    pub fn subscription(&self) -> BTreeSet<String> {
        let Some(subscription) = &self.subscription else { return BTreeSet::new() };
        match &*subscription.wanted.borrow() {
            Wanted::Topics(topics) => topics.clone(),
            Wanted::Pattern(_) => self.assignment().into_iter().map(|partition| partition.topic.to_string()).collect(),
        }
    }

    /// Its member id and its generation or member epoch; empty and -1 outside of the group.
    pub fn membership(&self) -> (String, i32) {
        let committer = self.shared.committer();
        (committer.member_id, committer.epoch)
    }

    /// For whom a transactional producer commits offsets of this consumer.
    ///
    /// # Errors
    /// `Invalid` without `group.id`.
    pub fn group_metadata(&self) -> Result<ConsumerGroupMetadata, ClientError> {
        let (group_id, committer) = (self.shared.group_id()?, self.shared.committer());
        Ok(ConsumerGroupMetadata {
            group_id,
            generation_id: committer.epoch,
            member_id: committer.member_id,
            group_instance_id: committer.group_instance_id,
        })
    }

    /// The positions of all partitions that have one: what a commit would commit now.
    pub fn positions(&self) -> Offsets {
        self.shared.lock().positions()
    }

    /// Up to `max.poll.records` records; none when `timeout` passed first. Must be called within `max.poll.interval.ms`,
    /// also because rebalances go on in it.
    ///
    /// # Errors
    /// `Wakeup`; `NoOffset`, `LogTruncated` and `CorruptRecords` about a partition, which then rests until a seek; what
    /// cannot be mended in the group (GROUP_AUTHORIZATION_FAILED, FENCED_INSTANCE_ID ...).
    pub fn poll<'a>(&'a mut self, timeout: Duration) -> Call<'a, Vec<ConsumerRecord>> {
        Box::pin(async move {
            let deadline = crate::backoff::deadline(self.shared.runtime(), timeout);
            loop {
                self.shared.note_poll();
                if self.shared.signal.take() {
                    return Err(ClientError::Wakeup);
                }
                while let Some(step) = self.subscription.as_mut().and_then(|joined| joined.steps.try_recv().ok()) {
                    self.take_step(step).await;
                }
                self.auto_commit();
                let records = {
                    let mut state = self.shared.lock();
                    let records = state.hand_out(self.shared.options.max_poll_records)?;
                    state.wake_fetchers();
                    records
                };
                let now = self.shared.runtime().now();
                if !records.is_empty() || now >= deadline {
                    return Ok(records);
                }
                let until = deadline.min(self.next_auto_commit.max(now + Duration::from_millis(1)));
                tokio::select! {
                    biased;
                    () = self.shared.signal.notified() => {}
                    () = self.shared.runtime().sleep_until(until) => {}
                }
            }
        })
    }

    async fn take_step(&mut self, step: Step) {
        match step {
            Step::Revoke(partitions, done) => {
                self.revoke(&partitions).await;
                let kept: BTreeSet<TopicPartition> = self.assignment().difference(&partitions).cloned().collect();
                self.shared.lock().assign(&kept, Phase::Committed);
                // The membership may have ended meanwhile.
                let _ = done.send(());
            }
            Step::Lose(partitions, done) => {
                if let Some(listener) = &mut self.listener {
                    listener.on_lost(&partitions);
                }
                let kept: BTreeSet<TopicPartition> = self.assignment().difference(&partitions).cloned().collect();
                self.shared.lock().assign(&kept, Phase::Committed);
                let _ = done.send(());
            }
            Step::Assign(partitions, done) => {
                let new: BTreeSet<TopicPartition> = partitions.difference(&self.assignment()).cloned().collect();
                self.shared.lock().assign(&partitions, Phase::Committed);
                if let Some(listener) = &mut self.listener {
                    listener.on_assigned(&new);
                }
                self.shared.work.notify_one();
                let _ = done.send(());
            }
        }
    }

    /// Stops handing out these partitions, tells the listener, and commits what it and the automatic commit want.
    async fn revoke(&mut self, partitions: &BTreeSet<TopicPartition>) {
        let mut offsets = Offsets::new();
        {
            let mut state = self.shared.lock();
            for partition in partitions {
                if let Ok(known) = state.known_mut(partition) {
                    known.is_leaving = true;
                }
            }
            if self.commits_automatically() {
                offsets = state.positions();
                offsets.retain(|partition, _| partitions.contains(partition));
            }
        }
        if let Some(listener) = &mut self.listener {
            offsets.extend(listener.on_revoked(partitions));
        }
        if offsets.is_empty() {
            return;
        }
        if let Err(error) = offsets::commit(&self.shared, &offsets).await {
            tracing::warn!(%error, "commit before a rebalance failed: records will be read again");
        }
    }

    fn commits_automatically(&self) -> bool {
        self.shared.options.auto_commit && self.shared.options.group_id.is_some()
    }

    fn auto_commit(&mut self) {
        let now = self.shared.runtime().now();
        if now < self.next_auto_commit {
            return;
        }
        self.next_auto_commit = now + self.shared.options.auto_commit_interval;
        if self.commits_automatically() {
            self.commit_async();
        }
    }

    /// Commits the positions of all partitions.
    ///
    /// # Errors
    /// ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID and REBALANCE_IN_PROGRESS when the group has gone on without this member;
    /// others when `default.api.timeout.ms` ended.
    pub fn commit<'a>(&'a self) -> Call<'a, ()> {
        Box::pin(async move {
            let offsets = self.shared.lock().positions();
            offsets::commit(&self.shared, &offsets).await
        })
    }

    /// Commits these offsets.
    ///
    /// # Errors
    /// As for [`Consumer::commit`].
    pub fn commit_offsets<'a>(&'a self, offsets: &'a Offsets) -> Call<'a, ()> {
        Box::pin(async move { offsets::commit(&self.shared, offsets).await })
    }

    /// Commits the positions of all partitions in the background, behind earlier commits. The outcome may be awaited.
    pub fn commit_async(&self) -> ottla_runtime::TaskHandle<Result<(), ClientError>> {
        let (shared, offsets) = (self.shared.clone(), self.shared.lock().positions());
        self.shared.runtime().spawn("client.consumer.commit", async move {
            let done = offsets::commit(&shared, &offsets).await;
            if let Err(error) = &done {
                tracing::warn!(%error, "commit failed");
            }
            done
        })
    }

    /// Commits if that is automatic, leaves the group, and ends; within 30 seconds, as in Java.
    ///
    /// # Errors
    /// As for [`Consumer::close_within`].
    pub fn close(self) -> Call<'static, ()> {
        Box::pin(async move { self.close_within(CLOSE_MAX).await })
    }

    /// As [`Consumer::close`], with another limit. The group finds out by itself what it could not be told.
    ///
    /// # Errors
    /// Those of the last commit; `Timeout` when there was no time for all of it.
    pub fn close_within(mut self, timeout: Duration) -> Call<'static, ()> {
        Box::pin(async move {
            let runtime = self.shared.runtime().clone();
            let last = async {
                let done = if self.commits_automatically() { self.commit().await } else { Ok(()) };
                self.unsubscribe().await;
                done
            };
            let late = ClientError::Timeout { api: "close of the consumer", after: timeout };
            runtime.timeout(timeout, last).await.unwrap_or(Err(late))
        })
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let tasks = {
            let mut state = self.shared.lock();
            state.is_closed = true;
            std::mem::take(&mut state.tasks)
        };
        drop(tasks);
    }
}

impl Shared {
    fn runtime(&self) -> &Runtime {
        self.client.runtime()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stale_topics(&self) -> MutexGuard<'_, BTreeSet<Arc<str>>> {
        self.stale.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_poll(&self) {
        *self.polled.lock().unwrap_or_else(PoisonError::into_inner) = self.runtime().now();
    }

    fn is_modern(&self) -> bool {
        matches!(self.options.protocol, GroupProtocol::Consumer { .. })
    }

    fn group_id(&self) -> Result<String, ClientError> {
        let group_id = self.options.group_id.clone();
        group_id.ok_or_else(|| ClientError::Invalid("this needs group.id".to_string()))
    }

    fn committer(&self) -> Committer {
        let membership = self.membership.lock().unwrap_or_else(PoisonError::into_inner);
        let is_member = membership.epoch >= 0;
        Committer {
            member_id: if is_member { membership.member_id.clone() } else { String::new() },
            group_instance_id: self.options.group_instance_id.clone().filter(|_| is_member),
            epoch: membership.epoch,
        }
    }

    /// Leaves the group, as well as that goes: the session's end will do it otherwise. Static members of the classic
    /// protocol stay, as Kafka's do.
    async fn leave(&self) {
        let (Ok(group_id), committer) = (self.group_id(), self.committer()) else { return };
        {
            let mut membership = self.membership.lock().unwrap_or_else(PoisonError::into_inner);
            *membership = Membership { member_id: String::new(), epoch: -1 };
        }
        let is_static = self.options.group_instance_id.is_some();
        if committer.member_id.is_empty() || (is_static && !self.is_modern()) {
            return;
        }
        let left = async {
            let coordinator = self.coordinating.group_coordinator(&group_id).await?;
            if self.is_modern() {
                let member_epoch = if is_static { LEAVE_STATIC_EPOCH } else { LEAVE_EPOCH };
                let request = ConsumerGroupHeartbeatRequest {
                    group_id: group_id.clone(),
                    member_id: committer.member_id,
                    member_epoch,
                    instance_id: committer.group_instance_id,
                    rebalance_timeout_ms: -1,
                    ..Default::default()
                };
                let response = coordinator.send(&request).await?;
                return ClientError::check(response.error_code, None, || format!("leaving group '{group_id}'"));
            }
            let by_list = coordinator.version_of::<LeaveGroupRequest>()? >= LEAVE_BY_LIST_VERSION;
            let member = MemberIdentity { member_id: committer.member_id.clone(), ..Default::default() };
            let request = LeaveGroupRequest {
                group_id: group_id.clone(),
                member_id: if by_list { String::new() } else { committer.member_id },
                members: if by_list { vec![member] } else { Vec::new() },
            };
            let response = coordinator.send(&request).await?;
            ClientError::check(response.error_code, None, || format!("leaving group '{group_id}'"))
        };
        let limit = self.client.options().request_timeout;
        match self.runtime().timeout(limit, left).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the group was not told"),
            Err(_) => tracing::debug!("the group was not told in time"),
        }
    }
}
