//! `ottla topic describe`.

use super::{counted, explain_unknown_topic};
use ottla_client::{Admin, PartitionMetadata, TopicDescription};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use ottla_terminal::table;
use serde::Serialize;
use std::collections::BTreeMap;

/// A topic, as it is described.
#[derive(Debug, Serialize)]
struct Described {
    topic: String,
    topic_id: String,
    is_internal: bool,
    /// Those that were set on the topic; nothing for a secret.
    configs: BTreeMap<String, Option<String>>,
    partitions: Vec<Partition>,
}

#[derive(Debug, Serialize)]
struct Partition {
    partition: i32,
    /// Nothing while there is none.
    leader: Option<i32>,
    leader_epoch: i32,
    replicas: Vec<i32>,
    isr: Vec<i32>,
    offline_replicas: Vec<i32>,
}

pub(super) async fn run(admin: &Admin, names: &[String], output: OutputArgs) -> Result<(), Failure> {
    let all: Vec<String>;
    let names = match names {
        [] => {
            all = admin.list_topics().await?.topics.into_keys().collect();
            all.as_slice()
        }
        names => names,
    };
    let mut topics = Vec::new();
    for name in names {
        let described = explain_unknown_topic(admin, name, admin.describe_topic(name).await).await?;
        topics.push(Described::of(&described));
    }
    output.print(&topics, |topics| topics.iter().map(render).collect::<Vec<_>>().join("\n"))
}

fn render(topic: &Described) -> String {
    let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    let mut text = format!("Topic {} (id {}), {}\n", topic.topic, topic.topic_id, counted(count, "partition"));
    for (name, value) in &topic.configs {
        text += &format!("  {name}={}\n", value.as_deref().unwrap_or("(hidden)"));
    }
    text + &table::render(&["#PARTITION", "#LEADER", "#EPOCH", "REPLICAS", "ISR"], topic.partitions.iter().map(row))
}

fn row(partition: &Partition) -> Vec<String> {
    let leader = partition.leader.map_or("none".to_string(), |leader| leader.to_string());
    let epoch = partition.leader_epoch.to_string();
    vec![partition.partition.to_string(), leader, epoch, ids(&partition.replicas), ids(&partition.isr)]
}

fn ids(nodes: &[i32]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

impl Described {
    fn of(topic: &TopicDescription) -> Described {
        let partitions = topic.metadata.partitions.as_deref().unwrap_or_default();
        let set = topic.configs.iter().filter(|config| config.is_set);
        let configs = set.map(|config| {
            let value = config.value.clone().unwrap_or_default();
            (config.name.clone(), (!config.is_sensitive).then_some(value))
        });
        Described {
            topic: topic.metadata.name.clone(),
            topic_id: topic.metadata.topic_id.to_string(),
            is_internal: topic.metadata.is_internal,
            configs: configs.collect(),
            partitions: partitions.iter().map(Partition::of).collect(),
        }
    }
}

impl Partition {
    fn of(partition: &PartitionMetadata) -> Partition {
        Partition {
            partition: partition.partition,
            leader: partition.leader,
            leader_epoch: partition.leader_epoch,
            replicas: partition.replicas.clone(),
            isr: partition.isr.clone(),
            offline_replicas: partition.offline_replicas.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_client::{ConfigEntry, TopicMetadata};
    use ottla_types::Uuid;

    #[test]
    fn a_topic_is_shown_with_what_was_set_on_it() {
        let config = |name: &str, is_set| ConfigEntry {
            name: name.to_string(),
            value: Some("1000".to_string()),
            is_set,
            ..ConfigEntry::default()
        };
        let partition = |partition, leader| PartitionMetadata {
            partition,
            leader,
            leader_epoch: 4,
            replicas: vec![1, 2],
            isr: vec![1],
            ..PartitionMetadata::default()
        };
        let metadata = TopicMetadata {
            name: "orders".to_string(),
            topic_id: Uuid::ZERO,
            is_internal: false,
            partitions: Ok(vec![partition(0, Some(1)), partition(1, None)]),
        };
        let configs = vec![config("retention.ms", true), config("segment.ms", false)];
        let expected = "\
Topic orders (id AAAAAAAAAAAAAAAAAAAAAA), 2 partitions
  retention.ms=1000
PARTITION  LEADER  EPOCH  REPLICAS  ISR
        0       1      4  1,2       1
        1    none      4  1,2       1
";
        assert_eq!(render(&Described::of(&TopicDescription { metadata, configs })), expected);
    }
}
