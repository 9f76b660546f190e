//! Pauses between tries: doubling, bounded, and never the same for two clients.

use crate::options::ClientOptions;
use ottla_runtime::Runtime;
use std::time::Duration;

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
        let percent = u32::try_from(runtime.random_range(80..121)).expect("a percentage is small");
        let pause = self.next * percent / 100;
        self.next = (self.next * 2).min(self.max);
        runtime.sleep(pause).await;
    }
}
