//! The producer: records in, each to its partition's leader, batched, compressed, numbered and tried again as needed.
//!
//! 1. [`Producer::send`] waits for metadata of the topic and for room in `buffer.memory`, lets the [`Partitioner`] choose, and
//!    puts the record into its partition's last batch. It returns a [`Delivery`].
//! 2. One task for each broker takes ready batches of all partitions that the broker leads and sends them in one request.
//! 3. Answers go to the partition's queue (`queue.rs`), which decides: acknowledged, refused, again, or given up.
//! 4. A housekeeping task finds leaders, gets producer ids, and ends what is older than `delivery.timeout.ms`.

mod accumulator;
mod batch;
mod coordinated;
mod hashes;
mod housekeeping;
mod interceptor;
mod options;
mod partitioner;
mod queue;
mod record;
mod request;
mod sender;
mod sticky;
mod transaction;
mod transactional;

pub use interceptor::{BatchReport, ProducerInterceptor};
pub use options::ProducerOptions;
pub use partitioner::Partitioner;
pub use record::{Delivery, ProducerRecord, RecordMetadata};

use crate::backoff::{Backoff, later};
use crate::call::Call;
use crate::client::Client;
use crate::error::ClientError;
use crate::simple_producer::ProducerIdentity;
use accumulator::Accumulator;
use ottla_runtime::{AbortOnDrop, Instant, Runtime};
use queue::Rules;
use record::Outcome;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

/// Sends records. Clones are the same producer; when the last one is dropped, what is not acknowledged is given up: call
/// [`Producer::flush`] or [`Producer::close`] before.
///
/// ```no_run
/// # async fn example(client: ottla_client::Client) -> Result<(), ottla_client::ClientError> {
/// use ottla_client::{Producer, ProducerOptions, ProducerRecord};
/// let producer = Producer::new(&client, ProducerOptions::default())?;
/// let delivery = producer.send(ProducerRecord::new("events", "hello").key("greeting")).await?;
/// let written = delivery.wait().await?;
/// println!("partition {} offset {}", written.partition, written.offset);
/// producer.close(std::time::Duration::from_secs(10)).await
/// # }
/// ```
#[derive(Clone)]
pub struct Producer {
    handle: Arc<Handle>,
}

/// What the last clone takes along.
struct Handle {
    shared: Arc<Shared>,
    _housekeeping: AbortOnDrop<()>,
}

/// What the producer's tasks share.
struct Shared {
    client: Client,
    options: ProducerOptions,
    rules: Rules,
    state: Mutex<Accumulator>,
    /// One permit for each byte of `buffer.memory`.
    memory: Semaphore,
    housekeeping: Notify,
    /// The calls of a transactional producer go one after another,
    transacting: tokio::sync::Mutex<()>,
    /// and so do its requests to coordinators.
    turn: tokio::sync::Mutex<()>,
}

impl Producer {
    /// A producer of the cluster behind `client`, with connections of its own. It begins by asking for a producer id.
    ///
    /// # Errors
    /// `Invalid` for options that exclude each other.
    pub fn new(client: &Client, options: ProducerOptions) -> Result<Producer, ClientError> {
        options.check()?;
        let rules = Rules {
            batch_size: options.batch_size,
            linger: options.linger,
            delivery_timeout: options.delivery_timeout,
            retries: options.retries,
            in_flight_max: options.in_flight_max,
            idempotence: options.idempotence,
            is_transactional: options.transactional_id.is_some(),
        };
        let memory = Semaphore::new(options.buffer_memory);
        let state = Mutex::new(Accumulator::new(options.transactional_id.as_deref()));
        let housekeeping = Notify::new();
        let own = client.separate();
        let (transacting, turn) = (tokio::sync::Mutex::new(()), tokio::sync::Mutex::new(()));
        let shared = Shared { client: own, options, rules, state, memory, housekeeping, transacting, turn };
        let shared = Arc::new(shared);
        let task = client.runtime().spawn("client.producer", housekeeping::run(shared.clone()));
        Ok(Producer { handle: Arc::new(Handle { shared, _housekeeping: task.abort_on_drop() }) })
    }

    /// Its settings.
    pub fn options(&self) -> &ProducerOptions {
        &self.handle.shared.options
    }

    /// Its identity, once it has one; changes when sequence numbers are lost.
    pub fn identity(&self) -> Option<ProducerIdentity> {
        self.handle.shared.lock().identity
    }

