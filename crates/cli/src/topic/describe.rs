//! `ottla topic describe`.

use super::{counted, explain_unknown_topic};
use crate::failure::Failure;
use crate::table;
use ottla_client::{Admin, PartitionMetadata, TopicDescription};

pub(super) async fn run(admin: &Admin, names: &[String]) -> Result<(), Failure> {
    let all: Vec<String>;
    let names = match names {
        [] => {
            all = admin.list_topics().await?.topics.into_keys().collect();
            all.as_slice()
        }
        names => names,
    };
    for (index, name) in names.iter().enumerate() {
        let described = explain_unknown_topic(admin, name, admin.describe_topic(name).await).await?;
        let gap = if index == 0 { "" } else { "\n" };
        print!("{gap}{}", render(&described));
    }
    Ok(())
}

fn render(topic: &TopicDescription) -> String {
    let partitions = topic.metadata.partitions.as_deref().unwrap_or_default();
    let count = i32::try_from(partitions.len()).unwrap_or(i32::MAX);
    let mut text =
        format!("Topic {} (id {}), {}\n", topic.metadata.name, topic.metadata.topic_id, counted(count, "partition"));
    for config in topic.configs.iter().filter(|config| config.is_set) {
        let value = if config.is_sensitive { "(hidden)" } else { config.value.as_deref().unwrap_or("") };
        text += &format!("  {}={value}\n", config.name);
    }
    text + &table::render(&["#PARTITION", "#LEADER", "#EPOCH", "REPLICAS", "ISR"], partitions.iter().map(row))
}

fn row(partition: &PartitionMetadata) -> Vec<String> {
    let leader = partition.leader.map_or("none".to_string(), |leader| leader.to_string());
    let epoch = partition.leader_epoch.to_string();
    vec![partition.partition.to_string(), leader, epoch, ids(&partition.replicas), ids(&partition.isr)]
}

fn ids(nodes: &[i32]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
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
            offline_replicas: vec![],
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
        assert_eq!(render(&TopicDescription { metadata, configs }), expected);
    }
}
