//! What is bounded, and where.

use std::time::Duration;

/// Requests that wait for one shard; more are refused with COORDINATOR_NOT_AVAILABLE, which clients retry.
pub const REQUESTS_MAX: usize = 10_000;
/// Events that nobody waits for and that one shard has not taken yet; whoever has more waits.
pub const NOTICES_MAX: usize = 16;
/// Events of one round; the others wait for the next batch.
pub const ROUND_EVENTS_MAX: usize = 1_000;
/// Records of one batch, unless a single decision has more.
pub const BATCH_RECORDS_MAX: usize = 10_000;
/// Replies and effects that wait for the high watermark; beyond them no event is taken and no timer fires until some have
/// left. The event that is being decided may go beyond it by its own.
pub const DEFERRED_MAX: usize = 50_000;
/// How deep events may follow from events. More is a loop, and a bug.
pub const NEXT_DEPTH_MAX: usize = 1_000;
/// First pause before a shard that failed is loaded again; it doubles up to the maximum.
pub const RELOAD_BACKOFF: Duration = Duration::from_millis(50);
/// Longest such pause.
pub const RELOAD_BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A timer whose decision was too large to be written fires again after this: what it is for has still to be done.
pub(crate) const REFUSED_TIMER_PAUSE: Duration = Duration::from_secs(1);
