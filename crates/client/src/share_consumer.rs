//! The share consumer: a member of a share group (KIP-932), which gets records one by one, as from a queue, and says of each
//! what became of it.
//!
//! 1. [`ShareConsumer::subscribe`] joins the group (`membership.rs`); the coordinator says which partitions to read.
//! 2. One task (`leaders.rs`) finds who leads them, and starts one task for each broker (`fetcher.rs`), which has one request
//!    under way at a time, in a share session (`session.rs`).
//! 3. [`ShareConsumer::poll`] asks for records and hands out what came (`delivered.rs`). A broker has locked them.
//! 4. What the application says of them (`in_flight.rs`, `acknowledgements.rs`) goes back to that broker with the next fetch, or by
//!    itself (`acknowledge.rs`).

mod acknowledge;
mod acknowledgements;
mod calls;
mod delivered;
mod fetcher;
mod in_flight;
mod leaders;
mod membership;
mod options;
mod session;
mod shared;
mod state;

pub use acknowledgements::{AcknowledgeType, Acknowledged};
pub use options::{AcknowledgementMode, AcquireMode, ShareConsumerOptions};

use crate::call::Call;
use crate::client::Client;
use crate::consumer::{ConsumerRecord, ConsumerWaker};
use crate::error::ClientError;
use acknowledgements::ByPlace;
use in_flight::InFlight;
use ottla_runtime::{AbortOnDrop, watch};
use ottla_types::TopicPartition;
use shared::Shared;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Who is told how acknowledgements went.
type CommitCallback = Box<dyn FnMut(&Acknowledged) + Send>;

/// Reads records of a share group. One task polls; [`ShareConsumer::waker`] ends a poll from elsewhere.
///
/// ```no_run
/// # async fn example(client: ottla_client::Client) -> Result<(), ottla_client::ClientError> {
/// use ottla_client::{AcknowledgeType, AcknowledgementMode, ShareConsumer, ShareConsumerOptions};
/// use std::time::Duration;
/// let acknowledgement_mode = AcknowledgementMode::Explicit;
/// let options = ShareConsumerOptions { acknowledgement_mode, ..ShareConsumerOptions::group("workers") };
/// let mut consumer = ShareConsumer::new(&client, options)?;
/// consumer.subscribe(&["jobs"])?;
/// for record in consumer.poll(Duration::from_secs(10)).await? {
///     println!("{}@{}, delivered {:?} times", record.partition, record.offset, record.delivery_count);
///     consumer.acknowledge(&record, AcknowledgeType::Accept)?;
/// }
/// for acknowledged in consumer.commit().await? {
///     acknowledged.outcome?;
/// }
/// consumer.close().await
/// # }
/// ```
///
/// With [`AcknowledgementMode::Implicit`] the next poll or commit accepts what the last poll returned. What was not
/// acknowledged when a consumer closes, crashes or takes longer than `share.record.lock.duration.ms` is delivered again.
pub struct ShareConsumer {
    shared: Arc<Shared>,
    in_flight: InFlight,
    /// What is not on its way yet.
    unsent: ByPlace,
    subscription: Option<Subscription>,
    callback: Option<CommitCallback>,
    _leaders: AbortOnDrop<()>,
}

/// A place in a group.
struct Subscription {
    topics: watch::Sender<BTreeSet<String>>,
    task: AbortOnDrop<()>,
}

impl ShareConsumer {
    /// A share consumer of the cluster behind `client`.
    ///
    /// # Errors
    /// `Invalid` for options that mean nothing.
    pub fn new(client: &Client, options: ShareConsumerOptions) -> Result<ShareConsumer, ClientError> {
        options.check()?;
        let shared = Arc::new(Shared::new(client, options));
        let task = client.runtime().spawn("client.share", leaders::run(shared.clone()));
        Ok(ShareConsumer {
            shared,
            in_flight: InFlight::default(),
            unsent: ByPlace::new(),
            subscription: None,
            callback: None,
            _leaders: task.abort_on_drop(),
        })
    }

