//! Client quotas as this broker enforces them: who waits, and for how long.
//!
//! What a client used is counted when its answer is made; if it is above its quota the answer says so
//! (`throttle_time_ms`), leaves at once, and nothing more is read from the connection until that time is over (KIP-219).
//! Which quota holds, and the arithmetic, is in `ottla_security::quotas`. Without quotas of a kind nothing is counted, as in
//! Kafka.
//!
//! Until clients authenticate all of them are the user `ANONYMOUS`.

use ottla_config::BrokerConfig;
use ottla_metadata::MetadataImage;
use ottla_protocol::RequestHeader;
use ottla_runtime::{Instant, Runtime};
use ottla_security::quotas::{Bound, Client, ClientLimits, QuotaKey, RateMeters, TokenBuckets, Window};
use ottla_telemetry::QuotaMetrics;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Name of the principal of clients that did not authenticate, Kafka's.
pub(crate) const ANONYMOUS: &str = "ANONYMOUS";
/// Kafka's limit of `request_percentage` throttle times: one window.
const MS_PER_SECOND: i64 = 1000;

/// The quotas of all clients of this broker.
pub(crate) struct ClientQuotas {
    runtime: Runtime,
    began: Instant,
    /// One bit for each kind of quota that anybody has.
    kinds: AtomicU8,
    state: Mutex<State>,
    metrics: QuotaMetrics,
}

struct State {
    image: Arc<MetadataImage>,
    limits: ClientLimits,
    produce: RateMeters,
    fetch: RateMeters,
    request: RateMeters,
    mutations: TokenBuckets,
}

fn bit(key: QuotaKey) -> u8 {
    1 << (key as u8)
}

impl ClientQuotas {
    /// Quotas measured as the configs say.
    pub(crate) fn new(runtime: &Runtime, config: &BrokerConfig, metrics: QuotaMetrics) -> ClientQuotas {
        let window = |prefix: &str| {
            let of = |name: &str| config.long(&format!("{prefix}quota.window.{name}"));
            let samples = u32::try_from(of("num")).unwrap_or(1);
            Window::new(samples, of("size.seconds").saturating_mul(MS_PER_SECOND))
        };
        let clients = window("");
        let state = State {
            image: Arc::new(MetadataImage::empty()),
            limits: ClientLimits::default(),
            produce: RateMeters::new(clients, None),
            fetch: RateMeters::new(clients, None),
            request: RateMeters::new(clients, Some(clients.sample_ms)),
            mutations: TokenBuckets::new(window("controller.")),
        };
        ClientQuotas {
            runtime: runtime.clone(),
            began: runtime.now(),
            kinds: AtomicU8::new(0),
            state: Mutex::new(state),
            metrics,
        }
    }

    /// Takes over the quotas of `image`; what was counted stays.
    pub(crate) fn update(&self, image: &Arc<MetadataImage>) {
        let mut state = self.lock();
        if state.image.has_quotas_of(image) {
            return;
        }
        state.limits = image.client_limits();
        state.image = Arc::clone(image);
        let kinds = QuotaKey::ALL.into_iter().filter(|key| state.limits.limits_any(*key)).map(bit);
        self.kinds.store(kinds.fold(0, |all, kind| all | kind), Ordering::Release);
    }

    /// Counts a Produce request of `bytes`; how long its client waits, in milliseconds.
    pub(crate) fn produced(&self, header: &RequestHeader, bytes: u64) -> i64 {
        let wait_ms = self.with(QuotaKey::ProducerByteRate, header, |state, bound, now_ms| {
            state.produce.record(bound, bytes as f64, now_ms)
        });
        self.count(&self.metrics.produce_throttled, wait_ms)
    }

    /// Counts a Fetch response of `bytes`. A client that has to wait gets an empty answer instead, so its bytes do not count.
    pub(crate) fn fetched(&self, header: &RequestHeader, bytes: u64) -> i64 {
        let wait_ms = self.with(QuotaKey::ConsumerByteRate, header, |state, bound, now_ms| {
            let wait_ms = state.fetch.record(bound, bytes as f64, now_ms);
            if wait_ms > 0 {
                state.fetch.take_back(bound, bytes as f64, now_ms);
            }
            wait_ms
        });
        self.count(&self.metrics.fetch_throttled, wait_ms)
    }

    /// How long the client of a ShareFetch waits before anything is acquired for it. What a client gets is counted by
    /// [`ClientQuotas::share_fetched`] and stays counted, because acquired records are not taken from it again.
    pub(crate) fn share_fetch_wait_ms(&self, header: &RequestHeader) -> i64 {
        self.share_fetched(header, 0)
    }

    /// Counts a ShareFetch response of `bytes`; how long its client waits after it.
    pub(crate) fn share_fetched(&self, header: &RequestHeader, bytes: u64) -> i64 {
        let wait_ms = self.with(QuotaKey::ConsumerByteRate, header, |state, bound, now_ms| {
            state.fetch.record(bound, bytes as f64, now_ms)
        });
        self.count(&self.metrics.fetch_throttled, wait_ms)
    }

