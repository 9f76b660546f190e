//! How commands reach a cluster.

use crate::failure::Failure;
use ottla_client::{Client, ClientOptions, ClientProperties};
use ottla_runtime::Runtime;
use std::future::Future;

/// Which cluster a command is for.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ClusterArgs {
    /// Addresses of one or more brokers, HOST:PORT separated by commas.
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "OTTLA_BOOTSTRAP",
        default_value = "localhost:9092",
        global = true,
        hide_env_values = true
    )]
    pub(crate) bootstrap_server: String,
}

impl ClusterArgs {
    /// The addresses and the client properties that hold.
    pub(crate) fn resolve(&self) -> Result<(String, ClientProperties), Failure> {
        Ok((self.bootstrap_server.clone(), ClientProperties::new()))
    }

    /// Runs `command` with a client of the cluster.
    pub(crate) fn run<F>(&self, command: impl FnOnce(Client) -> F) -> Result<(), Failure>
    where
        F: Future<Output = Result<(), Failure>>,
    {
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let executor = executor.map_err(|error| Failure::new(format!("cannot start: {error}")))?;
        executor.block_on(async {
            // A command needs clock and network, but no disk.
            let runtime = Runtime::in_memory();
            let options = ClientOptions { client_id: "ottla-cli".to_string(), ..ClientOptions::default() };
            command(Client::new(&runtime, &self.bootstrap_server, options)?).await
        })
    }
}
