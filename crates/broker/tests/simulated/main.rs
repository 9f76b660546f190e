//! One broker on the simulator, with a controller that decides and commits at once. Requests go to its handler as the
//! network layer hands them over, in any version, and replies are decoded from the very bytes that would leave.

mod kit;
mod log_dirs;

mod apis;
mod cleaning;
mod client_metrics;
mod cluster_calls;
mod controllers_listener;
mod deletion;
mod durability;
mod failures;
mod fetching;
mod group_metrics;
mod group_versions;
mod groups;
mod idempotence;
mod moves;
mod offsets;
mod producing;
mod quotas;
mod restarts;
mod runtime_configs;
mod scraped;
mod share_extras;
mod share_groups;
mod share_refusals;
mod streams_groups;
mod transaction_crashes;
mod transaction_crowds;
mod transactions;