    /// Hands over a record. Returns when it has its place in a batch; waits up to `max.block.ms` for metadata and memory.
    /// Records for a partition are sent in the order of the calls.
    ///
    /// # Errors
    /// `Invalid` for a record that is too large or names a partition that is still not there after `max.block.ms`; `Timeout` when `max.block.ms` ended,
    /// or what the metadata says (a topic that does not exist, is not allowed ...); `Closed`. Of a transactional producer also
    /// `Invalid` outside of a transaction, `TransactionAbortable`, `TransactionFatal`.
    pub async fn send(&self, mut record: ProducerRecord) -> Result<Delivery, ClientError> {
        let shared = &self.handle.shared;
        shared.options.interceptors.iter().for_each(|interceptor| interceptor.on_send(&mut record));
        let bytes = record.size();
        let limit = shared.options.request_size_max.min(shared.options.buffer_memory);
        if bytes > limit {
            let why = format!("the record has {bytes} bytes, max.request.size and buffer.memory allow {limit}");
            return Err(ClientError::Invalid(why));
        }
        let deadline = later(shared.runtime().now(), shared.options.max_block);
        shared.lock().usable()?;
        if !shared.knows(&record.topic, record.partition) {
            shared.wait_for_topic(&record.topic, record.partition, deadline).await?;
        }
        shared.wait_for_memory(bytes, deadline).await?;
        let appended = {
            let mut state = shared.lock();
            match state.usable() {
                Ok(()) => state.append(record, &shared.options, shared.runtime()),
                Err(error) => Err(error),
            }
        };
        match appended {
            Ok((delivery, wake, is_new_partition)) => {
                if let Some(wake) = wake {
                    wake.notify_one();
                }
                if is_new_partition {
                    shared.housekeeping.notify_one();
                }
                Ok(delivery)
            }
            Err(error) => {
                shared.memory.add_permits(bytes);
                Err(error)
            }
        }
    }

    /// Sends a record and waits for its acknowledgement: simple, and slow when done one after another.
    ///
    /// # Errors
    /// As for [`Producer::send`] and [`Delivery::wait`].
    pub async fn send_and_wait(&self, record: ProducerRecord) -> Result<RecordMetadata, ClientError> {
        self.send(record).await?.wait().await
    }

    /// The number of partitions of a topic, waiting for metadata if needed.
    ///
    /// # Errors
    /// As for [`Producer::send`].
    pub fn partition_count<'a>(&'a self, topic: &'a str) -> Call<'a, i32> {
        Box::pin(async move {
            let shared = &self.handle.shared;
            let known = shared.lock().topics.get(topic).map(|topic| topic.count);
            if let Some(count) = known {
                return Ok(count);
            }
            let deadline = later(shared.runtime().now(), shared.options.max_block);
            shared.wait_for_topic(topic, None, deadline).await?;
            Ok(shared.lock().topics.get(topic).map_or(0, |topic| topic.count))
        })
    }

    /// Sends what is there without lingering, and waits until every record that was handed over before has its end. How
    /// each of them fared is told by its [`Delivery`].
    pub async fn flush(&self) {
        let shared = &self.handle.shared;
        let _flushing = Flushing::begin(shared);
        let order = shared.lock().next_order();
        loop {
            let pending = shared.lock().outcomes_before(order);
            if pending.is_empty() {
                return;
            }
            for mut outcome in pending {
                // Gone without a word: it was ended.
                let _ = outcome.wait_for(|outcome| !matches!(outcome, Outcome::Pending)).await;
            }
        }
    }

    /// Takes no more records, waits up to `timeout` for what is on its way, and gives up the rest. A transaction that is open
    /// is aborted.
    ///
    /// # Errors
    /// `Timeout` when something had to be given up.
    pub fn close<'a>(&'a self, timeout: Duration) -> Call<'a, ()> {
        Box::pin(async move {
            let shared = &self.handle.shared;
            {
                let mut state = shared.lock();
                state.is_closed = true;
                state.wake_all();
            }
            let last = async {
                if self.is_in_transaction()
                    && let Err(error) = self.abort_transaction().await
                {
                    tracing::warn!(%error, "the open transaction was not aborted; the coordinator will do it");
                }
                self.flush().await;
            };
            let flushed = shared.runtime().timeout(timeout, last).await;
            housekeeping::fail_all(shared, &ClientError::Closed("the producer"));
            shared.end_tasks();
            flushed.map_err(|_| ClientError::Timeout { api: "close of the producer", after: timeout })
        })
    }
}

impl Shared {
    fn runtime(&self) -> &Runtime {
        self.client.runtime()
    }

