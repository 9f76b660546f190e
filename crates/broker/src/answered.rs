//! Answered requests, counted by API and error.

use crate::Broker;
use ottla_protocol::ApiKey;
use ottla_telemetry::{BrokerMetrics, Counter};
use ottla_types::ErrorCode;

/// The counters of the two requests that come all the time, found once.
pub(crate) struct Answered {
    produce: Counter,
    fetch: Counter,
}

impl Answered {
    pub(crate) fn new(metrics: &BrokerMetrics) -> Answered {
        let of = |api: ApiKey| metrics.requests.of(api.name(), ErrorCode::None.name());
        Answered { produce: of(ApiKey::Produce), fetch: of(ApiKey::Fetch) }
    }

    pub(crate) fn count(&self, broker: &Broker, api: ApiKey, error: ErrorCode) {
        match (api, error) {
            (ApiKey::Produce, ErrorCode::None) => self.produce.increment(),
            (ApiKey::Fetch, ErrorCode::None) => self.fetch.increment(),
            _ => broker.metrics().requests.of(api.name(), error.name()).increment(),
        }
    }
}
