//! How commands reach a cluster.
//!
//! Which cluster, strongest first: `--bootstrap-server`; `--profile`; `OTTLA_BOOTSTRAP`; `OTTLA_PROFILE`; the profile in use
//! (`ottla profile use`); `localhost:9092`. Client properties come from the profile, later over earlier from the file of
//! `--command-config`.

use crate::executor::{self, Threads};
use crate::failure::Failure;
use crate::input::read_text;
use crate::output::OutputArgs;
use crate::profile::{Profile, Profiles};
use ottla_client::{Client, ClientProperties};
use std::future::Future;
use std::path::{Path, PathBuf};

/// Where a broker is when nobody says.
const BOOTSTRAP_DEFAULT: &str = "localhost:9092";
const BOOTSTRAP_VARIABLE: &str = "OTTLA_BOOTSTRAP";
const PROFILE_VARIABLE: &str = "OTTLA_PROFILE";

/// Which cluster a command is for.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ClusterArgs {
    /// Addresses of one or more brokers, HOST:PORT separated by commas.
    /// [default: $OTTLA_BOOTSTRAP, the profile, or localhost:9092]
    #[arg(long, value_name = "HOST:PORT", global = true)]
    pub bootstrap_server: Option<String>,
    /// A profile made with `ottla profile create`. [default: $OTTLA_PROFILE, or the one in use]
    #[arg(long, value_name = "NAME", global = true)]
    pub profile: Option<String>,
    /// A file with Kafka's client properties, such as request.timeout.ms=5000.
    #[arg(long, value_name = "FILE", global = true)]
    pub command_config: Option<PathBuf>,
}

/// What a command accepts whose commands are clients: one of these, for which cluster, and how its result is printed.
#[derive(Debug, clap::Args)]
pub struct ClientArgs<C: clap::Subcommand> {
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// How the result is printed.
    #[command(flatten)]
    pub output: OutputArgs,
    /// What is to be done.
    #[command(subcommand)]
    pub command: C,
}

impl ClusterArgs {
    /// Runs `command` with a client of the cluster.
    pub fn run<F>(&self, command: impl FnOnce(Client) -> F) -> Result<(), Failure>
    where
        F: Future<Output = Result<(), Failure>>,
    {
        let (bootstrap, properties) = self.resolve()?;
        let options = executor::impatient("ottla-cli");
        executor::run(&bootstrap, properties.client_options(options)?, Threads::One, command)
    }

    /// The addresses and the client properties that hold.
    pub fn resolve(&self) -> Result<(String, ClientProperties), Failure> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let from_variable = variable(BOOTSTRAP_VARIABLE);
        let named = match (&self.bootstrap_server, &self.profile, &from_variable) {
            (_, Some(name), _) => Some(name.clone()),
            (Some(_), None, _) | (None, None, Some(_)) => None,
            (None, None, None) => variable(PROFILE_VARIABLE),
        };
        let wants_current = self.bootstrap_server.is_none() && from_variable.is_none();
        let profile = match named {
            Some(name) => Some(Profiles::load()?.get(&name)?.clone()),
            None if wants_current => Profiles::load()?.current()?.cloned(),
            None => None,
        };
        let by_name = self.profile.as_ref().and(profile.as_ref());
        let bootstrap = self.bootstrap_server.clone();
        let bootstrap = bootstrap.or_else(|| by_name.map(|profile: &Profile| profile.bootstrap_server.clone()));
        let bootstrap = bootstrap.or(from_variable);
        let bootstrap = bootstrap.or_else(|| profile.as_ref().map(|profile| profile.bootstrap_server.clone()));
        let mut properties = ClientProperties::new();
        for (name, value) in profile.iter().flat_map(|profile| &profile.properties) {
            properties.set(name.clone(), value.clone());
        }
        if let Some(file) = &self.command_config {
            properties.extend(read_properties(file)?);
        }
        Ok((bootstrap.unwrap_or_else(|| BOOTSTRAP_DEFAULT.to_string()), properties))
    }
}

/// Reads a file of client properties.
pub fn read_properties(file: &Path) -> Result<ClientProperties, Failure> {
    ClientProperties::parse(&read_text(file)?).map_err(|error| Failure::new(format!("{}: {error}", file.display())))
}
