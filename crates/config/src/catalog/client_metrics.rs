//! Client metrics subscriptions (KIP-714, resource type CLIENT_METRICS).

use super::keys;

keys! { pub(super) KEYS
    "interval.ms" Int "300000" any Medium PerResource Implemented
        "How often matching clients push their metrics.";
    "match" List "" list Medium PerResource Implemented
        "Which clients are meant, as attribute=pattern entries.";
    "metrics" List "" list Medium PerResource Implemented
        "Prefixes of the metric names that clients push.";
}