    /// Its settings.
    pub fn options(&self) -> &ShareConsumerOptions {
        &self.shared.options
    }

    /// Joins the group for these topics, or changes what this member subscribes to.
    ///
    /// # Errors
    /// `Invalid` without topics.
    pub fn subscribe(&mut self, topics: &[&str]) -> Result<(), ClientError> {
        if topics.is_empty() || topics.contains(&"") {
            let why = "subscribe names no topic, or an empty name; unsubscribe leaves the share group";
            return Err(ClientError::Invalid(why.to_string()));
        }
        let wanted: BTreeSet<String> = topics.iter().map(ToString::to_string).collect();
        if let Some(subscription) = &self.subscription {
            subscription.topics.send_if_modified(|known| {
                let is_news = *known != wanted;
                *known = wanted;
                is_news
            });
            return Ok(());
        }
        self.shared.note_poll();
        let (topics, receiver) = watch::channel(wanted);
        let member = membership::run(self.shared.clone(), receiver);
        let task = self.shared.runtime().spawn("client.share.member", member).abort_on_drop();
        self.subscription = Some(Subscription { topics, task });
        Ok(())
    }

    /// Sends what was acknowledged, gives back the rest, and leaves the group. At most `request.timeout.ms`.
    pub async fn unsubscribe(&mut self) {
        self.unsubscribe_within(self.shared.client.options().request_timeout).await;
    }

    /// The topics that it is subscribed to.
    pub fn subscription(&self) -> BTreeSet<String> {
        self.subscription.as_ref().map(|subscription| subscription.topics.borrow().clone()).unwrap_or_default()
    }

    /// The partitions that it reads now, perhaps together with others.
    pub fn assignment(&self) -> BTreeSet<TopicPartition> {
        self.shared.lock().assigned.keys().cloned().collect()
    }

    /// Its member id and its member epoch, which is below 1 outside of the group.
    pub fn membership(&self) -> (String, i32) {
        (self.shared.member_id.clone(), self.shared.lock().epoch)
    }

    /// How long brokers lock records for this group, as far as known: `share.record.lock.duration.ms`.
    pub fn acquisition_lock_timeout(&self) -> Option<Duration> {
        self.in_flight.lock_timeout
    }

    /// A handle that ends a poll or a commit.
    pub fn waker(&self) -> ConsumerWaker {
        ConsumerWaker::of(&self.shared.signal)
    }

    /// Who is told how acknowledgements went, once for the records of a partition that were acknowledged together. Called by
    /// `poll`, `commit`, `commit_async` and `close`.
    pub fn set_acknowledgement_commit_callback(&mut self, callback: impl FnMut(&Acknowledged) + Send + 'static) {
        self.callback = Some(Box::new(callback));
    }

    /// Says what became of a record that the last poll returned; may be said anew until the next poll or commit.
    ///
    /// # Errors
    /// `Invalid` with implicit acknowledgement, and for a record that the last poll did not return.
    pub fn acknowledge(&mut self, record: &ConsumerRecord, kind: AcknowledgeType) -> Result<(), ClientError> {
        self.acknowledge_offset(&record.topic_partition(), record.offset, kind)
    }

    /// As [`ShareConsumer::acknowledge`], for a record of which only the offset is known.
    ///
    /// # Errors
    /// As for [`ShareConsumer::acknowledge`].
    pub fn acknowledge_offset(
        &mut self,
        partition: &TopicPartition,
        offset: i64,
        kind: AcknowledgeType,
    ) -> Result<(), ClientError> {
        if self.options().acknowledgement_mode == AcknowledgementMode::Implicit {
            let why = "records are acknowledged implicitly; set share.acknowledgement.mode=explicit";
            return Err(ClientError::Invalid(why.to_string()));
        }
        self.in_flight.acknowledge(partition, offset, kind)
    }

