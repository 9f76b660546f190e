//! What a client goes by, with Kafka's names and defaults.

use std::time::Duration;

/// Settings of a [`Client`](crate::Client) and its connections.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// `client.id`.
    pub client_id: String,
    /// The addresses are those of controllers, as with `bootstrap.controllers` (KIP-919): for [`Admin`](crate::Admin) alone,
    /// and there for what controllers serve.
    pub of_controllers: bool,
    /// `socket.connection.setup.timeout.ms`: for connecting and negotiating.
    pub connect_timeout: Duration,
    /// `request.timeout.ms`: a broker that takes longer is given up, with its connection.
    pub request_timeout: Duration,
    /// `default.api.timeout.ms`: an operation with its retries.
    pub api_timeout: Duration,
    /// How long an operation tries while no broker was ever reached, or none at the address that it advertises, if that is
    /// shorter than `api_timeout`. Zero tells a wrong address at once.
    pub first_contact_max: Duration,
    /// `retry.backoff.ms`: the pause before the first retry; it doubles from try to try.
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`.
    pub retry_backoff_max: Duration,
    /// Requests of one connection that may be unanswered.
    pub in_flight_max: usize,
    /// The largest response that is accepted. Bytes.
    pub response_bytes_max: usize,
}

impl Default for ClientOptions {
    fn default() -> ClientOptions {
        ClientOptions {
            client_id: "ottla".to_string(),
            of_controllers: false,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            api_timeout: Duration::from_secs(60),
            first_contact_max: Duration::MAX,
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            in_flight_max: 64,
            response_bytes_max: 256 * 1024 * 1024,
        }
    }
}