    /// The most that one Fetch may bring: more would never fit the quota. `None` without a quota.
    pub(crate) fn fetch_bytes_max(&self, header: &RequestHeader) -> Option<u64> {
        let max = self.with(QuotaKey::ConsumerByteRate, header, |state, bound, _| state.fetch.amount_max(bound) as i64);
        u64::try_from(max).ok().filter(|max| *max > 0)
    }

    /// How long the client waits because its requests took too much time.
    pub(crate) fn request_wait_ms(&self, header: &RequestHeader) -> i64 {
        let wait_ms = self
            .with(QuotaKey::RequestPercentage, header, |state, bound, now_ms| state.request.record(bound, 0.0, now_ms));
        self.count(&self.metrics.request_throttled, wait_ms)
    }

    /// A request of a client has taken this much of our time.
    pub(crate) fn worked(&self, client_id: &str, time: Duration) {
        if !self.has(QuotaKey::RequestPercentage) {
            return;
        }
        let now_ms = self.now_ms();
        let mut state = self.lock();
        let client = Client { user: ANONYMOUS, client_id };
        if let Some(bound) = state.limits.bound(QuotaKey::RequestPercentage, client) {
            state.request.record(&bound, time.as_secs_f64() * 100.0, now_ms);
        }
    }

    /// The controller mutation quota of one request. `is_strict`: what does not fit is refused, not only waited for.
    pub(crate) fn mutations(self: &Arc<Self>, header: &RequestHeader, is_strict: bool) -> Mutations {
        let bound = self.bound(QuotaKey::ControllerMutationRate, header);
        Mutations { quotas: Arc::clone(self), bound, is_strict, wait: None }
    }

    /// Now, for `mute_until`.
    pub(crate) fn after_ms(&self, wait_ms: i64) -> Instant {
        self.runtime.now() + Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0))
    }

    fn has(&self, key: QuotaKey) -> bool {
        self.kinds.load(Ordering::Acquire) & bit(key) != 0
    }

    fn bound(&self, key: QuotaKey, header: &RequestHeader) -> Option<Bound> {
        if !self.has(key) {
            return None;
        }
        let client_id = header.client_id.as_deref().unwrap_or_default();
        self.lock().limits.bound(key, Client { user: ANONYMOUS, client_id })
    }

    fn with(&self, key: QuotaKey, header: &RequestHeader, use_it: impl FnOnce(&mut State, &Bound, i64) -> i64) -> i64 {
        match self.bound(key, header) {
            Some(bound) => use_it(&mut self.lock(), &bound, self.now_ms()),
            None => 0,
        }
    }

    fn count(&self, throttled: &ottla_telemetry::Counter, wait_ms: i64) -> i64 {
        if wait_ms > 0 {
            throttled.increment();
            self.metrics.throttle_ms.add(wait_ms.unsigned_abs());
        }
        wait_ms
    }

    /// Milliseconds since this broker started.
    pub(crate) fn now_ms(&self) -> i64 {
        let elapsed = self.runtime.now().saturating_duration_since(self.began);
        i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The controller mutation quota (KIP-599) in one request: partitions that it creates or deletes.
pub(crate) struct Mutations {
    quotas: Arc<ClientQuotas>,
    bound: Option<Bound>,
    is_strict: bool,
    /// How long to wait, and since when that was known.
    wait: Option<(i64, Instant)>,
}

impl Mutations {
    /// Takes `partitions` from the quota; whether they may be changed.
    pub(crate) fn take(&mut self, partitions: usize) -> bool {
        let Some(bound) = &self.bound else { return true };
        let now_ms = self.quotas.now_ms();
        let mut state = self.quotas.lock();
        if self.is_strict {
            let wait_ms = state.mutations.wait_ms(bound, now_ms);
            if wait_ms > 0 {
                self.wait = Some((wait_ms, self.quotas.runtime.now()));
                return false;
            }
            state.mutations.take(bound, partitions as f64, now_ms);
            return true;
        }
        state.mutations.take(bound, partitions as f64, now_ms);
        let wait_ms = state.mutations.wait_ms(bound, now_ms);
        if wait_ms > 0 {
            self.wait = Some((wait_ms, self.quotas.runtime.now()));
        }
        true
    }

    /// Gives back what was taken for partitions that were not changed after all.
    pub(crate) fn give_back(&self, partitions: usize) {
        if let Some(bound) = self.bound.as_ref().filter(|_| partitions > 0) {
            self.quotas.lock().mutations.take(bound, -(partitions as f64), self.quotas.now_ms());
        }
    }

    /// How long the client still has to wait.
    pub(crate) fn wait_ms(&self) -> i64 {
        let Some((wait_ms, since)) = self.wait else { return 0 };
        let gone = self.quotas.runtime.now().saturating_duration_since(since);
        let left = (wait_ms - i64::try_from(gone.as_millis()).unwrap_or(i64::MAX)).max(0);
        self.quotas.count(&self.quotas.metrics.mutation_throttled, left)
    }
}
