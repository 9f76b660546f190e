//! The controller role: decides what happens to the cluster's metadata, through the metadata quorum.
//!
//! 1. A request arrives at the [`ControllerChannel`](ottla_metadata::ControllerChannel) and waits in a bounded queue.
//! 2. While an entry is being committed, more requests queue up. Then all that wait are decided one after another, each
//!    on the image that the ones before it lead to ([`round`]). That pending image is the only speculative state, and
//!    lives no longer than the round.
//! 3. Their records are packed into entries and proposed in order. An entry is one atomic list of records.
//! 4. A committed entry changes the image ([`machine`]), which is published; only then the replies leave, also those of
//!    requests that changed nothing but saw what the entry does.
//!
//! If an entry is not committed, its round ends: the requests are answered with an error, and the next round begins from
//! the image that was committed. Nothing of the round is left anywhere.

mod channel;
mod controller;
mod errors;
mod machine;
mod registration;
mod round;
mod task;

#[cfg(test)]
mod tests;

pub use controller::{Controller, ControllerConfig};
pub use registration::{LocalBroker, Registered, RegistrationError};

/// The limits of the controller, each with its unit.
pub mod limits {
    use std::time::Duration;

    /// Requests that wait for a decision; above it a request is refused as busy.
    pub const REQUESTS_QUEUED_MAX: usize = 1000;
    /// Requests that are decided in one round.
    pub const ROUND_REQUESTS_MAX: usize = 1000;
    /// Bytes up to which decisions are packed into one entry. A larger decision gets an entry of its own, up to
    /// the quorum's `ENTRY_BYTES_MAX`.
    pub const ENTRY_PACKED_BYTES_MAX: usize = 1024 * 1024;
    /// Pause before forming a new cluster, or registering, is tried again.
    pub const RETRY_INTERVAL: Duration = Duration::from_millis(200);
}
