//! `kafka-configs`, for everything but SCRAM credentials.

mod alter;
mod describe;
mod entities;
mod entity_names;

use super::KafkaTool;
use super::java::java_error;
use super::shared::{Cluster, usage};
use entities::{Entities, Kind};
use entity_names::EntityNames;
use ottla_client::{Admin, Client, ClientError};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use std::path::PathBuf;

/// Manipulate and describe entity config for a topic, client, user, broker, ip, client-metrics or group.
#[derive(Debug, Default, clap::Parser)]
pub(super) struct Configs {
    /// The Kafka servers to connect to.
    #[arg(long, value_name = "server to connect to")]
    bootstrap_server: Option<String>,
    /// The Kafka controllers to connect to.
    #[arg(long, value_name = "controller to connect to")]
    bootstrap_controller: Option<String>,
    /// Property file containing configs of the client.
    #[arg(long, value_name = "command config property file")]
    command_config: Option<PathBuf>,
    /// Alter the configuration for the entity.
    #[arg(long)]
    alter: bool,
    /// List configs for the given entity.
    #[arg(long)]
    describe: bool,
    /// List all configs for the given entity, also static ones and defaults.
    #[arg(long)]
    all: bool,
    /// Type of entity (topics/clients/users/brokers/broker-loggers/ips/client-metrics/groups).
    #[arg(long)]
    entity_type: Vec<String>,
    #[command(flatten)]
    entity_names: EntityNames,
    /// Key Value pairs of configs to add. Square brackets can be used to group values which contain commas:
    /// 'k1=v1,k2=[v1,v2,v2],k3=v3'. `ottla config list` shows those that exist.
    #[arg(long)]
    add_config: Option<String>,
    /// Path to a properties file with configs to add.
    #[arg(long)]
    add_config_file: Option<PathBuf>,
    /// Config keys to remove 'k1,k2'.
    #[arg(long, value_delimiter = ',')]
    delete_config: Vec<String>,
    /// The topic's name.
    #[arg(long)]
    topic: Option<String>,
    /// The client's ID.
    #[arg(long)]
    client: Option<String>,
    /// The config defaults for all clients.
    #[arg(long)]
    client_defaults: bool,
    /// The user's principal name.
    #[arg(long)]
    user: Option<String>,
    /// The config defaults for all users.
    #[arg(long)]
    user_defaults: bool,
    /// The broker's ID.
    #[arg(long)]
    broker: Option<String>,
    /// The config defaults for all brokers.
    #[arg(long)]
    broker_defaults: bool,
    /// The broker's ID for its logger config.
    #[arg(long)]
    broker_logger: Option<String>,
    /// The config defaults for all IPs.
    #[arg(long)]
    ip_defaults: bool,
    /// The IP address.
    #[arg(long)]
    ip: Option<String>,
    /// The group's ID.
    #[arg(long)]
    group: Option<String>,
    /// The client metrics config resource name.
    #[arg(long)]
    client_metrics: Option<String>,
}

impl KafkaTool for Configs {
    const NAME: &'static str = "kafka-configs";

    fn run(&self) -> Result<(), Failure> {
        if usize::from(self.alter) + usize::from(self.describe) != 1 {
            return Err(usage("Command must include exactly one action: --describe, --alter"));
        }
        if self.describe && (self.add_config.is_some() || !self.delete_config.is_empty()) {
            let other = if self.add_config.is_some() { "add-config" } else { "delete-config" };
            return Err(usage(format!("Option \"[describe]\" can't be used with option \"[{other}]\"")));
        }
        let entities = Entities::of(self)?;
        self.check_alteration(&entities)?;
        let bootstrap = match (&self.bootstrap_server, &self.bootstrap_controller) {
            (Some(_), Some(_)) => {
                return Err(Failure::new("Only one of --bootstrap-server or --bootstrap-controller can be specified"));
            }
            (Some(address), None) | (None, Some(address)) => address,
            (None, None) => {
                return Err(Failure::new("Either --bootstrap-server or --bootstrap-controller must be specified."));
            }
        };
        let cluster = Cluster::new(bootstrap, self.command_config.as_deref(), &[], "kafka-configs")?
            .of_controllers(self.bootstrap_controller.is_some());
        cluster.run(Threads::One, async |client: Client| {
            let admin = Admin::new(&client);
            match self.alter {
                true => alter::run(self, &admin, &entities).await,
                false => describe::run(self, &admin, &entities).await,
            }
        })
    }
}

impl Configs {
    fn check_alteration(&self, entities: &Entities) -> Result<(), Failure> {
        if !self.alter {
            return Ok(());
        }
        let has_name = entities.names.iter().any(|name| !name.is_empty());
        let may_be_default = entities.kinds.iter().any(|kind| kind.has_default());
        if may_be_default && entities.names.is_empty() {
            return Err(Failure::new(
                "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips",
            ));
        }
        if !may_be_default && !has_name {
            let names = entities.kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(",");
            return Err(Failure::new(format!("An entity name must be specified with --alter of {names}")));
        }
        if self.add_config.is_some() && self.add_config_file.is_some() {
            return Err(Failure::new("Only one of --add-config or --add-config-file must be specified"));
        }
        if self.add_config.is_none() && self.add_config_file.is_none() && self.delete_config.is_empty() {
            return Err(Failure::new(
                "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
            ));
        }
        if entities.kinds.len() != entities.names.len() {
            return Err(Failure::new("An entity name must be specified for every entity type"));
        }
        Ok(())
    }

    /// What Kafka's tool says when a broker refuses: its command line, then the exception.
    fn refused(&self, error: &ClientError) -> Failure {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let words = words.join(" ");
        Failure::new(format!("Error while executing config command with args '{words}'\n{}", java_error(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn refusal(line: &str) -> String {
        let words = ["kafka-configs"].into_iter().chain(line.split_whitespace());
        let tool = Configs::try_parse_from(words).unwrap();
        let checked = Entities::of(&tool).and_then(|entities| tool.check_alteration(&entities));
        checked.map_or_else(|failure| failure.cause, |()| String::new())
    }

    #[test]
    fn a_command_line_is_refused_in_kafkas_words() {
        let cases = [
            ("--describe --topic t", ""),
            (
                "--describe --entity-type topics --topic t",
                "--entity-{type,name,default} should not be used in conjunction with specific entity flags",
            ),
            ("--describe", "At least one entity type must be specified"),
            (
                "--describe --entity-type x",
                "Invalid entity type x, the entity type must be one of topics, clients, users, brokers, ips, client-metrics, groups, broker-loggers with a --bootstrap-server or --bootstrap-controller argument",
            ),
            ("--describe --topic t --broker 1", "Only 'users' and 'clients' entity types may be specified together"),
            (
                "--describe --ip nonsense.invalid",
                "The entity name for ips must be a valid IP or resolvable host, but it is: nonsense.invalid",
            ),
            ("--describe --ip ::1", ""),
            ("--describe --broker x", "The entity name for brokers must be a valid integer broker id, but it is: x"),
            (
                "--alter --topic t",
                "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
            ),
            (
                "--alter --entity-type brokers --add-config a=b",
                "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips",
            ),
            ("--alter --broker-defaults --add-config a=b", ""),
            ("--alter --user u --client c --delete-config a", ""),
        ];
        for (line, expected) in cases {
            assert_eq!(refusal(line), expected, "{line}");
        }
    }
}
