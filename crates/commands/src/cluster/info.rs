//! `ottla cluster info`.

use ottla_client::{Admin, Client, ClusterDescription, ClusterMetadata};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use ottla_terminal::table;
use serde::Serialize;

/// A cluster as it is shown.
#[derive(Debug, Serialize)]
struct Info {
    cluster_id: String,
    controller: Option<i32>,
    brokers: Vec<Broker>,
    topics: usize,
    partitions: usize,
}

#[derive(Debug, Serialize)]
struct Broker {
    id: i32,
    address: String,
    rack: Option<String>,
    /// `controller`, `fenced`, or nothing.
    state: &'static str,
    /// Partitions that it leads.
    leaders: usize,
    /// Replicas that it holds.
    replicas: usize,
}

pub(super) async fn run(client: &Client, output: OutputArgs) -> Result<(), Failure> {
    let admin = Admin::new(client);
    let (cluster, topics) = (admin.describe_cluster().await?, admin.list_topics().await?);
    output.print(&Info::of(&cluster, &topics), render)
}

impl Info {
    fn of(cluster: &ClusterDescription, metadata: &ClusterMetadata) -> Info {
        let partitions = || metadata.topics.values().flat_map(|topic| topic.partitions.as_deref().unwrap_or_default());
        let broker = |(id, address): (&i32, &ottla_client::BrokerAddress)| Broker {
            id: *id,
            address: address.address(),
            rack: address.rack.clone(),
            state: match (cluster.fenced.contains(id), cluster.controller_id == Some(*id)) {
                (true, _) => "fenced",
                (false, true) => "controller",
                (false, false) => "",
            },
            leaders: partitions().filter(|partition| partition.leader == Some(*id)).count(),
            replicas: partitions().filter(|partition| partition.replicas.contains(id)).count(),
        };
        Info {
            cluster_id: cluster.cluster_id.clone(),
            controller: cluster.controller_id,
            brokers: cluster.brokers.iter().map(broker).collect(),
            topics: metadata.topics.len(),
            partitions: partitions().count(),
        }
    }
}

fn render(info: &Info) -> String {
    let row = |broker: &Broker| {
        vec![
            broker.id.to_string(),
            broker.address.clone(),
            broker.rack.clone().unwrap_or_else(|| "-".to_string()),
            broker.leaders.to_string(),
            broker.replicas.to_string(),
            broker.state.to_string(),
        ]
    };
    let head = format!("Cluster {}: {} topics, {} partitions\n", info.cluster_id, info.topics, info.partitions);
    let headings = ["#ID", "ADDRESS", "RACK", "#LEADERS", "#REPLICAS", "STATE"];
    head + &table::render(&headings, info.brokers.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_client::BrokerAddress;

    #[test]
    fn brokers_are_shown_with_what_they_hold() {
        let address = |port| BrokerAddress { host: "h".to_string(), port, rack: None };
        let cluster = ClusterDescription {
            cluster_id: "c".to_string(),
            controller_id: Some(1),
            brokers: [(1, address(9092)), (2, address(9094))].into(),
            fenced: [2].into(),
        };
        let info = Info::of(&cluster, &super::super::health::tests::metadata());
        let expected = "\
Cluster c: 3 topics, 4 partitions
ID  ADDRESS  RACK  LEADERS  REPLICAS  STATE
 1  h:9092   -           3         4  controller
 2  h:9094   -           0         2  fenced
";
        assert_eq!(render(&info), expected);
    }
}
