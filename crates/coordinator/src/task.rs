//! The owner task of one shard: waits for the log, loads, serves, and begins again.

use crate::error::CoordinatorError;
use crate::handle::{Request, ShardHandle};
use crate::limits::{NOTICES_MAX, RELOAD_BACKOFF, RELOAD_BACKOFF_MAX, REQUESTS_MAX};
use crate::load::{LoadFailed, Loaded, load};
use crate::log::{LogView, ShardLog, Term};
use crate::serve::{Active, Ended};
use crate::shard::Shard;
use ottla_records::CompressionSpec;
use ottla_runtime::{Runtime, TaskHandle};
use ottla_telemetry::{CoordinatorMetrics, Gauge};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// What a shard is made of. Cheap to clone.
pub struct ShardParts<S: Shard> {
    /// Clock, randomness, tasks.
    pub runtime: Runtime,
    /// For log lines: the partition.
    pub name: Arc<str>,
    /// The shard's log.
    pub log: Arc<dyn ShardLog>,
    /// Makes an empty shard, before each load.
    pub make: Arc<dyn Fn() -> S + Send + Sync>,
    /// What a shard is told right after each load, before anything else.
    pub first: Arc<dyn Fn() -> Vec<S::Event> + Send + Sync>,
    /// Begins an effect. Must return at once.
    pub effects: Arc<dyn Fn(S::Effect) + Send + Sync>,
    /// How long an answer waits for its record to be committed (`offsets.commit.timeout.ms`).
    pub write_timeout: Duration,
    /// Bytes that a load reads at a time (`offsets.load.buffer.size`).
    pub load_bytes_max: usize,
    /// How batches are compressed.
    pub compression: CompressionSpec,
    /// Where to count.
    pub metrics: CoordinatorMetrics,
}

impl<S: Shard> Clone for ShardParts<S> {
    fn clone(&self) -> ShardParts<S> {
        ShardParts {
            runtime: self.runtime.clone(),
            name: Arc::clone(&self.name),
            log: Arc::clone(&self.log),
            make: Arc::clone(&self.make),
            first: Arc::clone(&self.first),
            effects: Arc::clone(&self.effects),
            metrics: self.metrics.clone(),
            ..*self
        }
    }
}

/// Starts the owner task of a shard; it ends when the last handle is dropped.
pub fn start<S: Shard>(parts: ShardParts<S>) -> (ShardHandle<S>, TaskHandle<()>) {
    let (requests, requests_taken) = mpsc::channel(REQUESTS_MAX);
    let (notices, notices_taken) = mpsc::channel(NOTICES_MAX);
    let (runtime, refused) = (parts.runtime.clone(), parts.metrics.refused.clone());
    let task = ShardTask { parts, inbox: Inbox { requests: requests_taken, notices: notices_taken } };
    (ShardHandle::new(requests, notices, refused), runtime.spawn("coordinator.shard", task.run()))
}

/// What comes to a shard.
pub(crate) struct Inbox<S: Shard> {
    pub(crate) requests: mpsc::Receiver<Request<S>>,
    pub(crate) notices: mpsc::Receiver<S::Event>,
}

struct ShardTask<S: Shard> {
    parts: ShardParts<S>,
    inbox: Inbox<S>,
}

/// Nobody can ask any more.
pub(crate) struct NobodyAsks;

impl<S: Shard> Inbox<S> {
    /// Refuses every request until `until` resolves. Events that nobody waits for stay where they are.
    async fn refusing<T>(&mut self, error: CoordinatorError, until: impl Future<Output = T>) -> Result<T, NobodyAsks> {
        let mut until = pin!(until);
        loop {
            tokio::select! {
                biased;
                done = &mut until => return Ok(done),
                request = self.requests.recv() => request.ok_or(NobodyAsks)?.refuse(error),
            }
        }
    }
}

/// One more, as long as it lives: a task may end at any await.
struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Counted {
        gauge.increment();
        Counted(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement();
    }
}

impl<S: Shard> ShardTask<S> {
    async fn run(mut self) {
        let name = Arc::clone(&self.parts.name);
        // Ends with an error only: nobody asks any more.
        let _ = self.lead().await;
        tracing::debug!(shard = %name, "the shard is unloaded");
    }

    async fn lead(&mut self) -> Result<(), NobodyAsks> {
        let mut backoff = RELOAD_BACKOFF;
        loop {
            let term = self.wait_for_term().await?;
            let failure = match self.load(term).await? {
                Ok((shard, loaded)) => {
                    let _counted = Counted::new(&self.parts.metrics.active);
                    let mut active = Active::new(&self.parts, term, shard, loaded.next_offset);
                    let ended = active.serve(&mut self.inbox).await;
                    if active.has_committed() {
                        backoff = RELOAD_BACKOFF;
                    }
                    match ended {
                        Ended::NobodyAsks => return Err(NobodyAsks),
                        Ended::TermOver => continue,
                        Ended::Failed(failure) => failure.to_string(),
                    }
                }
                Err(failure) => failure.to_string(),
            };
            if !matches!(self.parts.log.view(), LogView::Leading { term: now, .. } if now == term) {
                continue;
            }
            self.parts.metrics.reloads.increment();
            tracing::warn!(shard = %self.parts.name, failure, backoff_ms = backoff.as_millis() as u64, "the coordinator's shard is loaded again");
            let pause = self.parts.runtime.sleep(backoff);
            self.inbox.refusing(CoordinatorError::LoadInProgress, pause).await?;
            backoff = RELOAD_BACKOFF_MAX.min(2 * backoff);
        }
    }

    async fn wait_for_term(&mut self) -> Result<Term, NobodyAsks> {
        let mut view = self.parts.log.view();
        loop {
            let error = match view {
                LogView::Leading { term, .. } => return Ok(term),
                LogView::NotReady => CoordinatorError::LoadInProgress,
                LogView::NotLeading => CoordinatorError::NotCoordinator,
            };
            view = self.inbox.refusing(error, self.parts.log.changed(view)).await?;
        }
    }

    async fn load(&mut self, term: Term) -> Result<Result<(S, Loaded), LoadFailed>, NobodyAsks> {
        let parts = &self.parts;
        let _counted = Counted::new(&parts.metrics.loading);
        let began = parts.runtime.now();
        let loading = async {
            let mut shard = (parts.make)();
            let loaded = load(&mut shard, &*parts.log, term, parts.load_bytes_max).await?;
            Ok((shard, loaded))
        };
        let outcome = self.inbox.refusing(CoordinatorError::LoadInProgress, loading).await?;
        if let Ok((_, Loaded { next_offset, records, bytes })) = &outcome {
            let took = parts.runtime.now().saturating_duration_since(began);
            parts.metrics.load_seconds.observe_seconds(took.as_secs_f64());
            let took_ms = took.as_millis() as u64;
            tracing::debug!(shard = %parts.name, next_offset, records, bytes, took_ms, "the shard is loaded");
        }
        Ok(outcome)
    }
}
