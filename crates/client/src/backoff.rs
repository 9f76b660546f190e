//! Pauses between tries: doubling, bounded, and never the same for two clients.

use crate::call::Call;
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

/// Repeats `operation` while its error is worth it, at most for `default.api.timeout.ms`. What keeps it is told to the log.
pub(crate) async fn patiently<T, F>(
    client: &Client,
    is_worth_it: impl Fn(&ClientError) -> bool,
    operation: impl Fn() -> F,
) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let mut patience = Patience::new(client);
    loop {
        match operation().await {
            Ok(done) => return Ok(done),
            Err(error) => {
                let is_worth_it = is_worth_it(&error);
                patience.outlast(error, is_worth_it).await?;
            }
        }
    }
}

/// What one operation has been through.
struct Patience<'a> {
    client: &'a Client,
    late: Instant,
    late_without_contact: Instant,
    backoff: Backoff,
    was_lost: bool,
}

impl<'a> Patience<'a> {
    fn new(client: &'a Client) -> Patience<'a> {
        let (runtime, options) = (client.runtime(), client.options());
        let late = deadline(runtime, options.api_timeout);
        let late_without_contact = late.min(deadline(runtime, options.first_contact_max));
        Patience { client, late, late_without_contact, backoff: Backoff::new(options), was_lost: false }
    }

    /// Pauses before the next try; the error itself where there is none.
    fn outlast(&mut self, error: ClientError, is_worth_it: bool) -> Call<'_, ()> {
        Box::pin(async move {
            let Patience { client, .. } = *self;
            let runtime = client.runtime();
            let is_hopeless = !client.has_reached_any() && error.is_unknown_host();
            let had_contact = client.has_reached_any() && !error.is_advertised();
            let late = if had_contact { self.late } else { self.late_without_contact };
            if !is_worth_it || is_hopeless || runtime.now() >= late {
                return Err(if self.was_lost { error.after_lost_answer() } else { error });
            }
            self.was_lost |= error.is_outcome_unknown();
            client.tell(&error);
            self.backoff.pause(runtime).await;
            Ok(())
        })
    }
}

fn jittered(pause: Duration, runtime: &Runtime) -> Duration {
    let percent = u32::try_from(runtime.random_range(80..121)).expect("a percentage is small");
    pause * percent / 100
}

/// The moment when a call gives up that may take so long; `Duration::MAX` is for ever.
pub(crate) fn deadline(runtime: &Runtime, timeout: Duration) -> Instant {
    later(runtime.now(), timeout)
}

/// A moment so much later.
pub(crate) fn later(moment: Instant, by: Duration) -> Instant {
    moment.checked_add(by).unwrap_or_else(|| moment + FAR_AWAY)
}
