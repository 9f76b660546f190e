//! Where the time of a request goes, in Kafka's parts: queue, local, remote, response queue, send.
//!
//! 1. *queue*: from the read that brought its last byte until its handler begins; a pipelined request waits here for those
//!    before it, and any request for the budget of request bytes.
//! 2. *local*: the handler, and the first look of an answer that comes later.
//! 3. *remote*: what that answer then waits for: a flush, a replica, new records, a rebalance.
//! 4. *response queue*: the answers before it have not left yet.
//! 5. *send*: the answer goes out.

use crate::handler::{ConnectionInfo, Handler};
use crate::log_limit::LogLimit;
use ottla_protocol::{ApiKey, RequestHeader};
use ottla_runtime::Instant;
use ottla_telemetry::NetMetrics;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The clock of one request.
#[derive(Debug)]
pub(crate) struct Timing {
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    received: Instant,
    queue: Duration,
    local: Duration,
    remote: Duration,
    response_queue: Duration,
    /// End of the part before.
    mark: Instant,
}

impl Timing {
    /// The handler begins.
    pub(crate) fn begin(header: &RequestHeader, received: Instant, now: Instant) -> Timing {
        Timing {
            api: header.api_key,
            version: header.api_version,
            correlation_id: header.correlation_id,
            received,
            queue: now.saturating_duration_since(received),
            local: Duration::ZERO,
            remote: Duration::ZERO,
            response_queue: Duration::ZERO,
            mark: now,
        }
    }

    /// The time since the last mark.
    fn lap(&mut self, now: Instant) -> Duration {
        let lap = now.saturating_duration_since(self.mark);
        self.mark = now;
        lap
    }

    /// The handler worked until now.
    pub(crate) fn worked(&mut self, now: Instant) {
        let lap = self.lap(now);
        self.local += lap;
    }

    /// The answer waited for something until now.
    pub(crate) fn waited(&mut self, now: Instant) {
        let lap = self.lap(now);
        self.remote += lap;
    }

    /// The answer waited for those before it until now.
    pub(crate) fn queued(&mut self, now: Instant) {
        let lap = self.lap(now);
        self.response_queue += lap;
    }
}

/// Counts what requests took, and logs the slow ones.
pub(crate) struct RequestTimes {
    metrics: NetMetrics,
    handler: Arc<dyn Handler>,
    slow: Option<Duration>,
    limit: Mutex<LogLimit>,
}

impl RequestTimes {
    /// Requests slower than `slow` are logged; `None` logs none.
    pub(crate) fn new(
        metrics: NetMetrics,
        handler: Arc<dyn Handler>,
        slow: Option<Duration>,
        now: Instant,
    ) -> RequestTimes {
        RequestTimes { metrics, handler, slow, limit: Mutex::new(LogLimit::new(now)) }
    }

    /// The answer has left, or there is none.
    pub(crate) fn finish(&self, connection: &ConnectionInfo, mut timing: Timing, now: Instant) {
        let send = timing.lap(now);
        self.handler.request_finished(connection, timing.local);
        let total = now.saturating_duration_since(timing.received);
        let (metrics, key, name) = (&self.metrics, timing.api.code(), timing.api.name());
        for (times, duration) in [
            (&metrics.request_queue_time, timing.queue),
            (&metrics.local_time, timing.local),
            (&metrics.remote_time, timing.remote),
            (&metrics.response_queue_time, timing.response_queue),
            (&metrics.response_send_time, send),
            (&metrics.total_time, total),
        ] {
            times.observe(key, name, duration);
        }
        let remote = if waits_by_design(timing.api) { Duration::ZERO } else { timing.remote };
        // A client that takes its answers slowly is not the node's doing.
        let took = timing.queue + timing.local + remote;
        if self.slow.is_some_and(|slow| took > slow) {
            self.report_slow(connection, &timing, send, total, now);
        }
    }

    fn report_slow(&self, connection: &ConnectionInfo, timing: &Timing, send: Duration, total: Duration, now: Instant) {
        self.metrics.slow_requests.increment();
        let Some(suppressed) = self.limit.lock().unwrap_or_else(PoisonError::into_inner).permit(now) else { return };
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        tracing::warn!(
            api = timing.api.name(),
            version = timing.version,
            correlation_id = timing.correlation_id,
            client_id = connection.client_id.get().map_or("", String::as_str),
            peer = %connection.peer,
            listener = &*connection.listener,
            total_ms = ms(total),
            request_queue_ms = ms(timing.queue),
            local_ms = ms(timing.local),
            remote_ms = ms(timing.remote),
            response_queue_ms = ms(timing.response_queue),
            response_send_ms = ms(send),
            suppressed,
            "slow request"
        );
    }
}

/// Whether a request of this kind is meant to wait: for records, or for the other members of a group.
fn waits_by_design(api: ApiKey) -> bool {
    matches!(api, ApiKey::Fetch | ApiKey::ShareFetch | ApiKey::JoinGroup | ApiKey::SyncGroup)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::{Outcome, Request};
    use futures_util::future::BoxFuture;

    /// Nobody is asked here.
    struct Silent;

    impl Handler for Silent {
        fn call(&self, _request: Request) -> BoxFuture<'_, Outcome> {
            Box::pin(std::future::ready(Outcome::NoReply))
        }
    }

    fn slow_lines(api_key: ApiKey, local_ms: u64, remote_ms: u64, send_ms: u64) -> u64 {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let metrics = NetMetrics::default();
        let times = RequestTimes::new(metrics.clone(), Arc::new(Silent), Some(Duration::from_millis(100)), start);
        let header = RequestHeader { api_key, api_version: 0, correlation_id: 7, client_id: None };
        let mut timing = Timing::begin(&header, start, at(1));
        timing.worked(at(1 + local_ms));
        timing.waited(at(1 + local_ms + remote_ms));
        let info = ConnectionInfo::new(1, Arc::from("L"), "127.0.0.1:1".parse().unwrap());
        times.finish(&info, timing, at(1 + local_ms + remote_ms + send_ms));
        assert_eq!(metrics.total_time.count(api_key.code()), 1);
        metrics.slow_requests.get()
    }

    #[test]
    fn only_the_nodes_own_time_makes_a_request_slow() {
        assert_eq!(slow_lines(ApiKey::Metadata, 50, 0, 0), 0);
        assert_eq!(slow_lines(ApiKey::Metadata, 150, 0, 0), 1);
        assert_eq!(slow_lines(ApiKey::Produce, 1, 150, 0), 1);
        assert_eq!(slow_lines(ApiKey::Fetch, 1, 500, 0), 0, "a long poll");
        assert_eq!(slow_lines(ApiKey::Metadata, 1, 0, 500), 0, "a slow client");
    }
}
