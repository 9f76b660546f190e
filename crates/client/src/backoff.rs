//! Pauses between tries: doubling, bounded, and never the same for two clients.

use crate::client::Client;
use crate::error::ClientError;
use crate::options::ClientOptions;
use ottla_runtime::{Instant, Runtime};
use std::time::Duration;

/// Longer than any process runs.
const FAR_AWAY: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// The pauses of one operation. Kafka's formula: exponential, with 20 % of jitter.
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    /// Starts at `retry.backoff.ms`.
    pub fn new(options: &ClientOptions) -> Backoff {
        Backoff { next: options.retry_backoff, max: options.retry_backoff_max }
    }

    /// Waits for the next pause.
    pub async fn pause(&mut self, runtime: &Runtime) {
        let pause = jittered(self.next, runtime);
        self.next = (self.next * 2).min(self.max);
        runtime.sleep(pause).await;
    }

    /// The pause after `tries` tries, for whoever waits himself.
    pub(crate) fn nth(options: &ClientOptions, tries: u32, runtime: &Runtime) -> Duration {
        let doubled = options.retry_backoff.saturating_mul(1 << tries.min(16));
        jittered(doubled.min(options.retry_backoff_max), runtime)
    }
}

/// Repeats `operation` while its error is worth it, at most for `default.api.timeout.ms`.
pub(crate) async fn patiently<T, F>(
    client: &Client,
    is_worth_it: impl Fn(&ClientError) -> bool,
    operation: impl Fn() -> F,
) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let runtime = client.runtime();
    let deadline = runtime.now() + client.options().api_timeout;
    let mut backoff = Backoff::new(client.options());
    loop {
        match operation().await {
            Err(error) if is_worth_it(&error) && runtime.now() < deadline => backoff.pause(runtime).await,
            done => return done,
        }
    }
}

fn jittered(pause: Duration, runtime: &Runtime) -> Duration {
    let percent = u32::try_from(runtime.random_range(80..121)).expect("a percentage is small");
    pause * percent / 100
}

/// The moment when a call gives up that may take so long; `Duration::MAX` is for ever.
pub(crate) fn deadline(runtime: &Runtime, timeout: Duration) -> Instant {
    let now = runtime.now();
    now.checked_add(timeout).unwrap_or_else(|| now + FAR_AWAY)
}
