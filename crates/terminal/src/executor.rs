//! Runs what a command does: an async block with a client of the cluster.

use crate::failure::Failure;
use ottla_client::{Client, ClientOptions};
use ottla_runtime::Runtime;
use std::future::Future;
use std::time::Duration;

/// How many threads a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// A few requests.
    One,
    /// Load: as many as the machine has.
    Many,
}

/// How our own commands go about it: a wrong address is told at once. Kafka's tools try for `default.api.timeout.ms`.
pub fn impatient(client_id: &str) -> ClientOptions {
    let client_id = client_id.to_string();
    ClientOptions { client_id, first_contact_max: Duration::ZERO, ..ClientOptions::default() }
}

/// Runs `command` with a client of the cluster behind `bootstrap`.
pub fn run<F>(
    bootstrap: &str,
    options: ClientOptions,
    threads: Threads,
    command: impl FnOnce(Client) -> F,
) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    if let Err(error) = ottla_telemetry::init_command_logs() {
        eprintln!("warning: RUST_LOG: {error}");
    }
    let mut builder = match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread(),
        Threads::Many => tokio::runtime::Builder::new_multi_thread(),
    };
    let executor = builder.enable_all().build().map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    executor.block_on(async {
        // A command needs clock and network, but no disk.
        let runtime = Runtime::in_memory();
        command(Client::new(&runtime, bootstrap, options)?).await
    })
}