    /// Records that nobody else gets while they are locked for this consumer; none when `timeout` passed first. Must be called
    /// within `max.poll.interval.ms`.
    ///
    /// # Errors
    /// `Wakeup`; `Invalid` without a subscription, and with explicit acknowledgement while a record of the last poll is not
    /// acknowledged; `CorruptRecords`, once: the damaged records were rejected; what cannot be mended in the group, which every
    /// poll returns until [`ShareConsumer::unsubscribe`], after which the consumer may subscribe anew.
    pub fn poll<'a>(&'a mut self, timeout: Duration) -> Call<'a, Vec<ConsumerRecord>> {
        Box::pin(async move { self.poll_at_most(timeout, self.options().max_poll_records).await })
    }

    /// As [`ShareConsumer::poll`], with this in place of `max.poll.records`: with [`AcquireMode::RecordLimit`] no more are
    /// locked, save by a request that an earlier poll began.
    ///
    /// # Errors
    /// As for [`ShareConsumer::poll`]; `Invalid` for no records at all.
    pub fn poll_at_most<'a>(&'a mut self, timeout: Duration, records_max: usize) -> Call<'a, Vec<ConsumerRecord>> {
        Box::pin(async move {
            if records_max == 0 {
                return Err(ClientError::Invalid("a poll is for at least one record".to_string()));
            }
            let deadline = crate::backoff::deadline(self.shared.runtime(), timeout);
            self.tell_completed();
            if self.subscription.is_none() {
                return Err(ClientError::Invalid("subscribe first".to_string()));
            }
            self.acknowledge_before_poll()?;
            self.shared.lock().records_max = records_max;
            let polled = {
                let _waiting = Waiting(self.shared.clone());
                self.poll_until(deadline).await
            };
            if !self.unsent.is_empty() {
                self.send_unsent();
            }
            polled
        })
    }

    /// Sends what was acknowledged (with implicit acknowledgement: accepts what the last poll returned), and waits for the
    /// outcome.
    ///
    /// # Errors
    /// `Wakeup`; `Timeout` when brokers did not answer within `default.api.timeout.ms`, for which they are asked again, and
    /// `request.timeout.ms`. How each partition went stands in the answer.
    pub fn commit<'a>(&'a mut self) -> Call<'a, Vec<Acknowledged>> {
        Box::pin(async move {
            self.tell_completed();
            self.acknowledge_implicitly();
            self.take_acknowledged();
            let options = self.shared.client.options();
            let limits = (options.api_timeout, options.request_timeout);
            let done = self.commit_unsent(limits, true).await;
            self.tell_completed();
            done
        })
    }

    /// As [`ShareConsumer::commit`], without waiting; the callback hears how it went.
    pub fn commit_async(&mut self) {
        self.tell_completed();
        self.acknowledge_implicitly();
        self.take_acknowledged();
        self.send_unsent();
    }

    /// Sends what was acknowledged, gives back the rest, leaves the group, and ends. A wakeup does not disturb it, and it takes
    /// `request.timeout.ms` at most.
    ///
    /// # Errors
    /// The first acknowledgement that failed; `Timeout` when nobody knows of one.
    pub fn close(mut self) -> Call<'static, ()> {
        Box::pin(async move {
            self.tell_completed();
            self.take_acknowledged();
            let limit = self.shared.client.options().request_timeout;
            let done = self.commit_unsent((limit / 3, limit / 6), false).await;
            self.unsubscribe_within(limit / 2).await;
            done?.into_iter().try_for_each(|acknowledged| acknowledged.outcome)
        })
    }
}

/// A poll that waits, until it is over or given up.
struct Waiting(Arc<Shared>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.stop_waiting();
    }
}

impl Drop for ShareConsumer {
    fn drop(&mut self) {
        let tasks = {
            let mut state = self.shared.lock();
            state.is_closed = true;
            std::mem::take(&mut state.tasks)
        };
        drop(tasks);
    }
}