    fn lock(&self) -> MutexGuard<'_, Accumulator> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pause after this many tries: doubling, bounded, with Kafka's 20 % of jitter.
    fn retry_pause(&self, attempts: u32) -> Duration {
        Backoff::nth(self.client.options(), attempts.saturating_sub(1), self.runtime())
    }

    /// Whether the topic is known to have this partition.
    fn knows(&self, topic: &str, partition: Option<i32>) -> bool {
        let state = self.lock();
        state.topics.get(topic).is_some_and(|known| partition.is_none_or(|partition| partition < known.count))
    }

    /// Waits until the topic is known and has this partition, which may be added just now.
    async fn wait_for_topic(
        self: &Arc<Self>,
        topic: &str,
        partition: Option<i32>,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        if let Some(negative @ ..0) = partition {
            return Err(ClientError::Invalid(format!("a record names partition {negative}")));
        }
        let mut backoff = Backoff::new(self.client.options());
        loop {
            self.lock().usable()?;
            let allow = self.options.allow_auto_create_topics;
            let left = deadline.saturating_duration_since(self.runtime().now());
            if partition.is_some() && self.knows(topic, None) {
                // What the client remembers is no news.
                self.client.forget_topic(topic);
            }
            let asked = self.runtime().timeout(left, self.client.topic_or_create(topic, allow)).await;
            let late = || Err(ClientError::Timeout { api: "Metadata (max.block.ms)", after: self.options.max_block });
            let error = match asked.unwrap_or_else(|_| late()) {
                Ok(metadata) => {
                    self.lock().know(&metadata);
                    housekeeping::start_senders(self);
                    if self.knows(topic, partition) {
                        return Ok(());
                    }
                    self.no_partition(topic, partition)
                }
                Err(error) if error.is_transient() => error,
                Err(error) => return Err(error),
            };
            if self.runtime().now() >= deadline {
                return Err(error);
            }
            self.client.tell(&error);
            let left = deadline.saturating_duration_since(self.runtime().now());
            let _ = self.runtime().timeout(left, backoff.pause(self.runtime())).await;
            if self.runtime().now() >= deadline {
                return Err(error);
            }
        }
    }

    fn no_partition(&self, topic: &str, partition: Option<i32>) -> ClientError {
        let (waited, partition) = (self.options.max_block.as_millis(), partition.unwrap_or(-1));
        let count = self.lock().topics.get(topic).map_or(0, |topic| topic.count);
        ClientError::Invalid(format!(
            "topic '{topic}' has no partition {partition}, it has {count} (max.block.ms, {waited} ms, is over)"
        ))
    }

    /// Takes `bytes` of the memory.
    async fn wait_for_memory(&self, bytes: usize, deadline: Instant) -> Result<(), ClientError> {
        let permits = u32::try_from(bytes).expect("a record is smaller than 4 GiB");
        let closed = |_| ClientError::Closed("the producer");
        if let Ok(taken) = self.memory.try_acquire_many(permits) {
            taken.forget();
            return Ok(());
        }
        let starving = Starving::begin(self);
        let left = deadline.saturating_duration_since(self.runtime().now());
        let taken = self.runtime().timeout(left, self.memory.acquire_many(permits)).await;
        drop(starving);
        let late = ClientError::Timeout { api: "buffer memory (max.block.ms)", after: self.options.max_block };
        taken.map_err(|_| late)?.map_err(closed)?.forget();
        Ok(())
    }

    /// Ends the senders.
    fn end_tasks(&self) {
        let tasks = {
            let mut state = self.lock();
            state.is_gone = true;
            std::mem::take(&mut state.tasks)
        };
        drop(tasks);
        self.memory.close();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.end_tasks();
    }
}

/// While it lives, nothing lingers.
struct Flushing<'a>(&'a Shared);

impl Flushing<'_> {
    fn begin(shared: &Shared) -> Flushing<'_> {
        let mut state = shared.lock();
        state.flushes += 1;
        state.wake_all();
        drop(state);
        Flushing(shared)
    }
}

impl Drop for Flushing<'_> {
    fn drop(&mut self) {
        self.0.lock().flushes -= 1;
    }
}

/// While it lives, nothing lingers: somebody waits for memory.
struct Starving<'a>(&'a Shared);

impl Starving<'_> {
    fn begin(shared: &Shared) -> Starving<'_> {
        let mut state = shared.lock();
        state.starved += 1;
        state.wake_all();
        drop(state);
        Starving(shared)
    }
}

impl Drop for Starving<'_> {
    fn drop(&mut self) {
        self.0.lock().starved -= 1;
    }
}
