//! Runs what a command does: an async block with a client of the cluster.

use crate::failure::Failure;
use ottla_client::{Client, ClientOptions};
use ottla_runtime::Runtime;
use std::future::Future;

/// How many threads a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// A few requests.
    One,
    /// Load: as many as the machine has.
    Many,
}

/// Runs `command` with a client of the cluster behind `bootstrap`.
pub(crate) fn run<F>(
    bootstrap: &str,
    options: ClientOptions,
    threads: Threads,
    command: impl FnOnce(Client) -> F,
) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
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
