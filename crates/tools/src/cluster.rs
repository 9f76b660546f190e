//! `kafka-cluster`.

use super::KafkaTool;
use super::shared::Cluster;
use ottla_client::{Admin, Client, ClientError, ClusterDescription};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use std::path::PathBuf;

/// The Kafka cluster tool.
#[derive(Debug, clap::Parser)]
pub(super) struct ClusterTool {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Get information about the ID of a cluster.
    ClusterId {
        #[command(flatten)]
        connection: Connection,
    },
    /// Unregister a broker.
    Unregister {
        #[command(flatten)]
        connection: Connection,
        /// The ID of the broker to unregister.
        #[arg(long, short)]
        id: i32,
    },
    /// List endpoints.
    ListEndpoints {
        #[command(flatten)]
        connection: Connection,
        /// Whether to include fenced brokers when listing broker endpoints.
        #[arg(long)]
        include_fenced_brokers: bool,
    },
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("bootstrap").required(true)))]
struct Connection {
    /// A list of host/port pairs to use for establishing the connection to the Kafka cluster.
    #[arg(long, short, group = "bootstrap")]
    bootstrap_server: Option<String>,
    /// A list of host/port pairs to use for establishing the connection to the KRaft controllers.
    #[arg(long, short = 'C', group = "bootstrap")]
    bootstrap_controller: Option<String>,
    /// Deprecated: use --command-config.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Config properties file for the Admin client.
    #[arg(long, short)]
    command_config: Option<PathBuf>,
}

impl KafkaTool for ClusterTool {
    const NAME: &'static str = "kafka-cluster";

    fn run(&self) -> Result<(), Failure> {
        let (Command::ClusterId { connection }
        | Command::Unregister { connection, .. }
        | Command::ListEndpoints { connection, .. }) = &self.command;
        if let (Command::ListEndpoints { include_fenced_brokers: true, .. }, Some(_)) =
            (&self.command, &connection.bootstrap_controller)
        {
            return Err(Failure::new(
                "The option --include-fenced-brokers is only supported with --bootstrap-server option",
            ));
        }
        connection.open()?.run(Threads::One, async |client: Client| {
            let admin = Admin::new(&client);
            match &self.command {
                Command::ClusterId { .. } => {
                    write_out(&format!("Cluster ID: {}\n", admin.describe_cluster().await?.cluster_id))
                }
                Command::Unregister { id, .. } => match admin.unregister_broker(*id).await {
                    Ok(()) => write_out(&format!("Broker {id} is no longer registered.\n")),
                    Err(ClientError::NoCommonVersion { .. }) => {
                        write_out("The target cluster does not support the broker unregistration API.\n")
                    }
                    Err(error) => Err(error.into()),
                },
                Command::ListEndpoints { connection, include_fenced_brokers } => {
                    let cluster = admin.describe_cluster().await?;
                    let of_controllers = connection.bootstrap_controller.is_some();
                    write_out(&endpoints(&cluster, of_controllers, *include_fenced_brokers))
                }
            }
        })
    }
}

impl Connection {
    fn open(&self) -> Result<Cluster, Failure> {
        if self.config.is_some() && self.command_config.is_some() {
            return Err(Failure::new("--config and --command-config cannot be specified together."));
        }
        if self.config.is_some() {
            write_out(
                "Option --config has been deprecated and will be removed in a future version. Use --command-config instead.\n",
            )?;
        }
        let address = self.bootstrap_server.as_ref().or(self.bootstrap_controller.as_ref());
        let address = address.ok_or_else(|| Failure::new("one of the arguments --bootstrap-server is required"))?;
        let file = self.command_config.as_ref().or(self.config.as_ref());
        let cluster = Cluster::new(address, file.map(PathBuf::as_path), &[], "kafka-cluster")?;
        Ok(cluster.of_controllers(self.bootstrap_controller.is_some()))
    }
}

fn endpoints(cluster: &ClusterDescription, of_controllers: bool, with_fenced: bool) -> String {
    let shown: Vec<_> = cluster.brokers.iter().filter(|(id, _)| with_fenced || !cluster.fenced.contains(id)).collect();
    let host_width = shown.iter().map(|(_, address)| address.host.len()).max().unwrap_or(100);
    let rack_width = shown.iter().filter_map(|(_, address)| Some(address.rack.as_ref()?.len())).max().unwrap_or(10);
    let line = |id: &str, host: &str, port: &str, rack: &str, state: &str, kind: &str| {
        let state = if of_controllers { String::new() } else { format!("{state:<10} ") };
        format!("{id:<10} {host:<host_width$} {port:<10} {rack:<rack_width$} {state}{kind:<15}\n")
    };
    let mut text = line("ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE");
    for (id, address) in shown {
        let state = if cluster.fenced.contains(id) { "fenced" } else { "unfenced" };
        let kind = if of_controllers { "controller" } else { "broker" };
        let rack = address.rack.as_deref().unwrap_or("null");
        text += &line(&id.to_string(), &address.host, &address.port.to_string(), rack, state, kind);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_client::BrokerAddress;

    #[test]
    fn endpoints_stand_in_kafkas_columns() {
        let address = |port| BrokerAddress { host: "localhost".to_string(), port, rack: None };
        let cluster = ClusterDescription {
            brokers: [(1, address(9092)), (2, address(9094))].into(),
            fenced: [2].into(),
            ..ClusterDescription::default()
        };
        let text = endpoints(&cluster, false, true);
        let expected = "\
ID         HOST      PORT       RACK       STATE      ENDPOINT_TYPE  
1          localhost 9092       null       unfenced   broker         
2          localhost 9094       null       fenced     broker         
";
        assert_eq!(text, expected);
        assert_eq!(endpoints(&cluster, true, false).lines().count(), 2);
    }
}
