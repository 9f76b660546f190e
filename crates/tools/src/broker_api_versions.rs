//! `kafka-broker-api-versions`.

use super::KafkaTool;
use super::shared::{Cluster, required};
use ottla_client::{BrokerVersions, Client};
use ottla_protocol::{ApiKey, Listener};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Retrieve broker version information.
#[derive(Debug, clap::Parser)]
pub(super) struct BrokerApiVersions {
    /// REQUIRED: The server to connect to.
    #[arg(long, value_name = "server(s) to use for bootstrapping")]
    bootstrap_server: Option<String>,
    /// A property file containing configs of the client.
    #[arg(long, value_name = "command config property file")]
    command_config: Option<PathBuf>,
}

impl KafkaTool for BrokerApiVersions {
    const NAME: &'static str = "kafka-broker-api-versions";

    fn run(&self) -> Result<(), Failure> {
        let bootstrap = required(&self.bootstrap_server, "bootstrap-server")?;
        let cluster = Cluster::new(bootstrap, self.command_config.as_deref(), &[], "admin-1")?;
        cluster.run(Threads::One, async |client: Client| {
            let metadata = client.fetch_metadata(Some(&[]), false).await?;
            for (id, address) in &metadata.brokers {
                let rack = address.rack.as_deref().unwrap_or("null");
                let node = format!("{}:{} (id: {id} rack: {rack} isFenced: false)", address.host, address.port);
                match client.broker(*id).await {
                    Ok(broker) => write_out(&format!("{node} -> {}\n", render(broker.versions())))?,
                    Err(error) => write_out(&format!("{node} -> ERROR: {error}\n"))?,
                }
            }
            Ok(())
        })
    }
}

fn render(versions: &BrokerVersions) -> String {
    let mut lines: BTreeMap<i16, String> = versions.ranges().map(|(key, range)| (key, line(key, range))).collect();
    for key in ApiKey::ALL.iter().filter(|key| key.info().listeners.contains(&Listener::Broker)) {
        lines.entry(key.code()).or_insert_with(|| format!("{}({}): UNSUPPORTED", key.name(), key.code()));
    }
    format!("(\n\t{}\n)", lines.into_values().collect::<Vec<_>>().join(",\n\t"))
}

fn line(key: i16, (min, max): (i16, i16)) -> String {
    let range = if min == max { min.to_string() } else { format!("{min} to {max}") };
    let Some(known) = ApiKey::from_code(key) else { return format!("UNKNOWN({key}): {range}") };
    let info = known.info();
    let usable = if info.max_version < min {
        " [unusable: node too new]".to_string()
    } else if max < info.min_version {
        " [unusable: node too old]".to_string()
    } else {
        format!(" [usable: {}]", max.min(info.max_version))
    };
    format!("{}({key}): {range}{usable}", known.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_printed_with_what_is_usable() {
        assert_eq!(line(18, (0, 4)), "ApiVersions(18): 0 to 4 [usable: 4]");
        assert_eq!(line(1, (4, 99)), format!("Fetch(1): 4 to 99 [usable: {}]", ApiKey::Fetch.info().max_version));
        assert_eq!(line(1, (99, 99)), "Fetch(1): 99 [unusable: node too new]");
        assert_eq!(line(9999, (0, 0)), "UNKNOWN(9999): 0");
        assert!(
            render(&BrokerVersions::default()).starts_with("(\n\tProduce(0): UNSUPPORTED,\n\tFetch(1): UNSUPPORTED,")
        );
    }
}
