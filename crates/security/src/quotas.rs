//! Client quotas (KIP-13, KIP-55, KIP-124, KIP-599, KIP-612).
//!
//! 1. A [`QuotaEntity`] has limits for some [`QuotaKey`]s; all of them together are [`ClientLimits`].
//! 2. For a client [`ClientLimits::bound`] says which limit holds and with whom it is shared.
//! 3. What the client used goes into the [`RateMeters`] or [`TokenBuckets`] of that kind, which say for how long it has to
//!    wait.

mod bucket;
mod entity;
mod key;
mod limits;
mod meters;
mod rate;

pub use bucket::TokenBucket;
pub use entity::{EntityName, QuotaEntity};
pub use key::{QuotaError, QuotaKey};
pub use limits::{Bound, Client, ClientLimits, Share};
pub use meters::{METERS_MAX, RateMeters, TokenBuckets};
pub use rate::{SampledRate, Window};
