//! `kafka-client-metrics`: which clients push which metrics how often (KIP-714).

use super::KafkaTool;
use super::java::described_error;
use super::shared::{Cluster, usage};
use ottla_client::{Admin, Client, ClientError, ConfigChange, ConfigResource};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use ottla_types::Uuid;
use std::path::PathBuf;

/// This tool helps to manipulate and describe client metrics configurations.
#[derive(Debug, clap::Parser)]
pub(super) struct ClientMetrics {
    /// REQUIRED: The Kafka server to connect to.
    #[arg(long, value_name = "server to connect to")]
    bootstrap_server: Option<String>,
    /// Property file containing configs to be passed to Admin Client.
    #[arg(long, value_name = "command config property file")]
    command_config: Option<PathBuf>,
    /// Alter the configuration for the client metrics resource.
    #[arg(long)]
    alter: bool,
    /// Delete the configuration for the client metrics resource.
    #[arg(long)]
    delete: bool,
    /// List configurations for the client metrics resource.
    #[arg(long)]
    describe: bool,
    /// List the client metrics resources.
    #[arg(long)]
    list: bool,
    /// Name of client metrics configuration resource.
    #[arg(long)]
    name: Option<String>,
    /// Generate a UUID to use as the name.
    #[arg(long)]
    generate_name: bool,
    /// The metrics push interval in milliseconds; leave empty to reset the interval.
    #[arg(long, value_name = "push interval")]
    interval: Option<String>,
    /// Matching selector 'k1=v1,k2=v2'.
    #[arg(long, value_name = "k1=v1,k2=v2")]
    r#match: Option<String>,
    /// Telemetry metric name prefixes 'm1,m2'.
    #[arg(long, value_name = "m1,m2")]
    metrics: Option<String>,
}

impl KafkaTool for ClientMetrics {
    const NAME: &'static str = "kafka-client-metrics";

    fn run(&self) -> Result<(), Failure> {
        let bootstrap = self.check()?;
        let cluster = Cluster::new(bootstrap, self.command_config.as_deref(), &[], "kafka-client-metrics")?;
        cluster.run(Threads::One, async |client: Client| {
            let done = self.act(&Admin::new(&client), client.runtime().random_uuid()).await;
            match done {
                Ok(text) => write_out(&text),
                Err(error) => {
                    let why = described_error(&error);
                    write_out(&format!("Error while executing client metrics command : {why}\n"))?;
                    Err(Failure::said())
                }
            }
        })
    }
}

impl ClientMetrics {
    fn check(&self) -> Result<&str, Failure> {
        let actions = [self.alter, self.delete, self.describe, self.list];
        if actions.iter().filter(|is_set| **is_set).count() != 1 {
            return Err(usage("Command must include exactly one action: --alter, --delete, --describe or --list."));
        }
        let bootstrap =
            self.bootstrap_server.as_deref().ok_or_else(|| Failure::new("--bootstrap-server must be specified."))?;
        let action = if self.delete {
            "delete"
        } else if self.describe {
            "describe"
        } else {
            "list"
        };
        let excluded = [
            ("name", self.name.is_some() && self.list),
            ("generate-name", self.generate_name),
            ("interval", self.interval.is_some()),
            ("match", self.r#match.is_some()),
            ("metrics", self.metrics.is_some()),
        ];
        if let (false, Some((name, _))) = (self.alter, excluded.iter().find(|(_, is_set)| *is_set)) {
            return Err(usage(format!("Option \"[{action}]\" can't be used with option \"[{name}]\"")));
        }
        if self.alter && self.name.is_some() == self.generate_name {
            return Err(Failure::new("One of --name or --generate-name must be specified with --alter."));
        }
        let is_number = |text: &String| text.is_empty() || text.parse::<i32>().is_ok();
        if self.alter && !self.interval.as_ref().is_none_or(is_number) {
            return Err(Failure::new("Invalid interval value. Enter an integer, or leave empty to reset."));
        }
        if self.delete && self.name.is_none() {
            return Err(Failure::new("A client metrics resource name must be specified with --delete."));
        }
        Ok(bootstrap)
    }

    async fn act(&self, admin: &Admin, generated: Uuid) -> Result<String, ClientError> {
        let name = self.name.clone().unwrap_or_else(|| generated.to_string());
        let resource = ConfigResource::ClientMetrics(name.clone());
        if self.alter {
            admin.alter_configs(&resource, &self.changes(), false).await?;
            return Ok(format!("Altered client metrics config for {name}.\n"));
        }
        if self.delete {
            let configs = admin.describe_configs(&resource).await?;
            let changes: Vec<_> = configs.into_iter().map(|entry| ConfigChange::Delete { name: entry.name }).collect();
            admin.alter_configs(&resource, &changes, false).await?;
            return Ok(format!("Deleted client metrics config for {name}.\n"));
        }
        let all = admin.list_config_resources().await?.into_iter();
        let names: Vec<String> = all
            .filter_map(|resource| match resource {
                ConfigResource::ClientMetrics(name) => Some(name),
                _ => None,
            })
            .collect();
        if self.list {
            return Ok(names.join("\n") + "\n");
        }
        if let Some(name) = self.name.as_ref().filter(|name| !names.contains(name)) {
            return Ok(format!("The client metric resource {name} doesn't exist and doesn't have dynamic config.\n"));
        }
        let mut text = String::new();
        for name in self.name.clone().map_or(names, |name| vec![name]) {
            text += &format!("Client metrics configs for {name} are:\n");
            for entry in admin.describe_configs(&ConfigResource::ClientMetrics(name)).await? {
                text += &format!("  {}={}\n", entry.name, entry.value.unwrap_or_default());
            }
        }
        Ok(text)
    }

    fn changes(&self) -> Vec<ConfigChange> {
        let given = [("interval.ms", &self.interval), ("metrics", &self.metrics), ("match", &self.r#match)];
        let change = |(name, value): (&str, &Option<String>)| {
            let (name, value) = (name.to_string(), value.clone()?);
            Some(if value.is_empty() { ConfigChange::Delete { name } } else { ConfigChange::Set { name, value } })
        };
        given.into_iter().filter_map(change).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn wrong_words_are_refused_in_kafkas_words() {
        let refusal = |line: &str| {
            let tool = ClientMetrics::try_parse_from(std::iter::once("x").chain(line.split_whitespace())).unwrap();
            tool.check().err().map(|failure| failure.cause).unwrap_or_default()
        };
        assert!(refusal("--bootstrap-server a:1").starts_with("Command must include exactly one action"));
        assert_eq!(refusal("--list"), "--bootstrap-server must be specified.");
        let to = "--bootstrap-server a:1";
        assert_eq!(refusal(&format!("{to} --list --name x")), "Option \"[list]\" can't be used with option \"[name]\"");
        assert!(refusal(&format!("{to} --alter --interval 5")).starts_with("One of --name or --generate-name"));
        assert!(refusal(&format!("{to} --alter --name x --interval y")).starts_with("Invalid interval value"));
        assert!(refusal(&format!("{to} --delete")).contains("must be specified with --delete"));
        assert_eq!(refusal(&format!("{to} --alter --generate-name --metrics a,b")), "");
    }
}
